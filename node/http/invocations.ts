/** HTTP request → Invocation. Past this file nobody speaks of HTTP. */
import type { IncomingMessage } from 'node:http'
import { type Caller, type Invocation, isTraceparent, type Payload, type Target } from '#protocols/invocation'
import { type Clock, hexOf, type Random } from '#protocols/lifecycle'
import { SOCKET_MS_MAX } from '#protocols/socket'
import { IDEMPOTENCY_HEADER, idempotencyKeyOf, mayHaveEffect } from '#protocols/idempotency'
import { steer, STICKY_HEADER, VERSION_HEADER } from '#protocols/steering'
import type { Flight } from './connection.ts'

export interface InvocationsInit {
  clock: Clock
  random: Random
  /** Bound of a call before its function's own timeout is known. */
  timeoutMs: number
}

export class Invocations {
  readonly #clock: Clock
  readonly #timeoutMs: number
  /** 64 random bits of this process, then a counter: unique without randomness per call. */
  readonly #prefix: string
  #count = 0

  constructor(init: InvocationsInit) {
    this.#clock = init.clock
    this.#timeoutMs = init.timeoutMs
    this.#prefix = hexOf(init.random, 16)
  }

  /** Throws `invalid_argument` for headers that cannot mean a version, or a key. */
  create(request: IncomingMessage, flight: Flight, target: Target, payload: Payload, caller: Caller): Invocation {
    const invocation: Invocation = {
      id: this.#prefix + (++this.#count).toString(16).padStart(16, '0'),
      target,
      payload,
      caller,
      deadlineAt: this.#clock.monotonic() + (payload.kind === 'fetch' && payload.upgrade !== undefined ? SOCKET_MS_MAX : this.#timeoutMs),
      hops: 0,
      depth: 0,
      signal: flight.controller.signal,
    }
    const { traceparent, [STICKY_HEADER]: sticky, [VERSION_HEADER]: override, [IDEMPOTENCY_HEADER]: key } = request.headers
    if (sticky !== undefined || override !== undefined) steer(invocation, sticky, override)
    if (key !== undefined && (payload.kind !== 'fetch' || mayHaveEffect(payload.method))) keyed(invocation, key, request)
    if (isTraceparent(traceparent)) invocation.traceparent = traceparent
    return invocation
  }
}

function keyed(invocation: Invocation, value: unknown, { socket }: IncomingMessage): void {
  const key = idempotencyKeyOf(value)
  if (key === undefined) return
  invocation.idempotencyKey = key
  if (socket.remoteAddress !== undefined) invocation.origin = socket.remoteAddress
}
