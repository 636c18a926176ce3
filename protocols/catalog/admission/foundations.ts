/** The entries about authority of this ledger, as nodes without it fetch them. */
import { digestOf, encode } from '#protocols/codec'
import type { Clock } from '#protocols/lifecycle'
import type { Peer } from '#protocols/network'
import { wordOf } from './follower.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { rolesOfPeer, type Standing } from './standing.ts'

/** Of one answer; entries of authority have a few hundred bytes. */
const BYTES_MAX = 512 * 1024

export interface FoundationsInit {
  ledger: Ledger
  clock: Clock
  pull: (peer: Peer) => Promise<unknown>
}

export class Foundations implements Standing {
  readonly #ledger: Ledger
  readonly #init: FoundationsInit
  #ids: readonly string[] | undefined
  #digest: string | undefined

  constructor(init: FoundationsInit) {
    this.#init = init
    this.#ledger = init.ledger
    init.ledger.authority.onChange(() => {
      this.#ids = undefined
      this.#digest = undefined
    })
  }

  rolesOf(peer: Peer): ReadonlySet<string> {
    return rolesOfPeer(this.#ledger.authority, peer, this.#init.clock.now())
  }

  onStanding(listener: () => void): () => void {
    return this.#ledger.authority.onChange(listener)
  }

  async catchUp(peer: Peer): Promise<void> {
    await this.#init.pull(peer)
  }

  /** Hashes of all that count or may count again; of frozen authors what came before the fork. */
  ids(): readonly string[] {
    return (this.#ids ??= this.#ledger.authority.unfrozenPlaces().map((place) => place.hash))
  }

  /** Of ids and frozen authors. */
  digest(): string {
    const frozen = this.#ledger.frozen().map(({ author, seq }) => [author, seq] as const)
    return (this.#digest ??= digestOf(encode(wordOf(this.ids(), frozen))))
  }

  /** Those of them that are here, as bytes, at most `BYTES_MAX` (one at least). */
  async entries(ids: readonly string[]): Promise<Uint8Array[]> {
    const wanted = new Set(ids)
    const places = this.#ledger.authority.unfrozenPlaces().filter(({ hash }) => wanted.has(hash))
    const found: Uint8Array[] = []
    let bytes = 0
    for (const place of places) {
      if (bytes >= BYTES_MAX) break
      const entry = await this.#ledger.entryAt(place)
      bytes += entry.bytes.length
      found.push(entry.bytes)
    }
    return found
  }
}
