/** Bodies read whole, or as a stream, whatever they are. */
import { OsirisError } from './errors.ts'
import type { Body } from './invocation.ts'

/** Reads a whole body; throws `payload_too_large` as soon as it is longer than `bytesMax`. */
export async function collect(body: Body | undefined, bytesMax: number, what: string): Promise<Uint8Array> {
  if (body === undefined) return new Uint8Array()
  if (body instanceof Uint8Array) {
    if (body.length > bytesMax) throw tooLarge(what, bytesMax)
    return body
  }
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body) {
    length += chunk.length
    if (length > bytesMax) throw tooLarge(what, bytesMax)
    chunks.push(chunk)
  }
  return chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks)
}

function tooLarge(what: string, bytesMax: number): OsirisError {
  return new OsirisError('payload_too_large', `Cannot take ${what}: it is longer than ${bytesMax} bytes`)
}

/** A body as a stream, whatever it is. */
export async function* streamOf(body: Body | undefined): AsyncGenerator<Uint8Array> {
  if (body === undefined) return
  if (body instanceof Uint8Array) yield body
  else yield* body
}
