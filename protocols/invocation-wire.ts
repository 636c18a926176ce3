/**
 * Invocations and outcomes as messages between peers: what a router and an executor both take in.
 * The head is CBOR with values by position (measured: half the cost of named keys), the body is the payload's or the result's own bytes.
 * Decoding is checked by hand: it is on the path of every remote call, and what arrives is hostile.
 */
import { collect } from './body.ts'
import { decodeCanonical, encodeList } from './codec.ts'
import { type ErrorShape, OsirisError } from './errors.ts'
import { CALL_ID_PATTERN, assertName, type FunctionRef, refOf, VERSION_PATTERN } from './function.ts'
import {
  type Body,
  type Caller,
  type ColdParts,
  EVENT_HANDLERS,
  type EventHandler,
  type EventPayload,
  type FetchPayload,
  type HeaderList,
  type Invocation,
  isRouteTarget,
  isTraceparent,
  type Outcome,
  type OutcomeMeta,
  type Payload,
  type PlacedInvocation,
  type Target,
  type Timing,
  type Trigger,
  TRIGGER_KINDS,
} from './invocation.ts'
import { idempotencyKeyOf } from './idempotency.ts'
import type { MaybePromise } from './lifecycle.ts'
import { rateLimitsOf } from './rate-limit.ts'
import { steer } from './steering.ts'
import { countOf, listOf, malformed, pairsOf, textOf } from './wire-fields.ts'

/** The same shape as a network Message. */
export interface WireMessage {
  head: Uint8Array
  body?: Body
}

/** Raised when a position changes its meaning; new positions are appended and ignored by older peers. */
const FORMAT = 1
/** Arguments and results of value functions are held in memory whole; what is larger travels as the stream of a web function. */
const VALUE_BYTES_MAX = 64 * 1024 * 1024
/** A node that counts further than this would have refused long before (depth 16, a handful of hops). */
const COUNT_MAX = 1000
const ERROR_TEXT_MAX = 4096
const TRIGGER_ID_MAX = 256
/** Lists within lists. */
const DEPTH_MAX = 8
/** Functions above a call: as many as it may be deep. */
const PATH_MAX = 16

const TOKEN_PATTERN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const HEADER_VALUE_PATTERN = /^[^\r\n\0]*$/

/** `now` is this process's monotonic clock; the deadline travels as what remains. Throws `invalid_argument` when it cannot be expressed (e.g. a deadline that is no number). */
export function encodeInvocation(invocation: Invocation | PlacedInvocation, now: number): WireMessage {
  const { target, payload, caller } = invocation
  const fields = [
    FORMAT,
    invocation.id,
    Math.max(0, Math.ceil(invocation.deadlineAt - now)),
    invocation.hops,
    invocation.depth,
    caller.subject,
    caller.token ?? null,
    invocation.traceparent ?? null,
    isRouteTarget(target)
      ? ['route', target.host, target.method, target.path]
      : ['ref', target.namespace, target.name, target.selector ?? null],
    'version' in invocation ? invocation.version : null,
    payload.kind === 'call' ? null : payloadFields(payload),
  ]
  const { sticky, override, trigger, chain, path, idempotencyKey: key, by } = invocation
  if ((sticky ?? override ?? trigger ?? chain ?? path ?? key ?? by) !== undefined)
    fields.push(sticky ?? null, override ?? null, trigger === undefined ? null : [trigger.kind, trigger.id], lineageFields(chain, path))
  if ((key ?? by) !== undefined) fields.push(key === undefined ? null : [key, invocation.origin ?? null])
  if (by !== undefined) fields.push(by)
  const head = encodeList(fields)
  const body = payload.kind === 'call' ? payload.args : payload.kind === 'event' ? payload.event : payload.body
  return body === undefined ? { head } : { head, body }
}

function lineageFields(chain: Invocation['chain'], path: Invocation['path'] = []): unknown {
  return chain === undefined && path.length === 0 ? null : [chain?.id ?? null, chain?.at ?? null, ...path]
}

/** The method's name says that it is an event. */
function payloadFields(payload: EventPayload | FetchPayload): unknown {
  if (payload.kind === 'event') return payload.handler
  const fields = [payload.method, payload.url, payload.headers.flat(), Object.entries(payload.params ?? {}).flat()]
  return payload.upgrade === undefined ? fields : [...fields, payload.upgrade]
}

/** What the receiving side adds: its own monotonic clock, and the signal of the request that brought the message. */
export interface Arrival {
  now: number
  signal?: AbortSignal
}

