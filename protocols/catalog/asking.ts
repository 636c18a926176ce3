/** Asking one other member about what is unknown here, so that what was just published there is found here. */
import type { Clock, Random } from '#protocols/lifecycle'
import type { Replication } from './replication.ts'
import { within } from './within.ts'

export interface AskingInit {
  replication: Replication
  clock: Clock
  random: Random
  /** How long a read waits for the answer. */
  askMs: number
  /** How long the answer holds for all reads, however many ask. */
  askAgainMs: number
}

export class Asking {
  readonly #init: AskingInit
  #askedAt = Number.NEGATIVE_INFINITY
  #asking: Promise<boolean> | undefined

  constructor(init: AskingInit) {
    this.#init = init
  }

  /** Pulls from one other member at random, at most once per `askAgainMs`. Never rejects. */
  async askAnother(): Promise<void> {
    const { replication, clock, random, askMs, askAgainMs } = this.#init
    if (this.#asking === undefined) {
      const others = replication.others()
      const peer = others[Math.floor(random() * others.length)]
      if (peer === undefined || clock.monotonic() - this.#askedAt < askAgainMs) return
      this.#asking = replication.pull(peer, askMs).finally(() => {
        this.#asking = undefined
        this.#askedAt = clock.monotonic()
      })
    }
    await within(this.#asking, clock, askMs)
  }
}
