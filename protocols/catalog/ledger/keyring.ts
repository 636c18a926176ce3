/** The keys a node signs entries with. */
import type { Identity } from '#protocols/access'

export class Keyring {
  readonly #all: Identity[]

  constructor(own: Identity, roots: readonly Identity[]) {
    this.#all = [own, ...roots]
  }

  /** Its own, then those of the root's that are here, oldest first. What each may is for the entries to say. */
  get all(): readonly Identity[] {
    return this.#all
  }

  get roots(): readonly Identity[] {
    return this.#all.slice(1)
  }

  /** One more key of the root's. Idempotent. */
  hold(key: Identity): void {
    if (!this.#all.some(({ id }) => id === key.id)) this.#all.push(key)
  }
}
