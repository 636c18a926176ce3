/** Calls that nobody waits for, over any transport. */
import { OsirisError } from '#protocols/errors'
import { CALL_ID_PATTERN, assertName } from '#protocols/function'
import type { CallsOfOsiris, CallStatus, LookOptions, StartedCall, StartOptions, WaitOptions } from './osiris.ts'
import type { Transport } from './transport.ts'

/** An answer may come so late while the call is not over: nodes allow 30 s, and what stands between may allow less. */
const WAIT_MS = 10_000
/** Between two looks, where an answer came sooner than it was to. */
const PAUSE_MS_MIN = 25
const PAUSE_MS_MAX = 1_000
const PAUSE_GROWTH = 1.5

export function callsOver({ calls }: Transport): CallsOfOsiris {
  return {
    async list(namespace, limit = 100) {
      assertName(namespace, 'a namespace')
      return calls.list(namespace, limit)
    },
    async deadCallbacks(namespace, limit = 100) {
      assertName(namespace, 'a namespace')
      return calls.deadCallbacks(namespace, limit)
    },
    async replayCallback(id) {
      assertId(id)
      await calls.decideCallback('replay', id)
    },
    async removeCallback(id) {
      assertId(id)
      await calls.decideCallback('remove', id)
    },
    at<T>(id: string): StartedCall<T> {
      assertId(id)
      const status = async ({ waitMs = 0 }: LookOptions = {}) => (await calls.get(id, waitMs)) as CallStatus<T>
      return {
        id,
        status,
        result: (options = {}) => resultOf(id, status, options),
        cancel: async () => (await calls.cancel(id)) as CallStatus<T>,
      }
    },
  }
}

function assertId(id: string): void {
  if (CALL_ID_PATTERN.test(id)) return
  throw new OsirisError('invalid_argument', `Cannot ask for call ${JSON.stringify(id.slice(0, 64))}: an id has 32 hex characters`)
}

/** As it travels: in ASCII. Throws `invalid_argument`. */
export function startOptions(ref: string, { callback }: StartOptions): StartOptions {
  if (callback === undefined) return {}
  const url = URL.parse(callback)
  if (url !== null && /^https?:$/.test(url.protocol)) return { callback: url.href }
  throw new OsirisError(
    'invalid_argument',
    `Cannot start "${ref}": its callback ${JSON.stringify(callback.slice(0, 200))} is no URL to post to`,
  )
}

async function resultOf<T>(id: string, look: StartedCall<T>['status'], { timeoutMs = Infinity }: WaitOptions): Promise<T> {
  const endsAt = performance.now() + timeoutMs
  for (let pauseMs = PAUSE_MS_MIN; ; pauseMs = Math.min(pauseMs * PAUSE_GROWTH, PAUSE_MS_MAX)) {
    const waitMs = Math.max(0, Math.min(WAIT_MS, endsAt - performance.now()))
    const status = await look({ waitMs })
    if (status.state === 'done' || status.state === 'cancelled') return valueOf(status)
    const leftMs = endsAt - performance.now()
    if (leftMs <= 0)
      throw new OsirisError('deadline_exceeded', `Cannot wait longer for call ${id} of "${status.function}": it is ${status.state}`)
    await new Promise((resolve) => setTimeout(resolve, Math.min(pauseMs, leftMs)))
  }
}

function valueOf<T>(status: CallStatus<T>): T {
  const { id, function: name, state, error } = status
  if (state === 'cancelled') throw new OsirisError('conflict', `Cannot tell the result of call ${id} of "${name}": it was cancelled`)
  if (error !== undefined) throw OsirisError.fromShape(error)
  if ('value' in status) return status.value
  const reason = status.response === undefined ? 'it is no longer kept' : 'a web function answered it, and status() has the response'
  throw new OsirisError('not_found', `Cannot tell the result of call ${id} of "${name}": ${reason}`)
}
