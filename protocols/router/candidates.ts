/** What this router knows of each executor: the member's own beats, and what was measured by handing calls to it. */
import type { ErrorCode } from '#protocols/errors'
import type { Executor, ExecutorStatus } from '#protocols/executor'
import type { FailedOutcome } from '#protocols/invocation'
import type { Clock } from '#protocols/lifecycle'
import type { Member, Members, Peer } from '#protocols/network'
import { type Candidate, seedOf } from './placement.ts'

/** Beats carry the first 16 characters of the versions that are warm. */
const WARM_PREFIX = 16
/** Weight of the newest measurement: a member that turns slow, or lies, is judged by its last ten calls or so. */
const LATENCY_WEIGHT = 0.2
/** Until measured: a newcomer is tried first. */
const LATENCY_GUESS_MS = 0
/** How old the local executor's own figures may be; asking builds a list of its workers. */
const STATUS_AGE_MS = 20
/** A member that cannot be reached is left alone until it could be declared dead or come back; a full one drains sooner. */
const AVOID_MS: Partial<Record<ErrorCode, number>> = {
  unavailable: 2000,
  outcome_unknown: 2000,
  version_mismatch: 5000,
  storage_full: 5000,
  overloaded: 100,
}

export class RemoteCandidate implements Candidate {
  readonly peer: Peer
  readonly seed: number
  readonly #clock: Clock
  readonly #member: Member
  /** Handed over from here and not ended; newer than any beat. */
  #own = 0
  latencyMs = LATENCY_GUESS_MS
  #avoidedUntil = 0

  constructor(member: Member, clock: Clock) {
    this.peer = member.peer
    this.seed = seedOf(member.peer)
    this.#member = member
    this.#clock = clock
  }

  get name(): string {
    return this.#member.name
  }

  get capacity(): number {
    return this.#member.capacity
  }

  get inFlight(): number {
    return Math.max(this.#member.inFlight, this.#own)
  }

  get avoided(): boolean {
    return this.#avoidedUntil > 0 && this.#avoidedUntil > this.#clock.monotonic()
  }

  isWarm(version: string): boolean {
    return this.#member.warm.includes(version.slice(0, WARM_PREFIX))
  }

  /** Whether it is still the same incarnation that beats describe. */
  isOf(member: Member): boolean {
    return this.#member === member
  }

  began(): void {
    this.#own++
  }

  /** `overheadMs`: the time the call took here, less what the function itself took. */
  ended(overheadMs: number): void {
    this.#own--
    this.latencyMs += (Math.max(0, overheadMs) - this.latencyMs) * LATENCY_WEIGHT
  }

  /** Whether it was not avoided before. */
  failed(outcome: FailedOutcome): boolean {
    const forMs = AVOID_MS[outcome.error.code]
    // A function that ran and failed says nothing about the member.
    if (forMs === undefined || (outcome.started && outcome.error.code !== 'outcome_unknown')) return false
    const before = this.avoided
    this.#avoidedUntil = this.#clock.monotonic() + forMs
    return !before
  }
}

/** This node's own executor. */
export class LocalCandidate implements Candidate {
  readonly seed: number
  readonly executor: Executor
  readonly latencyMs = 0
  readonly avoided = false
  readonly #clock: Clock
  #status: ExecutorStatus | undefined
  #statusAt = 0

  constructor(peer: Peer, executor: Executor, clock: Clock) {
    this.seed = seedOf(peer)
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

/** The executors among the members, kept from one membership to the next. */
export class Candidates {
  readonly local: LocalCandidate | undefined
  readonly #members: Members
  readonly #clock: Clock
  #seen: readonly Member[] | undefined
  #byPeer = new Map<Peer, RemoteCandidate>()
  #all: readonly (LocalCandidate | RemoteCandidate)[] = []

  constructor(init: { members: Members; clock: Clock; local: LocalCandidate | undefined }) {
    this.#members = init.members
    this.#clock = init.clock
    this.local = init.local
  }

  /** Everybody who runs executor, this node included; the same array until membership changes. */
  all(): readonly (LocalCandidate | RemoteCandidate)[] {
    const members = this.#members.withRole('executor')
    if (members === this.#seen) return this.#all
    this.#seen = members
    this.#byPeer = new Map(members.map((member) => [member.peer, this.#keep(member)]))
    this.#all = this.local === undefined ? [...this.#byPeer.values()] : [this.local, ...this.#byPeer.values()]
    return this.#all
  }

  #keep(member: Member): RemoteCandidate {
    const known = this.#byPeer.get(member.peer)
    return known?.isOf(member) === true ? known : new RemoteCandidate(member, this.#clock)
  }
}
