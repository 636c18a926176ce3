/** What a worker needs of an engine, and what an engine tells back. Texts are UTF-8 strings; `callId` and `instanceId` are the node's. */
import type { EventHandler } from '#protocols/invocation'

export interface LoadRequest {
  instanceId: number
  memoryMbMax: number
  /** JSON of `WireSettings`. */
  settings: string
  artifact: string
  /** An idle instance of the same version, alone in its isolate, that this one takes the place of: it shares an isolate with others. */
  insteadOf?: number
  /** Compiled code of the artifact, as `codeCache` told it. */
  cached?: Uint8Array
}

export interface Engine {
  load(request: LoadRequest): void
  retire(instanceId: number): void
  /** `from`: JSON of the functions above it, where a function calls. */
  call(instanceId: number, callId: number, msLeft: number, args: string, from?: string): void
  /** `event`: JSON text, for the method of that name. Ends as a call does. */
  handle(instanceId: number, callId: number, msLeft: number, handler: EventHandler, event: string): void
  /** `body` is the whole body, or nothing: then there is none or it comes by `chunk`. */
  request(instanceId: number, callId: number, msLeft: number, head: string, body: Uint8Array | undefined): void
  chunk(callId: number, bytes: Uint8Array): void
  end(callId: number): void
  broken(callId: number, reason: string): void
  credit(callId: number, bytes: number): void
  cancel(callId: number): void
  answer(instanceId: number, askId: number, json: string, failed: boolean): void
  /** Word of a fetch; `event` is one of the runtime's `EVENT.fetch…`, `value` what that one carries. */
  fetched(instanceId: number, fetchId: number, event: number, value: string | Uint8Array | number | undefined): void
}

/** What making an instance took, in milliseconds. */
export interface LoadParts {
  isolate: number
  compile: number
  first: number
  /** The code that was given was used. */
  fromCache: boolean
}

export interface EngineReports {
  loaded(instanceId: number, parts: LoadParts): void
  /** `error`: JSON of `WireError`, here and below. */
  loadFailed(instanceId: number, error: string): void
  value(callId: number, runMs: number, cpuMs: number, json: string): void
  failed(callId: number, runMs: number, cpuMs: number, error: string, spoiled: boolean): void
  /** Processor time until now: before a response. */
  spent(callId: number, cpuMs: number): void
  response(callId: number, runMs: number, head: string, body: string | Uint8Array | undefined, open: boolean, closed: boolean): void
  chunk(callId: number, bytes: Uint8Array): void
  end(callId: number): void
  broken(callId: number, error: string): void
  credit(callId: number, bytes: number): void
  closed(callId: number, cpuMs: number): void
  log(instanceId: number, callId: number, level: number, text: string): void
  /** `callId`: who asks; 0 for nobody. */
  ask(instanceId: number, askId: number, json: string, callId: number): void
  /** `limit`: its name in LIMITS. */
  met(instanceId: number, callId: number, limit: string): void
  /** The most memory seen in use. */
  memory(instanceId: number, bytes: number): void
  /** `head`: JSON of `WireFetch`. */
  fetch(instanceId: number, fetchId: number, head: string, body: string | Uint8Array | undefined): void
  fetchChunk(instanceId: number, fetchId: number, bytes: Uint8Array): void
  fetchEnd(instanceId: number, fetchId: number): void
  fetchCancel(instanceId: number, fetchId: number): void
  fetchCredit(instanceId: number, fetchId: number, bytes: number): void
  /** A cancelled call has been taken in. */
  heard(callId: number): void
  /** Nothing of a retired instance runs any more. */
  retired(instanceId: number): void
  /** It is too slow or too large for those it shares an isolate with, and is to be retired. Once. */
  unfit(instanceId: number): void
  /** Compiled code of its artifact, for later loads. At most once, after a load that used none. */
  codeCache(instanceId: number, bytes: Uint8Array): void
  /** The instance is no more; its calls end with this error. */
  gone(instanceId: number, error: string): void
}
