/** So much for each of many, refilled as time passes: what one member may have this node do. */
import { dropOldest } from '#protocols/bounded'
import type { Clock } from '#protocols/lifecycle'

/** Remembered at once: the others have all of theirs. */
const KEYS_MAX = 4096

/** For one member that compares: a whole session costs a few milliseconds of 100,000 ids, and a hostile one no more than a twentieth of a core. */
export const COMPARING = { perSecond: 50, burst: 500 }

export class Allowance {
  readonly #clock: Clock
  readonly #perSecond: number
  readonly #burst: number
  /** What is left, and when that was so (monotonic). Below zero for the last, which may take more than there is. */
  readonly #left = new Map<string, { amount: number; atMs: number }>()

  constructor(init: { clock: Clock; perSecond: number; burst: number }) {
    this.#clock = init.clock
    this.#perSecond = init.perSecond
    this.#burst = init.burst
  }

  has(key: string): boolean {
    return this.#now(key) > 0
  }

  spend(key: string, amount: number): void {
    const left = this.#now(key) - amount
    this.#left.delete(key)
    dropOldest(this.#left, KEYS_MAX)
    this.#left.set(key, { amount: left, atMs: this.#clock.monotonic() })
  }

  #now(key: string): number {
    const before = this.#left.get(key)
    if (before === undefined) return this.#burst
    return Math.min(this.#burst, before.amount + ((this.#clock.monotonic() - before.atMs) / 1000) * this.#perSecond)
  }
}
