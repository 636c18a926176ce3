/** What catalogs keep equal by reconciliation: the heads of the feeds, and objects that are no chains (proofs, receipts, checkpoints). */
import { digestOf, encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import { IdSet } from './id-set.ts'
import { packHead } from './messages.ts'
import type { Head } from './ledger/feeds.ts'
import type { Ledger } from './ledger/ledger.ts'

/** A set of objects, each named by an id of 64 hex characters that its bytes prove (a digest). */
export interface SharedSet {
  /** The same on every node; a short word. */
  readonly name: string
  /** The same object until it changes. */
  ids(): IdSet
  /** Those of the objects that are here, at most `bytesMax` of bytes (one at least). */
  read(ids: readonly string[], bytesMax: number): Promise<Uint8Array[]>
  /** Judges and keeps what a peer sent; known ones are nothing new. Throws for what is refused. */
  take(bytes: Uint8Array): Promise<void>
}

export const HEADS = 'heads'
/** Whom the ledger froze, and from where on: compared by digest only, the proofs have their own exchange. */
export const FROZEN = 'frozen'

/** The last entry of each feed, named by the entry's hash. */
export class HeadSet {
  readonly #ledger: Ledger
  #stale = true
  #heads: Head[] = []
  #byHash = new Map<string, Head>()
  #ids = IdSet.empty

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  /** To be told whenever entries came. */
  changed(): void {
    this.#stale = true
  }

  heads(): Head[] {
    this.#renew()
    return this.#heads
  }

  ids(): IdSet {
    this.#renew()
    return this.#ids
  }

  find(hashes: readonly string[]): Head[] {
    this.#renew()
    return hashes.map((hash) => this.#byHash.get(hash)).filter((head) => head !== undefined)
  }

  #renew(): void {
    if (!this.#stale) return
    this.#stale = false
    this.#heads = this.#ledger.heads()
    this.#byHash = new Map(this.#heads.map((head) => [head.hash, head]))
    this.#ids = IdSet.of(this.#byHash.keys())
  }
}

export class SharedSets {
  readonly heads: HeadSet
  readonly #ledger: Ledger
  readonly #others = new Map<string, SharedSet>()

  constructor(ledger: Ledger, others: readonly SharedSet[]) {
    this.#ledger = ledger
    this.heads = new HeadSet(ledger)
    for (const each of others) this.#others.set(each.name, each)
  }

  /** The digest of every set, by name. */
  digests(): Record<string, string> {
    const others = [...this.#others.values()].map((each): [string, string] => [each.name, each.ids().digest()])
    const frozen = digestOf(encode(this.#ledger.frozen()))
    return Object.fromEntries([[HEADS, this.heads.ids().digest()], [FROZEN, frozen], ...others])
  }

  /** One digest over all of them. */
  digest(): string {
    return digestOf(encode(this.digests()))
  }

  /** Throws `not_found`. */
  ids(name: string): IdSet {
    return name === HEADS ? this.heads.ids() : this.other(name).ids()
  }

  /** Throws `not_found`. */
  async read(name: string, ids: readonly string[], bytesMax: number): Promise<Uint8Array[]> {
    return name === HEADS ? this.heads.find(ids).map((head) => encode(packHead(head))) : this.other(name).read(ids, bytesMax)
  }

  others(): Iterable<SharedSet> {
    return this.#others.values()
  }

  other(name: string): SharedSet {
    const found = this.#others.get(name)
    if (found !== undefined) return found
    throw new OsirisError('not_found', `Cannot compare the set "${name.slice(0, 64)}": this node keeps none of that name`)
  }
}
