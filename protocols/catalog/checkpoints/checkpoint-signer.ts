/**
 * Signs checkpoints: proposes one when much was written since the last that enough catalogs agree on, and agrees to those of others whose view it
 * works out itself. Never about an entry that this node has not verified in full.
 */
import type { Identity } from '#protocols/access'
import { type Clock, every, type Random } from '#protocols/lifecycle'
import { GAP_MS, type CheckpointSet } from './checkpoint-set.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { type Content, makeContent, requireHere, signContent } from '../ledger/checkpoints/shared-checkpoint.ts'
import { viewDigestAt } from '../ledger/checkpoints/view-at.ts'

/** A new checkpoint when the ledger has grown by this part: what all of them cost together stays in proportion to the ledger. */
const GROWTH = 0.1
/** Rounds in which nobody signs what this node proposed, until it proposes another one; and between two views worked out anew. */
const PATIENCE = 12
const DISBELIEVED_MAX = 64

export interface CheckpointSignerInit {
  identity: Identity
  ledger: Ledger
  set: CheckpointSet
  clock: Clock
  random: Random
  /** The view digest of everything here. */
  viewDigest: () => Promise<string>
  /** Whether this node verified all that it has, and lacks nothing. */
  isWhole: () => boolean
  intervalMs: number
  /** Entries by which the ledger must have grown, at least. */
  entriesMin: number
  tell: (level: 'debug' | 'warn', text: string) => void
}

export class CheckpointSigner {
  readonly #init: CheckpointSignerInit
  /** Contents whose view is not what this node made of the same entries. */
  readonly #disbelieved = new Set<string>()
  #workedOutAt = Number.NEGATIVE_INFINITY

  constructor(init: CheckpointSignerInit) {
    this.#init = init
  }

  /** Returns the way to stop. */
  start(): () => void {
    const { clock, intervalMs, tell } = this.#init
    return every(
      clock,
      intervalMs,
      () => this.round(),
      (error) => tell('debug', `No checkpoint was signed: ${String(error)}`),
    )
  }

  async round(): Promise<void> {
    const { set, identity, clock, isWhole } = this.#init
    const last = set.lastOf(identity.id)
    if (!isWhole() || !set.maySign(identity.id) || (last !== undefined && clock.now() - last.atMs < GAP_MS)) return
    const agreed = set.agreed()?.content.entries ?? 0
    const least = agreed + Math.max(this.#init.entriesMin, Math.ceil(agreed * GROWTH))
    const proposals = set.offers().filter(({ content }) => content.entries >= least && !this.#disbelieved.has(content.digest))
    for (const { content, statements } of proposals) {
      if (statements.some(({ signer }) => signer === identity.id) || !this.#isHere(content)) continue
      if (await this.#isTrue(content)) return this.#sign(content)
    }
    const isWaiting = proposals.some(({ content }) => content.digest === last?.content.digest) && !this.#isStale(last?.atMs ?? 0)
    if (!isWaiting) await this.#propose(least)
  }

  /** By chance, so that not all propose at once. */
  async #propose(least: number): Promise<void> {
    const { ledger, set, random, viewDigest } = this.#init
    if (ledger.entries < least || random() * set.signers >= 1) return
    const { universe } = ledger
    const before = ledger.heads()
    const view = await viewDigest()
    // Of exactly these entries; what came meanwhile is in the next one.
    if (!isSame(before, ledger.heads())) return
    const content = makeContent({
      universe,
      view,
      frozen: ledger.frozen(),
      heads: before,
      hashAt: (author, seq) => ledger.hashAt(author, seq),
    })
    if (content !== undefined) await this.#sign(content)
  }

  #isHere(content: Content): boolean {
    const { ledger } = this.#init
    const heads = new Map(ledger.heads().map(({ author, seq }) => [author, seq]))
    if (!isSame(content.frozen, ledger.frozen()) || content.feeds.some(({ author, seq }) => seq > (heads.get(author) ?? 0))) return false
    try {
      requireHere(content, (author, seq) => ledger.hashAt(author, seq))
      return true
    } catch {
      return false
    }
  }

  async #isTrue(content: Content): Promise<boolean> {
    const view = await this.#viewOf(content)
    if (view === undefined || view === content.view) return view !== undefined
    if (this.#disbelieved.size >= DISBELIEVED_MAX) this.#disbelieved.clear()
    this.#disbelieved.add(content.digest)
    this.#init.tell(
      'warn',
      `A checkpoint ${content.digest.slice(0, 12)} of other catalogs says another view of entries that are here: it is not signed`,
    )
    return false
  }

  async #viewOf({ feeds, frozen }: Content): Promise<string | undefined> {
    const { ledger, clock, intervalMs, viewDigest } = this.#init
    const heads = feeds.map(({ author, seq, hash }) => ({ author, seq, hash }))
    if (isSame(heads, ledger.heads())) {
      const view = await viewDigest()
      if (isSame(heads, ledger.heads())) return view
    }
    if (clock.monotonic() - this.#workedOutAt < PATIENCE * intervalMs) return undefined
    this.#workedOutAt = clock.monotonic()
    return viewDigestAt(ledger, { heads, frozen }, clock)
  }

  async #sign(content: Content): Promise<void> {
    const { identity, set, clock } = this.#init
    await set.add(content, signContent(identity, content, clock.now()))
  }

  #isStale(atMs: number): boolean {
    return this.#init.clock.now() - atMs > PATIENCE * this.#init.intervalMs
  }
}

function isSame(a: readonly { author: string; seq: number }[], b: readonly { author: string; seq: number }[]): boolean {
  return a.length === b.length && a.every(({ author, seq }, at) => author === b[at]?.author && seq === b[at]?.seq)
}
