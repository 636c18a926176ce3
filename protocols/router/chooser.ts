/** Which executor the next attempt of a call goes to, and what its end teaches. Holds what was measured; the decisions are in `placement.ts` and `resilience/`. */
import type { ErrorCode } from '#protocols/errors'
import type { Events } from '#protocols/events'
import type { Outcome } from '#protocols/invocation'
import type { Clock, Random } from '#protocols/lifecycle'
import type { Members } from '#protocols/network'
import type { ScaleSettings } from '#protocols/scale'
import { fits, type Place } from '#protocols/traits'
import { type Anybody, Candidates, causeOf, type Handed, LocalCandidate, RemoteCandidate } from './candidates.ts'
import { homeOf, homesOf, isSaturated, type Knowledge, place } from './placement.ts'
import { Measures } from './resilience/measures.ts'
import { isSlow } from './resilience/outliers.ts'

export interface ChooserInit {
  local: LocalCandidate | undefined
  members: Members
  clock: Clock
  random: Random
  events: Events
}

/** What is known of the version when its place is chosen. */
export interface Wanted {
  readonly version: string
  readonly place?: Place | undefined
  /** How it is scaled; absent where only this node is judged. */
  readonly scale?: Pick<ScaleSettings, 'max' | 'target'>
}

/** At most this share of the executors is passed over for being slow or failing: when most of them seem so, it is the function. */
const EJECTED_MAX = 0.5
/** The home and the two after it: a version is compared, and so warmed, at no more members than these. */
const COMPARED_MAX = 3
/** The caller's doing, or the operator's: they say nothing about the member. A deadline that passed counts by its time. */
const NOT_ITS_DOING: ReadonlySet<ErrorCode> = new Set([
  'invalid_argument',
  'payload_too_large',
  'depth_exceeded',
  'rate_limited',
  'quota_exceeded',
  'deadline_exceeded',
])

export class Chooser {
  readonly candidates: Candidates
  readonly #init: ChooserInit
  readonly #measures: Measures

