/** What an operator may set. Each has its reason beside it. */
export interface ExecutorLimits {
  /** Calls that wait for a slot, over all functions; beyond it calls are refused at once. Default: the capacity. */
  queueMax: number
  /** Instances of one version on this node. */
  instancesMax: number
  /** Function-to-function calls in a chain. */
  depthMax: number
  /** How long a cold start waits for the artifact. */
  artifactMs: number
  /** How long after its deadline a call that does not stop costs its worker the life. */
  killGraceMs: number
  /** Resident memory a worker may have above its start and the limits of its instances: the engine's own needs, garbage not collected yet. */
  workerAllowanceMb: number
  /** Resident memory of one worker, whatever its instances may have. */
  workerMemoryMbMax: number
  /** Resident memory of all workers together; above it the least recently used instances go. */
  memoryMbMax: number
  /** A worker without instances ends after this. */
  workerIdleMs: number
}

export const DEFAULT_LIMITS: ExecutorLimits = {
  queueMax: 256,
  instancesMax: 4,
  depthMax: 16,
  artifactMs: 10_000,
  killGraceMs: 200,
  workerAllowanceMb: 96,
  workerMemoryMbMax: 2048,
  memoryMbMax: 4096,
  workerIdleMs: 60_000,
}
