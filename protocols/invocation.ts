/**
 * One call of one function, and how it ended. Everything that can run a function has one method,
 * `invoke(invocation): Promise<Outcome>`: the SDK, the HTTP route, the router, the executor, the engine, and each one's client.
 * No dependencies: the browser SDK uses this file too.
 */
import type { FunctionRef } from './function.ts'
import type { OsirisError } from './errors.ts'
import type { RateLimit } from './rate-limit.ts'

/**
 * Bytes over time. The consumer sets the pace: the next chunk is asked for only when the last one was taken.
 * Leaving the loop early (`return()`) cancels the producer; a producer that fails throws an OsirisError. May be iterated once.
 */
export type ByteStream = AsyncIterable<Uint8Array>
export type Body = Uint8Array | ByteStream

/** `[name, value]` pairs in the order sent; names in lower case; repeated names allowed. */
export type HeaderList = [name: string, value: string][]

/** Who asks. `token` proves it and travels along, so that every node judges for itself. */
export interface Caller {
  /** Stable name for logs and audit: the token's subject, `developer`, `anonymous`. */
  subject: string
  /** Compact EdDSA JWT; absent for anonymous callers. Never handed to a function. */
  token?: string
}

/** A function by name, or whatever function holds the route. */
export type Target = FunctionRef | RouteTarget
export interface RouteTarget {
  /** Lower case, without port. */
  host: string
  method: string
  /** As sent, without query. */
  path: string
}
export function isRouteTarget(target: Target): target is RouteTarget {
  return 'path' in target
}
/** As sentences name it. */
export function titleOf(target: Target): string {
  return isRouteTarget(target) ? `${target.method} ${target.host}${target.path.slice(0, 160)}` : `"${target.namespace}/${target.name}"`
}

/** What is handed to the function. */
export type Payload = CallPayload | FetchPayload | EventPayload
/** Value style: the text of a JSON array. Not parsed before it reaches the isolate. */
export interface CallPayload {
  kind: 'call'
  args: Uint8Array
}
/** Web style; also how a route reaches a value function. */
export interface FetchPayload {
  kind: 'fetch'
  method: string
  /** Absolute, as the client sent it (percent-encoding and query untouched), less the `/v1/fetch/{ns}/{name}` prefix. */
  url: string
  headers: HeaderList
  body?: Body
  /** `:param` values of the route that matched. Set by the router. */
  params?: Record<string, string>
  /**
   * The client asks for a WebSocket. `body` is then what it sends, as in `#protocols/socket`, and so is the body of a response with status 101, which no other
   * request is answered with. The function's timeout bounds the wait for that response and each turn of a message; the socket itself lasts to `deadlineAt`.
   */
  upgrade?: 'websocket'
}
/** Methods of a web-style default export besides `fetch`, as `(event, env, ctx)`. */
export const EVENT_HANDLERS = ['scheduled', 'message'] as const
export type EventHandler = (typeof EVENT_HANDLERS)[number]
/**
 * Something happened: a tick, a message. A web-style module gets it by the method of this name, a value function as its one argument.
 * Ends as a value when the function and all its `waitUntil` are done: a value function's result, else `null`.
 */
export interface EventPayload {
  kind: 'event'
  handler: EventHandler
  /** JSON text. Not parsed before it reaches the isolate. */
  event: Uint8Array
}

export const TRIGGER_KINDS = ['schedule', 'topic', 'call', 'event'] as const
/** What a call comes from where nobody asked for it just now. */
export interface Trigger {
  kind: (typeof TRIGGER_KINDS)[number]
  /** Made from the cause (a function and its tick, a message and its group), so that the same one is known again. At most 256 characters. */
  id: string
}

export interface Invocation {
  /** 32 hex characters, unique per call; the same over every hop. */
  id: string
  target: Target
  payload: Payload
  caller: Caller
  /** On this process's monotonic clock (milliseconds). Travels as what remains. */
  deadlineAt: number
  /** Mesh hops taken so far. */
  hops: number
  /** Function-to-function depth so far; refused beyond 16. */
  depth: number
  /** The functions above it, `namespace/name` each, the outermost first; the last of them called. Absent where no function did. At most 16. */
  path?: string[]
  /** The version of the last function of `path`: what it may call by itself counts besides its caller's grants (`#protocols/access`, `calling.ts`). */
  by?: string
  /** Absent for the first call of a chain. */
  chain?: Chain
  /** W3C trace context, when the caller sent one: `isTraceparent`. */
  traceparent?: string
  /** While an alias means several versions, calls with the same key get the same one. At most 256 characters. */
  sticky?: string
  /** The version to run, whatever the target means: what may stand after the `@` of a reference. Takes a grant to invoke, also where the function is public. */
  override?: string
  /** Calls of one caller with the same key are one call, through whatever node: its answer is kept for ten minutes. 1 to 256 characters. */
  idempotencyKey?: string
  /** With a key, where no token says who asks: from where, as the node that took the call in saw it. */
  origin?: string
  /** Absent where a caller waits for the answer. */
  trigger?: Trigger
  /** Aborts when the caller is gone. */
  signal?: AbortSignal
}

/** One call from outside, and all that functions call because of it; how many there are is counted where the first of them runs. */
export interface Chain {
  /** Of its first call. */
  id: string
  /** The peer whose executor runs that one. */
  at: string
}

/** An invocation that knows its version: what a router hands to an executor. */
export interface PlacedInvocation extends Invocation {
  target: FunctionRef
  /** SHA-256 of the manifest to run. */
  version: string
}

