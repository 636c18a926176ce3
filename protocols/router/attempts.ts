/** One call handed to executors until it has its one ending: at most one start per attempt, and another attempt only on proof of not-started. */
import { OsirisError } from '#protocols/errors'
import type { Events } from '#protocols/events'
import type { Executor } from '#protocols/executor'
import { failed, type FailedOutcome, type Outcome, type PlacedInvocation } from '#protocols/invocation'
import type { Clock, Random } from '#protocols/lifecycle'
import type { FunctionSettings } from '#protocols/manifest'
import type { Members, Peer } from '#protocols/network'
import type { ScaleSettings } from '#protocols/scale'
import { lackOf, type Traits } from '#protocols/traits'
import { type Anybody, LocalCandidate, type LocalExecutor, type RemoteCandidate } from './candidates.ts'
import { Chooser } from './chooser.ts'
import { firstAnswer, type Running } from './hedge.ts'
import { Underway } from './underway.ts'
import { isStream, ReplayableBody } from './replay.ts'
import { RetryBudget } from './resilience/retry-budget.ts'
import { hopMarginMs, mayStartAgain, mayTryElsewhere, neverLeft, pauseMs } from './retry.ts'

export interface AttemptsInit {
  /** This node's own, when it has the role. */
  executor: LocalExecutor | undefined
  /** Executors of other nodes. */
  remote: { at(peer: Peer): Pick<Executor, 'invoke'> }
  members: Members
  peer: Peer
  /** What this node may be asked for; default: nothing. */
  traits?: Traits
  /** How a function is scaled that was published with this; default: just so. */
  scaleOf?: (of: { namespace: string; name: string }, published: ScaleSettings) => ScaleSettings
  clock: Clock
  random: Random
  events: Events
}

/** The first choice and two more: when three members refuse, the mesh is full and the caller should hear it. */
const ATTEMPTS_MAX = 3
/** The executor ends a call 200 ms after its deadline at the latest, a peer's answer needs its way back; a caller hears something within the second. */
const ANSWER_GRACE_MS = 700

/** What the function asks for, of its settings. */
export type Wishes = Pick<FunctionSettings, 'idempotent' | 'hedge' | 'place' | 'scale'>

/** What is known about one call beyond its first attempt. */
interface Course {
  placed: PlacedInvocation
  wishes: Wishes
  tried: Anybody[]
  body: ReplayableBody | undefined
  /** Set once a second start was allowed. */
  startedAgain: boolean
}

export class Attempts {
  readonly #init: AttemptsInit
  readonly #clock: Clock
  readonly #chooser: Chooser
  readonly #budget = new RetryBudget()
  readonly #underway = new Underway()

