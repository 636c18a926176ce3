/**
 * Authors that wrote two entries with one seq, and the proofs. From the forked seq on, what they wrote has no effect on any node, whichever of the
 * branches it holds; of several proofs the one with the lowest seq counts. On disk: `proof/<author>` → 32 bytes of SHA-256, then the proof.
 */
import { digestOf } from '#protocols/codec'
import { compareText } from '../entry.ts'
import { type ForkProof, openProof } from './forks.ts'
import { ENCODINGS, readUpToDamage, readValues, sealRecord, type Storage, unsealRecord } from '#protocols/storage'

/** Proofs kept, one per author. */
export const FROZEN_MAX = 1000

/** An author, and the first of its entries without effect. */
export interface FrozenAuthor {
  author: string
  seq: number
}

export class Frozen {
  readonly #storage: Storage
  readonly #universe: string
  /** Author → the first seq without effect. */
  readonly #from = new Map<string, number>()
  /** Proofs that are not on disk yet, by author. */
  readonly #unsaved = new Map<string, ForkProof>()

  constructor(init: { storage: Storage; universe: string }) {
    this.#storage = init.storage
    this.#universe = init.universe
  }

  /** Reads the proofs from disk. A damaged one counts as missing: the others have it too. */
  async load(): Promise<void> {
    for await (const [, value] of readUpToDamage(this.#storage, { gte: 'proof/', lt: 'proof0' })) {
      const proof = this.#read(value)
      if (proof !== undefined) this.#from.set(proof.author, proof.seq)
    }
  }

  /** The first seq of this author that has no effect; `Infinity` for an author nobody has convicted. */
  from(author: string): number {
    return this.#from.get(author) ?? Number.POSITIVE_INFINITY
  }

  /** By author. */
  list(): FrozenAuthor[] {
    return [...this.#from].map(([author, seq]) => ({ author, seq })).toSorted((a, b) => compareText(a.author, b.author))
  }

  /** Whether a proof for this place would freeze more than is frozen. */
  isNews({ author, seq }: FrozenAuthor): boolean {
    return seq < this.from(author) && (this.#from.has(author) || this.#from.size < FROZEN_MAX)
  }

  /** Takes over a verified proof that is news; in force at once. Resolves when it is on disk, rejects when the disk refuses (it stays in force). */
  async add(proof: ForkProof): Promise<void> {
    this.#from.set(proof.author, proof.seq)
    this.#unsaved.set(proof.author, proof)
    const value = sealRecord(proof.bytes, digestOf(proof.bytes))
    await this.#storage.batch([{ type: 'put', key: keyOf(proof.author), value }], { ...ENCODINGS, sync: true })
    if (this.#unsaved.get(proof.author) === proof) this.#unsaved.delete(proof.author)
  }

  /** Proofs that whoever knows `known` lacks, as bytes, at most `bytesMax` of them (one at least). */
  async lackedBy(known: readonly FrozenAuthor[], bytesMax: number): Promise<Uint8Array[]> {
    const theirs = new Map(known.map(({ author, seq }) => [author, seq]))
    const found: Uint8Array[] = []
    let bytes = 0
    for (const { author, seq } of this.list()) {
      if (seq >= (theirs.get(author) ?? Number.POSITIVE_INFINITY)) continue
      const proof = await this.proof(author)
      if (proof === undefined) continue
      bytes += proof.bytes.length
      if (bytes > bytesMax && found.length > 0) break
      found.push(proof.bytes)
    }
    return found
  }

  /** The proof against an author; `undefined` when there is none, or it is damaged on disk. */
  async proof(author: string): Promise<ForkProof | undefined> {
    const [value] = await readValues(this.#storage, [keyOf(author)])
    return this.#unsaved.get(author) ?? this.#read(value)
  }

  #read(value: Uint8Array | undefined): ForkProof | undefined {
    const record = unsealRecord(value)
    try {
      return record && openProof(record.bytes, this.#universe)
    } catch {
      return undefined
    }
  }
}

function keyOf(author: string): string {
  return `proof/${author}`
}
