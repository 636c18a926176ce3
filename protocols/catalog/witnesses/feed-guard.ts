/** Both sides of one rule: a feed has one writer at a time, and it knows the feed's end. This node asks the others about its own feed, and answers about theirs. */
import type { Clock, MaybePromise, Random } from '#protocols/lifecycle'
import type { Members } from '#protocols/network'
import type { Ledger } from '../ledger/ledger.ts'
import { Leases } from './leases.ts'
import type { Replication } from '../replication.ts'
import { type Claim, type Testimony, Witnesses } from './witnesses.ts'

export interface FeedGuardInit {
  ledger: Ledger
  replication: Replication
  members: Members
  clock: Clock
  random: Random
  consultMs: number
}

export class FeedGuard {
  readonly #ledger: Ledger
  readonly #members: Members
  readonly #leases: Leases
  readonly #witnesses: Witnesses
  #unprepare = () => {}
  #isLost = false

  constructor({ ledger, replication, members, clock, random, consultMs }: FeedGuardInit) {
    this.#ledger = ledger
    this.#members = members
    this.#leases = new Leases({ clock })
    const { author } = ledger
    this.#witnesses = new Witnesses({
      feed: { seq: () => ledger.tip(author).seq, hashAt: (seq) => ledger.hashAt(author, seq) },
      others: () => replication.others(),
      namesOthers: () => this.#isLost || namesOthers(ledger),
      ask: (peer, claim, timeoutMs) => replication.witness(peer, claim, timeoutMs),
      pull: (peer) => replication.pull(peer),
      ...{ clock, random, consultMs },
    })
  }

  /** The ledger that was here is gone, and with it who else there is: nothing is written before another catalog was heard. Not even what the root would write. */
  mustHear(): void {
    this.#isLost = true
  }

  start(): void {
    const prepare = () => void this.#witnesses.prepare()
    this.#unprepare = this.#members.onChange(prepare)
    prepare()
  }

  async stop(): Promise<void> {
    this.#unprepare()
    await this.#witnesses.release()
  }

  /** Returns when this node may continue its own feed. Throws `unavailable` with the reason. */
  ready(): MaybePromise<void> {
    return this.#witnesses.ready()
  }

  /** How far the feed of another goes here, and whether the process that asks may write to it now. */
  answer(author: string, { instance, leaseMs }: Claim): Testimony {
    const { seq, hash } = this.#ledger.tip(author)
    return { seq, hash, ...this.#leases.claim(author, instance, leaseMs) }
  }
}

/** Whether the ledger knows of nodes that write besides this one. */
function namesOthers(ledger: Ledger): boolean {
  return ledger.heads().some(({ author }) => author !== ledger.author && author !== ledger.root)
}
