/**
 * The ledger's word on who is a member, on a node without the ledger: the entries about authority, fetched from catalogs and judged here as every catalog
 * judges them. So nobody who hands them out can make anybody a member, and what one keeps to itself another brings.
 */
import { universeId } from '#protocols/access'
import { collect } from '#protocols/body'
import { decodeAs, digestOf, encode } from '#protocols/codec'
import { type Clock, every, type Random } from '#protocols/lifecycle'
import type { Message, Network, Peer } from '#protocols/network'
import { packIds, unpackIds } from '../id-set.ts'
import { LedgerAuthority } from '../ledger/authority.ts'
import { authorityFactOf } from '../ledger/authority-facts.ts'
import { comparePlaces, type Entry, openEntry, placeOf } from '../ledger/entry.ts'
import { openProof } from '../ledger/forks/forks.ts'
import { drifts, type Hlc } from '../ledger/hlc.ts'
import { standingAnswerSchema, entriesSchema, emptySchema, OBJECTS_MAX, PROTOCOL, PROOFS_BYTES_MAX, type Request } from '../messages.ts'
import { rolesLetIn, rolesOfPeer, type Standing } from './standing.ts'
import { Turns } from '../turns.ts'

/** Between two questions, each to one catalog in its turn; equal ones exchange one digest. Until the first answer more often. */
const ASK_MS = 1000
const FIRST_MS = 200
const REQUEST_MS = 2000
/** Whoever says that it is a catalog, asked at once while none is known. */
const STRANGERS_MAX = 4
/** Ids of entries about authority, 32 bytes each: a universe of some 30,000 grants. */
const IDS_BYTES_MAX = 1024 * 1024
/** Entries stand on each other at most so deep. */
const PASSES_MAX = 16

export interface FollowerInit {
  network: Pick<Network, 'members' | 'request'>
  universe: { root: string }
  clock: Clock
  random: Random
}

export class Follower implements Standing {
  readonly #init: FollowerInit
  readonly #universe: string
  readonly #authority: LedgerAuthority
  /** By hash: what was taken in or refused is not fetched again. */
  readonly #known = new Set<string>()
  readonly #refused = new Set<string>()
  readonly #frozen = new Map<string, number>()
  readonly #turns: Turns<Peer>
  #asking: Promise<void> | undefined
  #isInformed = false
  #askedAt = Number.NEGATIVE_INFINITY
  #stops: (() => void)[] = []

  constructor(init: FollowerInit) {
    this.#init = init
    this.#universe = universeId(init.universe)
    this.#authority = new LedgerAuthority(init.universe.root)
    this.#turns = new Turns(init.random)
  }

