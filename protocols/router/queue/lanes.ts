/** Items of one lane in attempts at a time are so many; the others of it stand aside, in order, and are in nobody's way. */
import type { HandlerOptions } from './queue.ts'

interface Lane {
  running: number
  readonly aside: Set<string>
}

export class Lanes {
  readonly #of: ((key: string) => string) | undefined
  readonly #concurrency: number
  readonly #lanes = new Map<string, Lane>()
  readonly #asideIn = new Map<string, Lane>()

  constructor(options: HandlerOptions['lanes']) {
    this.#of = options === undefined ? undefined : (key) => options.of(key)
    this.#concurrency = options?.concurrency ?? Number.POSITIVE_INFINITY
  }

  has(id: string): boolean {
    return this.#asideIn.has(id)
  }

  /** Whether there is room; else the item stands aside. Whoever enters leaves. */
  enter(id: string, key: string): boolean {
    if (this.#of === undefined) return true
    const name = this.#of(key)
    const lane = this.#lanes.get(name) ?? { running: 0, aside: new Set() }
    this.#lanes.set(name, lane)
    if (lane.running < this.#concurrency) {
      lane.running += 1
      return true
    }
    lane.aside.add(id)
    this.#asideIn.set(id, lane)
    return false
  }

  /** Who may try next. */
  leave(key: string): string | undefined {
    const name = this.#of?.(key)
    const lane = name === undefined ? undefined : this.#lanes.get(name)
    if (name === undefined || lane === undefined) return undefined
    lane.running -= 1
    const next = lane.aside.values().next().value
    if (next !== undefined) this.remove(next)
    if (lane.running === 0 && lane.aside.size === 0) this.#lanes.delete(name)
    return next
  }

  remove(id: string): void {
    this.#asideIn.get(id)?.aside.delete(id)
    this.#asideIn.delete(id)
  }
}
