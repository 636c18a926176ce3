/** Addresses of this host's interfaces. */
import { networkInterfaces } from 'node:os'
import type { Clock } from '#protocols/lifecycle'
import { plainAddress } from './addresses.ts'

/** Asking for them takes 60 µs, and is done twice per connection. */
const FRESH_MS = 1000

export class OwnAddresses {
  readonly #clock: Clock
  #addresses: ReadonlySet<string> = new Set()
  #until = Number.NEGATIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get(): ReadonlySet<string> {
    const now = this.#clock.monotonic()
    if (now < this.#until) return this.#addresses
    const own = new Set<string>()
    for (const all of Object.values(networkInterfaces())) for (const { address } of all ?? []) own.add(plainAddress(address))
    this.#addresses = own
    this.#until = now + FRESH_MS
    return own
  }
}
