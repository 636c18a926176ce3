/**
 * Keeps the ledger of this node equal to the others': fresh entries come by gossip and by push, missing ones are pulled from members with
 * the catalog role when they join and from a random one every few seconds. Nothing that comes in is believed: the ledger judges each entry.
 */
import { collect } from '#protocols/body'
import { decodeAs, digestOf, encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { Events } from '#protocols/events'
import type { Clock, Random } from '#protocols/lifecycle'
import type { Message, Network, Peer } from '#protocols/network'
import { Exchange } from './exchange.ts'
import { Adopting } from './checkpoints/adopting.ts'
import { ForkExchange } from './fork-exchange.ts'
import { type Entry, ENTRY_BYTES_MAX, Refusal, type RefusalReason } from './ledger/entry.ts'
import { claimsFork, type ForkProof } from './ledger/forks/forks.ts'
import type { Ledger } from './ledger/ledger.ts'
import { PROTOCOL, pushAnswerSchema, type Request, TOPIC, witnessAnswerSchema } from './messages.ts'
import { Turns } from './turns.ts'
import type { SharedSets } from './shared-sets.ts'
import { Strikes } from './strikes.ts'
import { VoidBound } from './void-bound.ts'
import type { Feed } from './witnesses/feed-proof.ts'
import type { Claim, Testimony } from './witnesses/witnesses.ts'

const REQUEST_MS_MAX = 5000
/** A newcomer is asked by everyone; spread over this time. */
const JOIN_JITTER_MS = 100
/** Equal members exchange one digest. With two, and each in its turn, even six catalogs hear of what gossip lost within 10 s, one of them lying. */
const ASKED_PER_ROUND = 2
/** Between rounds until the first one succeeded: the others may not have heard of this node yet. */
const FIRST_INTERVAL_MS = 200
/** Wrong for everybody. The other reasons depend on what this node has and on its clock: others judge for themselves. */
const INTRINSIC: ReadonlySet<RefusalReason> = new Set(['oversized', 'malformed', 'universe', 'signature', 'authority'])

export interface ReplicationInit {
  ledger: Ledger
  sets: SharedSets
  network: Network
  clock: Clock
  random: Random
  events: Events
  /** Between two rounds. */
  pullIntervalMs: number
  /** As `CheckpointLimits`. */
  joinBehind: number
}

export class Replication {
  readonly #ledger: Ledger
  readonly #network: Network
  readonly #clock: Clock
  readonly #random: Random
  readonly #events: Events
  readonly #pullIntervalMs: number
  readonly #forks: ForkExchange
  readonly #strikes: Strikes
  readonly #voids: VoidBound
  readonly #pulls = new Map<Peer, Promise<boolean>>()
  readonly #turns: Turns<Peer>
  readonly #strangersTurns: Turns<Peer>
  readonly #greeted = new Set<Peer>()
  readonly #exchange: Exchange
  #synced = false
  #stops: (() => void)[] = []
  #controller = new AbortController()

  constructor(init: ReplicationInit) {
    this.#ledger = init.ledger
    this.#network = init.network
    this.#clock = init.clock
    this.#random = init.random
    this.#turns = new Turns(init.random)
    this.#strangersTurns = new Turns(init.random)
    this.#events = init.events
    this.#pullIntervalMs = init.pullIntervalMs
    this.#strikes = new Strikes(init.clock)
    this.#voids = new VoidBound(init)
    this.#forks = new ForkExchange({
      ledger: init.ledger,
      publish: (data) => void this.#publish(data),
      request: (peer, request, timeoutMs) => this.#request(peer, request, timeoutMs),
    })
    const adopting = new Adopting({
      ...init,
      others: () => this.#sources(),
      ask: (peer, request) => this.#request(peer, request, REQUEST_MS_MAX),
      isEnded: () => this.#controller.signal.aborted,
      tell: (error) => this.#tell(error),
    })
    this.#exchange = new Exchange({ ...init, adopting, forks: this.#forks, voids: this.#voids, tell: (error) => this.#tell(error) })
  }

  start(): void {
    this.#controller = new AbortController()
    const { signal } = this.#controller
    let cancelRound = () => {}
    const schedule = () => {
      const interval = (this.#synced ? this.#pullIntervalMs : FIRST_INTERVAL_MS) * (0.75 + 0.5 * this.#random())
      cancelRound = this.#clock.after(interval, () => {
        // Not when this one has ended: who answers slowly, or not at all, keeps nobody from asking another member meanwhile.
        this.#round()
        if (!signal.aborted) schedule()
      })
    }
    schedule()
    this.#stops = [
      this.#network.subscribe(TOPIC, (from, data) => this.#hear(from, data)),
      this.#network.members.onChange(() => this.#greet()),
      () => cancelRound(),
    ]
    this.#greet()
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0)) stop()
    this.#controller.abort()
    this.#greeted.clear()
    await Promise.all(this.#pulls.values())
  }

  /** The other members that keep the ledger. */
  others(): Peer[] {
    return this.#network.members.withRole('catalog').map((member) => member.peer)
  }

  /** Who says that it keeps the ledger and has not been let in as far as this node knows. What they send is judged, so that they may be asked, too: this node's ledger may be old. */
  #strangers(): Peer[] {
    const others = new Set(this.others())
    return this.#network.members.naming('catalog').flatMap(({ peer }) => (others.has(peer) ? [] : [peer]))
  }

  /** Of strangers only while this node knows nobody. */
  #sources(): Peer[] {
    const others = this.others()
    return others.length > 0 ? others : this.#strangers()
  }

  /** Gets what this peer has and we lack. Concurrent calls share one pull. Whether anything new came. Never rejects. */
  pull(peer: Peer, timeoutMs: number = REQUEST_MS_MAX): Promise<boolean> {
    const running = this.#pulls.get(peer)
    if (running !== undefined) return running
    const pull = this.#exchange
      .pull(peer, timeoutMs, this.#controller.signal)
      .then((news) => {
        this.#synced = true
        return news
      })
      .catch((error: unknown) => {
        this.#tell(error)
        return false
      })
      .finally(() => this.#pulls.delete(peer))
    this.#pulls.set(peer, pull)
    return pull
  }

  /** One entry a peer pushed; resolves when it is on disk. Throws `invalid_argument` for one that is refused, `quota_exceeded`, `rate_limited`, `storage_full`, `unavailable`. */
  async accept(peer: Peer, bytes: Uint8Array): Promise<boolean> {
    if (this.#strikes.isOut(peer)) {
      this.#ledger.refused('flood')
      throw new OsirisError(
        'rate_limited',
        'Cannot accept the entry: too many before it were refused; the next one is looked at in a second',
      )
    }
    try {
      if (this.#ledger.holds(digestOf(bytes))) return true
      const entry = this.#ledger.open(bytes)
      this.#voids.pass(peer, entry)
      const gap = this.#ledger.judge(entry) === 'gap'
      if (gap) await this.pull(peer)
      return (await this.#ledger.take(entry, gap)) !== 'gap'
    } catch (error) {
      this.#strike(peer, error)
      if (!(error instanceof Refusal)) throw error
      const code = error.reason === 'quota' ? 'quota_exceeded' : 'invalid_argument'
      throw new OsirisError(code, `Cannot accept the entry: ${error.message}`, { cause: error })
    }
  }

  /** Tells everyone who listens. */
  async gossip(entry: Entry): Promise<void> {
    await this.#publish(entry.bytes)
  }

  /** Tells everyone who listens that an author is frozen, and why. */
  tell(proof: ForkProof): void {
    this.#forks.tell(proof)
  }

  /** Whether the peer has the entry on disk now, and its receipt, not judged yet. With `keep` it fetches the artifact first that the entry publishes. */
  async push(peer: Peer, entry: Entry, timeoutMs: number, keep: boolean): Promise<{ held: boolean; receipt?: Uint8Array | undefined }> {
    const response = await this.#request(peer, { type: 'push', keep }, timeoutMs, entry.bytes)
    return decodeAs(pushAnswerSchema, response.head, 'the answer to push')
  }

  /** What the peer says about a feed that this node writes to. Throws `Refusal` when it says more than the author's own signature shows. */
  async witness(peer: Peer, { author, proof }: Feed, claim: Claim, timeoutMs: number): Promise<Testimony> {
    const { seq, hash: known } = this.#ledger.tip(author)
    const feed = proof === undefined ? {} : { feed: { author, proof } }
    const response = await this.#request(peer, { type: 'witness', known, ...claim, ...feed }, timeoutMs)
    const testimony = decodeAs(witnessAnswerSchema, response.head, 'the answer to witness')
    if (testimony.seq === 0 ? testimony.hash === null : testimony.seq === seq && testimony.hash === known) return testimony
    const last = this.#ledger.opened(await collect(response.body, ENTRY_BYTES_MAX, 'the last entry'))
    if (last.author === author && last.seq === testimony.seq && last.hash === testimony.hash) return testimony
    throw new Refusal('malformed', 'it is not the entry that the witness speaks of')
  }

  /** `false`: must not be passed on. */
  #hear(from: Peer, data: Uint8Array): boolean {
    if (this.#strikes.isOut(from)) {
      this.#ledger.refused('flood')
      return false
    }
    try {
      if (claimsFork(data)) {
        this.#ledger.convict(data)
        return true
      }
      if (this.#ledger.holds(digestOf(data))) return true
      const entry = this.#ledger.open(data)
      this.#voids.pass(from, entry)
      const isGap = this.#ledger.judge(entry) === 'gap'
      if (isGap && this.#mayPull(from)) void this.pull(from)
      if (!isGap) this.#ledger.take(entry).catch((error: unknown) => this.#tell(error))
      return true
    } catch (error) {
      this.#tell(error)
      return !this.#strike(from, error)
    }
  }

  /** Strangers cannot have this node ask them whenever they like. */
  #mayPull(peer: Peer): boolean {
    return (this.#network.members.get(peer)?.roles.length ?? 0) > 0 || this.others().length === 0
  }

  /** Whether it is wrong for everybody, and so its sender's fault. */
  #strike(peer: Peer, error: unknown): boolean {
    const isFault = error instanceof Refusal && INTRINSIC.has(error.reason)
    if (isFault) this.#strikes.add(peer)
    return isFault
  }

  #greet(): void {
    const others = new Set(this.#sources())
    for (const peer of this.#greeted) if (!others.has(peer)) this.#greeted.delete(peer)
    for (const peer of others) {
      if (this.#greeted.has(peer)) continue
      this.#greeted.add(peer)
      const { signal } = this.#controller
      this.#clock.after(this.#random() * JOIN_JITTER_MS, () => void (signal.aborted || this.pull(peer)))
    }
  }

  /** Does not wait: a member that does not answer holds up nobody else's turn. */
  #round(): void {
    const others = this.others()
    const strangers = this.#strangers()
    const asked = Array.from({ length: Math.min(ASKED_PER_ROUND, others.length) }, () => this.#turns.next(others))
    if (strangers.length > 0) asked.push(this.#strangersTurns.next(strangers))
    for (const peer of asked) if (peer !== undefined) void this.pull(peer)
  }

  #request(peer: Peer, request: Request, timeoutMs: number, body?: Uint8Array): Promise<Message> {
    const message = { head: encode(request), ...(body === undefined ? {} : { body }) }
    return this.#network.request(peer, PROTOCOL, message, { timeoutMs, signal: this.#controller.signal })
  }

  async #publish(data: Uint8Array): Promise<void> {
    if (this.#controller.signal.aborted) return
    await this.#network.publish(TOPIC, data).catch((error: unknown) => this.#tell(error))
  }

  #tell(error: unknown): void {
    if (this.#controller.signal.aborted) return
    this.#events.emit('log', { level: 'debug', room: 'catalog', text: error instanceof Error ? error.message : String(error) })
  }
}
