/** One direct exchange: request in, invocation to the router, outcome out. What the routes for calls and web functions share. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Caller, Invocation, Invoker, Outcome, Payload, Target } from '#protocols/invocation'
import type { Events } from '#protocols/events'
import type { Clock } from '#protocols/lifecycle'
import type { Calls } from '#protocols/router'
import { discardBody, isDiscardable } from './body.ts'
import type { NamedCaller } from './callers.ts'
import { type Connection, connectionOf, type Flight } from './connection.ts'
import type { Invocations } from './invocations.ts'
import type { HttpLimits } from './limits.ts'
import { reportBroken, reportUnexpected } from './report.ts'
import { respond, respondError } from './respond.ts'

export interface DirectParts {
  router: Invoker
  calls: Calls
  callers: NamedCaller
  invocations: Invocations
  clock: Clock
  events: Events
  limits: HttpLimits
}

/** Handles one request to its end; what it throws becomes a problem document. */
export type DirectRoute = (request: IncomingMessage, response: ServerResponse, url: string) => void

export interface Exchange {
  readonly parts: DirectParts
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly connection: Connection
  readonly flight: Flight
}

export function beginExchange(parts: DirectParts, request: IncomingMessage, response: ServerResponse): Exchange {
  const connection = connectionOf(request)
  return { parts, request, response, connection, flight: connection.begin(response) }
}

/** Hands the call to the router and writes what comes back. */
export function invoke(exchange: Exchange, target: Target, payload: Payload, caller: Caller): void {
  const { parts, request, flight } = exchange
  let invocation: Invocation
  try {
    invocation = parts.invocations.create(request, flight, target, payload, caller)
  } catch (error) {
    return refuse(exchange, error)
  }
  parts.router
    .invoke(invocation)
    .then((outcome) => answer(exchange, outcome))
    .catch((error: unknown) => refuse(exchange, error))
}

function answer(exchange: Exchange, outcome: Outcome): void {
  const streamed = respond(exchange.response, outcome)
  if (streamed === undefined) return endExchange(exchange)
  streamed
    .catch((error: unknown) => reportBroken(exchange.parts.events, nameOf(exchange.request), error))
    .finally(() => endExchange(exchange))
}

/** Ends the exchange with an error that the router never saw, or should not have let out. */
export function refuse(exchange: Exchange, error: unknown, as?: number): void {
  refuseRequest(exchange.parts, exchange.request, exchange.response, error, as)
  exchange.connection.end(exchange.flight)
}

export function refuseRequest(
  parts: Pick<DirectParts, 'clock' | 'events'>,
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
  as?: number,
): void {
  reportUnexpected(parts.events, nameOf(request), error)
  if (response.destroyed) return
  if (!request.complete && !isDiscardable(request)) response.shouldKeepAlive = false
  respondError(response, error, undefined, as)
  discardBody(request, parts.clock)
}

export function endExchange(exchange: Exchange): void {
  exchange.connection.end(exchange.flight)
  discardBody(exchange.request, exchange.parts.clock)
}

function nameOf(request: IncomingMessage): string {
  return `${request.method ?? ''} ${request.url ?? ''}`
}
