/** Which instances share an isolate: where a worker holds many, those that were not used for longest, one at a time. */
import type { Clock } from '#protocols/lifecycle'
import type { InstanceSlot } from '../function-state.ts'
import type { Pool } from '../pool.ts'
import type { WorkerProcess } from '../worker-process.ts'

/** While first calls come so close together, sharing would be in their way… */
const QUIET_MS = 100
/** …and is put off, up to so many: beyond them it costs less than what an isolate leaves behind, 0.6 MB that the next one takes. */
const PATIENT_MAX = 64
/** A load takes 1.5 ms of the worker's main thread: this leaves the calls more than half of it. */
const STEP_MS = 5

export interface SharingInit {
  clock: Clock
  pool: Pool
  aloneMax: number
  /** Never rejects for what the worker does, only for what is in the way here. */
  share: (slot: InstanceSlot) => Promise<void>
}

/** The idle ones beyond the number that may be alone, least recently used first. */
export function toShare(slots: Iterable<InstanceSlot>, now: number, aloneMax: number): InstanceSlot[] {
  const alone = [...slots].filter((slot) => !slot.isShared && slot.state === 'ready' && !slot.spoiled && now >= slot.fn.sharesFrom)
  const idle = alone.filter((slot) => slot.inFlight === 0 && slot.fn.starting === 0).toSorted((a, b) => a.lastUsedAt - b.lastUsedAt)
  return idle.slice(0, Math.max(0, alone.length - aloneMax))
}

/** How many of them share an isolate with others. */
export function sharingIn(slots: Iterable<InstanceSlot>): number {
  let count = 0
  for (const slot of slots) if (slot.isShared && slot.state === 'ready') count++
  return count
}

export class Sharing {
  readonly #init: SharingInit
  #cancel: (() => void) | undefined

  constructor(init: SharingInit) {
    this.#init = init
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  /** To be called when instances were added, and now and then. Costs nothing while a worker holds few. */
  wake(): void {
    if (this.#cancel !== undefined) return
    const isDue = [...this.#init.pool.workers].some((worker) => this.#next(worker) !== undefined)
    if (isDue) this.#cancel = this.#init.clock.after(STEP_MS, () => this.#step())
  }

  /** One of each worker, chosen anew every time: what is used meanwhile, and first calls that come, count. */
  #step(): void {
    this.#cancel = undefined
    for (const worker of this.#init.pool.workers) {
      const slot = isSharing(worker) ? undefined : this.#next(worker)
      if (slot !== undefined) void this.#init.share(slot).catch(() => {})
    }
    this.wake()
  }

  #next(worker: WorkerProcess): InstanceSlot | undefined {
    if (worker.slots.size <= this.#init.aloneMax || worker.isBlocked || worker.isEnded) return undefined
    const now = this.#init.clock.monotonic()
    const isQuiet = now - worker.lastLoadAt > QUIET_MS
    return toShare(worker.slots.values(), now, isQuiet ? this.#init.aloneMax : Math.max(this.#init.aloneMax, PATIENT_MAX))[0]
  }
}

function isSharing(worker: WorkerProcess): boolean {
  for (const slot of worker.slots.values()) if (slot.isShared && slot.state === 'loading') return true
  return false
}
