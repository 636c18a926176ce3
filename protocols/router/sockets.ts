/** Calls that ask for a WebSocket: the function's timeout bounds the wait for their answer, not what follows. */
import { OsirisError } from '#protocols/errors'
import { failed, type Outcome, type PlacedInvocation } from '#protocols/invocation'
import type { Clock } from '#protocols/lifecycle'

/** An executor ends a call 200 ms after its time at the latest; the rest is its answer's way back. */
const ANSWER_GRACE_MS = 700

export function isUpgrade({ payload }: Pick<PlacedInvocation, 'payload'>): boolean {
  return payload.kind === 'fetch' && payload.upgrade !== undefined
}

/** Runs it; whoever is silent beyond the timeout is given up, and `outcome_unknown` is the answer. */
export async function answeredWithin(
  timeoutMs: number,
  placed: PlacedInvocation,
  clock: Clock,
  run: (placed: PlacedInvocation) => Promise<Outcome>,
): Promise<Outcome> {
  const late = Promise.withResolvers<Outcome>()
  const gone = new AbortController()
  const cancelTimer = clock.after(timeoutMs + ANSWER_GRACE_MS, () => {
    gone.abort()
    const what = `"${placed.target.namespace}/${placed.target.name}"`
    const error = new OsirisError('outcome_unknown', `Cannot tell how ${what} ended: nobody answered within ${timeoutMs} ms`)
    late.resolve(failed(error, { version: placed.version }, true))
  })
  const signal = placed.signal === undefined ? gone.signal : AbortSignal.any([placed.signal, gone.signal])
  try {
    return await Promise.race([run({ ...placed, signal }), late.promise])
  } finally {
    cancelTimer()
  }
}
