/** Chance that a seed repeats: each concern has a sequence of its own, so that one more draw in one does not move the others. */
import { createHash } from 'node:crypto'
import { sequence } from '#protocols/network'

export class Dice {
  readonly #random: () => number

  constructor(seed: number, concern: string) {
    this.#random = sequence(createHash('sha256').update(`${seed} ${concern}`).digest().readUInt32LE())
  }

  /** 0 up to, and without, 1. */
  share(): number {
    return this.#random()
  }

  /** 0 … count - 1. */
  int(count: number): number {
    return Math.floor(this.#random() * count)
  }

  chance(probability: number): boolean {
    return this.#random() < probability
  }

  /** One of them; `undefined` when there is none. */
  pick<T>(from: readonly T[]): T | undefined {
    return from[this.int(from.length)]
  }

  /** One of them, by its whole number of lots. */
  weighted<T>(from: readonly (readonly [lots: number, each: T])[]): T {
    let left = this.int(from.reduce((sum, [lots]) => sum + lots, 0))
    const [, each] = from.find(([lots]) => (left -= lots) < 0) as readonly [number, T]
    return each
  }
}
