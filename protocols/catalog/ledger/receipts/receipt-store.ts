/**
 * The receipts on this node's disk, and which entries still lack some. On disk: `receipt/<author>/<seq>/<holder>` → SHA-256 and bytes.
 * Not synced: what a crash takes is asked for again, since holders sign as often as they are asked.
 */
import type { Identity } from '#protocols/access'
import type { Clock } from '#protocols/lifecycle'
import { digestOf } from '#protocols/codec'
import type { Entry } from '../entry.ts'
import type { Head } from '../feeds.ts'
import {
  majorityOf,
  openReceipt,
  ReceiptRefusal,
  type ReceiptFault,
  RECEIPTS_MAX,
  reopenReceipt,
  requireOf,
  type SignedReceipt,
  signReceipt,
} from './receipts.ts'
import { ENCODINGS, readUpToDamage, sealRecord, type Storage, storageError, unsealRecord } from '#protocols/storage'

export interface ReceiptStoreInit {
  storage: Storage
  identity: Identity
  universe: string
  clock: Clock
  /** Hash of an entry that is on this node's disk. */
  hashAt: (author: string, seq: number) => string | undefined
  /** Whose receipts count for an entry written now. */
  electors: () => Electors
}

/** Of an entry. */
export interface Electors {
  /** How many catalog members it may ask. */
  members: number
  /** Whether a receipt of this key counts. */
  counts: (key: string) => boolean
}

/** A place in a feed. */
export interface Spot {
  author: string
  seq: number
}

export class ReceiptStore {
  readonly #init: ReceiptStoreInit
  /** Entries that are not committed yet, as far as this node knows; asked about in turn. */
  readonly #open = new Map<string, Spot>()
  readonly #refused: Partial<Record<ReceiptFault, number>> = {}
  readonly #listeners = new Set<(spot: Spot, holder: string) => void>()

  constructor(init: ReceiptStoreInit) {
    this.#init = init
  }

