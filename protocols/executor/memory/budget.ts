/**
 * The memory of all workers together, kept within its budget by who may begin. A counter for the call path; what the kernel says about each worker corrects
 * it when it is used up, and ten times a second.
 */
import { oldestIn } from './eviction.ts'
import type { FunctionState, InstanceSlot } from '../function-state.ts'
import { fits, idleMb, type MemoryNeed, promisedMb, worstMb } from './promise.ts'
import type { Pool } from '../pool.ts'
import type { WorkerEnd } from '../worker-end.ts'
import type { WorkerProcess } from '../worker-process.ts'

const MIB = 1024 * 1024
/** A look costs 3 µs a worker and 50 ns an instance. */
const ROUND_MS = 100
/** Where the counter says no, it is asked again whether that is still so, but no more often. */
const LOOK_MS = 10
/** What was let go takes so long to be free; nothing more goes meanwhile. */
const EVICTION_MS = 20
/** A process before it holds anything: what a new one is counted until it can be seen. */
const WORKER_MB = 30
/** Kept however short memory is: it is what replaces a worker that was spoiled. */
const SPARES_LEAST = 1

export interface MemoryBudgetInit {
  budgetMb: number
  pool: Pool
  retire: (slot: InstanceSlot) => void
}

export class MemoryBudget {
  readonly #init: MemoryBudgetInit
  #worstMb = 0
  /** What of it comes back when all calls end. */
  #returningMb = 0
  #lookedAt = Number.NEGATIVE_INFINITY
  #evictedAt = Number.NEGATIVE_INFINITY

  constructor(init: MemoryBudgetInit) {
    this.#init = init
  }

  /** What may still be promised, as far as is known without looking. */
  get roomMb(): number {
    return this.#init.budgetMb - this.#worstMb
  }

  get budgetMb(): number {
    return this.#init.budgetMb
  }

  /** What a call asks for that begins on it, the first one at the time. */
  growthMb(slot: InstanceSlot): number {
    return promisedMb(needOf(slot)) - slot.countedMb
  }

  /** What another instance of this version asks for. */
  newMb(fn: FunctionState): number {
    return promisedMb({ limitMb: fn.memoryMbMax, peakMb: fn.peakMb, isShared: false }) + (this.#init.pool.hasProcessFor(fn) ? 0 : WORKER_MB)
  }

  /**
   * Whether so much more may be promised to an instance of this function. Looks before it says no, and lets idle instances of others go: while it can wait for
   * calls to end, only as many as are in the way even then, because those that burst in together would drive each other out.
   */
  admits(moreMb: number, fn: FunctionState, now: number, canWait: boolean): boolean {
    const { budgetMb } = this.#init
    if (now - this.#lookedAt >= LOOK_MS) this.#look(now)
    if (fits(budgetMb, this.#worstMb, moreMb, false)) return true
    const excessMb = this.#worstMb + moreMb - budgetMb - (canWait ? this.#returningMb : 0)
    if (excessMb > 0 && now - this.#evictedAt >= EVICTION_MS) {
      this.#evictedAt = now
      this.#evict(excessMb, fn)
      this.#look(now)
    }
    return fits(budgetMb, this.#worstMb, moreMb, this.#isAtRest())
  }

  /** The same for what nobody waits for: nothing is let go for it. */
  hasFree(moreMb: number, now: number): boolean {
    if (now - this.#lookedAt >= LOOK_MS) this.#look(now)
    return fits(this.#init.budgetMb, this.#worstMb, moreMb, false)
  }

  /** Whether a further spare fits. */
  admitsSpare(): boolean {
    return this.#worstMb + WORKER_MB <= this.#init.budgetMb
  }

  /** It loads, or has a call: it may take what it is promised. */
  begin(slot: InstanceSlot): void {
    this.#count(slot, promisedMb(needOf(slot)))
  }

  /** It is loaded. */
  rest(slot: InstanceSlot): void {
    this.#count(slot, idleMb(needOf(slot)))
  }

  /** Its last call is over: what it used is known now. */
  end(slot: InstanceSlot): void {
    if (!slot.isShared) slot.fn.peakMb = Math.max(slot.fn.peakMb, slot.peakBytes / MIB)
    this.rest(slot)
  }

  /** Instances or workers are no more: what they held is seen at the next look. */
  changed(): void {
    this.#lookedAt = Number.NEGATIVE_INFINITY
  }

  round(now: number): void {
    if (now - this.#lookedAt >= ROUND_MS) this.#look(now)
  }

  #count(slot: InstanceSlot, megabytes: number): void {
    this.#worstMb += megabytes - slot.countedMb
    slot.countedMb = megabytes
  }

  #look(now: number): void {
    this.#lookedAt = now
    this.#worstMb = 0
    this.#returningMb = 0
    for (const worker of this.#init.pool.workers) this.#lookAt(worker)
  }

  /** Counts each instance anew, too: what was seen of its version may have changed. */
  #lookAt(worker: WorkerProcess): void {
    let idle = 0
    let promised = 0
    for (const slot of worker.slots.values()) {
      const need = needOf(slot)
      const isBusy = slot.inFlight > 0 || slot.state === 'loading'
      slot.countedMb = isBusy ? promisedMb(need) : idleMb(need)
      if (isBusy) promised += slot.countedMb
      else idle += slot.countedMb
      if (isBusy) this.#returningMb += slot.countedMb - idleMb(need)
    }
    const restingMb = worker.isReady ? worker.restingOwnBytes / MIB : WORKER_MB
    this.#worstMb += worstMb({ restingMb, residentMb: worker.memory.ownBytes() / MIB, idleMb: idle, promisedMb: promised })
  }

  #isAtRest(): boolean {
    for (const worker of this.#init.pool.workers) if (worker.calls.size > 0 || worker.loading > 0) return false
    return true
  }

  /** Workers without instances, spares beyond the first, then the least recently used instances; nothing of this function, and nobody who has work. */
  #evict(excessMb: number, fn: FunctionState): void {
    const { pool, retire } = this.#init
    let left = excessMb
    const drop = (worker: WorkerProcess) => {
      left -= worker.memory.ownBytes() / MIB
      worker.kill(SHORT)
    }
    const mayDrop = (worker: WorkerProcess) => worker.key !== null && isEmpty(worker) && worker.namespace !== fn.record.namespace
    for (const worker of [...pool.workers]) if (left > 0 && mayDrop(worker)) drop(worker)
    for (const spare of pool.spares.slice(SPARES_LEAST)) if (left > 0 && spare.isReady) drop(spare)
    if (left <= 0) return
    const workers = [...pool.workers]
    for (const slot of oldestIn(workers, left, (each) => each.fn !== fn && each.fn.waiting.length === 0)) retire(slot)
    // Its end gives the memory back at once, and what no instance accounts for too.
    for (const worker of workers) if (mayDrop(worker)) worker.kill(SHORT)
  }
}

const SHORT: WorkerEnd = { code: 'stopped', reason: 'memory was short, and it held nothing', blamed: new Set() }

function isEmpty(worker: WorkerProcess): boolean {
  return worker.slots.size === 0 && worker.calls.size === 0
}

function needOf({ fn, isShared, peakBytes }: InstanceSlot): MemoryNeed {
  return { limitMb: fn.memoryMbMax, peakMb: fn.peakMb === 0 ? 0 : Math.max(fn.peakMb, peakBytes / MIB), isShared }
}