  start(): void {
    const { clock, network } = this.#init
    const look = () => {
      const dueMs = this.#isInformed ? ASK_MS : FIRST_MS
      if (clock.monotonic() - this.#askedAt >= dueMs * 0.9) void this.#ask(this.#chosen())
    }
    this.#stops = [every(clock, FIRST_MS, look, () => {}), network.members.onChange(() => this.#isInformed || look())]
  }

  stop(): void {
    for (const stop of this.#stops.splice(0)) stop()
  }

  rolesOf(peer: Peer): ReadonlySet<string> {
    return rolesOfPeer(this.#authority, peer, this.#init.clock.now())
  }

  onStanding(listener: () => void): () => void {
    return this.#authority.onChange(listener)
  }

  /** Whether what was followed so far says that this key is no catalog; `false` before anything was heard. */
  knowsNoCatalog(key: string): boolean {
    return this.#isInformed && !rolesLetIn(this.#authority, key, this.#init.clock.now()).has('catalog')
  }

  /** What shows that this key is a member, for an entry of its own to stand on. */
  basisOf(key: string): { hash: string; hlc: Hlc } | undefined {
    const hash = this.#authority.standingForAll(key, [], this.#init.clock.now())
    const place = this.#authority.places().find((each) => each.hash === hash)
    return place && { hash: place.hash, hlc: { wallMs: place.wallMs, counter: place.counter } }
  }

  /** Fetches what this peer knows and this node does not. Never rejects. */
  async catchUp(peer: Peer): Promise<void> {
    await this.#asking
    await this.#ask([peer])
  }

  /** A fresh entry, heard from a member that has it: its catalog is asked, which judged it by all that it knows. */
  hear(from: Peer, entry: Entry): void {
    if (authorityFactOf(entry) === undefined || this.#known.has(entry.hash)) return
    const isCatalog = this.#init.network.members.withRole('catalog').some(({ peer }) => peer === from)
    void this.#ask(isCatalog ? [from] : this.#chosen())
  }

  /** One catalog in its turn; while none is known, whoever says that it is one. */
  #chosen(): Peer[] {
    const { members } = this.#init.network
    const catalogs = members.withRole('catalog').map(({ peer }) => peer)
    const among = catalogs.length > 0 ? catalogs : members.naming('catalog').map(({ peer }) => peer)
    const count = Math.min(among.length, catalogs.length > 0 ? 1 : STRANGERS_MAX)
    return Array.from({ length: count }, () => this.#turns.next(among) as Peer)
  }

  /** One question at a time. Never rejects. */
  #ask(peers: readonly Peer[]): Promise<void> {
    this.#askedAt = this.#init.clock.monotonic()
    const asking = Promise.allSettled([this.#asking, ...peers.map((peer) => this.#askOne(peer))]).then(() => {
      if (this.#asking === asking) this.#asking = undefined
    })
    this.#asking = asking
    return asking
  }

  async #askOne(peer: Peer): Promise<void> {
    const hashes = [...this.#authority.unfrozenPlaces().map(({ hash }) => hash), ...this.#refused]
    const known = digestOf(encode(wordOf(hashes, this.#frozen)))
    const answer = await this.#request(peer, { type: 'standing', known })
    const { same } = decodeAs(standingAnswerSchema, answer.head, 'the answer to standing')
    this.#isInformed = true
    if (same) return
    const ids = unpackIds(await collect(answer.body, IDS_BYTES_MAX, 'the ids of entries'))
    const lacking = ids.filter((id) => !this.#known.has(id))
    const found: Entry[] = []
    for (let at = 0; at < lacking.length; at += OBJECTS_MAX) {
      found.push(...(await this.#entries(peer, new Set(lacking.slice(at, at + OBJECTS_MAX)))))
    }
    const proofs = await this.#proofs(peer)
    this.#take(found, proofs)
  }

  async #entries(peer: Peer, ids: ReadonlySet<string>): Promise<Entry[]> {
    const answer = await this.#request(peer, { type: 'standing', ids: packIds([...ids]) })
    const list = decodeAs(entriesSchema, await collect(answer.body, IDS_BYTES_MAX * 16, 'entries'), 'entries')
    const entries = list.slice(0, ids.size).map(openEntry)
    return entries.filter((entry) => ids.has(entry.hash) && entry.universe === this.#universe)
  }

  async #proofs(peer: Peer): Promise<{ author: string; seq: number }[]> {
    const known = [...this.#frozen].map(([author, seq]) => ({ author, seq }))
    const answer = await this.#request(peer, { type: 'proofs', known })
    decodeAs(emptySchema, answer.head, 'the answer to proofs')
    const list = decodeAs(entriesSchema, await collect(answer.body, 2 * PROOFS_BYTES_MAX, 'proofs'), 'proofs')
    return list.map((bytes) => openProof(bytes, this.#universe))
  }

  #take(found: readonly Entry[], proofs: readonly { author: string; seq: number }[]): void {
    const nowMs = this.#init.clock.now()
    let waiting = found.filter((each) => !drifts(each.hlc, nowMs)).toSorted((a, b) => comparePlaces(placeOf(a), placeOf(b)))
    for (let pass = 0; pass < PASSES_MAX && waiting.length > 0; pass += 1) {
      const before = waiting.length
      waiting = waiting.filter((entry) => !this.#judged(entry))
      if (waiting.length === before) break
    }
    for (const { author, seq } of proofs) {
      if ((this.#frozen.get(author) ?? Number.POSITIVE_INFINITY) <= seq) continue
      this.#frozen.set(author, seq)
      this.#authority.freeze(author, seq)
    }
    if (this.#authority.settle()) this.#authority.announce()
  }

  /** Whether it was taken in or refused; else what it stands on is not here yet. */
  #judged(entry: Entry): boolean {
    if (this.#known.has(entry.hash)) return true
    const verdict = this.#authority.judge(entry)
    if (verdict !== undefined && 'unknown' in verdict) return false
    this.#known.add(entry.hash)
    if (verdict === undefined) this.#authority.insert(entry)
    else this.#refused.add(entry.hash)
    return true
  }

  #request(peer: Peer, request: Request): Promise<Message> {
    return this.#init.network.request(peer, PROTOCOL, { head: encode(request) }, { timeoutMs: REQUEST_MS })
  }
}

/** What catalogs and those who follow them compare: which entries about authority there are, and who is frozen. */
export function wordOf(hashes: Iterable<string>, frozen: Iterable<readonly [string, number]>): unknown {
  return [[...hashes].toSorted(), [...frozen].toSorted(([a], [b]) => (a < b ? -1 : 1))]
}
