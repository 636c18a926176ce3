/**
 * Who may write to a feed at the moment, as far as this node has been asked: one running process per key. A copy of a node's disk on a second machine
 * has the same key; asking for the lease of a feed before writing is how it finds out that the first one is at work. In memory only.
 */
import type { Clock } from '#protocols/lifecycle'

interface Lease {
  instance: string
  /** Monotonic. */
  untilMs: number
}

export interface LeaseAnswer {
  granted: boolean
  /** How long somebody else's lease runs on; 0 when granted. */
  waitMs: number
}

/** Feeds with a lease: as many as catalogs a universe has. */
const LEASES_MAX = 4096

export class Leases {
  readonly #clock: Clock
  readonly #leases = new Map<string, Lease>()

  constructor(init: { clock: Clock }) {
    this.#clock = init.clock
  }

  /** Asks for the feed of `author` in the name of one running process; 0 ms gives up what it has, and tells nobody from writing. */
  claim(author: string, instance: string, leaseMs: number): LeaseAnswer {
    const now = this.#clock.monotonic()
    const held = this.#leases.get(author)
    if (held !== undefined && held.instance !== instance && held.untilMs > now)
      return { granted: false, waitMs: Math.ceil(held.untilMs - now) }
    if (leaseMs > 0) this.#keep(author, { instance, untilMs: now + leaseMs }, now)
    else if (held?.instance === instance) this.#leases.delete(author)
    return { granted: true, waitMs: 0 }
  }

  #keep(author: string, lease: Lease, now: number): void {
    if (this.#leases.size >= LEASES_MAX) for (const [key, each] of this.#leases) if (each.untilMs <= now) this.#leases.delete(key)
    if (this.#leases.size >= LEASES_MAX && !this.#leases.has(author)) return
    this.#leases.set(author, lease)
  }
}
