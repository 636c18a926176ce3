/**
 * Verifying a whole ledger from its records alone, trusting nobody who kept them: form, every signature, every chain, gaps,
 * authority (replayed from the genesis on), receipts and proofs.
 * Knows no disk and no network: whoever has the records gives them, all entries of a feed in their order, entries before everything else.
 */
import { digestOf } from '#protocols/codec'
import { AuditReport, type AuditSummary, type DamageClass } from './audit-report.ts'
import { AuthorityAudit } from './audit-authority.ts'
import { Electorate } from '../receipts/electorate.ts'
import { comparePlaces, type Entry, openEntry, type Place, placeOf, Refusal } from '../entry.ts'
import { openProof } from '../forks/forks.ts'
import type { Spot } from '../receipts/receipt-store.ts'
import { majorityOf, openReceipt, ReceiptRefusal, requireOf } from '../receipts/receipts.ts'

interface Kept {
  place: Place
  holders: Set<string>
}

interface Feed {
  seq: number
  hash: string | null
  place: Place | undefined
  /** By seq. */
  entries: Map<number, Kept>
}

export class Audit {
  readonly #universe: string
  readonly #report: AuditReport
  readonly #feeds = new Map<string, Feed>()
  readonly #electorate = new Electorate()
  readonly #authority = new AuthorityAudit()

  /** `universe`: the id of the one that is verified. */
  constructor(universe: string) {
    this.#universe = universe
    this.#report = new AuditReport()
  }

  /** One entry as it was kept; `undefined`: its record is there, but damaged. */
  entry(spot: Spot, bytes: Uint8Array | undefined): void {
    if (!isSpot(spot)) return this.#damage('form', NOWHERE, 'an entry is kept under a name that is none')
    const feed = this.#feedOf(spot.author)
    if (spot.seq > feed.seq + 1) this.#gap(spot.author, feed.seq + 1, spot.seq - 1)
    const entry = bytes === undefined ? this.#damage('record', spot, 'its record does not match its checksum') : this.#open(spot, bytes)
    if (entry !== undefined && spot.seq === feed.seq + 1) this.#follows(entry, feed)
    feed.seq = Math.max(feed.seq, spot.seq)
    feed.hash = bytes === undefined ? null : digestOf(bytes)
    if (entry === undefined) return
    feed.place = placeOf(entry)
    feed.entries.set(spot.seq, { place: feed.place, holders: new Set() })
    this.#authority.insert(entry, this.#universe)
    this.#report.entry(entry)
  }

  /** What the keeper promised to have of a feed; `seq` absent: its record is damaged. */
  head({ author, seq }: { author: string; seq: number | undefined }): void {
    if (seq === undefined || !isSpot({ author, seq })) return this.#damage('record', { author, seq: 0 }, 'its head record cannot be read')
    const feed = this.#feedOf(author)
    if (seq > feed.seq) this.#gap(author, feed.seq + 1, seq)
  }