  constructor(init: AttemptsInit) {
    const { executor, members, clock, peer, random, events } = init
    this.#init = init
    this.#clock = clock
    this.#chooser = new Chooser({
      members,
      clock,
      random,
      events,
      local: executor && new LocalCandidate(peer, executor, clock, init.traits ?? {}),
    })
  }

  /** Never rejects. A warm call on this node goes straight to its executor. */
  run(placed: PlacedInvocation, wishes: Wishes): Promise<Outcome> {
    this.#budget.called()
    const { local } = this.#chooser.candidates
    const streams = placed.payload.kind === 'fetch' && isStream(placed.payload.body)
    if (
      local !== undefined &&
      !streams &&
      wishes.hedge === undefined &&
      this.#chooser.runsHere(wishes.place === undefined ? placed : { version: placed.version, place: wishes.place }, local)
    )
      return this.#here(placed, local, wishes)
    return this.#anywhere(placed, wishes)
  }

  async #here(placed: PlacedInvocation, local: LocalCandidate, wishes: Wishes): Promise<Outcome> {
    const outcome = await local.executor.invoke(placed)
    if (outcome.kind !== 'failed') return outcome
    return this.#next(outcome, { placed, wishes, tried: [local], body: undefined, startedAgain: false })
  }

  #anywhere(placed: PlacedInvocation, wishes: Wishes): Promise<Outcome> {
    const { payload } = placed
    const { namespace, name } = placed.target
    if (!this.#underway.enter(namespace))
      return Promise.resolve(failed(this.#underway.refusal(namespace, name), { version: placed.version, hops: placed.hops }))
    const body = payload.kind === 'fetch' && isStream(payload.body) ? new ReplayableBody(payload.body) : undefined
    const running = this.#attempt({ placed, wishes, tried: [], body, startedAgain: false })
    void running.then(() => this.#underway.leave(namespace))
    return running
  }

  async #attempt(course: Course): Promise<Outcome> {
    const candidate = this.#choose(course)
    if (candidate === undefined) return failed(this.#nobody(course), { version: course.placed.version })
    course.tried.push(candidate)
    const { hedge, idempotent } = course.wishes
    const isHedged = hedge !== undefined && idempotent && !course.startedAgain && course.body === undefined
    const outcome = await (isHedged ? this.#hedged(candidate, course, hedge.afterMs) : this.#at(candidate, withBody(course)))
    if (outcome.kind === 'failed') return this.#next(outcome, course)
    course.body?.commit()
    return outcome
  }

  #at(candidate: Anybody, invocation: PlacedInvocation): Promise<Outcome> {
    return candidate instanceof LocalCandidate ? candidate.executor.invoke(invocation) : this.#there(candidate, invocation)
  }

  /** One that takes long is started at another member as well; where too many are, it asks again later, and with the right of a lost one when half of its time is over. */
  async #hedged(candidate: Anybody, course: Course, afterMs: number): Promise<Outcome> {
    const { version, deadlineAt } = course.placed
    const one = this.#cancellable(candidate, course.placed)
    const lateAt = (this.#clock.monotonic() + deadlineAt) / 2
    for (let waitMs = afterMs; ; waitMs *= 2) {
      const untilLateMs = lateAt - this.#clock.monotonic()
      const soon = await this.#within(untilLateMs > 0 ? Math.min(waitMs, untilLateMs) : waitMs, one.outcome)
      if (soon !== undefined) return soon
      if (!this.#hasAnotherAttempt(course)) return one.outcome
      const now = this.#clock.monotonic()
      const isLost = now >= lateAt || this.#chooser.isInTrouble(version, candidate)
      if (!this.#budget.take(now, isLost ? 'failure' : 'hedge')) continue
      const other = this.#choose(course)
      if (other === undefined) return one.outcome
      course.tried.push(other)
      const { outcome, isStartedTwice } = await firstAnswer(one, this.#cancellable(other, course.placed))
      course.startedAgain = isStartedTwice
      return outcome
    }
  }

  /** `undefined` where it takes longer. */
  async #within(ms: number, outcome: Promise<Outcome>): Promise<Outcome | undefined> {
    const patience = Promise.withResolvers<undefined>()
    const cancelTimer = this.#clock.after(ms, () => patience.resolve(undefined))
    const soon = await Promise.race([outcome, patience.promise])
    cancelTimer()
    return soon
  }

  #cancellable(candidate: Anybody, placed: PlacedInvocation): Running {
    const controller = new AbortController()
    const signal = placed.signal === undefined ? controller.signal : AbortSignal.any([placed.signal, controller.signal])
    return { outcome: this.#at(candidate, { ...placed, signal }), cancel: () => controller.abort() }
  }

  #choose({ placed: { version, target }, wishes: { place, scale }, tried }: Course): Anybody | undefined {
    return this.#chooser.choose({ version, place, scale: this.#init.scaleOf?.(target, scale) ?? scale }, tried)
  }

  /** The answer of a member, or the end of waiting for it. */
  async #there(candidate: RemoteCandidate, invocation: PlacedInvocation): Promise<Outcome> {
    const startedAt = this.#clock.monotonic()
    const late = Promise.withResolvers<Outcome>()
    const cancelTimer = this.#clock.after(invocation.deadlineAt + ANSWER_GRACE_MS - startedAt, () =>
      late.resolve(this.#silence(candidate, invocation)),
    )
    const handed = candidate.began(invocation.version)
    const marginMs = hopMarginMs(candidate.latencyMs, invocation.deadlineAt - startedAt)
    const shorter = { ...invocation, deadlineAt: invocation.deadlineAt - marginMs }
    const outcome = await Promise.race([this.#init.remote.at(candidate.peer).invoke(shorter), late.promise])
    cancelTimer()
    this.#chooser.learn(candidate, handed, outcome, invocation.signal?.aborted === true)
    return outcome
  }

  #silence(candidate: RemoteCandidate, { target, version }: PlacedInvocation): Outcome {
    const what = `"${target.namespace}/${target.name}"`
    return failed(
      new OsirisError('outcome_unknown', `Cannot tell how ${what} ended: "${candidate.name}" had not answered by its deadline`),
      { version },
      true,
    )
  }

  /** The failure, or what another attempt made of it. */
  async #next(outcome: FailedOutcome, course: Course): Promise<Outcome> {
    const again = !mayTryElsewhere(outcome) && course.wishes.idempotent && !course.startedAgain && mayStartAgain(outcome)
    if ((mayTryElsewhere(outcome) || again) && this.#hasAnotherAttempt(course) && this.#mayAfford(outcome, course)) {
      course.startedAgain ||= again
      await this.#pause(course)
      const other = await this.#attempt(course)
      return other.kind === 'failed' && saysLess(other, outcome) ? outcome : other
    }
    course.body?.commit()
    return outcome
  }

  /** What never left this node costs nobody, as long as there is somebody in no trouble to go to. */
  #mayAfford(outcome: FailedOutcome, { placed: { version }, wishes: { place }, tried }: Course): boolean {
    const isFree =
      neverLeft(outcome) && this.#chooser.candidates.fitting(version, place).some((each) => !each.avoided && !tried.includes(each))
    return isFree || this.#budget.take(this.#clock.monotonic(), 'failure')
  }

  /** Calls that failed together do not come back together. */
  #pause({ tried, placed }: Course): Promise<void> {
    const { clock, random } = this.#init
    const { promise, resolve } = Promise.withResolvers<void>()
    clock.after(pauseMs(tried.length, placed.deadlineAt - clock.monotonic(), random), resolve)
    return promise
  }

  #hasAnotherAttempt(course: Course): boolean {
    const { placed, tried, body, wishes } = course
    return (
      tried.length < ATTEMPTS_MAX &&
      this.#chooser.candidates.fitting(placed.version, wishes.place).some((each) => !tried.includes(each)) &&
      this.#clock.monotonic() < placed.deadlineAt &&
      placed.signal?.aborted !== true &&
      (body === undefined || body.canReplay)
    )
  }

  #nobody({ placed: { target }, wishes: { place } }: Course): OsirisError {
    const executors = this.#chooser.candidates.all()
    const members = this.#init.members.list().length + 1
    const state =
      place === undefined || executors.length === 0
        ? `no member runs executor (members: ${members})`
        : `no member ${lackOf(
            place,
            executors.map((each) => each.traits),
          )} (executors: ${executors.length})`
    return new OsirisError('unavailable', `Cannot place "${target.namespace}/${target.name}": ${state}`)
  }
}

/** A refusal says nothing of the start before it; and where nobody else was there to ask, the first refusal says more than "no member". */
function saysLess(other: FailedOutcome, outcome: FailedOutcome): boolean {
  return !other.started && (outcome.started || (other.error.code === 'unavailable' && other.meta.node === ''))
}

function withBody({ placed, body }: Course): PlacedInvocation {
  if (body === undefined || placed.payload.kind !== 'fetch') return placed
  return { ...placed, payload: { ...placed.payload, body: body.stream() } }
}
