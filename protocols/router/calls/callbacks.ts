/** Telling a URL what came of a call: signed, tried again, and given up as a dead letter. */
import { createHmac } from 'node:crypto'
import { z } from 'zod'
import { decodeAs, encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { Clock } from '#protocols/lifecycle'
import { type ItemView, type NewItem, PAYLOAD_BYTES_MAX, type Queue, type QueueItem, type Verdict } from '../queue/queue.ts'
import type { CallStatus, DeadCallback } from './calls.ts'
import { type Callback, textOf } from './records.ts'

export const CALLBACK_KIND = 'callback'
const URL_CHARACTERS_MAX = 2048
const URL_SHOWN_MAX = 512
/** Of what is told: the rest of what the queue holds is for where it goes. */
const BODY_BYTES_MAX = PAYLOAD_BYTES_MAX - 16 * 1024
/** How long a URL that does not take it is told again. */
const LIFE_MS = 24 * 3_600_000
const LEASE_MS = 30_000
/** From a second to an hour: 16 attempts are about eleven hours. */
const OPTIONS = { concurrency: 32, leaseMs: LEASE_MS, attemptsMax: 16, backoff: { baseMs: 1000, capMs: 3_600_000 } }

/** The guard that functions' fetches pass, for requests of the platform itself. */
export interface Outside {
  /** Throws `invalid_argument` or `egress_denied` for what is not called, as far as the URL tells. */
  judge(url: string): void
  /** One POST; its status. Redirects are not followed. Rejects with `egress_denied`, `unavailable`. */
  post(url: string, headers: [string, string][], body: Uint8Array, signal: AbortSignal): Promise<number>
}

const payloadSchema = z.strictObject({
  url: z.string(),
  key: z.string(),
  call: z.string(),
  body: z.custom<Uint8Array>((value) => value instanceof Uint8Array),
})

/** What lists show. */
const aboutSchema = z.strictObject({ url: z.string().max(URL_SHOWN_MAX) })

/**
 * What signs the callbacks of calls made with this token, 64 hex characters: whoever is told of them is given this and not the token. HMAC-SHA-256 of
 * `osiris-callback` under the token's text.
 */
export function callbackKeyOf(token: string): string {
  return createHmac('sha256', token).update('osiris-callback').digest('hex')
}

/** `Osiris-Signature`: seconds since the epoch, and HMAC-SHA-256 of `<seconds>.<body>` under the key's text, in hex. */
export function signatureOf(key: string, body: Uint8Array, nowMs: number): string {
  const seconds = Math.floor(nowMs / 1000)
  return `t=${seconds},v1=${createHmac('sha256', key).update(`${seconds}.`).update(body).digest('hex')}`
}

/** Throws `invalid_argument`: a URL that is never called is the caller's mistake, not a function's. */
export function judgeCallback(url: string, outside: Outside): void {
  if (url.length > URL_CHARACTERS_MAX)
    throw new OsirisError('invalid_argument', `Cannot call back: the URL is longer than ${URL_CHARACTERS_MAX} characters`)
  try {
    outside.judge(url)
  } catch (error) {
    throw new OsirisError('invalid_argument', `Cannot call back: ${OsirisError.from(error, 'Cannot judge the URL').message}`, {
      cause: error,
    })
  }
}

export function callbackIdOf(call: string): string {
  return `callback/${call}`
}

export function callbackItem(call: string, key: string, callback: Callback, body: Uint8Array, now: number): NewItem {
  return {
    id: callbackIdOf(call),
    key,
    kind: CALLBACK_KIND,
    about: encode({ url: shownOf(callback.url) }),
    payload: encode({ url: callback.url, key: callback.key, call, body }),
    expiresAt: now + LIFE_MS,
  }
}

/** As it is told. A result that is longer than a message may be is not in it: whoever is told may ask for it. */
export function bodyOf(status: CallStatus): Uint8Array {
  const whole = Buffer.from(textOf(status))
  if (whole.length <= BODY_BYTES_MAX) return whole
  const { value: _, response: __, ...rest } = status
  return Buffer.from(textOf(rest))
}

function shownOf(url: string): string {
  const { origin, pathname } = new URL(url)
  return (origin + pathname).slice(0, URL_SHOWN_MAX)
}

/** Undefined where what stands there cannot be read: it came from a disk or a peer. */
export function deadCallbackOf({ id, key, about, attempts, addedAt, endedAt = addedAt, error }: ItemView): DeadCallback | undefined {
  try {
    const { url } = decodeAs(aboutSchema, about, 'a callback')
    const why = error ?? { code: 'internal', message: '' }
    return { id: id.slice(callbackIdOf('').length), function: key, url, attempts, createdAt: addedAt, diedAt: endedAt, error: why }
  } catch {
    return undefined
  }
}

/** From now on callbacks that this router owns are made. Returns the way to stop. */
export function makeCallbacks(queue: Pick<Queue, 'handle'>, outside: Outside, clock: Clock): () => void {
  return queue.handle(CALLBACK_KIND, (item, { signal }) => callBack(item, outside, clock, signal), OPTIONS)
}

async function callBack(item: QueueItem, outside: Outside, clock: Clock, signal: AbortSignal): Promise<Verdict> {
  const { url, key, call, body } = decodeAs(payloadSchema, item.payload, 'a callback')
  const headers: [string, string][] = [
    ['content-type', 'application/json'],
    ['osiris-call', call],
    ['osiris-signature', signatureOf(key, body, clock.now())],
  ]
  try {
    const status = await outside.post(url, headers, body, signal)
    if (status >= 200 && status < 300) return { kind: 'done' }
    const error = new OsirisError('unavailable', `Cannot tell "${new URL(url).origin}" of call ${call}: it answered ${status}`)
    return status === 410 ? { kind: 'dead', error } : { kind: 'again', error }
  } catch (thrown) {
    const error = OsirisError.from(thrown, `Cannot tell of call ${call}`, 'unavailable')
    return error.code === 'egress_denied' || error.code === 'invalid_argument' ? { kind: 'dead', error } : { kind: 'again', error }
  }
}
