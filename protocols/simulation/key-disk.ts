/** The files with keys of the root's on one host: whole or not there, and kept when the process or the power goes. */
import { createIdentity, type Identity } from '#protocols/access'
import type { RootKeys } from '#protocols/catalog'
import { OsirisError } from '#protocols/errors'
import type { Dice } from './dice.ts'
import type { Owner, Scheduler } from './scheduler.ts'

const WRITE_MS = { min: 0.2, max: 6 }
/** Of writes and new names, so many fail. */
const FAILING = 0.15

export class KeyDisk {
  readonly #scheduler: Scheduler
  readonly #dice: Dice
  /** Makes seeds that no other host makes. */
  readonly #first: number
  readonly #kept: Identity[]
  #next: Identity | undefined
  #made = 0

  constructor(scheduler: Scheduler, dice: Dice, first: number, ...kept: Identity[]) {
    this.#scheduler = scheduler
    this.#dice = dice
    this.#first = first
    this.#kept = kept
  }

  has(key: string): boolean {
    return this.#all().some(({ id }) => id === key)
  }

  /** For one process; what it waits for ends with it. */
  open(owner: Owner): RootKeys {
    const write = (change: () => void) =>
      new Promise<void>((resolve, reject) => {
        this.#scheduler.after(owner, this.#dice.between(WRITE_MS.min, WRITE_MS.max), () => {
          if (this.#dice.chance(FAILING)) return reject(new OsirisError('unavailable', 'Cannot keep the key: the disk refuses'))
          change()
          resolve()
        })
      })
    return {
      held: this.#all(),
      next: async (isUsed) => {
        if (this.#next !== undefined && !isUsed(this.#next.id)) return this.#next
        this.#made += 1
        const made = createIdentity(new Uint8Array(32).fill(this.#first + this.#made))
        await write(() => (this.#next = made))
        return made
      },
      tookOver: async ({ id }) => {
        const key = this.#next
        if (key?.id !== id) return
        await write(() => {
          this.#kept.push(key)
          this.#next = undefined
        })
      },
    }
  }

  #all(): Identity[] {
    return this.#next === undefined ? [...this.#kept] : [...this.#kept, this.#next]
  }
}
