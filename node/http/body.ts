/** Request bodies: held in memory up to a bound, or handed on as a stream at the consumer's pace. */
import type { IncomingMessage } from 'node:http'
import { OsirisError } from '#protocols/errors'
import type { ByteStream } from '#protocols/invocation'
import type { Clock } from '#protocols/lifecycle'

const EMPTY = Buffer.alloc(0)
/** What is read and thrown away of a refused body, so that the client gets to read the refusal instead of a reset. */
const DISCARD_BYTES_MAX = 1024 * 1024
const DISCARD_MS_MAX = 2_000

/** The declared length; `undefined` for chunked bodies. A request without a body has length 0. */
export function lengthOf(request: IncomingMessage): number | undefined {
  const declared = request.headers['content-length']
  if (declared !== undefined) return Number(declared)
  return request.headers['transfer-encoding'] === undefined ? 0 : undefined
}

/** The whole body. `done` hears exactly once: the bytes, or `payload_too_large` as soon as the bound is passed. A client that leaves is never heard of: its flight aborts. */
export function collectBody(
  request: IncomingMessage,
  bytesMax: number,
  done: (error: OsirisError | undefined, body: Buffer) => void,
): void {
  const length = lengthOf(request)
  if (length === 0) return done(undefined, EMPTY)
  if (length !== undefined && length > bytesMax) return done(tooLarge(bytesMax), EMPTY)
  const chunks: Buffer[] = []
  let received = 0
  const onData = (chunk: Buffer): void => {
    received += chunk.length
    if (received > bytesMax) return finish(tooLarge(bytesMax), EMPTY)
    if (received !== length) chunks.push(chunk)
    else finish(undefined, chunks.length === 0 ? chunk : Buffer.concat([...chunks, chunk]))
  }
  const onEnd = (): void => finish(undefined, Buffer.concat(chunks))
  // A body of known length is whole with its last byte; only a chunked one has to wait for its end.
  const finish = (error: OsirisError | undefined, body: Buffer): void => {
    request.off('data', onData)
    if (length === undefined) request.off('end', onEnd)
    if (error === undefined) request.resume()
    done(error, body)
  }
  request.on('data', onData)
  if (length === undefined) request.on('end', onEnd)
}

export interface StreamOptions {
  bytesMax: number
  /** Longest wait for the next byte. */
  stallTimeoutMs: number
  clock: Clock
}

/** The body over time: the socket is read only as fast as the consumer asks. Throws `payload_too_large`, `deadline_exceeded` (stalled) and `unavailable` (client gone). */
export async function* streamBody(request: IncomingMessage, options: StreamOptions): ByteStream & AsyncGenerator<Uint8Array> {
  const { bytesMax, stallTimeoutMs, clock } = options
  // An early end must not destroy the socket: the answer still has to leave through it.
  const chunks = request.iterator({ destroyOnReturn: false })
  let received = 0
  try {
    for (;;) {
      const next = await within(chunks.next(), stallTimeoutMs, clock)
      if (next.done === true) return
      const chunk = next.value as Buffer
      received += chunk.length
      if (received > bytesMax) throw tooLarge(bytesMax)
      yield chunk
    }
  } catch (error) {
    throw OsirisError.from(error, 'Cannot read the request body', 'unavailable')
  } finally {
    void chunks.return?.()
  }
}

/** Reads the rest of a body nobody wants, within bounds; beyond them the connection is cut. */
export function discardBody(request: IncomingMessage, clock: Clock): void {
  if (request.complete || request.destroyed) return
  const { socket } = request
  const cancel = clock.after(DISCARD_MS_MAX, () => socket.destroy())
  let discarded = 0
  request.once('close', cancel)
  request.on('error', () => {})
  request.on('data', (chunk: Buffer) => {
    discarded += chunk.length
    if (discarded > DISCARD_BYTES_MAX) socket.destroy()
  })
  request.resume()
}

/** Whether the rest of a body can be read and thrown away, so that the connection may carry another request. */
export function isDiscardable(request: IncomingMessage): boolean {
  return (lengthOf(request) ?? Number.POSITIVE_INFINITY) <= DISCARD_BYTES_MAX
}

export function tooLarge(bytesMax: number): OsirisError {
  return new OsirisError('payload_too_large', `Cannot take the request: its body is longer than ${bytesMax} bytes`, {
    details: { bytesMax },
  })
}

function within<T>(promise: Promise<T>, timeoutMs: number, clock: Clock): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const cancel = clock.after(timeoutMs, () =>
      reject(new OsirisError('deadline_exceeded', `Cannot read the request body: no byte came within ${timeoutMs} ms`)),
    )
    promise.then(resolve, reject).finally(cancel)
  })
}
