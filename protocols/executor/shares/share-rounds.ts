/** Feeds the shares with what the kernel says, processor time of each worker and what the host has to spare; and tells the kernel who waits behind whom. */
import { cpus } from 'node:os'
import type { Shares } from './shares.ts'
import type { WorkerProcess } from '../worker-process.ts'

/** Kernel figures come in steps of 10 ms, and reading them costs 3 µs per worker. */
const ROUND_MS = 100
/** Costs about 20 µs per processor. */
const IDLE_MS = 250

export class ShareRounds {
  readonly #shares: Shares
  readonly #idleTimes: () => number
  /** Processor time of each worker when it was last read: what a spare used before it had a namespace is nobody's. */
  readonly #seen = new WeakMap<WorkerProcess, number>()
  /** What each had used when it was given a namespace. */
  readonly #starts = new WeakMap<WorkerProcess, number>()
  #roundAt = Number.NEGATIVE_INFINITY
  #idleAt = 0
  #idleMs = 0
  #idleCores: number

  /** `idleTimes`: milliseconds all processors together have been idle. */
  constructor(shares: Shares, hostCores: number, idleTimes: () => number = hostIdleMs) {
    this.#shares = shares
    this.#idleTimes = idleTimes
    this.#idleCores = hostCores
  }

  /** Whether it was time for one. */
  round(workers: Iterable<WorkerProcess>, now: number): boolean {
    if (now - this.#roundAt < ROUND_MS) return false
    this.#roundAt = now
    for (const worker of workers) this.#charge(worker, now)
    this.#lookIdle(now)
    this.#shares.round(now, this.#idleCores)
    for (const worker of workers) this.#weigh(worker)
    return true
  }

  /** It has a namespace from now on. */
  began(worker: WorkerProcess): void {
    const usedMs = worker.memory.cpuMs() ?? 0
    this.#seen.set(worker, usedMs)
    this.#starts.set(worker, usedMs)
    this.#weigh(worker)
  }

  /**
   * It is being ended, and nobody reads it again: what it used since the last round would be free for whoever loses a worker with each call. Whoever is to
   * blame pays for its start as well, because another one has to be started.
   */
  ended(worker: WorkerProcess, now: number, isBlamed: boolean): void {
    this.#charge(worker, now)
    if (isBlamed && worker.namespace !== null) this.#shares.charge(worker.namespace, this.#starts.get(worker) ?? 0, now)
  }

  /** A spare is where whoever started it put it. */
  #weigh(worker: WorkerProcess): void {
    if (worker.namespace !== null) worker.weigh(this.#shares.isBehind(worker.namespace) ? 'behind' : 'equal')
  }

  #charge(worker: WorkerProcess, now: number): void {
    if (worker.namespace === null) return
    const usedMs = worker.memory.cpuMs()
    if (usedMs === undefined) return
    this.#shares.charge(worker.namespace, Math.max(0, usedMs - (this.#seen.get(worker) ?? usedMs)), now)
    this.#seen.set(worker, usedMs)
  }

  #lookIdle(now: number): void {
    if (now - this.#idleAt < IDLE_MS) return
    const idleMs = this.#idleTimes()
    if (this.#idleAt > 0) this.#idleCores = Math.max(0, (idleMs - this.#idleMs) / (now - this.#idleAt))
    this.#idleMs = idleMs
    this.#idleAt = now
  }
}

function hostIdleMs(): number {
  return cpus().reduce((sum, each) => sum + each.times.idle, 0)
}
