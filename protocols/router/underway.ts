/**
 * How many calls are under way at once, of all and of each namespace: those a router holds that are not simply here (each costs memory until a member has
 * answered), and those its queue has begun.
 */
import { OsirisError } from '#protocols/errors'

/** A few KiB each: some tens of MB. */
const UNDERWAY_MAX = 8192

export class Underway {
  readonly #max: number
  #all = 0
  /** Only of namespaces that hold some. */
  readonly #held = new Map<string, number>()

  constructor(max = UNDERWAY_MAX) {
    this.#max = max
  }

  get isFull(): boolean {
    return this.#all >= this.#max
  }

  /** A namespace may hold as many as it leaves free, so whoever comes next finds room. */
  mayEnter(namespace: string): boolean {
    return (this.#held.get(namespace) ?? 0) < this.#max - this.#all
  }

  /** Whoever entered must `leave`. */
  enter(namespace: string): boolean {
    if (!this.mayEnter(namespace)) return false
    this.#all++
    this.#held.set(namespace, (this.#held.get(namespace) ?? 0) + 1)
    return true
  }

  leave(namespace: string): void {
    const held = this.#held.get(namespace) ?? 0
    this.#all--
    if (held > 1) this.#held.set(namespace, held - 1)
    else this.#held.delete(namespace)
  }

  refusal(namespace: string, name: string): OsirisError {
    const state = `this router holds ${this.#held.get(namespace) ?? 0} calls of "${namespace}", of ${this.#all} in all (at most ${this.#max})`
    return new OsirisError('overloaded', `Cannot place "${namespace}/${name}": ${state}`, { details: { limit: 'capacity' } })
  }
}
