/**
 * Verifies in the background, entry by entry, what came by a shared checkpoint: signature, chain, authority; in the end, that all of it comes to the
 * view that was signed. What does not hold is taken out, with everything not verified yet, and fetched again one by one.
 */
import { type Clock, every } from '#protocols/lifecycle'
import { Refusal } from '../entry.ts'
import type { Ledger } from '../ledger.ts'
import { viewDigestAt } from './view-at.ts'

const EVERY_MS = 100
/** Entries verified between two looks at the clock: about 5 ms of signatures, on the host's threads. */
const BATCH = 64
const READ_BYTES_MAX = 512 * 1024
/** Rounds after which progress is written down: what a crash costs is verified again. */
const SAVE_EVERY = 10

export interface ProverInit {
  ledger: Ledger
  clock: Clock
  /** Entries; each takes about 0.12 ms. */
  perSecond: number
  onError: (error: unknown) => void
}

export class Prover {
  readonly #init: ProverInit
  #rounds = 0

  constructor(init: ProverInit) {
    this.#init = init
  }

  /** Returns the way to stop. */
  start(): () => void {
    return every(this.#init.clock, EVERY_MS, () => this.#round(), this.#init.onError)
  }

  async #round(): Promise<void> {
    const { ledger, perSecond } = this.#init
    const { adoption } = ledger
    if (adoption.stage === 'refused') return this.#takeOut()
    if (adoption.stage !== 'proving') return
    for (let left = Math.ceil((perSecond * EVERY_MS) / 1000); left > 0;) {
      const [range] = adoption.open(ledger.heads())
      if (range === undefined) return this.#finish()
      const to = Math.min(range.to, range.from + Math.min(BATCH, left) - 1)
      const verified = await this.#verify(range.author, range.from, to)
      // What is damaged on disk is fetched again first.
      if (verified === 0) break
      left -= verified
    }
    this.#rounds += 1
    if (this.#rounds % SAVE_EVERY === 0) await adoption.save()
  }

  /** How many of these entries hold, from the first on. */
  async #verify(author: string, from: number, to: number): Promise<number> {
    const { ledger } = this.#init
    const list = await ledger.read(author, from, to, READ_BYTES_MAX)
    let seq = from
    for (const entry of await ledger.verified(list)) {
      const fault =
        entry instanceof Refusal
          ? entry.message
          : entry.author !== author || entry.seq !== seq || entry.prev !== (ledger.hashAt(author, seq - 1) ?? null)
            ? 'it does not follow the entry before it'
            : ledger.authority.faultOf(entry)
      if (fault !== undefined) {
        await this.#refuse(`entry ${seq} of ${author.slice(0, 8)}: ${fault}`)
        return 0
      }
      ledger.adoption.advance(author, seq)
      seq += 1
    }
    return seq - from
  }

  async #finish(): Promise<void> {
    const { ledger, clock } = this.#init
    const { feeds, frozen, view } = ledger.adoption.content ?? { feeds: [], frozen: [], view: '' }
    const isAllHere = feeds.every(({ author, seq, hash }) => ledger.hashAt(author, seq) === hash)
    const found = isAllHere ? await viewDigestAt(ledger, { heads: feeds, frozen }, clock) : undefined
    if (found !== undefined && found !== view) await this.#refuse('its entries come to another view')
    else await ledger.proven()
  }

  async #refuse(sentence: string): Promise<void> {
    await this.#init.ledger.adoption.refuse(sentence)
    await this.#takeOut()
  }

  async #takeOut(): Promise<void> {
    const { ledger } = this.#init
    const open = ledger.adoption.open(ledger.heads())
    await ledger.cut(new Map(open.map(({ author, from }) => [author, from - 1])))
    await ledger.proven()
  }
}