  /** Finds the entries of these feeds that lack receipts. Reads all receipts: not for the boot path. */
  async index(heads: readonly Head[]): Promise<void> {
    for (const { author, seq: last } of heads) {
      let next = 1
      for await (const { seq, holders } of this.#bySeq(author)) {
        for (; next < seq && next <= last; next += 1) this.#expect({ author, seq: next })
        if (!this.#suffices(holders)) this.#expect({ author, seq })
        next = seq + 1
      }
      for (; next <= last; next += 1) this.#expect({ author, seq: next })
    }
  }

  /** Entries that are on disk now. */
  expect(entries: readonly Spot[]): void {
    for (const { author, seq } of entries) this.#expect({ author, seq })
  }

  /** Entries that lack receipts, those first that were not asked about for longest. */
  next(count: number): Spot[] {
    const spots: Spot[] = []
    for (const [key, spot] of this.#open) {
      if (spots.length >= count) break
      spots.push(spot)
      this.#open.delete(key)
    }
    for (const spot of spots) this.#expect(spot)
    return spots
  }

  /** How many entries lack receipts. */
  get lacking(): number {
    return this.#open.size
  }

  /** Receipts of an entry that are on disk and intact. */
  async of({ author, seq }: Spot): Promise<SignedReceipt[]> {
    const hash = this.#init.hashAt(author, seq)
    const receipts: SignedReceipt[] = []
    const prefix = `receipt/${author}/${paddedSeq(seq)}`
    try {
      for await (const [, value] of readUpToDamage(this.#init.storage, { gte: `${prefix}/`, lt: `${prefix}0` })) {
        const receipt = readRecord(value)
        if (receipt !== undefined && receipt.hash === hash) receipts.push(receipt)
      }
    } catch (error) {
      throw storageError(error, 'Cannot read the receipts of the entry')
    }
    return receipts
  }

  /** This node's receipt of an entry that it has: the one it gave before, or a new one. Only for entries whose artifact is here too. */
  async sign(entry: Pick<Entry, 'author' | 'seq' | 'hash'>): Promise<SignedReceipt> {
    const { identity, universe, clock } = this.#init
    const { author, seq, hash } = entry
    const known = (await this.of(entry)).find((each) => each.holder === identity.id)
    if (known !== undefined) return known
    const receipt = signReceipt(identity, { universe, author, seq, hash }, clock.now())
    await this.#store(receipt)
    return receipt
  }

  /**
   * A receipt from elsewhere: kept when it is of an entry that is here, by a catalog member that counts, and still lacking. `from`: the key that
   * must have signed it, where it is known. Whether it is kept. Counts and throws `ReceiptRefusal`.
   */
  async take(bytes: Uint8Array, from?: string): Promise<boolean> {
    const receipt = this.#judge(bytes, from)
    if (receipt === undefined) return false
    const known = await this.of(receipt)
    if (known.some((each) => each.holder === receipt.holder)) return false
    if (this.counting(known).length >= RECEIPTS_MAX) return false
    await this.#store(receipt)
    return true
  }

  /** Those that count among these, at most `RECEIPTS_MAX`, oldest first. */
  counting(receipts: readonly SignedReceipt[], { counts }: Electors = this.#init.electors()): SignedReceipt[] {
    return receipts
      .filter((each) => counts(each.holder))
      .toSorted((a, b) => a.atMs - b.atMs)
      .slice(0, RECEIPTS_MAX)
  }

  /** Hears of every receipt that is kept: of which entry, by whom. Returns the way to stop. */
  onTaken(listener: (spot: Spot, holder: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Receipts refused since the start, by fault. */
  refused(): Partial<Record<ReceiptFault, number>> {
    return { ...this.#refused }
  }

  #judge(bytes: Uint8Array, from: string | undefined): SignedReceipt | undefined {
    try {
      const receipt = openReceipt(bytes)
      const { author, seq, holder } = receipt
      if (from !== undefined && holder !== from) throw new ReceiptRefusal('holder', 'it is not of the peer that gave it')
      const hash = this.#init.hashAt(author, seq)
      // Perhaps of an entry that is on its way here; it is asked for when that has come.
      if (hash === undefined) return undefined
      requireOf(receipt, { universe: this.#init.universe, author, seq, hash })
      if (!this.#init.electors().counts(holder)) throw new ReceiptRefusal('holder', 'its holder is no member of this universe')
      return receipt
    } catch (error) {
      if (error instanceof ReceiptRefusal) this.#refused[error.fault] = (this.#refused[error.fault] ?? 0) + 1
      throw error
    }
  }

  async #store(receipt: SignedReceipt): Promise<void> {
    const { author, seq, holder, bytes } = receipt
    const key = `receipt/${author}/${paddedSeq(seq)}/${holder}`
    const put = { type: 'put', key, value: sealRecord(bytes, digestOf(bytes)) } as const
    try {
      await this.#init.storage.batch([put], { ...ENCODINGS, sync: false })
    } catch (error) {
      throw storageError(error, 'Cannot keep the receipt')
    }
    const holders = (await this.of(receipt)).map((each) => each.holder)
    if (this.#suffices(holders)) this.#open.delete(keyOf(receipt))
    for (const listener of this.#listeners) listener({ author, seq }, holder)
  }

  #suffices(holders: readonly string[]): boolean {
    const { members, counts } = this.#init.electors()
    return holders.filter(counts).length >= majorityOf(members)
  }

  #expect(spot: Spot): void {
    this.#open.set(keyOf(spot), spot)
  }

  /** Seqs of a feed that have receipts, in order, with who gave them. */
  async *#bySeq(author: string): AsyncGenerator<{ seq: number; holders: string[] }> {
    let seq = 0
    let holders: string[] = []
    for await (const [key] of readUpToDamage(this.#init.storage, { gte: `receipt/${author}/`, lt: `receipt/${author}0` })) {
      const [, , at = '', holder = ''] = key.split('/')
      if (Number(at) !== seq && holders.length > 0) {
        yield { seq, holders }
        holders = []
      }
      seq = Number(at)
      holders.push(holder)
    }
    if (holders.length > 0) yield { seq, holders }
  }
}

function keyOf({ author, seq }: Spot): string {
  return `${author}/${seq}`
}

/** As in the keys of entries, so that keys are in the order of seqs. */
function paddedSeq(seq: number): string {
  return seq.toString().padStart(16, '0')
}

function readRecord(value: Uint8Array): SignedReceipt | undefined {
  const record = unsealRecord(value)
  if (record === undefined) return undefined
  try {
    return reopenReceipt(record.bytes)
  } catch {
    return undefined
  }
}