/** An invocation from a peer, one hop further. Throws or rejects with `invalid_argument` or `payload_too_large`; a promise only where arguments arrive as a stream. */
export function decodeInvocation(message: WireMessage, arrival: Arrival): MaybePromise<Invocation> {
  const fields = read(message.head, 11, 'an invocation')
  return withPayload(fields[10], message.body, (payload) => invocationOf(fields, payload, arrival))
}

/** The same where the sender has resolved the version already. */
export function decodePlacedInvocation(message: WireMessage, arrival: Arrival): MaybePromise<PlacedInvocation> {
  const fields = read(message.head, 11, 'an invocation')
  const version = fields[9]
  if (typeof version !== 'string' || !VERSION_PATTERN.test(version)) throw malformed('an invocation', 'a placed call names its version')
  return withPayload(fields[10], message.body, (payload) => {
    const invocation = invocationOf(fields, payload, arrival)
    if (isRouteTarget(invocation.target)) throw malformed('an invocation', 'a placed call names its function')
    return { ...invocation, target: invocation.target, version }
  })
}

function invocationOf(fields: unknown[], payload: Payload, arrival: Arrival): Invocation {
  const id = textOf(fields[1], 32, 'id')
  if (!CALL_ID_PATTERN.test(id)) throw malformed('an invocation', 'its id is not 32 hex characters')
  const invocation: Invocation = {
    id,
    target: targetOf(fields[8]),
    payload,
    caller: callerOf(fields[5], fields[6]),
    deadlineAt: arrival.now + countOf(fields[2], Number.MAX_SAFE_INTEGER, 'deadline'),
    hops: countOf(fields[3], COUNT_MAX, 'hops') + 1,
    depth: countOf(fields[4], COUNT_MAX, 'depth'),
  }
  if (isTraceparent(fields[7])) invocation.traceparent = fields[7]
  steer(invocation, fields[11], fields[12])
  if (fields[13] !== undefined && fields[13] !== null) invocation.trigger = triggerOf(fields[13])
  lineageInto(invocation, fields[14])
  keyInto(invocation, fields[15])
  if (fields[16] !== undefined) invocation.by = versionOf(fields[16])
  if (arrival.signal !== undefined) invocation.signal = arrival.signal
  return invocation
}

function targetOf(value: unknown): Target {
  const [kind, first, second, third] = listOf(value, 4, 'target')
  if (kind === 'route') return { host: textOf(first, 255, 'host'), method: methodOf(second), path: textOf(third, 65_536, 'path') }
  if (kind !== 'ref') throw malformed('an invocation', 'its target is neither a function nor a route')
  const namespace = textOf(first, 63, 'namespace')
  const name = textOf(second, 63, 'name')
  if (third !== null) return refOf(namespace, `${name}@${textOf(third, 64, 'selector')}`)
  return plainRef(namespace, name)
}

function plainRef(namespace: string, name: string): FunctionRef {
  assertName(namespace, 'a namespace')
  assertName(name, 'a function name')
  return { namespace, name }
}

/** A name without a token proves nothing. */
function callerOf(subject: unknown, token: unknown): Caller {
  const name = textOf(subject, 256, 'caller')
  return token === null ? { subject: 'anonymous' } : { subject: name, token: textOf(token, 8192, 'token') }
}

function keyInto(invocation: Invocation, value: unknown): void {
  if (value === undefined || value === null) return
  const [key, origin] = listOf(value, 2, 'idempotency key')
  const known = idempotencyKeyOf(key)
  if (known !== undefined) invocation.idempotencyKey = known
  if (origin !== null) invocation.origin = textOf(origin, 256, 'origin')
}

/** Which functions are above, and who counts their calls: by the sender's word, which is a member's that runs functions. */
function lineageInto(invocation: Invocation, value: unknown): void {
  if (value === undefined || value === null) return
  const [id, at, ...path] = listOf(value, 2, 'chain')
  if (id !== null) {
    const chain = { id: textOf(id, 32, 'chain'), at: textOf(at, 256, 'chain') }
    if (!CALL_ID_PATTERN.test(chain.id)) throw malformed('an invocation', 'its chain is not 32 hex characters')
    invocation.chain = chain
  }
  if (path.length > PATH_MAX) throw malformed('an invocation', `its path is longer than ${PATH_MAX}`)
  if (path.length > 0) invocation.path = path.map((each) => textOf(each, 127, 'path'))
}

function versionOf(value: unknown): string {
  if (typeof value === 'string' && VERSION_PATTERN.test(value)) return value
  throw malformed('an invocation', 'the version that calls is none')
}

