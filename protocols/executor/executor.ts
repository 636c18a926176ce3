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
  /** Versions with a warm instance, most recent first. */
  warm: string[]
  /** What stands between workers and this host. */
  walls: WallState[]
  /** Compiled code that is kept for later loads. */
  compiled: CodeCacheStatus
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
