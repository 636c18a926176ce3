/** Both sides of one rule: a feed has one writer at a time, and it knows the feed's end. This node asks the others about the feeds it writes, and answers about theirs. */
import type { Identity } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import { type Clock, every, type MaybePromise, type Random } from '#protocols/lifecycle'
import type { Members } from '#protocols/network'
import { type Feed, isProven, proveFeed } from './feed-proof.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { Leases } from './leases.ts'
import type { Replication } from '../replication.ts'
import { type Claim, LEASE_MS, type Testimony, Witnesses } from './witnesses.ts'

/** Often enough that a lease is asked for again before it runs out. */
const DOUBT_MS = LEASE_MS / 2

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
  readonly #clock: Clock
  readonly #leases: Leases
  /** By author. */
  readonly #witnesses = new Map<string, Witnesses>()
  readonly #init: FeedGuardInit
  #unprepare = () => {}
  #unwatch = () => {}
  #isLost = false

  constructor(init: FeedGuardInit) {
    const { ledger, members, clock } = init
    this.#init = init
    this.#ledger = ledger
    this.#members = members
    this.#clock = clock
    this.#leases = new Leases({ clock })
    this.#witnesses.set(ledger.author, this.#witnessesOf({ author: ledger.author }, 'this node'))
    for (const key of ledger.keyring.roots) this.hold(key)
  }

  /** One more key of the root's: other machines may hold it too, so its feed is written under a lease as well. */
  hold(key: Identity): void {
    if (this.#witnesses.has(key.id)) return
    this.#witnesses.set(key.id, this.#witnessesOf(proveFeed(key, this.#ledger.universe, this.#ledger.author), 'the root'))
  }

  /** The ledger that was here is gone, or never was, and with it who else there is: nothing is written before another catalog was heard. Not even what the root would write. */
  mustHear(): void {
    this.#isLost = true
  }

  start(): void {
    const prepare = () => this.#witnesses.forEach((each) => void each.prepare())
    this.#unprepare = this.#members.onChange(prepare)
    prepare()
    this.#unwatch = every(
      this.#clock,
      DOUBT_MS,
      () => this.#settleDoubts(),
      () => {},
    )
  }

  async stop(): Promise<void> {
    this.#unprepare()
    this.#unwatch()
    await Promise.all([...this.#witnesses.values()].map((each) => each.release()))
  }

  /** Returns when this node may continue the feed of this author: its own, or the root's. Throws `unavailable` with the reason. */
  ready(author: string): MaybePromise<void> {
    return this.#witnesses.get(author)?.ready()
  }

  /** How many others say now that nobody else writes to this feed. */
  grantedBy(author: string): number {
    return this.#witnesses.get(author)?.grantedBy ?? 0
  }

  /**
   * How far a feed goes here, and whether the process that asks may write to it now. `writer`: its key. Throws `forbidden` unless the feed is its own, or the
   * root's and it has shown that it holds that key: whoever could ask for another's feed could keep its owner from writing.
   */
  answer(feed: Feed, writer: string, { instance, leaseMs }: Claim): Testimony {
    const { author } = feed
    const { authority, universe } = this.#ledger
    // Of a key that gave the root on, too: a host that has not heard of it learns it so, and writes no more.
    const isRoots = authority.verdict.keys.top.has(author)
    if (author !== writer && !(isRoots && isProven(feed, universe, writer)))
      throw new OsirisError('forbidden', 'Cannot witness a feed: it is neither the sender’s own nor the root’s, by the ledger here')
    return { ...this.#ledger.endOf(author), ...this.#leases.claim(author, instance, leaseMs) }
  }

  /** Nobody else continues a feed that a write of this node is on its way to, or may have left something of here: the lease stays until it is there, or gone. */
  async #settleDoubts(): Promise<void> {
    const doubted = [...this.#witnesses].filter(([author]) => this.#ledger.endOf(author).doubt !== null)
    await Promise.allSettled(doubted.map(async ([, witnesses]) => witnesses.ready()))
  }

  #witnessesOf(feed: Feed, whose: string): Witnesses {
    const { ledger, replication, clock, random, consultMs } = this.#init
    const { author } = feed
    return new Witnesses({
      feed: { seq: () => ledger.tip(author).seq, hashAt: (seq) => ledger.hashAt(author, seq) },
      whose,
      others: () => replication.others(),
      namesOthers: () => this.#isLost || namesOthers(ledger),
      ask: (peer, claim, timeoutMs) => replication.witness(peer, feed, claim, timeoutMs),
      pull: (peer) => replication.pull(peer),
      ...(author === ledger.author ? {} : { here: ({ instance, leaseMs }: Claim) => this.#leases.claim(author, instance, leaseMs) }),
      ...{ clock, random, consultMs },
    })
  }
}

/** Whether the ledger knows of nodes that write besides this one. */
function namesOthers(ledger: Ledger): boolean {
  const { keys } = ledger.authority.verdict
  // A key that this node had before is no other node.
  return ledger.heads().some(({ author }) => !keys.top.has(author) && keys.holdsFor(author, ledger.author) === false)
}
