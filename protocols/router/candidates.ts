/** What this router knows of each executor: the member's own beats, and what was measured by handing calls to it. */
import { dropOldest } from '#protocols/bounded'
import type { ErrorCode } from '#protocols/errors'
import type { Executor, ExecutorStatus } from '#protocols/executor'
import type { FailedOutcome, Outcome } from '#protocols/invocation'
import type { Clock } from '#protocols/lifecycle'
import { beatEveryMs, type Member, type Members, type Peer } from '#protocols/network'
import { fits, type Place, type Traits } from '#protocols/traits'
import { type Candidate, homesOf, seedOf } from './placement.ts'
import {
  answered,
  asked,
  type BreakerState,
  type Cause,
  CLOSED,
  mayAsk,
  opened,
  passedOver,
  type Told,
  undecided,
} from './resilience/breaker.ts'
import type { Measured } from './resilience/measures.ts'

/** Beats carry the first 16 characters of the versions that are warm. */
const WARM_PREFIX = 16
/** Weight of the newest measurement: a member that turns slow is judged by its last ten calls or so. */
const LATENCY_WEIGHT = 0.2
/** Until measured: a newcomer is tried first. */
const LATENCY_GUESS_MS = 0
/** How old the local executor's own figures may be; asking builds a list of its workers. */
const STATUS_AGE_MS = 20
/** Of a judgement the oldest calls under way are enough. */
const UNDER_WAY_MAX = 8
/** Beats that are missing until a member that does not answer either is taken for frozen or cut off: half of one more than the next. */
const BEATS_MISSED = 1.5
/** And so long it has not answered: a part of what beats take. */
const UNANSWERED = 0.5
/** Versions that ask for labels or regions, of which it is kept who fits. */
const VERSIONS_MAX = 1024
const CAUSES: Partial<Record<ErrorCode, Cause>> = {
  unavailable: 'unreachable',
  outcome_unknown: 'unreachable',
  version_mismatch: 'unfit',
  storage_full: 'unfit',
  overloaded: 'full',
}

/** One call that was handed over and has not ended. */
export interface Handed extends Told {
  readonly version: string
}

export class RemoteCandidate implements Candidate, Measured {
  readonly peer: Peer
  readonly seed: number
  readonly #clock: Clock
  readonly #member: Member
  readonly #beatMs: () => number
  /** Handed over from here and not ended, oldest first; newer than any beat. */
  readonly #handed = new Set<Handed>()
  /** How many of them are of which version. */
  readonly #ownOf = new Map<string, number>()
  /** Of calls that were handed over by others, when its last beat came. */
  #others = 0
  #countedAt = Number.NaN
  /** What its last beat says, and that to be looked up. */
  #warmIn: readonly string[] = []
  #warm: ReadonlySet<string> = new Set()
  /** What was asked of it last: calls in a row are often of one version. */
  #asked = { version: '', isWarm: false }
  latencyMs = LATENCY_GUESS_MS
  #breaker: BreakerState = CLOSED

  /** `beatMs`: how often members beat. */
  constructor(member: Member, clock: Clock, beatMs: () => number) {
    this.peer = member.peer
    this.seed = seedOf(member.peer)
    this.#member = member
    this.#beatMs = beatMs
    this.#clock = clock
  }

  get name(): string {
    return this.#member.name
  }

  get capacity(): number {
    return this.#member.capacity
  }

  /** A beat is up to a second old, and the calls from here that it counts have ended by then: only what others handed over is taken from it. */
  get inFlight(): number {
    const { inFlight, seenAt } = this.#member
    if (seenAt !== this.#countedAt) {
      this.#countedAt = seenAt
      this.#others = Math.max(0, inFlight - this.#handed.size)
    }
    return this.#others + this.#handed.size
  }

  /** Of these, calls handed over from here. */
  get own(): number {
    return this.#handed.size
  }

