/**
 * Copies of artifacts where they belong. What a fresh entry names is fetched at once; a sweep goes over everything again when members come or go for good, and
 * now and then: it fetches what is missing, forgets what nobody needs, and keeps cached copies within their budget. `keeping.ts` decides.
 */
import type { Clock, Random } from '#protocols/lifecycle'
import { type Network, type Peer, peerOf } from '#protocols/network'
import type { ArtifactFetcher } from './artifact-fetcher.ts'
import type { ArtifactIndex } from './artifact-index.ts'
import type { ArtifactStore, StoredArtifact } from './artifacts.ts'
import { excess, keepersOf, Residents, verdictOn } from './keeping.ts'
import type { Entry } from '../ledger/entry.ts'
import { ASKED_MAX } from '../messages.ts'
import type { Pins } from './pins.ts'
import { Rest } from '../rest.ts'

const AT_ONCE = 2
/** The largest artifact over 256 kbit/s; pieces have their own, shorter time. */
const FETCH_MS_MAX = 900_000
/** Beyond that, artifacts come with the next sweep. */
const WAITING_MAX = 10_000
/** Artifacts judged between two breaths: about 1 ms per ten members. */
const SLICE = 64
const SLICE_REST_MS = 10
/** Files looked at while listing what is here, between two pauses: 64 take 2 ms, so 100,000 some three minutes at 2 % of a core. */
const LIST_SLICE = 64
const LIST_REST_MS = 100
/** After one that nobody had, the next waits; longer after each, until one is had again: a look all over the universe costs 1 ms. */
const MISSED_REST_MS = 4
const MISSED_REST_MS_MAX = 256
/** So many nobody had, one after the other: the rest has its turn in the next sweep. */
const MISSED_MAX = 256

export interface PlacementLimits {
  /** Between two sweeps while nothing changes. */
  sweepMs: number
  /** A sweep after a change begins within this time: all nodes hear of the same change at once. */
  sweepJitterMs: number
  /** A member that has gone keeps its artifacts so long: it may only be restarting. */
  leaveMs: number
  /** Of copies made again by sweeps. */
  copyBytesPerSecond: number
  /** How long artifacts of a retired function stay. */
  retiredMs: number
  /** See `KeepingFacts`. */
  graceMs: number
  settleMs: number
  /** Of copies that other nodes keep as well. */
  cacheBytesMax: number
}

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE
export const PLACEMENT_LIMITS: PlacementLimits = Object.freeze({
  sweepMs: 10 * MINUTE,
  sweepJitterMs: 5000,
  leaveMs: MINUTE,
  copyBytesPerSecond: 4 * 1024 * 1024,
  retiredMs: 7 * DAY,
  graceMs: DAY,
  settleMs: 60 * MINUTE,
  cacheBytesMax: 1024 * 1024 * 1024,
})

export interface PlacementInit {
  network: Network
  store: ArtifactStore
  fetcher: ArtifactFetcher
  index: ArtifactIndex
  pins: Pins
  clock: Clock
  random: Random
  limits: PlacementLimits
  /** Other members that may keep copies. */
  others: () => readonly Peer[]
  /** Whether the ledger here is whole: else what it does not name may be needed all the same. */
  isWhole: () => boolean
  /** Which of these a member has on its disk. */
  ask: (peer: Peer, digests: string[]) => Promise<ReadonlySet<string>>
  onError: (error: unknown) => void
}

/** What one sweep has found so far. */
interface Sweep {
  cached: StoredArtifact[]
  idle: Map<string, number>
  /** Those of now, as of the last pause. */
  members: readonly Peer[]
  /** Artifacts one after the other that nobody had. */
  missed: number
}

export class Placement {
  readonly #init: PlacementInit
  readonly #residents: Residents
  /** Digest → who published it, and so has it. */
  readonly #waiting = new Map<string, Peer | undefined>()
  /** Digest → wall clock since when this process knows that nobody needs it. */
  #idleSince = new Map<string, number>()
  #running = 0
  #rest: Rest
  #members = ''
  #changed = false
  #stop = () => {}
  #cancelLook = () => {}

