/** Whose turn it is: each of those who are here once before anybody again, in an order that chance makes anew each time round. */
import type { Random } from '#protocols/lifecycle'

export class Turns<T> {
  readonly #random: Random
  #waiting: T[] = []
  /** Had their turn this time round. */
  #had = new Set<T>()

  constructor(random: Random) {
    this.#random = random
  }

  /** Of those who are here now; whoever came meanwhile is among the next, whoever left is passed over. */
  next(here: readonly T[]): T | undefined {
    this.#waiting = this.#waiting.filter((each) => here.includes(each))
    for (const each of here) if (!this.#had.has(each) && !this.#waiting.includes(each)) this.#waiting.push(each)
    if (this.#waiting.length === 0) {
      this.#had = new Set()
      this.#waiting = [...here]
    }
    const [chosen] = this.#waiting.splice(Math.floor(this.#random() * this.#waiting.length), 1)
    if (chosen !== undefined) this.#had.add(chosen)
    return chosen
  }
}
