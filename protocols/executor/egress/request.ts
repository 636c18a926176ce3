/** One HTTP/1.1 exchange on a socket of its own: the head out, the body at the socket's pace, the head back. */
import { type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http'
import type { Socket } from 'node:net'
import { OsirisError } from '#protocols/errors'
import type { Clock } from '#protocols/lifecycle'
import { HEADER_CHARACTERS_MAX } from '../bounds.ts'
import { broken, wordOf } from './failures.ts'
import type { Destination } from './guard.ts'
import { type HeaderList, headersOut } from './headers.ts'

export interface Sent {
  method: string
  headers: HeaderList
  /** Whole, or as it comes; then `bodyBytes` says how long it will be, where that is known. */
  body: Uint8Array | AsyncIterable<Uint8Array> | undefined
  bodyBytes: number | undefined
}

export interface Times {
  clock: Clock
  /** From the request's end to the response's head. */
  headMs: number
  /** Without a byte from the peer, or without it taking one, while it is its turn. */
  idleMs: number
}

/** Methods whose empty body is told of (Fetch Standard, HTTP-network-or-cache fetch, 8.7.3). */
const WITH_LENGTH_0 = new Set(['POST', 'PUT', 'PATCH'])

/** Rejects with `unavailable`. The caller destroys the socket, whatever comes. `onSent` counts the body's bytes and may throw. */
export async function exchange(
  destination: Destination,
  socket: Socket,
  sent: Sent,
  times: Times,
  onSent: (bytes: number) => void,
): Promise<IncomingMessage> {
  const { url } = destination
  const request = httpRequest({
    createConnection: () => socket,
    method: sent.method,
    path: url.pathname + url.search,
    // Nothing else goes over it. But a server that answers before it has read the body, and is told to close, resets the connection: its answer is lost.
    headers: [
      'host',
      url.host,
      'connection',
      'keep-alive',
      'osiris-egress',
      'function',
      ...headersOut(sent.headers).flat(),
      ...framing(sent),
    ],
    setHost: false,
    maxHeaderSize: 2 * HEADER_CHARACTERS_MAX,
  })
  const head = headOf(destination, request)
  // Whoever waits for it hears of it below.
  head.catch(() => {})
  const body = pour(destination, request, sent, times, onSent)
  const failed = new Promise<never>((_, reject) => void body.catch(reject))
  failed.catch(() => {})
  const late = broken(destination, `no response within ${times.headMs} ms`)
  let isWaiting = true
  let cancel = () => {}
  void body.then(
    () => {
      if (isWaiting) cancel = times.clock.after(times.headMs, () => request.destroy(late))
    },
    () => request.destroy(),
  )
  try {
    // A response may come before the request's body is over.
    return await Promise.race([head, failed])
  } finally {
    isWaiting = false
    cancel()
  }
}

function framing({ method, body, bodyBytes }: Sent): string[] {
  if (body === undefined) return WITH_LENGTH_0.has(method) ? ['content-length', '0'] : []
  const length = body instanceof Uint8Array ? body.length : bodyBytes
  return length === undefined ? ['transfer-encoding', 'chunked'] : ['content-length', String(length)]
}

function headOf(destination: Destination, request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const fail = (state: string, cause?: unknown) => reject(broken(destination, state, cause))
    request.once('response', resolve)
    request.on('error', (error) => (error instanceof OsirisError ? reject(error) : fail(`the connection broke (${wordOf(error)})`, error)))
    request.once('upgrade', () => fail('it answered with another protocol'))
    request.once('close', () => fail('the connection was closed before a response'))
  })
}

async function pour(
  destination: Destination,
  request: ClientRequest,
  { body, bodyBytes }: Sent,
  times: Times,
  onSent: (bytes: number) => void,
): Promise<void> {
  if (body === undefined || body instanceof Uint8Array) {
    onSent(body?.length ?? 0)
    request.end(body)
    return
  }
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bodyBytes !== undefined && bytes > bodyBytes) break
    onSent(chunk.length)
    if (request.destroyed) return
    if (!request.write(chunk)) await drained(destination, request, times)
  }
  if (bodyBytes !== undefined && bytes !== bodyBytes) throw broken(destination, "the request's body has another length than it said")
  request.end()
}

function drained(destination: Destination, request: ClientRequest, { clock, idleMs }: Times): Promise<void> {
  return new Promise((resolve) => {
    const late = broken(destination, `it took nothing of the request's body for ${idleMs} ms`)
    const cancel = clock.after(idleMs, () => request.destroy(late))
    const done = () => {
      cancel()
      request.off('drain', done)
      request.off('close', done)
      resolve()
    }
    request.on('drain', done)
    request.on('close', done)
  })
}
