/** Why entries were refused at this node's door since the start, and how often. */
import type { Clock } from '#protocols/lifecycle'
import { Refusal, type RefusalReason } from './entry.ts'
import { DRIFT_MS_MAX } from './hlc.ts'

export type Refusals = Partial<Record<RefusalReason, number>>

const WARN_EVERY_MS = 60_000

export class RefusalCounts {
  readonly #clock: Clock
  readonly #warn: (text: string) => void
  readonly #counts: Refusals = {}
  #warnedAt = Number.NEGATIVE_INFINITY

  constructor(init: { clock: Clock; warn: (text: string) => void }) {
    this.#clock = init.clock
    this.#warn = init.warn
  }

  list(): Refusals {
    return { ...this.#counts }
  }

  /** What `judge` returns; counts the refusal it throws. */
  counted<T>(judge: () => T): T {
    try {
      return judge()
    } catch (error) {
      if (error instanceof Refusal) this.count(error.reason)
      throw error
    }
  }

  count(reason: RefusalReason): void {
    this.#counts[reason] = (this.#counts[reason] ?? 0) + 1
    if (reason !== 'drift' || this.#clock.monotonic() - this.#warnedAt < WARN_EVERY_MS) return
    this.#warnedAt = this.#clock.monotonic()
    this.#warn(`Entries of other nodes lie more than ${DRIFT_MS_MAX} ms in the future of this node and are not taken: compare the clocks`)
  }
}