  /** A receipt as it was kept. */
  receipt(spot: Spot, holder: string, bytes: Uint8Array | undefined): void {
    if (!isSpot(spot)) return this.#damage('form', NOWHERE, 'a receipt is kept under a name that is none')
    if (bytes === undefined)
      return this.#damage('receipt', spot, `the record of the receipt of ${short(holder)} does not match its checksum`)
    try {
      const receipt = openReceipt(bytes)
      if (receipt.holder !== holder) throw new ReceiptRefusal('holder', 'it is kept under the name of another holder')
      const kept = this.#feeds.get(spot.author)?.entries.get(spot.seq)
      if (kept === undefined) return this.#damage('gap', spot, `a receipt of ${short(holder)} is here, the entry is not`)
      requireOf(receipt, { universe: this.#universe, ...spot, hash: kept.place.hash })
      kept.holders.add(holder)
      this.#report.receipt(receipt)
    } catch (error) {
      if (!(error instanceof ReceiptRefusal)) throw error
      this.#damage('receipt', spot, `the receipt of ${short(holder)}: ${error.message}`)
    }
  }

  /** A proof of equivocation, as it was kept under the name of an author where it was. */
  proof(keptAs: string | undefined, bytes: Uint8Array | undefined): void {
    const author = keptAs ?? ''
    if (bytes === undefined) return this.#damage('proof', { author, seq: 0 }, 'the record of the proof does not match its checksum')
    try {
      const proof = openProof(bytes, this.#universe)
      if (keptAs !== undefined && proof.author !== keptAs)
        throw new Refusal('malformed', 'the proof is kept under the name of another author')
      this.#report.frozen(proof.author, proof.seq)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      this.#damage('proof', { author, seq: 0 }, error.message)
    }
  }

  /** A file of built code, kept under this digest. `isIntact`: it has it. */
  artifact(digest: string, isIntact: boolean): void {
    if (isIntact) this.#report.artifact()
    else this.#damage('artifact', NOWHERE, `the built code ${digest.slice(0, 12)} is not what its name says, or cannot be read`)
  }

  /** A part of the store that cannot be read any further. */
  unreadable(reason: string): void {
    this.#damage('record', NOWHERE, `the store cannot be read: ${reason}`)
  }

  /** What all of it comes to, when everything was given. */
  finish(): AuditSummary {
    this.#authority.judge(
      (line) => {
        this.#electorate.insert(line)
        this.#report.asked(line)
      },
      (spot, sentence) => this.#damage('authority', spot, sentence),
    )
    for (const [author, { entries }] of this.#feeds) for (const kept of entries.values()) this.#judgeReceipts(author, kept)
    return this.#report.summary((key) => (key === this.#authority.root ? 'root' : this.#electorate.nameOf(key)))
  }

  #judgeReceipts(author: string, { place, holders }: Kept): void {
    let counting = 0
    for (const holder of holders) {
      if (!this.#electorate.isAdmitted(holder))
        this.#damage('receipt', { author, seq: place.seq }, `the receipt of ${short(holder)}: its holder was never admitted`)
      else if (this.#electorate.counts(holder, place)) counting += 1
    }
    if (counting >= majorityOf(this.#electorate.at(place).length)) this.#report.committed(author)
  }

  #open(spot: Spot, bytes: Uint8Array): Entry | undefined {
    try {
      const entry = openEntry(bytes)
      if (entry.universe !== this.#universe) return this.#damage('universe', spot, 'it belongs to another universe')
      if (entry.author !== spot.author || entry.seq !== spot.seq)
        return this.#damage('chain', spot, `it is entry ${entry.seq} of ${short(entry.author)}`)
      return entry
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      return this.#damage(error.reason === 'signature' ? 'signature' : 'form', spot, error.message)
    }
  }

  #follows(entry: Entry, feed: Feed): void {
    if (entry.prev !== feed.hash && (feed.hash !== null || entry.seq === 1)) {
      this.#damage('chain', entry, 'it does not follow the entry before it')
    } else if (feed.place !== undefined && comparePlaces(feed.place, placeOf(entry)) >= 0) {
      this.#damage('chain', entry, 'its time is not after the entry before it')
    }
  }

  #gap(author: string, from: number, to: number): void {
    this.#damage('gap', { author, seq: from }, from === to ? 'it is missing' : `it is missing, and all up to ${to}`)
  }

  #damage(what: DamageClass, { author, seq }: Spot, sentence: string): undefined {
    this.#report.damage({ class: what, author, seq, sentence })
  }

  #feedOf(author: string): Feed {
    let feed = this.#feeds.get(author)
    if (feed === undefined) this.#feeds.set(author, (feed = { seq: 0, hash: null, place: undefined, entries: new Map() }))
    return feed
  }
}

const NOWHERE: Spot = { author: '', seq: 0 }
const short = (key: string) => key.slice(0, 8)

function isSpot({ author, seq }: Spot): boolean {
  return /^[0-9a-f]{64}$/.test(author) && Number.isSafeInteger(seq) && seq >= 1
}