  constructor(init: PlacementInit) {
    this.#init = init
    this.#residents = new Residents(init.limits)
    this.#rest = new Rest(init.clock)
  }

  start(): void {
    this.#rest = new Rest(this.#init.clock)
    this.#changed = true
    this.#stop = this.#init.network.members.onChange(() => this.#lookAtMembers())
    void this.#sweeps(this.#rest)
  }

  stop(): void {
    this.#stop()
    this.#cancelLook()
    this.#waiting.clear()
    this.#rest.end()
  }

  /** Looks at fresh entries; returns at once. */
  consider(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const digest = artifactOf(entry)
      if (digest !== undefined) this.#want(digest, peerOf(entry.author))
    }
  }

  /** Sees to it that it is here, if it belongs here; returns at once. */
  considerOne(digest: string): void {
    if (this.#init.index.has(digest)) this.#want(digest, undefined)
  }

  #want(digest: string, first: Peer | undefined): void {
    if (this.#rest.ended || this.#waiting.size >= WAITING_MAX) return
    if (!keepersOf(digest, this.#everyone()).includes(this.#init.network.peer)) return
    this.#waiting.set(digest, first)
    while (this.#running < AT_ONCE && this.#waiting.size > 0) void this.#work()
  }

  async #work(): Promise<void> {
    this.#running += 1
    for (const [digest, first] of this.#waiting) {
      this.#waiting.delete(digest)
      await this.#fetch(digest, first)
    }
    this.#running -= 1
  }

  /** Whether it is here now: what cannot be had comes with a later sweep, or when it is first asked for. */
  async #fetch(digest: string, first?: Peer): Promise<boolean> {
    const options = { timeoutMs: FETCH_MS_MAX, ...(first === undefined ? {} : { first }) }
    try {
      await this.#init.fetcher.keep(digest, options)
      return true
    } catch (error) {
      this.#init.onError(error)
      return false
    }
  }

  #everyone(): Peer[] {
    const { network, others, clock } = this.#init
    return this.#residents.look([network.peer, ...others()], clock.monotonic())
  }

  /** Also later, when who has gone now has gone for good. */
  #lookAtMembers(): void {
    const { clock, limits } = this.#init
    const rest = this.#rest
    const look = () => {
      const members = this.#everyone().join()
      if (members === this.#members || rest.ended) return
      this.#members = members
      this.#changed = true
      rest.wake()
    }
    look()
    this.#cancelLook()
    this.#cancelLook = clock.after(limits.leaveMs, look)
  }

  async #sweeps(rest: Rest): Promise<void> {
    const { limits, random, onError } = this.#init
    while (!rest.ended) {
      if (!this.#changed) await rest.for(limits.sweepMs * (0.75 + 0.5 * random()))
      this.#changed = false
      await this.#pause(rest, limits.sweepJitterMs * random())
      if (!rest.ended) await this.#sweep(rest).catch(onError)
    }
  }

  /** A change does not end it. */
  async #pause(rest: Rest, ms: number): Promise<void> {
    const end = this.#init.clock.monotonic() + ms
    for (let left = ms; left > 0 && !rest.ended; left = end - this.#init.clock.monotonic()) await rest.for(left)
  }

  async #sweep(rest: Rest): Promise<void> {
    const { store, index, random } = this.#init
    const listed = await store.list(LIST_SLICE, () => this.#pause(rest, LIST_REST_MS))
    const here = new Map(listed.map((each) => [each.digest, each]))
    const sweep: Sweep = { cached: [], idle: new Map(), members: [], missed: 0 }
    const digests = [...new Set([...index.digests(), ...here.keys()])]
    // Each time from another place on, so that what nobody has does not stand in the way of the same ones always.
    const from = Math.floor(random() * digests.length)
    for (let at = 0; at < digests.length; at += 1) {
      if (rest.ended) return
      if (at % SLICE === SLICE - 1) await this.#pause(rest, SLICE_REST_MS)
      if (at % SLICE === 0) sweep.members = this.#everyone()
      const digest = digests[(from + at) % digests.length] as string
      await this.#judge(rest, digest, here.get(digest), sweep)
    }
    this.#idleSince = sweep.idle
    await this.#makeRoom(sweep.cached)
  }

  async #judge(rest: Rest, digest: string, here: StoredArtifact | undefined, sweep: Sweep): Promise<void> {
    const { clock, store } = this.#init
    const verdict = this.#verdictOn(digest, here, sweep.members)
    if (verdict === 'fetch' && sweep.missed < MISSED_MAX) await this.#copy(rest, digest, sweep)
    if (verdict === 'cached' && here !== undefined) sweep.cached.push(here)
    if (verdict === 'idle') sweep.idle.set(digest, this.#idleSince.get(digest) ?? clock.now())
    if (verdict === 'forget')
      await this.#forget(digest, async () => this.#verdictOn(digest, here, this.#everyone()) === 'forget' && store.drop(digest))
  }

  async #copy(rest: Rest, digest: string, sweep: Sweep): Promise<void> {
    const { limits, index } = this.#init
    if (await this.#fetch(digest)) {
      sweep.missed = 0
      await this.#pause(rest, (index.bytesOf(digest) / limits.copyBytesPerSecond) * 1000)
    } else {
      sweep.missed += 1
      await this.#pause(rest, Math.min(MISSED_REST_MS_MAX, MISSED_REST_MS * 2 ** sweep.missed))
    }
  }

  #verdictOn(digest: string, here: StoredArtifact | undefined, members: readonly Peer[]): ReturnType<typeof verdictOn> {
    const { network, clock, index, pins, limits, isWhole } = this.#init
    return verdictOn(digest, {
      self: network.peer,
      members,
      nowMs: clock.now(),
      neededUntil: index.neededUntil(digest, limits.retiredMs),
      here,
      idleSinceMs: isWhole() ? this.#idleSince.get(digest) : undefined,
      pinned: pins.has(digest),
      ...{ graceMs: limits.graceMs, settleMs: limits.settleMs },
    })
  }

  /** Judged again at the last moment, when no publish can come in between. */
  async #forget(digest: string, drop: () => Promise<unknown>): Promise<void> {
    await this.#init.pins.alone(digest, drop)
  }

  /** A copy goes only when each of its keepers says that it has its own. */
  async #makeRoom(cached: readonly StoredArtifact[]): Promise<void> {
    const { limits, store, network, others, pins } = this.#init
    const going = excess(cached, limits.cacheBytesMax).slice(0, ASKED_MAX)
    if (going.length === 0) return
    const present = new Set(others())
    const kept = new Map<Peer, ReadonlySet<string>>()
    const keepers = new Map(going.map(({ digest }) => [digest, keepersOf(digest, this.#everyone())]))
    for (const peer of new Set([...keepers.values()].flat())) {
      if (!present.has(peer) || peer === network.peer) continue
      const asked = going.map(({ digest }) => digest).filter((digest) => keepers.get(digest)?.includes(peer))
      kept.set(peer, await this.#init.ask(peer, asked).catch(() => new Set<string>()))
    }
    for (const { digest } of going) {
      const isSafe = () => !pins.has(digest) && (keepers.get(digest) ?? []).every((peer) => kept.get(peer)?.has(digest) === true)
      await this.#forget(digest, async () => isSafe() && store.drop(digest))
    }
  }
}

/** The digest of the artifact that a publish entry names. */
export function artifactOf(entry: Entry): string | undefined {
  if (entry.type !== 'publish') return undefined
  const { manifest } = entry.body as { manifest?: { artifact?: { digest?: unknown } } }
  const digest = manifest?.artifact?.digest
  return typeof digest === 'string' && /^[0-9a-f]{64}$/.test(digest) ? digest : undefined
}