function triggerOf(value: unknown): Trigger {
  const [kind, id] = listOf(value, 2, 'trigger')
  const known = TRIGGER_KINDS.find((each) => each === kind)
  if (known === undefined) throw malformed('an invocation', 'its trigger is of no known kind')
  return { kind: known, id: textOf(id, TRIGGER_ID_MAX, 'trigger') }
}

function withPayload<T>(what: unknown, body: Body | undefined, then: (payload: Payload) => T): MaybePromise<T> {
  if (what !== null && typeof what !== 'string') return then(fetchOf(what, body))
  const payloadOf = what === null ? callOf : eventOf(what)
  if (body instanceof Uint8Array) return then(payloadOf(body))
  return collect(body, VALUE_BYTES_MAX, what === null ? 'the arguments' : 'the event').then((bytes) => then(payloadOf(bytes)))
}

function callOf(args: Uint8Array): Payload {
  return { kind: 'call', args }
}

function eventOf(name: string): (event: Uint8Array) => Payload {
  if (!isEventHandler(name)) throw malformed('an invocation', 'its event is for no known method')
  return (event) => ({ kind: 'event', handler: name, event })
}

function isEventHandler(name: string): name is EventHandler {
  return (EVENT_HANDLERS as readonly string[]).includes(name)
}

function fetchOf(value: unknown, body: Body | undefined): Payload {
  const [method, url, headers, params, upgrade] = listOf(value, 4, 'request')
  const payload: Payload = {
    kind: 'fetch',
    method: methodOf(method),
    url: textOf(url, 65_536, 'url'),
    headers: headersOf(headers, 'request'),
  }
  const pairs = listOf(params, 0, 'params')
  if (pairs.length > 0) payload.params = Object.fromEntries(pairsOf(pairs, 'params'))
  if (body !== undefined) payload.body = body
  if (upgrade === 'websocket') payload.upgrade = upgrade
  return payload
}

export function encodeOutcome(outcome: Outcome): WireMessage {
  const meta = metaFields(outcome.meta)
  if (outcome.kind === 'value') return { head: encodeList([FORMAT, 'value', meta]), body: outcome.value }
  if (outcome.kind === 'failed') return { head: encodeList([FORMAT, 'failed', meta, outcome.started, errorFields(outcome.error)]) }
  const head = encodeList([FORMAT, 'response', meta, outcome.status, outcome.headers.flat()])
  return outcome.body === undefined ? { head } : { head, body: outcome.body }
}

/** What a newer version appends is ignored by older peers; what an older one leaves out is nothing. */
function metaFields({ version, node, hops, timing, peakMemoryBytes, rateLimit }: OutcomeMeta): unknown[] {
  const { route, queue, cold, run, cpu, coldParts } = timing
  const fields: unknown[] = [
    version,
    node,
    hops,
    microseconds(route),
    microseconds(queue),
    microseconds(cold),
    microseconds(run),
    microseconds(cpu),
  ]
  if ((peakMemoryBytes ?? coldParts ?? rateLimit) !== undefined) fields.push(wholeOf(peakMemoryBytes ?? 0))
  if ((coldParts ?? rateLimit) !== undefined) fields.push(coldParts === undefined ? null : coldFields(coldParts))
  if (rateLimit !== undefined) fields.push(rateLimit)
  return fields
}

function coldFields({ artifact, isolate, compile, first }: ColdParts): number[] {
  return [microseconds(artifact), microseconds(isolate), microseconds(compile), microseconds(first)]
}

/** Details travel as JSON text, so that nothing a function put there can fail the encoding. */
function errorFields(error: OsirisError): unknown[] {
  return [error.code, clip(error.message), error.functionStack === undefined ? null : clip(error.functionStack), jsonOf(error.details)]
}

function jsonOf(details: Record<string, unknown> | undefined): string | null {
  if (details === undefined) return null
  try {
    const text = JSON.stringify(details)
    return text.length <= 65_536 ? text : null
  } catch {
    return null
  }
}

/** An outcome from a peer. Throws or rejects with `invalid_argument`; a promise only where a value arrives as a stream. */
export function decodeOutcome(message: WireMessage): MaybePromise<Outcome> {
  const fields = read(message.head, 3, 'an outcome')
  const meta = metaOf(fields[2])
  switch (fields[1]) {
    case 'value':
      if (message.body instanceof Uint8Array) return { kind: 'value', value: message.body, meta }
      return collect(message.body, VALUE_BYTES_MAX, 'the result').then((value) => ({ kind: 'value', value, meta }))
    case 'failed':
      return { kind: 'failed', error: errorOf(fields[4]), started: fields[3] !== false, meta }
    case 'response':
      return responseOf(fields, meta, message.body)
    default:
      throw malformed('an outcome', 'its kind is unknown')
  }
}

