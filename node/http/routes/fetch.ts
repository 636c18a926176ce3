/** Web functions on node's own streams: by name (`/v1/fetch/{ns}/{name}/*`), by host (`{name}.{ns}.localhost`), or by the routes users publish. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FoundCaller } from '#node/access'
import type { FunctionRef } from '#protocols/function'
import type { Body, Target } from '#protocols/invocation'
import { lengthOf, streamBody, tooLarge } from '../body.ts'
import { collectIn } from '../collect.ts'
import { beginExchange, type DirectParts, type Exchange, invoke, refuse } from '../exchange.ts'
import { requestHeaders } from '../headers.ts'
import { isAsync, submit } from '../submit.ts'

/** A body up to here is held and handed over at once: it fits one frame to a peer, and costs no flow control. */
const COLLECTED_BYTES_MAX = 64 * 1024

/** `mayDefer`: the function by name, where `Prefer: respond-async` is said to the platform. `url` is what the function sees: path and query as the client sent them, without the platform's prefix. */
export type FetchRoute = (request: IncomingMessage, response: ServerResponse, target: Target, url: string, mayDefer?: FunctionRef) => void

export function createFetchRoute(parts: DirectParts): FetchRoute {
  return (request, response, target, url, mayDefer) => {
    const exchange = beginExchange(parts, request, response)
    const run = (found: FoundCaller): void => {
      try {
        readBody(exchange, (body) => send(exchange, { target, url, mayDefer }, found, body))
      } catch (error) {
        refuse(exchange, error)
      }
    }
    const found = parts.callers(request, exchange.connection, 'function')
    if (found instanceof Promise) found.then(run, (error: unknown) => refuse(exchange, error))
    else run(found)
  }
}

interface Reached {
  target: Target
  url: string
  mayDefer: FunctionRef | undefined
}

function send(exchange: Exchange, { target, url, mayDefer }: Reached, found: FoundCaller, body: Body | undefined): void {
  const { request } = exchange
  const payload = {
    kind: 'fetch',
    method: request.method ?? 'GET',
    url: `${exchange.connection.scheme}://${request.headers.host}${url}`,
    headers: requestHeaders(request.rawHeaders, found.consumed),
    ...(body === undefined ? {} : { body }),
  } as const
  if (mayDefer !== undefined && isAsync(request)) return submit(exchange, mayDefer, payload, found.caller)
  invoke(exchange, target, payload, found.caller)
}

function readBody(exchange: Exchange, then: (body: Body | undefined) => void): void {
  const { parts, request } = exchange
  const { bodyBytesMax: bytesMax, stallTimeoutMs } = parts.limits
  const length = lengthOf(request)
  // A GET or HEAD request of the web has no body, whatever HTTP allows.
  if (length === 0 || request.method === 'GET' || request.method === 'HEAD') return then(undefined)
  if (length !== undefined && length > bytesMax) throw tooLarge(bytesMax)
  if (length === undefined || length > COLLECTED_BYTES_MAX)
    return then(streamBody(request, { bytesMax, stallTimeoutMs, clock: parts.clock }))
  collectIn(exchange, COLLECTED_BYTES_MAX, then)
}
