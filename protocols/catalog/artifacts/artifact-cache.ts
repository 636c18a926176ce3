/** What the store of a node without the ledger keeps: copies, as many as fit, the longest unused going first. Also says of each use that it is one. */
import type { Clock } from '#protocols/lifecycle'
import type { ArtifactStore } from './artifacts.ts'
import { excess } from './keeping.ts'

/** Uses within this time are one: each costs a write to the disk. */
const TOUCH_MS = 60_000
const TOUCHED_MAX = 4096

export class ArtifactCache {
  readonly #store: ArtifactStore
  readonly #clock: Clock
  readonly #touched = new Map<string, number>()
  #trimming: Promise<void> = Promise.resolve()

  constructor(init: { store: ArtifactStore; clock: Clock }) {
    this.#store = init.store
    this.#clock = init.clock
  }

  /** Off the caller's path: returns at once. */
  used(digest: string): void {
    const now = this.#clock.monotonic()
    if (now - (this.#touched.get(digest) ?? Number.NEGATIVE_INFINITY) < TOUCH_MS) return
    if (this.#touched.size >= TOUCHED_MAX) this.#touched.clear()
    this.#touched.set(digest, now)
    void this.#store.touch(digest)
  }

  /** Drops what does not fit; one after the other. */
  trim(bytesMax: number): Promise<void> {
    this.#trimming = this.#trimming.then(async () => {
      for (const { digest } of excess(await this.#store.list(), bytesMax)) await this.#store.drop(digest)
    })
    return this.#trimming
  }
}