/** Milliseconds spent per stage; 0 where a stage was not needed. */
export interface Timing {
  /** resolve and place */
  route: number
  /** waiting for a free slot */
  queue: number
  /** what of a cold start fell into this call; the whole start is in `coldParts` */
  cold: number
  /** from the function's begin to its answer, waiting included */
  run: number
  /**
   * Processor time on this call's account: the time its turns held the engine (what a thread of the worker spent in its isolate, garbage
   * collection on that thread included) and work done for it outside (crypto). Where calls of one instance overlap, a turn belongs to the call it was
   * entered for; a turn on nobody's account is shared among those that are open. A call whose worker had to be killed is billed the time
   * from its begin to its deadline; several such calls together no more than the process used. What a response computes after its head is not in it.
   */
  cpu: number
  /** The start of the instance, for calls that waited for it (`cold` > 0). */
  coldParts?: ColdParts
}

/** What a cold start consisted of, in milliseconds. What they leave of the whole is the worker's: its own start, its pipe, its queue. */
export interface ColdParts {
  /** Until the artifact was here. */
  artifact: number
  /** An isolate with the runtime in it: taken, or made. */
  isolate: number
  compile: number
  /** The module's first run: its top level, awaits included. */
  first: number
}

/**
 * Every limit a call can meet; `details.limit` of the error that tells of it, and a label of the metric that counts it.
 * The function's own (`execution.*`): timeout, cpu, memory, payload, result, logs, requests, timers, concurrency. The node's: capacity (calls at once, and
 * their queue), share (of processors, while others want them), namespaceCpu, depth,
 * egressBytes (of a fetch, of all of a call's, of a namespace's per minute), chain (all calls of functions by functions because of one from outside). The
 * operator's for a namespace (`osiris quota`): callsPerSecond, concurrent, cpuPerHour.
 */
export const LIMITS = [
  'timeout',
  'cpu',
  'memory',
  'payload',
  'result',
  'logs',
  'requests',
  'timers',
  'concurrency',
  'capacity',
  'share',
  'namespaceCpu',
  'depth',
  'egressBytes',
  'chain',
  'callsPerSecond',
  'concurrent',
  'cpuPerHour',
] as const
export type LimitName = (typeof LIMITS)[number]
export function isLimitName(value: unknown): value is LimitName {
  return (LIMITS as readonly unknown[]).includes(value)
}

export interface OutcomeMeta {
  /** Version that ran, or would have run; empty when it was never resolved. */
  version: string
  /** Name of the node that ran it; empty when none did. */
  node: string
  /** Mesh hops to it, or to whatever it called that was farthest: 0 says that all of it ran on the node that was asked. */
  hops: number
  timing: Timing
  /**
   * Bytes: the most that looks at the instance's heap have found in use, garbage not collected yet included. Looked at after the first call, after every
   * call whose turns are slow, and else after every 256th; absent before. Not the call's own share where calls overlap.
   */
  peakMemoryBytes?: number
  /** What its namespace's quota leaves at the node that placed it; absent where none holds. */
  rateLimit?: readonly RateLimit[]
}

/** Exactly three endings: a value (or a response), a typed error, and the typed error `outcome_unknown`. `invoke` never rejects. */
export type Outcome = ValueOutcome | ResponseOutcome | FailedOutcome
export interface ValueOutcome {
  kind: 'value'
  /** JSON text, made inside the isolate. `undefined` results travel as `null`. */
  value: Uint8Array
  meta: OutcomeMeta
}
export interface ResponseOutcome {
  kind: 'response'
  status: number
  headers: HeaderList
  body?: Body
  meta: OutcomeMeta
}
export interface FailedOutcome {
  kind: 'failed'
  error: OsirisError
  /** `false` is the proof that the function's code was not started, and the only thing a router may retry on. */
  started: boolean
  meta: OutcomeMeta
}

export interface Invoker {
  /** Runs one call to its end. Never rejects; ends at `deadlineAt` + 1 s at the latest. */
  invoke(invocation: Invocation): Promise<Outcome>
}

/** https://www.w3.org/TR/trace-context/#traceparent-header, version 00. */
const TRACEPARENT = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/
/** Others are passed over: they trace nothing. */
export function isTraceparent(value: unknown): value is string {
  return typeof value === 'string' && TRACEPARENT.test(value)
}

export const NO_TIMING: Timing = Object.freeze({ route: 0, queue: 0, cold: 0, run: 0, cpu: 0 })

export function failed(error: OsirisError, meta: Partial<OutcomeMeta> = {}, started = false): FailedOutcome {
  return { kind: 'failed', error, started, meta: { version: '', node: '', hops: 0, timing: NO_TIMING, ...meta } }
}

/** What a call cost, as HTTP tells it (https://www.w3.org/TR/server-timing/): stages in milliseconds; `memory` in bytes, as its description. */
export function serverTiming({ timing, peakMemoryBytes }: OutcomeMeta): string {
  const { route, queue, cold, run, cpu, coldParts } = timing
  let text = `route;dur=${ms(route)}, queue;dur=${ms(queue)}, cold;dur=${ms(cold)}, run;dur=${ms(run)}, cpu;dur=${ms(cpu)}`
  if (coldParts !== undefined) {
    const { artifact, isolate, compile, first } = coldParts
    text += `, cold-artifact;dur=${ms(artifact)}, cold-isolate;dur=${ms(isolate)}, cold-compile;dur=${ms(compile)}, first;dur=${ms(first)}`
  }
  if (peakMemoryBytes !== undefined) text += `, memory;desc="${peakMemoryBytes}"`
  return text
}

/** Microseconds are enough for people, and short numbers cost less to print. */
function ms(value: number): number {
  return Math.round(value * 1000) / 1000
}
