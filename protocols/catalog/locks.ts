/** One at a time per key; in order of arrival. */
export class Locks {
  readonly #tails = new Map<string, Promise<unknown>>()

  /** Runs `act` when everything asked for earlier under any of the keys has ended. */
  async run<T>(keys: readonly string[], act: () => Promise<T>): Promise<T> {
    const before = Promise.all(keys.map((key) => this.#tails.get(key) ?? Promise.resolve()))
    const result = before.then(act)
    const tail = result.catch(() => {})
    for (const key of keys) this.#tails.set(key, tail)
    try {
      return await result
    } finally {
      for (const key of keys) if (this.#tails.get(key) === tail) this.#tails.delete(key)
    }
  }
}
