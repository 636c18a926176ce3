/**
 * What this node took over by a shared checkpoint and has not verified entry by entry yet, and which checkpoints turned out not to hold. On disk before
 * the first such entry is: `adoption/what` (the offer), `adoption/progress` (how far it is verified), `adoption/refused`. So no restart makes an entry
 * count as verified that is not.
 */
import { z } from 'zod'
import { decodeCanonical, digestOf, encode, parse } from '#protocols/codec'
import type { Head } from '../feeds.ts'
import { type Content, type Offer, openOffer, packOffer } from './shared-checkpoint.ts'
import { ENCODINGS, readValues, sealRecord, type Storage, type StorageOperation, unsealRecord } from '#protocols/storage'

const WHAT = 'adoption/what'
const PROGRESS = 'adoption/progress'
const REFUSED = 'adoption/refused'
/** Remembered; of more the oldest is forgotten. */
export const REFUSED_MAX = 16
const SIGNERS_MAX = 1000

const progressSchema = z.strictObject({
  /** Entries are on their way; they are here and are being verified; or one did not hold, and what was not verified is taken out. */
  stage: z.enum(['taking', 'proving', 'refused']),
  /** Last seq of each author that this node verified itself. */
  verified: z.record(z.string(), z.int().min(0)),
})
type Progress = z.infer<typeof progressSchema>

const refusedSchema = z
  .array(z.strictObject({ checkpoint: z.string(), signers: z.array(z.string()), sentence: z.string() }))
  .max(REFUSED_MAX)
/** A checkpoint that did not hold: its digest, who signed it, and what was wrong. */
export type RefusedCheckpoint = z.infer<typeof refusedSchema>[number]

export interface AdoptionInit {
  storage: Storage
  /** Hears of each that does not hold. */
  onRefused: (refused: RefusedCheckpoint) => void
}

export class Adoption {
  readonly #storage: Storage
  readonly #onRefused: AdoptionInit['onRefused']
  #offer: Offer | undefined
  /** `undefined`: nothing is open. */
  #progress: Progress | undefined
  /** Last seq of each author that may have come by it; `undefined`: all, since the record that says it is damaged. */
  #ends: ReadonlyMap<string, number> | undefined = new Map()
  #refused: RefusedCheckpoint[] = []

  constructor(init: AdoptionInit) {
    this.#storage = init.storage
    this.#onRefused = init.onRefused
  }

  /** Throws what the store throws. Where a record is damaged, everything that it may have been about is verified again. */
  async load(): Promise<void> {
    const values = await readValues(this.#storage, [WHAT, PROGRESS, REFUSED])
    const [what, progress, refused] = values.map((value) => unsealRecord(value)?.bytes)
    this.#refused = refused === undefined ? [] : parse(refusedSchema, decodeCanonical(refused, 4), 'refused checkpoints')
    if (values[0] === undefined && values[1] === undefined) return
    this.#offer = what === undefined ? undefined : openOffer(what, SIGNERS_MAX)
    this.#ends = this.#offer && endsOf(this.#offer.content)
    const isReadable = this.#offer !== undefined && progress !== undefined
    this.#progress = isReadable
      ? parse(progressSchema, decodeCanonical(progress, 4), 'how far a checkpoint is verified')
      : { stage: 'proving', verified: {} }
  }

  /** What is taken over now and not verified to its end. */
  get content(): Content | undefined {
    return this.#offer?.content
  }

  /** `undefined`: everything here is verified. */
  get stage(): Progress['stage'] | undefined {
    return this.#progress?.stage
  }

  /** The last entry of this author that this node verified in full; `Infinity` when that is all of them. */
  verifiedTo(author: string): number {
    if (this.#progress === undefined) return Number.POSITIVE_INFINITY
    const verified = this.#progress.verified[author] ?? 0
    return verified >= this.#endOf(author) ? Number.POSITIVE_INFINITY : verified
  }

  /** Ranges of entries that are here, and still to be verified. */
  open(heads: readonly Head[]): { author: string; from: number; to: number }[] {
    const ranges = heads.map(({ author, seq }) => ({
      author,
      from: (this.#progress?.verified[author] ?? 0) + 1,
      to: Math.min(seq, this.#endOf(author)),
    }))
    return ranges.filter(({ from, to }) => from <= to)
  }

  /** Checkpoints that did not hold, the oldest first. */
  refused(): RefusedCheckpoint[] {
    return [...this.#refused]
  }

  isRefused(digest: string): boolean {
    return this.#refused.some((each) => each.checkpoint === digest)
  }

  /** From now on entries may come by it. What is here already was verified. Resolves when that is on disk. */
  async begin(offer: Offer, tipOf: (author: string) => { seq: number }): Promise<void> {
    const verified = Object.fromEntries(offer.content.feeds.map(({ author, seq }) => [author, Math.min(seq, tipOf(author).seq)]))
    await this.#write([record(WHAT, packOffer(offer)), record(PROGRESS, encode({ stage: 'taking', verified }))], true)
    this.#offer = offer
    this.#ends = endsOf(offer.content)
    this.#progress = { stage: 'taking', verified }
  }

  /** No more come by it. */
  async taken(): Promise<void> {
    if (this.#progress !== undefined) await this.#save({ ...this.#progress, stage: 'proving' }, true)
  }

  /** This node verified the feed up to this seq; on disk with the next `save`. */
  advance(author: string, seq: number): void {
    if (this.#progress !== undefined) this.#progress.verified[author] = seq
  }

  /** Not synced: what a crash takes is verified again. */
  async save(): Promise<void> {
    if (this.#progress !== undefined) await this.#save(this.#progress, false)
  }

  /** It does not hold, for good. What is still open has to go (`finish` afterwards). */
  async refuse(sentence: string): Promise<void> {
    const { content, statements } = this.#offer ?? { content: undefined, statements: [] }
    const refused = { checkpoint: content?.digest ?? '', signers: statements.map((each) => each.signer), sentence }
    this.#refused = [...this.#refused, refused].slice(-REFUSED_MAX)
    const progress: Progress = { verified: this.#progress?.verified ?? {}, stage: 'refused' }
    await this.#write([record(REFUSED, encode(this.#refused)), record(PROGRESS, encode(progress))], true)
    this.#progress = progress
    this.#onRefused(refused)
  }

  /** Nothing is open any more. */
  async finish(): Promise<void> {
    await this.#write(
      [WHAT, PROGRESS].map((key) => ({ type: 'del', key }) as const),
      true,
    )
    this.#offer = this.#progress = undefined
    this.#ends = new Map()
  }

  #endOf(author: string): number {
    return this.#ends === undefined ? Number.POSITIVE_INFINITY : (this.#ends.get(author) ?? 0)
  }

  async #save(progress: Progress, sync: boolean): Promise<void> {
    await this.#write([record(PROGRESS, encode(progress))], sync)
    this.#progress = progress
  }

  async #write(operations: StorageOperation[], sync: boolean): Promise<void> {
    await this.#storage.batch(operations, { ...ENCODINGS, sync })
  }
}

/** For the log: who vouched for what is not so. */
export function wordsOf({ checkpoint, signers, sentence }: RefusedCheckpoint): string {
  return `The checkpoint ${checkpoint.slice(0, 12)} does not hold (${sentence}) and is refused for good; it was signed by ${signers.join(', ')}`
}

function record(key: string, bytes: Uint8Array): StorageOperation {
  return { type: 'put', key, value: sealRecord(bytes, digestOf(bytes)) }
}

function endsOf({ feeds }: Content): ReadonlyMap<string, number> {
  return new Map(feeds.map(({ author, seq }) => [author, seq]))
}
