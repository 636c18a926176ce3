/** What catalogs said about shared checkpoints, kept equal among them (`shared-sets.ts`). Of each signer the last two statements, and those on which enough agree. */
import { z } from 'zod'
import { decodeCanonical, digestOf, encode, parse } from '#protocols/codec'
import type { Clock } from '#protocols/lifecycle'
import { IdSet } from '../id-set.ts'
import { compareText } from '../ledger/entry.ts'
import { placeOfNow } from '../ledger/receipts/electorate.ts'
import { DRIFT_MS_MAX } from '../ledger/hlc.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { majorityOf } from '../ledger/receipts/receipts.ts'
import {
  type Content,
  type Offer,
  openStatement,
  packStatement,
  refusal,
  type SharedStatement,
} from '../ledger/checkpoints/shared-checkpoint.ts'
import { ENCODINGS, readValues, sealRecord, type Storage, unsealRecord } from '#protocols/storage'
import type { SharedSet } from '../shared-sets.ts'

export const CHECKPOINTS = 'checkpoints'
/** Of more catalogs only the first, by key, are heard: three of them are enough. */
export const SIGNERS_MAX = 16
/** Statements of one signer besides the agreed one. */
const OF_SIGNER_MAX = 2
/** Between two statements of one signer, by its own clock: what a hostile one can make others read. */
export const GAP_MS = 2000
const KEY = 'statements'
const listSchema = z.array(z.instanceof(Uint8Array))

interface Kept {
  id: string
  bytes: Uint8Array
  content: Content
  statement: SharedStatement
}

export interface CheckpointSetInit {
  ledger: Pick<Ledger, 'universe' | 'state' | 'frozen'>
  storage: Storage
  clock: Clock
  /** Hears that the disk refused what is only asked for again after a restart. */
  onError: (error: unknown) => void
}

export class CheckpointSet implements SharedSet {
  readonly name = CHECKPOINTS
  readonly #init: CheckpointSetInit
  #kept: Kept[] = []
  #ids = IdSet.empty

  constructor(init: CheckpointSetInit) {
    this.#init = init
  }