  constructor(init: ChooserInit) {
    this.#init = init
    this.#measures = new Measures((peer) => this.candidates.isFit(peer))
    this.candidates = new Candidates({ ...init, onNew: (peer) => this.#measures.forget(peer) })
  }

  /** Whether this node runs it: on the path of every call, so it builds nothing. */
  runsHere({ version, place: wanted }: Wanted, local: LocalCandidate): boolean {
    if (isSaturated(local) || (wanted !== undefined && !fits(wanted, local.traits))) return false
    if (local.executor.hasRoom(version)) return true
    const all = this.candidates.fitting(version, wanted)
    if (all.length === 1) return true
    if (local.executor.isWarm(version) || homeOf(version, all) !== local) return false
    return !all.some((each) => each instanceof RemoteCandidate && each.isWarm(version))
  }

  /** `tried`: who had the call before. */
  choose(wanted: Wanted, tried: readonly Anybody[]): Anybody | undefined {
    const { version } = wanted
    const all = this.candidates.allotted(version, wanted.place, wanted.scale?.max ?? Number.POSITIVE_INFINITY)
    const knowledge = this.#knowledge(wanted)
    const untried = tried.length === 0 ? all : all.filter((each) => !tried.includes(each))
    const { local } = this.candidates
    if (local !== undefined && untried.includes(local) && this.runsHere(wanted, local)) return local
    const chosen = place(version, untried, knowledge, this.#init.random)
    if (this.candidates.troubled() > 0) for (const each of untried) if (each !== chosen && each instanceof RemoteCandidate) each.passOver()
    if (!(chosen instanceof RemoteCandidate) || !chosen.isClosed || !this.#measures.doubts(version, chosen)) return chosen
    if (!this.#judge(version, chosen)) return this.#compared(version, chosen, untried) ?? chosen
    return place(version, untried, knowledge, this.#init.random)
  }

  /** Whether the member is in trouble, by what is known now. */
  isInTrouble(version: string, member: Anybody): boolean {
    if (!(member instanceof RemoteCandidate)) return false
    return !member.isClosed || (this.#measures.doubts(version, member) && this.#judge(version, member))
  }

  /** Takes in how a call ended at a member. `isCutOff`: its caller left, or did not want it any more. */
  learn(candidate: RemoteCandidate, handed: Handed, outcome: Outcome, isCutOff: boolean): void {
    const tookMs = candidate.ended(handed, outcome)
    if (outcome.kind !== 'failed') return this.#learnTime(candidate, handed, tookMs)
    if (isCutOff) return this.#learnCut(candidate, handed, tookMs)
    const { code, message } = outcome.error
    const cause = causeOf(outcome)
    if (cause !== undefined) {
      if (candidate.open(cause, handed.isProbe) && cause !== 'full') this.#tell('warn', passing(candidate, message))
    } else if (code === 'deadline_exceeded') this.#learnTime(candidate, handed, tookMs)
    else if (NOT_ITS_DOING.has(code)) {
      if (handed.isProbe) candidate.leaveOpen()
    } else {
      this.#measures.record(handed.version, candidate.peer, tookMs, true)
      // It answered, so it can be reached. Whether its failures are its own was the question only where that had opened it.
      if (!handed.isProbe || candidate.trouble !== 'failing') candidate.answered(handed)
      else candidate.open('failing', true)
    }
  }

  /** Nobody knows how it would have gone on; but one that was late already is as good as measured. */
  #learnCut(candidate: RemoteCandidate, handed: Handed, tookMs: number): void {
    const referenceMs = this.#measures.referenceMs(handed.version, candidate.peer)
    if (referenceMs !== undefined && isSlow(tookMs, referenceMs)) this.#learnTime(candidate, handed, tookMs)
    else if (handed.isProbe) candidate.leaveOpen()
  }

  #learnTime(candidate: RemoteCandidate, handed: Handed, tookMs: number): void {
    const { version, isProbe } = handed
    if (isProbe) this.#measures.forget(candidate.peer)
    this.#measures.record(version, candidate.peer, tookMs, false)
    const referenceMs = isProbe ? this.#measures.referenceMs(version, candidate.peer) : undefined
    if (referenceMs !== undefined && isSlow(tookMs, referenceMs)) candidate.open('slow', true)
    else if (candidate.answered(handed) && isProbe) this.#tell('info', `Asking executor "${candidate.name}" again: it answers`)
  }

  /** Whether the member is passed over from now on, by what its calls of this version took and how they ended. */
  #judge(version: string, member: RemoteCandidate): boolean {
    const verdict = member.isSilent ? 'unreachable' : this.#measures.judge(version, member)
    if (verdict === undefined || this.candidates.troubled() + 1 > this.candidates.all().length * EJECTED_MAX) return false
    if (!member.open(verdict, false)) return false
    this.#tell('warn', passing(member, reasonOf(verdict, version)))
    return true
  }

  /** Who gets this call so that the home can be judged: of the next in rank the one measured least. */
  #compared(version: string, home: RemoteCandidate, untried: readonly Anybody[]): RemoteCandidate | undefined {
    const closed = untried.filter((each) => each instanceof RemoteCandidate && each.isClosed) as RemoteCandidate[]
    const rivals = homesOf(version, closed)
      .slice(0, COMPARED_MAX)
      .filter((each) => each !== home && !isSaturated(each))
    const isWanted = rivals.length > 0 && this.#measures.wantsComparison(version, home, rivals.length, this.#init.clock.monotonic())
    if (!isWanted) return undefined
    const weight = (each: RemoteCandidate) => each.own + this.#measures.countAt(version, each.peer)
    return rivals.reduce((least, each) => (weight(each) < weight(least) ? each : least))
  }

  #knowledge({ version, scale }: Wanted): Knowledge<Anybody> {
    const target = scale?.target ?? 1
    return {
      hasRoom: (each) => (each instanceof LocalCandidate ? each.executor.hasRoom(version) : each.ownOf(version) < target),
      isFull: (each) => each instanceof LocalCandidate && each.executor.isFull(version),
      isWarm: (each) => (each instanceof LocalCandidate ? each.executor.isWarm(version) : each.isWarm(version)),
      typicalMs: (each) => (each instanceof LocalCandidate ? undefined : this.#measures.typicalMs(version, each.peer)),
    }
  }

  #tell(level: 'info' | 'warn', text: string): void {
    const { events } = this.#init
    if (events.has('log')) events.emit('log', { level, room: 'router', text })
  }
}

function reasonOf(verdict: 'unreachable' | 'slow' | 'failing', version: string): string {
  if (verdict === 'unreachable') return 'neither its beats nor its answers come'
  const than = verdict === 'slow' ? 'take much longer there than elsewhere' : 'fail there much more often than elsewhere'
  return `calls of version ${version.slice(0, 12)} ${than}`
}

function passing({ name }: RemoteCandidate, reason: string): string {
  return `Passing over executor "${name}" for a while: ${reason}`
}