  /** One that starts takes nothing yet. */
  get avoided(): boolean {
    if (this.#breaker.kind === 'closed') return this.#member.capacity === 0
    return !mayAsk(this.#breaker, this.#clock.monotonic()) || this.#isUnheard
  }

  /** Neither its beats nor an answer have come when they should have. */
  get isSilent(): boolean {
    return this.#isUnheard && this.oldestMs >= UNANSWERED * this.#beatMs()
  }

  get #isUnheard(): boolean {
    return this.#clock.monotonic() - this.#member.seenAt > BEATS_MISSED * this.#beatMs()
  }

  get isClosed(): boolean {
    return this.#breaker.kind === 'closed'
  }

  /** Why it is not asked as usual. */
  get trouble(): Cause | undefined {
    return this.#breaker.kind === 'closed' ? undefined : this.#breaker.cause
  }

  get traits(): Traits {
    return this.#member
  }

  isWarm(version: string): boolean {
    const { warm } = this.#member
    if (warm !== this.#warmIn) {
      this.#warmIn = warm
      this.#warm = new Set(warm)
      this.#asked = { version: '', isWarm: false }
    }
    if (this.#asked.version !== version) this.#asked = { version, isWarm: this.#warm.has(version.slice(0, WARM_PREFIX)) }
    return this.#asked.isWarm
  }

  /** Of the version, calls handed over from here. */
  ownOf(version: string): number {
    return this.#ownOf.get(version) ?? 0
  }

  /** Whether it is still the same incarnation that beats describe. */
  isOf(member: Member): boolean {
    return this.#member === member
  }

  get oldestMs(): number {
    for (const { startedAt } of this.#handed) return this.#clock.monotonic() - startedAt
    return 0
  }

  underWayMs(version: string): number[] {
    const now = this.#clock.monotonic()
    const ages: number[] = []
    for (const each of this.#handed) {
      if (each.version === version && ages.push(now - each.startedAt) === UNDER_WAY_MAX) break
    }
    return ages
  }

  began(version: string): Handed {
    const before = this.#breaker
    const startedAt = this.#clock.monotonic()
    this.#breaker = asked(before, startedAt)
    const handed = { version, startedAt, isProbe: before !== this.#breaker }
    this.#handed.add(handed)
    this.#ownOf.set(version, this.ownOf(version) + 1)
    return handed
  }

  /** Returns how long the call took. What of it was not the function's own time is the member's word, and good for no more than a choice between equals. */
  ended(handed: Handed, { meta: { timing } }: Outcome): number {
    this.#handed.delete(handed)
    const left = this.ownOf(handed.version) - 1
    if (left > 0) this.#ownOf.set(handed.version, left)
    else this.#ownOf.delete(handed.version)
    const tookMs = this.#clock.monotonic() - handed.startedAt
    const overheadMs = Math.max(0, tookMs - timing.run - timing.cold - timing.queue)
    this.latencyMs += (overheadMs - this.latencyMs) * LATENCY_WEIGHT
    return tookMs
  }

  /** It is passed over from now on, for a while. Whether it was not before. */
  open(cause: Cause, isProbe: boolean): boolean {
    const before = this.#breaker
    this.#breaker = opened(before, cause, this.#clock.monotonic(), isProbe)
    return before !== this.#breaker
  }

  /** A call was answered as it should be. Whether the member is asked again because of it. */
  answered(call: Told): boolean {
    const before = this.#breaker
    this.#breaker = answered(before, call)
    return before !== this.#breaker
  }

  /** The call that was to find out was cut off. */
  leaveOpen(): void {
    this.#breaker = undecided(this.#breaker, this.#clock.monotonic())
  }

  /** A call went elsewhere. */
  passOver(): void {
    this.#breaker = passedOver(this.#breaker)
  }
}

/** What a failure says about the member; `undefined` where it says nothing, or only what others' failures can tell apart. */
export function causeOf(outcome: FailedOutcome): Cause | undefined {
  const { code } = outcome.error
  // Told by the member itself, it is about the call; else the member was not heard.
  if (code === 'outcome_unknown' && outcome.meta.node !== '') return undefined
  return outcome.started && code !== 'outcome_unknown' ? undefined : CAUSES[code]
}

/** What a router needs of an executor on its own node. */
export type LocalExecutor = Pick<Executor, 'invoke' | 'isWarm' | 'hasRoom' | 'isFull' | 'status'>

/** This node's own executor. */
export class LocalCandidate implements Candidate {
  readonly seed: number
  readonly executor: LocalExecutor
  readonly traits: Traits
  readonly latencyMs = 0
  readonly avoided = false
  readonly #clock: Clock
  #status: ExecutorStatus | undefined
  #statusAt = 0

  constructor(peer: Peer, executor: LocalExecutor, clock: Clock, traits: Traits) {
    this.seed = seedOf(peer)
    this.traits = traits
    this.executor = executor
    this.#clock = clock
  }

  get capacity(): number {
    return this.#fresh().capacity
  }

  get inFlight(): number {
    const { inFlight, queued } = this.#fresh()
    return inFlight + queued
  }

  #fresh(): ExecutorStatus {
    const now = this.#clock.monotonic()
    if (this.#status !== undefined && now - this.#statusAt <= STATUS_AGE_MS) return this.#status
    this.#statusAt = now
    this.#status = this.executor.status()
    return this.#status
  }
}

export type Anybody = LocalCandidate | RemoteCandidate

/** The executors among the members, kept from one membership to the next. */
export class Candidates {
  readonly local: LocalCandidate | undefined
  readonly #members: Members
  readonly #clock: Clock
  readonly #onNew: (peer: Peer) => void
  #seen: readonly Member[] | undefined
  #byPeer = new Map<Peer, RemoteCandidate>()
  #all: readonly Anybody[] = []
  /** By version, of those that ask for something: who may run it. */
  #fitting = new Map<string, readonly Anybody[]>()
  readonly #allotted = new Map<string, { max: number; among: readonly Anybody[] }>()

  /** `onNew` hears of a peer that is not the one it was, or was not there before. */
  constructor(init: { members: Members; clock: Clock; local: LocalCandidate | undefined; onNew: (peer: Peer) => void }) {
    this.#members = init.members
    this.#clock = init.clock
    this.#onNew = init.onNew
    this.local = init.local
  }

  /** Everybody who runs executor, this node included; the same array until membership changes. */
  all(): readonly Anybody[] {
    const members = this.#members.withRole('executor')
    if (members === this.#seen) return this.#all
    this.#seen = members
    this.#byPeer = new Map(members.map((member) => [member.peer, this.#keep(member)]))
    this.#fitting.clear()
    this.#allotted.clear()
    this.#all = this.local === undefined ? [...this.#byPeer.values()] : [this.local, ...this.#byPeer.values()]
    return this.#all
  }

  /** Of those, who have what the version asks for; the same array until membership changes. */
  fitting(version: string, place: Place | undefined): readonly Anybody[] {
    const all = this.all()
    if (place === undefined) return all
    let fitting = this.#fitting.get(version)
    if (fitting === undefined) {
      dropOldest(this.#fitting, VERSIONS_MAX)
      this.#fitting.set(version, (fitting = all.filter((each) => fits(place, each.traits))))
    }
    return fitting
  }

  /** Of those, who may have instances where there may be `max`: the first ranks (`scaling/spread.ts`). The same array until membership changes. */
  allotted(version: string, place: Place | undefined, max: number): readonly Anybody[] {
    const fitting = this.fitting(version, place)
    if (max >= fitting.length) return fitting
    const known = this.#allotted.get(version)
    if (known?.max === max) return known.among
    const among = homesOf(version, fitting).slice(0, max)
    if (known === undefined) dropOldest(this.#allotted, VERSIONS_MAX)
    this.#allotted.set(version, { max, among })
    return among
  }

  /** Whether the member is there and in no trouble. */
  isFit(peer: Peer): boolean {
    return this.#byPeer.get(peer)?.isClosed === true
  }

  /** How many are not asked as usual. */
  troubled(): number {
    let count = 0
    for (const each of this.#byPeer.values()) if (!each.isClosed) count++
    return count
  }

  readonly #beatMs = (): number => beatEveryMs(this.#members.list().length)

  #keep(member: Member): RemoteCandidate {
    const known = this.#byPeer.get(member.peer)
    if (known?.isOf(member) === true) return known
    this.#onNew(member.peer)
    return new RemoteCandidate(member, this.#clock, this.#beatMs)
  }
}
