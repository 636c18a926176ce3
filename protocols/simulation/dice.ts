/** Chance, repeatable: every decision of a run comes from one seed, and each concern has a sequence of its own, so that one more draw in one does not move the others. */
import type { Random } from '#protocols/lifecycle'
import { sequence } from '#protocols/network'

export class Dice {
  readonly random: Random
  readonly #seed: number

  constructor(seed: number) {
    this.#seed = seed
    this.random = sequence(seed)
  }

  /** An independent sequence for one concern. */
  fork(concern: string): Dice {
    return new Dice(mix(this.#seed, concern))
  }

  chance(probability: number): boolean {
    return this.random() < probability
  }

  /** 0 … count - 1. */
  int(count: number): number {
    return Math.floor(this.random() * count)
  }

  between(min: number, max: number): number {
    return min + this.random() * (max - min)
  }

  /** One of them; throws when there is none. */
  pick<T>(from: readonly T[]): T {
    if (from.length === 0) throw new Error('Cannot pick: there is nothing to pick from')
    return from[this.int(from.length)] as T
  }

  shuffled<T>(from: readonly T[]): T[] {
    const all = [...from]
    for (let at = all.length - 1; at > 0; at--) {
      const other = this.int(at + 1)
      const kept = all[at] as T
      all[at] = all[other] as T
      all[other] = kept
    }
    return all
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.int(256))
  }
}

/** FNV-1a over the text, begun at the seed: http://www.isthe.com/chongo/tech/comp/fnv/. */
export function mix(seed: number, text: string): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193) >>> 0
  return hash
}
