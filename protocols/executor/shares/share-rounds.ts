/** Feeds the shares with what the kernel says: processor time of each worker, and what the host has to spare. */
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
    for (const worker of workers) {
      if (worker.namespace === null) continue
      const usedMs = worker.memory.cpuMs()
      if (usedMs === undefined) continue
      this.#shares.charge(worker.namespace, Math.max(0, usedMs - (this.#seen.get(worker) ?? usedMs)), now)
      this.#seen.set(worker, usedMs)
    }
    this.#lookIdle(now)
    this.#shares.round(now, this.#idleCores)
    return true
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
