/**
 * Running functions. The V8 isolate is the fast inner wall, the worker process the real one.
 * Had as a service (workers on this node) or as a client (a member with the executor role).
 */
import type { FunctionRecord } from '#protocols/catalog'
import type { Invocation, Outcome, PlacedInvocation } from '#protocols/invocation'
import type { CodeCacheStatus } from './compiled/cache.ts'
import type { WallState } from './walls/report.ts'

export interface WorkerStatus {
  pid: number
  namespace: string | null
  instances: number
  /** Those of them that share an isolate with others. */
  sharing: number
  memoryBytes: number
}

export interface ExecutorStatus {
  /** Calls that may run at once here, over all functions. */
  capacity: number
  inFlight: number
  queued: number
  /** Worker processes: one per namespace in use, and spares that hold nothing yet. */
  workers: WorkerStatus[]
  /** Versions with a warm instance: those that are kept, then the others, most recent first. */
  warm: string[]
  /** What stands between workers and this host. */
  walls: WallState[]
  /** Compiled code that is kept for later loads. */
  compiled: CodeCacheStatus
}

/** What a decider wants of a member: so many instances of a version kept ready there, called or not. */
export interface ScaleOrder {
  namespace: string
  name: string
  version: string
  /** More than the member's part of `max` are not kept. What is there beyond them goes as soon as its calls are over. */
  instances: number
  /** From its arrival; without another order by then, what is not called goes after its `idle`. */
  lapseMs: number
}

/** What an executor has of one version, and what it is used for. */
export interface InstanceCount {
  namespace: string
  name: string
  version: string
  ready: number
  starting: number
  /** Ordered, and not lapsed. */
  kept: number
  running: number
  waiting: number
  /** Since the last call began; 0 while one runs or waits. */
  quietMs: number
  /** Calls running and waiting, summed over the time that the version has been in use here, in milliseconds; looked at every 20 ms. */
  callMs: number
}

export interface Executor {
  /**
   * Runs one placed call to its end: a value, a response, or a typed error; never rejects.
   * `failed` with `started: false` and `overloaded` means: refused at once, nothing ran, try another member.
   * Codes: deadline_exceeded, memory_exceeded, worker_crashed, function_failed, result_not_serializable, result_too_large,
   * payload_too_large, invalid_argument (arguments are not a JSON array, or the function is of the other style), overloaded, not_found, unavailable, depth_exceeded.
   */
  invoke(invocation: PlacedInvocation): Promise<Outcome>
  /** Whether an instance of this version is ready. Synchronous: asked on the call path. */
  isWarm(version: string): boolean
  /** Whether its ready instances have fewer calls than they should (`scale.target`), so that another one is best taken here. Synchronous: asked on the call path. */
  hasRoom(version: string): boolean
  /** Whether it has as many calls here, running and waiting, as may run. Synchronous too. */
  isFull(version: string): boolean
  /**
   * Takes an order; answers with what is there by then: instances that start are ready within milliseconds, and not waited for. Throws `overloaded`
   * (`details.limit` `memory` or `scale`: there is no room for them), `unavailable` (it stops, or takes no more work), `not_found`.
   */
  scale(order: ScaleOrder): Promise<InstanceCount>
  /** Of every version in use here. */
  instances(): InstanceCount[]
  status(): ExecutorStatus
}

/** Where the executor gets code and settings from: the catalog, by version. */
export interface CodeSource {
  /** The record of exactly this version. Throws `not_found`. */
  record(namespace: string, name: string, version: string): FunctionRecord | Promise<FunctionRecord>
  artifact(digest: string, options: { timeoutMs: number }): Promise<Uint8Array>
}

/** What a function asks of its node while it runs: function-to-function calls leave the executor through this. */
export type CallOut = (invocation: Invocation) => Promise<Outcome>

/** The same for what it publishes: `from` is what this node runs there, whatever the worker says. Rejects as the router's `Topics` do. */
export type PublishOut = (
  message: { namespace: string; topic: string; data: Uint8Array; id?: string; key?: string; traceparent?: string },
  from: { name: string; subject: string; depth: number },
) => Promise<{ id: string }>
