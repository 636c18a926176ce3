/**
 * One node's disk as abstract-level shows it: a batch is all or nothing, and is lost with the power unless it, or a later one, was synced.
 * What an incarnation of the node waits for never arrives after its end; what was written and not synced may or may not be there.
 */
import type { Storage } from '#protocols/storage'
import type { Dice } from './dice.ts'
import type { Owner, Scheduler } from './scheduler.ts'

type Batch = Parameters<Storage['batch']>[0]
export type DiskTrouble = 'none' | 'ENOSPC' | 'EIO'

/** A batch and its sync, milliseconds; an SSD, with now and then a long one. */
const WRITE_MS = { min: 0.2, max: 4, slow: 120, slowChance: 0.03 }
const READ_MS = { min: 0.02, max: 0.3 }

export class VirtualDisk {
  trouble: DiskTrouble = 'none'
  /** Something on it was damaged or lost by other than a crash: it no longer proves what it once held. */
  damaged = false
  /** Hears of every record that now survives the loss of power. */
  onDurable: (key: string, value: Uint8Array) => void = () => {}
  /** Hears of every record that reads see from now on. */
  onVisible: (key: string, value: Uint8Array) => void = () => {}
  /** Hears of every write that begins. */
  onWrite: () => void = () => {}
  readonly #scheduler: Scheduler
  readonly #dice: Dice
  /** What survives the loss of power. */
  #durable = new Map<string, Uint8Array>()
  /** What reads see. */
  #visible = new Map<string, Uint8Array>()
  /** Written, not synced, in order. */
  #unsynced: Batch[] = []
  #busyUntil = 0

  constructor(scheduler: Scheduler, dice: Dice) {
    this.#scheduler = scheduler
    this.#dice = dice
  }

  /** The disk for one life of its node. */
  open(owner: Owner): Storage {
    const wait = (ms: number) => new Promise<void>((resolve) => this.#scheduler.after(owner, ms, resolve))
    return {
      batch: async (operations, { sync }) => {
        if (!sync) return this.#write(operations, false)
        this.#unsynced.push(operations)
        this.onWrite()
        await wait(this.#writeMs())
        this.#unsynced.splice(this.#unsynced.indexOf(operations), 1)
        this.#write(operations, true)
      },
      getMany: async (keys) => {
        await wait(this.#dice.between(READ_MS.min, READ_MS.max))
        return keys.map((key) => this.#visible.get(key))
      },
      iterator: ({ gte, lt }) => this.#iterate(gte, lt, wait),
    }
  }

  /** The node is gone without warning: of what was not synced, a beginning of unknown length has reached the disk. */
  crash(): void {
    const kept = this.#dice.int(this.#unsynced.length + 1)
    this.#keep(this.#unsynced.slice(0, kept))
    this.#unsynced = []
    this.#visible = new Map(this.#durable)
    this.#busyUntil = 0
  }

  /** Flips one bit of a record. */
  flip(key: string): void {
    const value = this.#durable.get(key)
    if (value === undefined) return
    const flipped = Uint8Array.from(value)
    const at = this.#dice.int(flipped.length)
    flipped[at] = (flipped[at] as number) ^ (1 << this.#dice.int(8))
    this.damaged = true
    this.#durable.set(key, flipped)
    this.#visible.set(key, flipped)
  }

  /** Loses one record without saying so. */
  lose(key: string): void {
    this.damaged = true
    this.#durable.delete(key)
    this.#visible.delete(key)
  }

  /** A copy of what is on it. */
  copy(): ReadonlyMap<string, Uint8Array> {
    return new Map(this.#durable)
  }

  /** An old copy takes the place of what is on it: everything fits together, and some of it is gone. */
  setBack(copy: ReadonlyMap<string, Uint8Array>): void {
    this.damaged = true
    this.#unsynced = []
    this.#durable = new Map(copy)
    this.#visible = new Map(copy)
  }

  /** Records that a loss of power would leave, by key. */
  durable(): ReadonlyMap<string, Uint8Array> {
    return this.#durable
  }

  keys(): string[] {
    return [...this.#durable.keys()].toSorted()
  }

  #write(operations: Batch, sync: boolean): void {
    if (this.trouble !== 'none') {
      // What a failed sync left behind may still be found after the next crash.
      if (this.#dice.chance(0.5)) this.#unsynced.push(operations)
      throw failure(this.trouble)
    }
    for (const each of operations) apply(each, this.#visible)
    if (sync) this.#keep([...this.#unsynced.splice(0), operations])
    else this.#unsynced.push(operations)
    for (const each of operations) if (each.type === 'put') this.onVisible(each.key, each.value)
  }

  #keep(batches: readonly Batch[]): void {
    for (const batch of batches) {
      for (const each of batch) apply(each, this.#durable)
      for (const each of batch) if (each.type === 'put') this.onDurable(each.key, each.value)
    }
  }

  #writeMs(): number {
    const { min, max, slow, slowChance } = WRITE_MS
    const ms = this.#dice.chance(slowChance) ? this.#dice.between(max, slow) : this.#dice.between(min, max)
    // One disk, one write after the other.
    this.#busyUntil = Math.max(this.#busyUntil, this.#scheduler.now) + ms
    return this.#busyUntil - this.#scheduler.now
  }

  async *#iterate(gte: string, lt: string, wait: (ms: number) => Promise<void>): AsyncGenerator<[string, Uint8Array]> {
    await wait(READ_MS.max)
    if (this.trouble === 'EIO') throw failure('EIO')
    const keys = [...this.#visible.keys()].filter((key) => key >= gte && key < lt).toSorted()
    for (const key of keys) yield [key, this.#visible.get(key) as Uint8Array]
  }
}

function apply(operation: Batch[number], records: Map<string, Uint8Array>): void {
  if (operation.type === 'put') records.set(operation.key, operation.value)
  else records.delete(operation.key)
}

function failure(code: 'ENOSPC' | 'EIO'): Error {
  const words = code === 'ENOSPC' ? 'no space left on device' : 'i/o error'
  return Object.assign(new Error(`${code}: ${words}, write`), { code })
}