function responseOf(fields: unknown[], meta: OutcomeMeta, body: Body | undefined): Outcome {
  const status = countOf(fields[3], 599, 'status')
  if (status < 100) throw malformed('an outcome', 'its status is below 100')
  const headers = headersOf(fields[4], 'response')
  return body === undefined ? { kind: 'response', status, headers, meta } : { kind: 'response', status, headers, body, meta }
}

function metaOf(value: unknown): OutcomeMeta {
  const [version, node, hops, route, queue, cold, run, cpu, peak, parts, limits] = listOf(value, 7, 'meta')
  const timing: Timing = { route: spanOf(route), queue: spanOf(queue), cold: spanOf(cold), run: spanOf(run), cpu: spanOf(cpu ?? 0) }
  if (parts !== undefined && parts !== null) timing.coldParts = coldPartsOf(parts)
  const meta: OutcomeMeta = {
    version: textOf(version, 64, 'version'),
    node: textOf(node, 256, 'node'),
    hops: countOf(hops, COUNT_MAX + 1, 'hops'),
    timing,
  }
  if (peak !== undefined && peak !== 0) meta.peakMemoryBytes = countOf(peak, Number.MAX_SAFE_INTEGER, 'memory')
  const rateLimit = limits === undefined ? undefined : rateLimitsOf(limits)
  if (rateLimit !== undefined) meta.rateLimit = rateLimit
  return meta
}

function coldPartsOf(value: unknown): ColdParts {
  const [artifact, isolate, compile, first] = listOf(value, 4, 'cold start')
  return { artifact: spanOf(artifact), isolate: spanOf(isolate), compile: spanOf(compile), first: spanOf(first) }
}

function errorOf(value: unknown): OsirisError {
  const [code, message, stack, details] = listOf(value, 4, 'error')
  const shape: ErrorShape = { code: textOf(code, 64, 'code') as ErrorShape['code'], message: clip(textOf(message, 1_000_000, 'message')) }
  if (stack !== null) shape.stack = clip(textOf(stack, 1_000_000, 'stack'))
  const parsed = details === null ? undefined : detailsOf(textOf(details, 65_536, 'details'))
  if (parsed !== undefined) shape.details = parsed
  return OsirisError.fromShape(shape)
}

function detailsOf(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined
  } catch {
    throw malformed('an outcome', 'its error details are not JSON')
  }
}

function read(head: Uint8Array, lengthMin: number, what: string): unknown[] {
  const fields = decodeCanonical(head, DEPTH_MAX)
  if (!Array.isArray(fields) || fields.length < lengthMin) throw malformed(what, `it is not a list of ${lengthMin} or more`)
  if (fields[0] !== FORMAT) throw new OsirisError('version_mismatch', `Cannot read ${what}: its format is not ${FORMAT}`)
  return fields
}

/** In milliseconds. */
function spanOf(value: unknown): number {
  if (Number.isFinite(value) && (value as number) >= 0) return (value as number) / 1000
  throw malformed('an outcome', 'a time is not a number of microseconds')
}

function methodOf(value: unknown): string {
  const method = textOf(value, 64, 'method')
  if (TOKEN_PATTERN.test(method)) return method
  throw malformed('a message', 'its method is not a token')
}

function headersOf(value: unknown, what: string): HeaderList {
  const pairs = pairsOf(listOf(value, 0, 'headers'), 'headers')
  for (const [name, text] of pairs)
    if (!TOKEN_PATTERN.test(name) || !HEADER_VALUE_PATTERN.test(text)) throw malformed('a message', `a ${what} header is malformed`)
  return pairs
}

function wholeOf(count: number): number {
  return Number.isSafeInteger(count) && count > 0 ? count : 0
}

/** Whole ones: floats take nine bytes and are slow to write and to read. */
function microseconds(ms: number): number {
  return Number.isFinite(ms) && ms > 0 ? Math.min(Number.MAX_SAFE_INTEGER, Math.round(ms * 1000)) : 0
}

function clip(text: string): string {
  return text.length <= ERROR_TEXT_MAX ? text : `${text.slice(0, ERROR_TEXT_MAX - 1)}…`
}
