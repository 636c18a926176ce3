/** Reads every record on disk again and again, slowly, so that damage is found while others still have what is damaged. */
import { type Clock, every } from '#protocols/lifecycle'
import { compareText } from './entry.ts'
import type { Feeds } from './feeds.ts'

const EVERY_MS = 1000
/** Records read between two breaths of the event loop: less than 1 ms. */
const BATCH = 64

export interface ScrubInit {
  feeds: Feeds
  clock: Clock
  /** Records; a second of it costs about 7 µs each. */
  perSecond: number
  /** Hears how many damaged records were found in a second, when there were any. */
  onDamage: (records: number) => void
  onError: (error: unknown) => void
}

export class Scrub {
  readonly #init: ScrubInit
  #author = ''
  #seq = 1

  constructor(init: ScrubInit) {
    this.#init = init
  }

  /** Returns the way to stop. */
  start(): () => void {
    return every(this.#init.clock, EVERY_MS, () => this.#second(), this.#init.onError)
  }

  async #second(): Promise<void> {
    const { feeds, perSecond, onDamage } = this.#init
    const records = feeds.heads().reduce((sum, head) => sum + head.seq, 0)
    let damaged = 0
    for (let left = Math.min(perSecond, records); left > 0;) {
      const range = this.#next(Math.min(BATCH, left))
      if (range === undefined) break
      left -= range.to - range.from + 1
      damaged += await feeds.check(range.author, range.from, range.to)
    }
    if (damaged > 0) onDamage(damaged)
  }

  /** In order of authors and seqs, then from the first again. */
  #next(count: number): { author: string; from: number; to: number } | undefined {
    const heads = this.#init.feeds.heads()
    const head =
      heads.find(({ author, seq }) => (author === this.#author ? seq >= this.#seq : compareText(author, this.#author) > 0)) ?? heads[0]
    if (head === undefined) return undefined
    const goesOn = head.author === this.#author && this.#seq <= head.seq
    const from = goesOn ? this.#seq : 1
    const to = Math.min(head.seq, from + count - 1)
    this.#author = head.author
    this.#seq = to + 1
    return { author: head.author, from, to }
  }
}
