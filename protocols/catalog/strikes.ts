/** How much rubbish one sender may have judged here: a wrong signature costs as much to refuse as a right one to take (0.1 ms). */
import { dropOldest } from '#protocols/bounded'
import type { Clock } from '#protocols/lifecycle'
import type { Peer } from '#protocols/network'

/** Refusals a second, of what is wrong for everybody: no honest sender has any. At most 1 % of a core for each sender. */
export const STRIKES_MAX = 100
const WINDOW_MS = 1000
/** Senders remembered: the others begin anew. */
const SENDERS_MAX = 4096

export class Strikes {
  readonly #clock: Clock
  readonly #senders = new Map<Peer, { sinceMs: number; count: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Whether nothing more of this sender is looked at for now. */
  isOut(peer: Peer): boolean {
    const sender = this.#senders.get(peer)
    return sender !== undefined && sender.count >= STRIKES_MAX && this.#clock.monotonic() < sender.sinceMs + WINDOW_MS
  }

  add(peer: Peer): void {
    const now = this.#clock.monotonic()
    const sender = this.#senders.get(peer)
    if (sender !== undefined && now < sender.sinceMs + WINDOW_MS) {
      sender.count += 1
      return
    }
    dropOldest(this.#senders, SENDERS_MAX)
    this.#senders.delete(peer)
    this.#senders.set(peer, { sinceMs: now, count: 1 })
  }
}
