/** One tick as a call: made until it was started once, or it is late. */
import type { FunctionRecord } from '#protocols/catalog'
import { idOfCause } from '#protocols/codec'
import type { ErrorCode } from '#protocols/errors'
import type { Outcome } from '#protocols/invocation'
import type { Clock } from '#protocols/lifecycle'
import type { TriggeredInvocation } from '#protocols/trigger'
import { ANOTHER_TIME } from '../../retry.ts'
import { LATE_MS, type ScheduleSettings, tickIdOf } from './due.ts'

/** For queueing and a cold start, beyond the function's own time. */
export const MARGIN_MS = 5000
const RETRY_MS = 1000
const RETRY_MS_MAX = 15_000

export interface FireInit {
  record: FunctionRecord
  settings: ScheduleSettings
  tickAt: number
  clock: Clock
  /** On behalf of the platform: nobody's token is asked for. */
  invoke: (invocation: TriggeredInvocation) => Promise<Outcome>
  /** Before each attempt: until when its call may run at most, on the wall clock. */
  trying: (untilMs: number) => void
  signal: AbortSignal
}

/** The outcome of the one attempt that was started, or of the last. */
export async function fireTick(init: FireInit): Promise<Outcome> {
  const { record, tickAt, clock, trying } = init
  const { timeoutMs } = record.manifest.settings.execution
  const lateAt = Math.max(clock.now(), tickAt) + LATE_MS
  for (let pauseMs = RETRY_MS; ; pauseMs = Math.min(2 * pauseMs, RETRY_MS_MAX)) {
    trying(clock.now() + timeoutMs + MARGIN_MS)
    const outcome = await init.invoke(invocationOf(init, clock.monotonic() + timeoutMs + MARGIN_MS))
    const mayAgain = outcome.kind === 'failed' && !outcome.started && AGAIN.has(outcome.error.code)
    if (!mayAgain || clock.now() + pauseMs > lateAt || init.signal.aborted) return outcome
    await new Promise<void>((resolve) => clock.after(pauseMs, resolve))
    if (init.signal.aborted) return outcome
  }
}

/** Nothing was started, and a while later it may be. */
const AGAIN: ReadonlySet<ErrorCode> = new Set([...ANOTHER_TIME, 'not_found'])

function invocationOf({ record, settings, tickAt, clock }: FireInit, deadlineAt: number): TriggeredInvocation {
  const { namespace, name } = record
  const id = tickIdOf(`${namespace}/${name}`, tickAt)
  const event = {
    type: 'scheduled',
    id,
    cron: settings.cron,
    timezone: settings.timezone,
    scheduledTime: tickAt,
    lateMs: Math.max(0, clock.now() - tickAt),
  }
  return {
    // Two owners at once start it once, where they start it at one executor.
    id: idOfCause(id),
    target: { namespace, name },
    payload: { kind: 'event', handler: 'scheduled', event: Buffer.from(JSON.stringify(event)) },
    caller: { subject: 'schedule' },
    trigger: { kind: 'schedule', id },
    deadlineAt,
    hops: 0,
    depth: 0,
  }
}
