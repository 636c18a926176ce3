/**
 * Keeps the ledger of this node equal to the others': fresh entries come by gossip and by push, missing ones are pulled from members with
 * the catalog role when they join and from a random one every few seconds. Nothing that comes in is believed: the ledger judges each entry.
 */
import { decodeAs, digestOf, encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { Events } from '#protocols/events'
import type { Clock, Random } from '#protocols/lifecycle'
import { collect } from '#protocols/body'
import type { Message, Network, Peer } from '#protocols/network'
import { ForkExchange } from './fork-exchange.ts'
import { type Entry, Refusal, type RefusalReason } from './ledger/entry.ts'
import type { Head } from './ledger/feeds.ts'
import { claimsFork, type ForkProof } from './ledger/forks.ts'
import type { Ledger } from './ledger/ledger.ts'
import {
  emptySchema,
  ENTRIES_BYTES_MAX,
  entriesSchema,
  headsSchema,
  PROTOCOL,
  pushAnswerSchema,
  type Request,
  sameSchema,
  TOPIC,
  WANTS_MAX,
} from './messages.ts'

const REQUEST_MS_MAX = 5000
const HEADS_BYTES_MAX = 4 * 1024 * 1024
/** Entries judged between two breaths of the event loop: about 1 ms here, beside 3 ms of signatures on two threads. */
const BREATH = 64
/** A newcomer is asked by everyone; spread over this time. */
const JOIN_JITTER_MS = 100
/** Between rounds until the first one succeeded: the others may not have heard of this node yet. */
const FIRST_INTERVAL_MS = 200
/** A feed that a peer could not bring forward is not asked of it again for so long. */
const AVOID_MS = 5000
const AVOIDED_MAX = 4096
/** Wrong for everybody. The other reasons depend on what this node has and on its clock: others judge for themselves. */
const INTRINSIC: ReadonlySet<RefusalReason> = new Set(['oversized', 'malformed', 'universe', 'signature', 'authority'])

export interface ReplicationInit {
  ledger: Ledger
  network: Network
  clock: Clock
  random: Random
  events: Events
  /** Between two rounds with a random member. */
  pullIntervalMs: number
}

export class Replication {
  readonly #ledger: Ledger
  readonly #network: Network
  readonly #clock: Clock
  readonly #random: Random
  readonly #events: Events
  readonly #pullIntervalMs: number
  readonly #forks: ForkExchange
  readonly #pulls = new Map<Peer, Promise<boolean>>()
  readonly #greeted = new Set<Peer>()
  /** `peer author` → monotonic time until when. */
  readonly #avoided = new Map<string, number>()
  #synced = false
  #stops: (() => void)[] = []
  #controller = new AbortController()

  constructor(init: ReplicationInit) {
    this.#ledger = init.ledger
    this.#network = init.network
    this.#clock = init.clock
    this.#random = init.random
    this.#events = init.events
    this.#pullIntervalMs = init.pullIntervalMs
    this.#forks = new ForkExchange({
      ledger: init.ledger,
      publish: (data) => void this.#publish(data),
      request: (peer, request, timeoutMs) => this.#request(peer, request, timeoutMs),
    })
  }

  start(): void {
    this.#controller = new AbortController()
    const { signal } = this.#controller
    let cancelRound = () => {}
    const schedule = () => {
      const interval = (this.#synced ? this.#pullIntervalMs : FIRST_INTERVAL_MS) * (0.75 + 0.5 * this.#random())
      cancelRound = this.#clock.after(interval, () => void this.#round().then(() => signal.aborted || schedule()))
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

  /** Members with the catalog role, this node not among them. */
  others(): Peer[] {
    return this.#network.members.withRole('catalog').map((member) => member.peer)
  }

  /** Gets what this peer has and we lack. Concurrent calls share one pull. Whether anything new came. Never rejects. */
  pull(peer: Peer, timeoutMs: number = REQUEST_MS_MAX): Promise<boolean> {
    const running = this.#pulls.get(peer)
    if (running !== undefined) return running
    const pull = this.#pull(peer, timeoutMs)
      .catch((error: unknown) => {
        this.#tell(error)
        return false
      })
      .finally(() => this.#pulls.delete(peer))
    this.#pulls.set(peer, pull)
    return pull
  }

  /** One entry a peer pushed; resolves when it is on disk. Throws `invalid_argument` for one that is refused, `storage_full`, `unavailable`. */
  async accept(peer: Peer, bytes: Uint8Array): Promise<boolean> {
    try {
      if (this.#ledger.holds(digestOf(bytes))) return true
      const entry = this.#ledger.open(bytes)
      if (this.#ledger.judge(entry) === 'gap') await this.pull(peer)
      return (await this.#ledger.take(entry)) !== 'gap'
    } catch (error) {
      if (error instanceof Refusal) throw new OsirisError('invalid_argument', `Cannot accept the entry: ${error.message}`, { cause: error })
      throw error
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

  /** `false`: must not be passed on. */
  #hear(from: Peer, data: Uint8Array): boolean {
    try {
      if (claimsFork(data)) {
        this.#ledger.convict(data)
        return true
      }
      if (this.#ledger.holds(digestOf(data))) return true
      const entry = this.#ledger.open(data)
      if (this.#ledger.judge(entry) === 'gap') void this.pull(from)
      else this.#ledger.take(entry).catch((error: unknown) => this.#tell(error))
      return true
    } catch (error) {
      this.#tell(error)
      return !(error instanceof Refusal && INTRINSIC.has(error.reason))
    }
  }

  #greet(): void {
    const others = new Set(this.others())
    for (const peer of this.#greeted) if (!others.has(peer)) this.#greeted.delete(peer)
    for (const peer of others) {
      if (this.#greeted.has(peer)) continue
      this.#greeted.add(peer)
      const { signal } = this.#controller
      this.#clock.after(this.#random() * JOIN_JITTER_MS, () => void (signal.aborted || this.pull(peer)))
    }
  }

  async #round(): Promise<void> {
    const others = this.others()
    const peer = others[Math.floor(this.#random() * others.length)]
    if (peer !== undefined) await this.pull(peer)
  }

  async #pull(peer: Peer, timeoutMs: number): Promise<boolean> {
    await this.#forks.exchange(peer, timeoutMs).catch((error: unknown) => this.#tell(error))
    const heads = await this.#heads(peer, timeoutMs)
    this.#synced = true
    await this.#forks.compare(peer, heads, timeoutMs)
    const refused = new Set<string>()
    /** What does not follow our last entry may follow another one in its place. */
    const unchained = new Set<string>()
    let news = false
    for (;;) {
      const wants = this.#ledger.wants(heads).filter((want) => !refused.has(want.author) && !this.#avoids(peer, want.author))
      if (wants.length === 0) return news
      const asked = wants.slice(0, WANTS_MAX)
      await this.#takeAll(await this.#entries(peer, asked, timeoutMs), refused, unchained)
      const still = this.#ledger.wants(heads)
      for (const want of asked) {
        if (still.some((each) => each.author === want.author && each.from === want.from)) refused.add(want.author)
        else news = true
      }
      for (const author of refused) this.#avoid(peer, author)
      for (const author of unchained) await this.#forks.search(peer, author, this.#ledger.tip(author).seq, timeoutMs)
      unchained.clear()
    }
  }

  #avoids(peer: Peer, author: string): boolean {
    return (this.#avoided.get(`${peer} ${author}`) ?? 0) > this.#clock.monotonic()
  }

  #avoid(peer: Peer, author: string): void {
    if (this.#avoided.size >= AVOIDED_MAX) this.#avoided.clear()
    this.#avoided.set(`${peer} ${author}`, this.#clock.monotonic() + AVOID_MS)
  }

  async #heads(peer: Peer, timeoutMs: number): Promise<Head[]> {
    const response = await this.#request(peer, { type: 'heads', known: digestOf(encode(this.#ledger.heads())) }, timeoutMs)
    if (decodeAs(sameSchema, response.head, 'the answer to heads').same) return []
    return decodeAs(headsSchema, await collect(response.body, HEADS_BYTES_MAX, 'heads'), 'heads')
  }

  async #entries(peer: Peer, wants: { author: string; from: number }[], timeoutMs: number): Promise<Uint8Array[]> {
    const response = await this.#request(peer, { type: 'entries', wants }, timeoutMs)
    decodeAs(emptySchema, response.head, 'the answer to entries')
    return decodeAs(entriesSchema, await collect(response.body, 2 * ENTRIES_BYTES_MAX, 'entries'), 'entries')
  }

  /** A feed with a bad entry is left alone for the rest of this pull. */
  async #takeAll(batch: Uint8Array[], refused: Set<string>, unchained: Set<string>): Promise<void> {
    const writes: Promise<unknown>[] = []
    for (let at = 0; at < batch.length; at += BREATH) {
      for (const entry of await this.#ledger.openAll(batch.slice(at, at + BREATH))) {
        if (entry instanceof Refusal) this.#tell(entry)
        else if (!refused.has(entry.author)) writes.push(this.#take(entry, refused, unchained))
      }
      await breathe()
    }
    const results = await Promise.allSettled(writes)
    for (const result of results) if (result.status === 'rejected') this.#tell(result.reason)
  }

  #take(entry: Entry, refused: Set<string>, unchained: Set<string>): Promise<unknown> {
    const write = this.#ledger.take(entry)
    write.catch((error: unknown) => {
      if (error instanceof Refusal && error.reason === 'chain' && !refused.has(entry.author)) unchained.add(entry.author)
      refused.add(entry.author)
    })
    return write
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

function breathe(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
