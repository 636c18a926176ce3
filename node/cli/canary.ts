/** `osiris function promote … --canary`: starts it, and shows how it goes. The universe moves it; this only looks. */
import { setTimeout as sleep } from 'node:timers/promises'
import { WATCH_MS_MAX, WATCH_MS_MIN } from '#protocols/canary'
import { OsirisError } from '#protocols/errors'
import type { CanaryPlan, CanaryStatus } from '#sdk'
import type { NodeApi } from './api.ts'
import { EXIT } from './exit-codes.ts'
import { sentenceOf } from './acknowledging.ts'
import { durationOf, wholeNumber } from './arguments.ts'
import type { Context } from './context.ts'
import { printableLine } from './printable.ts'

const LOOK_MS = 1000
/** So many looks in a row may fail before it is given up: a node that restarts is back sooner. */
const FAILURES_MAX = 30

export interface CanaryWords {
  canary?: string | true
  watch?: string
  alias?: string
  abort?: boolean
  detach?: boolean
}

/** What the words ask for. Throws `invalid_argument`. */
export async function planFrom(version: string, { canary, watch, alias }: CanaryWords): Promise<CanaryPlan> {
  const weight = typeof canary === 'string' ? { weight: wholeNumber(canary.replace(/\s*%$/, ''), '--canary', 1, 99) } : {}
  const watchMs = watch === undefined ? {} : { watchMs: await durationOf(watch, '--watch', WATCH_MS_MIN, WATCH_MS_MAX) }
  return { version, ...weight, ...watchMs, ...(alias === undefined ? {} : { alias }) }
}

/** Until it ends, or Ctrl-C: then it goes on without being looked at. With `--json` a line for each change. Ends badly when it does. */
export async function follow(ref: string, api: NodeApi, first: CanaryStatus, context: Context): Promise<void> {
  const { io } = context
  const signal = io.interrupted()
  let shown: CanaryStatus | undefined
  let failures = 0
  for (let now: CanaryStatus | null = first; ; now = await look(ref, api, now, () => failures++ < FAILURES_MAX)) {
    // Another one was started since: that is not what was asked about.
    if (now === null || now.startedAt !== first.startedAt)
      throw new OsirisError('conflict', `Cannot follow the canary of "${ref}": another one took its place`)
    if (shown === undefined || now.state !== shown.state || now.weight !== shown.weight) tell(ref, now, context)
    shown = now
    if (now.state !== 'running') {
      context.exitCode = now.state === 'done' ? EXIT.ok : EXIT.failed
      return
    }
    if (io.tty && context.globals().json !== true) io.err(`\r${progressOf(now, Date.now())}\u001b[K`)
    await sleep(LOOK_MS, undefined, { signal }).catch(() => {})
    if (signal.aborted) return io.err(`\nIt goes on by itself: osiris function show ${ref}, osiris function promote ${ref} --abort\n`)
  }
}

async function look(ref: string, api: NodeApi, before: CanaryStatus | null, mayFail: () => boolean): Promise<CanaryStatus | null> {
  try {
    return (await api.functions.get(ref)).promotion
  } catch (error) {
    if (mayFail()) return before
    throw error
  }
}

function tell(ref: string, status: CanaryStatus, context: Context): void {
  if (context.globals().json === true) return context.line(status)
  context.io.err(`${context.io.tty ? '\r\u001b[K' : ''}${printableLine(sentenceAbout(ref, status))}\n`)
}

/** One line about a canary. */
export function sentenceAbout(ref: string, { alias, version, weight, state, why }: CanaryStatus): string {
  const what = `${ref}@${alias}: ${version.slice(0, 12)}`
  if (state === 'running') return `${what} has ${weight} % of the calls`
  return state === 'done' ? `${what} has all calls: ${why}` : `${what} has none, ${state}: ${why}`
}

function progressOf({ weight, since, watchMs }: CanaryStatus, nowMs: number): string {
  return `${weight} %, watched for ${Math.max(0, Math.round((nowMs - since) / 1000))} s of ${Math.round(watchMs / 1000)} s`
}

export async function abort(
  ref: string,
  api: NodeApi,
  choice: Parameters<NodeApi['functions']['abort']>[1],
  context: Context,
): Promise<void> {
  const ended = await api.functions.abort(ref, choice)
  if (context.globals().json === true) return context.json(ended)
  context.io.err(`${printableLine(sentenceAbout(ref, ended.promotion))}\n${sentenceOf(ended.receipt)}\n`)
}