  /** Reads what was kept. Never rejects: what is gone, the others tell again. */
  async load(): Promise<void> {
    try {
      const [value] = await readValues(this.#init.storage, [KEY])
      const record = unsealRecord(value)
      if (record === undefined) return
      for (const bytes of parse(listSchema, decodeCanonical(record.bytes, 1), 'statements')) this.#put(this.#judge(bytes))
      this.#prune()
    } catch (error) {
      this.#init.onError(error)
    }
  }

  ids(): IdSet {
    return this.#ids
  }

  async read(ids: readonly string[], bytesMax: number): Promise<Uint8Array[]> {
    const found: Uint8Array[] = []
    let left = bytesMax
    for (const { bytes } of this.#kept.filter((each) => ids.includes(each.id))) {
      left -= bytes.length
      if (left < 0 && found.length > 0) break
      found.push(bytes)
    }
    return found
  }

  /** A statement of another catalog. Throws `invalid_argument` for one that proves nothing, or is not wanted: too many, too often, about less than what is agreed. */
  async take(bytes: Uint8Array): Promise<void> {
    const id = digestOf(bytes)
    if (this.#kept.some((each) => each.id === id)) return
    this.#put(this.#judge(bytes))
    this.#prune()
    if (!this.#kept.some((each) => each.id === id)) throw refusal('there are newer ones')
    await this.#save()
  }

  /** This node's own. */
  async add(content: Content, statement: SharedStatement): Promise<void> {
    const bytes = packStatement(content, statement)
    this.#put({ id: digestOf(bytes), bytes, content, statement })
    this.#prune()
    await this.#save()
  }

  /** What a key said last. */
  lastOf(signer: string): { content: Content; atMs: number } | undefined {
    const own = this.#kept.filter((each) => each.statement.signer === signer).toSorted((a, b) => b.statement.atMs - a.statement.atMs)[0]
    return own && { content: own.content, atMs: own.statement.atMs }
  }

  /** Contents and who signed each, the best first: those that enough agree on, then the longest. */
  offers(): Offer[] {
    const electors = this.#electors()
    const byContent = new Map<string, Offer>()
    for (const { content, statement } of this.#kept) {
      if (!electors.includes(statement.signer)) continue
      const offer = byContent.get(content.digest) ?? { content, statements: [] }
      // Whoever says it twice counts once.
      if (!offer.statements.some(({ signer }) => signer === statement.signer)) offer.statements.push(statement)
      byContent.set(content.digest, offer)
    }
    const weight = ({ statements }: Offer) => Math.min(statements.length, majorityOf(electors.length))
    return [...byContent.values()].toSorted(
      (a, b) => weight(b) - weight(a) || b.content.entries - a.content.entries || compareText(a.content.digest, b.content.digest),
    )
  }

  /** What enough catalogs signed (the rule of receipts), the longest. */
  agreed(): Offer | undefined {
    const [best] = this.offers()
    return best !== undefined && best.statements.length >= majorityOf(this.#electors().length) ? best : undefined
  }

  /** Catalogs that may sign now, this node among them where it may. */
  #electors(): string[] {
    const { ledger, clock } = this.#init
    const frozen = new Set(ledger.frozen().map(({ author }) => author))
    const place = placeOfNow(clock.now())
    const { electorate } = ledger.state
    return electorate.at(place).filter((key) => electorate.counts(key, place) && !frozen.has(key))
  }

  maySign(key: string): boolean {
    return this.#signers().includes(key)
  }

  /** How many could sign. */
  get signers(): number {
    return this.#signers().length
  }

  #signers(): string[] {
    return this.#electors().toSorted(compareText).slice(0, SIGNERS_MAX)
  }

  #judge(bytes: Uint8Array): Kept {
    const { ledger, clock } = this.#init
    const { content, statement } = openStatement(bytes)
    if (content.universe !== ledger.universe) throw refusal('it belongs to another universe')
    if (!this.maySign(statement.signer)) throw refusal('its signer is no catalog that is heard')
    if (statement.atMs > clock.now() + DRIFT_MS_MAX) throw refusal('its time lies in the future')
    const tooSoon = this.#kept.some(
      (each) => each.statement.signer === statement.signer && Math.abs(each.statement.atMs - statement.atMs) < GAP_MS,
    )
    if (tooSoon) throw refusal('its signer says too much at a time')
    return { id: digestOf(bytes), bytes, content, statement }
  }

  #put(kept: Kept): void {
    const known = this.#kept.find((each) => each.content.digest === kept.content.digest)
    this.#kept.push(known === undefined ? kept : { ...kept, content: known.content })
  }

  #prune(): void {
    const agreed = this.agreed()?.content
    const signers = new Set(this.#signers())
    const left = new Map<string, number>()
    const newestFirst = this.#kept.toSorted((a, b) => b.statement.atMs - a.statement.atMs || compareText(a.id, b.id))
    this.#kept = newestFirst.filter(({ content, statement: { signer } }) => {
      if (!signers.has(signer)) return false
      if (content.digest === agreed?.digest) return true
      if (agreed !== undefined && content.entries <= agreed.entries) return false
      const of = left.get(signer) ?? OF_SIGNER_MAX
      left.set(signer, of - 1)
      return of > 0
    })
    const ids = IdSet.of(this.#kept.map((each) => each.id))
    if (ids.digest() !== this.#ids.digest()) this.#ids = ids
  }

  async #save(): Promise<void> {
    const bytes = encode(this.#kept.map((each) => each.bytes))
    const put = { type: 'put', key: KEY, value: sealRecord(bytes, digestOf(bytes)) } as const
    await this.#init.storage.batch([put], { ...ENCODINGS, sync: false }).catch(this.#init.onError)
  }
}
