/** A response's body as the function gets it: decoded, at the function's pace, every byte counted before and after. */
import type { IncomingMessage } from 'node:http'
import { pipeline, type Transform } from 'node:stream'
import { createGunzip, createInflate, createInflateRaw } from 'node:zlib'
import { OsirisError } from '#protocols/errors'
import type { Clock } from '#protocols/lifecycle'
import { broken, wordOf } from './failures.ts'
import type { Destination } from './guard.ts'

export interface BodyRules {
  clock: Clock
  idleMs: number
  /** Bytes that came over the wire; may throw. */
  onWire: (bytes: number) => void
  /** Bytes after decoding; may throw. */
  onDecoded: (bytes: number) => void
}

/** No response has a reason for more, and each layer multiplies what a few bytes become. */
const LAYERS_MAX = 2

/** The codings to undo, last first; empty: give the bytes as they are, because there are none, too many, or one that is not known here. */
export function codingsOf(header: string | undefined): ('gzip' | 'deflate')[] {
  const names = (header ?? '').toLowerCase().split(',')
  const codings = names.map((each) => each.trim()).filter((each) => each !== '' && each !== 'identity')
  const known = codings.map((each) => (each === 'x-gzip' ? 'gzip' : each))
  if (known.length > LAYERS_MAX || known.some((each) => each !== 'gzip' && each !== 'deflate')) return []
  return (known as ('gzip' | 'deflate')[]).toReversed()
}

/** Rejects with `unavailable` where the peer or its coding is at fault, with what a rule threw otherwise. */
export async function* decodedBody(
  destination: Destination,
  response: IncomingMessage,
  codings: ('gzip' | 'deflate')[],
  rules: BodyRules,
): AsyncGenerator<Uint8Array> {
  try {
    let body: AsyncIterable<Uint8Array> = onTheWire(destination, response, rules)
    for (const coding of codings) body = undo(coding, body)
    for await (const chunk of body) {
      rules.onDecoded(chunk.length)
      yield chunk
    }
  } catch (error) {
    if (error instanceof OsirisError) throw error
    throw broken(destination, `its body broke (${wordOf(error)})`, error)
  }
}

/** The time that counts is the peer's: while the function does not read, nobody waits for it. */
async function* onTheWire(
  destination: Destination,
  response: IncomingMessage,
  { clock, idleMs, onWire }: BodyRules,
): AsyncGenerator<Uint8Array> {
  const chunks = response[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>
  const late = broken(destination, `nothing of its body came for ${idleMs} ms`)
  for (;;) {
    const cancel = clock.after(idleMs, () => response.destroy(late))
    const { done, value } = await chunks.next().finally(cancel)
    if (done === true) return
    onWire(value.length)
    yield value
  }
}

async function* undo(coding: 'gzip' | 'deflate', body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]()
  const first = await chunks.next()
  // Nothing at all is a body too.
  if (first.done === true) return
  const decoder = decoderOf(coding, first.value)
  const rest = async function* () {
    yield first.value
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) yield next.value
  }
  // What breaks the one breaks the other; the loop below hears of it.
  pipeline(rest, decoder, () => {})
  try {
    for await (const chunk of decoder) yield chunk as Uint8Array
  } finally {
    decoder.destroy()
  }
}

/** Some servers send `deflate` without the wrapper that the name stands for (RFC 9110, 8.4.1.2). */
function decoderOf(coding: 'gzip' | 'deflate', first: Uint8Array): Transform {
  if (coding === 'gzip') return createGunzip()
  return ((first[0] ?? 0) & 0x0f) === 8 ? createInflate() : createInflateRaw()
}
