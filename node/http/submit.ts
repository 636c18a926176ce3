/** `Prefer: respond-async` (RFC 7240, 4.1): the call is accepted, and asked about at `/v1/calls/{id}`. */
import type { IncomingMessage } from 'node:http'
import { collect } from '#protocols/body'
import { OsirisError } from '#protocols/errors'
import type { FunctionRef } from '#protocols/function'
import type { Caller, CallPayload, FetchPayload } from '#protocols/invocation'
import { endExchange, type Exchange, refuse } from './exchange.ts'

const RESPOND_ASYNC = /(?:^|,)\s*respond-async\s*(?:[,;]|$)/i
/** Bounds what is held; the router has the exact bound. */
const BODY_BYTES_MAX = 4 * 1024 * 1024

/** Whether the caller does not wait. */
export function isAsync({ headers }: IncomingMessage): boolean {
  const { prefer } = headers
  return prefer !== undefined && RESPOND_ASYNC.test(String(prefer))
}

/** Answers 202 when the call is accepted. */
export function submit(exchange: Exchange, target: FunctionRef, payload: CallPayload | FetchPayload, caller: Caller): void {
  accept(exchange, target, payload, caller).catch((error: unknown) => refuse(exchange, error))
}

async function accept(exchange: Exchange, target: FunctionRef, payload: CallPayload | FetchPayload, caller: Caller): Promise<void> {
  const { parts, request, response, flight } = exchange
  const invocation = parts.invocations.create(request, flight, target, await whole(payload), caller)
  const callback = callbackOf(request)
  const { id } = await parts.calls.submit(callback === undefined ? { invocation } : { invocation, callback })
  const text = JSON.stringify({ id, state: 'queued' })
  response.writeHead(202, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    location: `/v1/calls/${id}`,
    'preference-applied': 'respond-async',
  })
  response.end(text)
  endExchange(exchange)
}

async function whole(payload: CallPayload | FetchPayload): Promise<CallPayload | FetchPayload> {
  if (payload.kind === 'call' || payload.body === undefined) return payload
  return { ...payload, body: await collect(payload.body, BODY_BYTES_MAX, 'the request') }
}

function callbackOf({ headers }: IncomingMessage): string | undefined {
  const url = headers['osiris-callback']
  if (url === undefined || typeof url === 'string') return url
  throw new OsirisError('invalid_argument', 'Cannot call back: Osiris-Callback stands there more than once')
}
