/** What an operator may set. Each has its reason beside it. */
export interface ExecutorLimits {
  /** Calls that wait for a slot, over all functions; beyond it calls are refused at once. Default: the capacity. */
  queueMax: number
  /** Instances of one version on this node. */
  instancesMax: number
  /** Function-to-function calls in a chain. */
  depthMax: number
  /** All calls of functions by functions because of one call from outside that begins here. */
  chainCallsMax: number
  /** How long a cold start waits for the artifact. */
  artifactMs: number
  /** How long after its deadline a call that does not stop costs its worker the life. */
  killGraceMs: number
  /** Resident memory a worker may have above its start and the limits of its instances: the engine's own needs, garbage not collected yet. */
  workerAllowanceMb: number
  /** Resident memory of one worker, whatever its instances may have. */
  workerMemoryMbMax: number
  /** Memory of all workers together, the pages of files they have in common not counted. Calls that would promise more are `overloaded`; above it the least recently used instances go. */
  memoryMbMax: number
  /** Instances of one worker that keep an isolate each, 2.4 MB. Beyond them the least recently used share isolates, 0.42 MB each. */
  aloneMax: number
  /** What was found too slow or too large for neighbours is not asked again before this. */
  apartMs: number
  /** A worker without instances ends after this. */
  workerIdleMs: number
  /** Of one call, fetches that wait for their response's head at the same time; more of them wait for their turn. */
  egressConcurrentMax: number
  /** Fetches under way on this node, over all functions; beyond it they are `overloaded`. Each holds a socket and up to 512 KiB. */
  egressNodeMax: number
  egressRedirectsMax: number
  /** Bytes of one fetch: the request's body, and the response's after decoding. They stream, so this is about traffic, not memory. */
  egressBytesOutMax: number
  egressBytesInMax: number
  /** Bytes of all fetches of one call, both ways. */
  egressCallBytesMax: number
  /** Bytes of all fetches of one namespace per minute on this node, both ways, as they are on the wire: what a leak can carry away. */
  egressBytesPerMinute: number
  /** From the host's name to the end of the TLS handshake. */
  egressConnectMs: number
  /** From the end of the request to the response's head; the call's own deadline holds besides. */
  egressHeadMs: number
  /** Without a byte from the peer, or without it taking one. A drip that is never idle ends with its call. */
  egressIdleMs: number
  /*
   * The most a function gets of what it may ask for (`execution.*`), whatever its manifest says: beyond it the maximum holds at run time, and the error
   * of a call that meets it says so. A deploy is not refused: versions outlive operators, and travel to nodes with other ones. The defaults are
   * the manifest's own bounds, so that out of the box a function gets what it asked for.
   */
  timeoutMsMax: number
  cpuMsMax: number
  /** Default: what one worker, or all together, may have. An instance that asks for more could never start. */
  instanceMemoryMbMax: number
  /** Arguments are held in memory whole, on every node they pass. */
  payloadBytesMax: number
  resultBytesMax: number
  logBytesMax: number
  requestsMax: number
  /** Each costs about 200 bytes, and every turn looks at all of them. */
  timersMax: number
  concurrencyMax: number
  /** Processors one namespace may use, on average of the last seconds, even where nobody else wants them. */
  namespaceCpuMax: number
  /** Over how long a namespace's processor time is averaged: as long as a burst may take more than its share before it pays for it. */
  shareWindowMs: number
}

const MIB = 1024 * 1024

export const DEFAULT_LIMITS: ExecutorLimits = {
  queueMax: 256,
  instancesMax: 4,
  depthMax: 16,
  chainCallsMax: 256,
  artifactMs: 10_000,
  killGraceMs: 200,
  workerAllowanceMb: 96,
  workerMemoryMbMax: 2048,
  memoryMbMax: 4096,
  aloneMax: 16,
  apartMs: 60_000,
  workerIdleMs: 60_000,
  egressConcurrentMax: 6,
  egressNodeMax: 512,
  egressRedirectsMax: 5,
  egressBytesOutMax: 64 * MIB,
  egressBytesInMax: 64 * MIB,
  egressCallBytesMax: 128 * MIB,
  egressBytesPerMinute: 512 * MIB,
  egressConnectMs: 5000,
  egressHeadMs: 30_000,
  egressIdleMs: 15_000,
  timeoutMsMax: 900_000,
  cpuMsMax: 900_000,
  instanceMemoryMbMax: 2048,
  payloadBytesMax: 1024 * MIB,
  resultBytesMax: 1024 * MIB,
  logBytesMax: 64 * MIB,
  requestsMax: 10_000,
  timersMax: 100_000,
  concurrencyMax: 10_000,
  namespaceCpuMax: Number.POSITIVE_INFINITY,
  shareWindowMs: 10_000,
}

/**
 * Memory one worker may have with these instances: their limits, and the allowance. The kernel's limit is just that, with everything of the process in it,
 * for it is never late; the look at resident memory leaves out what the process had when it was ready (`restingBytes`).
 */
export function workerBytesMax(
  slots: Iterable<{ fn: { memoryMbMax: number } }>,
  { workerAllowanceMb, workerMemoryMbMax }: ExecutorLimits,
  restingBytes = 0,
): number {
  let megabytes = workerAllowanceMb
  for (const slot of slots) megabytes += slot.fn.memoryMbMax
  return Math.min(restingBytes + megabytes * MIB, workerMemoryMbMax * MIB)
}

/** Half of the host's memory, the rest being the node's and everybody else's; never more than the default. */
export function memoryOf(hostBytes: number): number {
  return Math.min(DEFAULT_LIMITS.memoryMbMax, Math.floor(hostBytes / 2 / 1024 / 1024))
}
