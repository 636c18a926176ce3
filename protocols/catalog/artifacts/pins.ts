/** Artifacts that a publish under way relies on: between "it is here" and "an entry names it" nobody may forget them. */
import { Locks } from '../locks.ts'

export class Pins {
  readonly #held = new Map<string, number>()
  readonly #locks = new Locks()

  has(digest: string): boolean {
    return this.#held.has(digest)
  }

  /** Keeps it pinned while `act` runs. */
  async during<T>(digest: string, act: () => Promise<T>): Promise<T> {
    this.#held.set(digest, (this.#held.get(digest) ?? 0) + 1)
    try {
      return await act()
    } finally {
      const left = (this.#held.get(digest) ?? 1) - 1
      if (left === 0) this.#held.delete(digest)
      else this.#held.set(digest, left)
    }
  }

  /** What puts and what drops the same artifact run one after the other. */
  alone<T>(digest: string, act: () => Promise<T>): Promise<T> {
    return this.#locks.run([digest], act)
  }
}
