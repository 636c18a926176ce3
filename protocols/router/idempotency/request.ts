/** What makes two calls the same one: who asks, for which function, under which key, with what. Pure but for reading bodies. */
import { collect } from '#protocols/body'
import { digestOf } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { ByteStream, Invocation, Outcome, Payload } from '#protocols/invocation'
import { isStream } from '../replay.ts'
import { ANSWER_BYTES_MAX, type WholeOutcome } from './answers.ts'

/** Whose key it is: a person's of one issuer, else whoever asks from one place. */
export function scopeOf({ subject, issuer }: { subject: string; issuer?: string }, origin: string | undefined): string {
  return issuer === undefined ? `anonymous ${origin ?? ''}` : `${issuer} ${subject}`
}

/** Names the call in the mesh; says nothing of key or caller to whoever keeps it. */
export function idOf(namespace: string, name: string, scope: string, key: string): string {
  return digestOf(Buffer.from(JSON.stringify([namespace, name, scope, key])))
}

/** The request with its body whole, so that it can be compared. Throws `payload_too_large`. */
export async function wholeRequest(invocation: Invocation): Promise<Invocation> {
  const { payload } = invocation
  if (payload.kind !== 'fetch' || !isStream(payload.body)) return invocation
  const body = await collect(payload.body, ANSWER_BYTES_MAX, 'the body of a request with an Idempotency-Key')
  return { ...invocation, payload: { ...payload, body } }
}

/** Of what is asked for. Headers are not part of it: they tell of the way, and of the time. */
export function requestDigest({ payload, override }: Pick<Invocation, 'payload' | 'override'>): string {
  const line = payload.kind === 'fetch' ? [payload.method, pathOf(payload.url)] : [payload.kind]
  return digestOf(Buffer.concat([Buffer.from(JSON.stringify([...line, override ?? null])), bytesIn(payload)]))
}

function bytesIn(payload: Payload): Uint8Array {
  if (payload.kind === 'call') return payload.args
  if (payload.kind === 'event') return payload.event
  return payload.body instanceof Uint8Array ? payload.body : new Uint8Array()
}

/** The same through any node: each has a host of its own. */
function pathOf(url: string): string {
  const { pathname, search } = new URL(url)
  return pathname + search
}

/** An answer that can be kept, where it can; and what the caller gets, which may go on as a stream. What is kept does not tell of a quota as it was then. */
export async function keepable(outcome: Outcome): Promise<{ answer: Outcome; kept: WholeOutcome | undefined }> {
  const { answer, kept } = await wholeOf(outcome)
  if (kept?.meta.rateLimit === undefined) return { answer, kept }
  const { rateLimit: _, ...meta } = kept.meta
  return { answer, kept: { ...kept, meta } }
}

async function wholeOf(outcome: Outcome): Promise<{ answer: Outcome; kept: WholeOutcome | undefined }> {
  if (outcome.kind !== 'response') return { answer: outcome, kept: outcome }
  const { body, ...head } = outcome
  if (body === undefined) return { answer: outcome, kept: head }
  if (body instanceof Uint8Array) return { answer: outcome, kept: { ...head, body } }
  const chunks = body[Symbol.asyncIterator]()
  const read: Uint8Array[] = []
  let length = 0
  try {
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) {
      read.push(next.value)
      length += next.value.length
      if (length > ANSWER_BYTES_MAX) return { answer: { ...head, body: resumed(read, chunks) }, kept: undefined }
    }
  } catch (thrown) {
    const error = OsirisError.from(thrown, 'Cannot finish the answer')
    const failure: WholeOutcome = { kind: 'failed', error, started: true, meta: outcome.meta }
    return { answer: failure, kept: failure }
  }
  const whole = { ...head, body: Buffer.concat(read) }
  return { answer: whole, kept: whole }
}

async function* resumed(read: readonly Uint8Array[], rest: AsyncIterator<Uint8Array>): ByteStream {
  let isOver = false
  try {
    yield* read
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value
    isOver = true
  } finally {
    if (!isOver) await rest.return?.()
  }
}
