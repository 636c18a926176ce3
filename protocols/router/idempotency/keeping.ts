/**
 * One effect-visible answer per key, through any node. The answer of a call with a key is kept by one router, the first by rendezvous hash of function, caller and key, and
 * copied to the next: noted there before the function is started, and again when it has ended. So a keeper that is lost takes nothing along: the next one has
 * the answer, or knows that there was a start and says `outcome_unknown` instead of starting again.
 */
import { OsirisError } from '#protocols/errors'
import { failed, type FailedOutcome, type Invocation, type Outcome } from '#protocols/invocation'
import { decodeOutcome, encodeInvocation } from '#protocols/invocation-wire'
import type { Clock } from '#protocols/lifecycle'
import type { Network, Peer } from '#protocols/network'
import { homesOf, seedOf } from '../placement.ts'
import { Answers, type EntryState, type Found } from './answers.ts'
import { COPY_PROTOCOL, decodeReply, encodeNote, KEEP_PROTOCOL, type Note, type Reply } from './messages.ts'
import { keepable, requestDigest } from './request.ts'

/** Routers that are asked, one after the other, to keep a copy or the whole call, when those before cannot be reached. */
const TRIED_MAX = 3
/** Writing a copy down is a round trip. */
const NOTE_MS = 1000
/** A keeper answers within 700 ms of the deadline, and its answer needs its way. */
const ANSWER_GRACE_MS = 900

export interface KeepingInit {
  network: Pick<Network, 'peer' | 'members' | 'request'>
  clock: Clock
}

/** One call with a key. */
export interface Keyed {
  id: string
  namespace: string
  /** For the sentences. */
  title: string
  /** Its body is whole. */
  invocation: Invocation
  /** Starts it from here; never rejects. */
  start(): Promise<Outcome>
}

export class Keeping {
  readonly answers = new Answers()
  readonly #init: KeepingInit

  constructor(init: KeepingInit) {
    this.#init = init
  }

  /** Never rejects. */
  async invoke(keyed: Keyed): Promise<Outcome> {
    const { peer } = this.#init.network
    for (const keeper of this.#keepers(keyed.id).slice(0, TRIED_MAX)) {
      if (keeper === peer) return this.keep(keyed)
      const outcome = await this.#through(keeper, keyed)
      if (outcome.kind !== 'failed' || outcome.error.details?.['sent'] !== false) return outcome
    }
    return this.keep(keyed)
  }

  /** The same where this router is asked to be the keeper. Never rejects. */
  async keep(keyed: Keyed): Promise<Outcome> {
    const digest = requestDigest(keyed.invocation)
    const found = this.answers.find(keyed.id, digest, this.#init.clock.monotonic())
    return found.kind === 'none' ? this.#first(keyed, digest) : this.#again(found, keyed)
  }

  #first(keyed: Keyed, digest: string): Promise<Outcome> {
    const { clock } = this.#init
    const { promise, resolve } = Promise.withResolvers<Outcome>()
    const { namespace, id, invocation } = keyed
    const state: EntryState = { kind: 'running', ended: promise }
    if (!this.answers.begin(id, { namespace, digest }, state, invocation.deadlineAt, clock.monotonic()))
      return Promise.resolve(refusal('overloaded', keyed, 'no more answers can be kept here'))
    void this.#run(keyed, digest).then(resolve)
    return promise
  }

  async #run(keyed: Keyed, digest: string): Promise<Outcome> {
    const { clock } = this.#init
    const { id, invocation } = keyed
    const { copy, reply } = await this.#noted(keyed, digest)
    if (copy !== undefined && reply !== undefined && reply.state !== 'none') {
      if (reply.state === 'ended') this.answers.end(id, reply.outcome, clock.monotonic())
      else this.answers.forget(id)
      return reply.state === 'running' ? this.#through(copy, keyed) : this.#told(reply.state, reply.outcome, keyed)
    }
    const { answer, kept } = await keepable(await keyed.start())
    // A call that never began may begin under the same key.
    const isOver = answer.kind !== 'failed' || answer.started
    if (isOver) this.answers.end(id, kept, clock.monotonic())
    else this.answers.forget(id)
    const rest = { id, namespace: keyed.namespace, digest, restMs: invocation.deadlineAt - clock.monotonic() }
    if (copy !== undefined) await this.#note(copy, isOver ? { do: 'end', ...rest, outcome: kept } : { do: 'forget', ...rest }, NOTE_MS)
    return answer
  }

  /** Has another router remember that the call begins; what that one knows of it already comes first. */
  async #noted(keyed: Keyed, digest: string): Promise<{ copy: Peer | undefined; reply: Reply | undefined }> {
    const { network, clock } = this.#init
    const { id, namespace, invocation } = keyed
    const others = this.#keepers(id).filter((each) => each !== network.peer)
    for (const copy of others.slice(0, TRIED_MAX - 1)) {
      const restMs = invocation.deadlineAt - clock.monotonic()
      const reply = await this.#note(copy, { do: 'begin', id, namespace, digest, restMs }, Math.min(NOTE_MS, restMs / 2))
      if (reply !== undefined && reply.state !== 'full') return { copy, reply }
    }
    return { copy: undefined, reply: undefined }
  }

  /** The call is known: its answer, or why there is none. */
  async #again(found: Exclude<Found, { kind: 'none' }>, keyed: Keyed): Promise<Outcome> {
    const { network } = this.#init
    if (found.kind === 'running') return this.#patiently(found.ended, keyed)
    if (found.kind === 'begun' && network.members.get(found.at) !== undefined) {
      const outcome = await this.#through(found.at, keyed)
      if (outcome.kind !== 'failed' || outcome.error.details?.['sent'] !== false) return outcome
    }
    return this.#told(found.kind, found.kind === 'ended' ? found.outcome : undefined, keyed)
  }

  #told(state: Reply['state'], outcome: Outcome | undefined, keyed: Keyed): Outcome {
    if (state === 'conflict') return refusal('conflict', keyed, 'the same Idempotency-Key came with another request before')
    if (state === 'begun') return { ...refusal('outcome_unknown', keyed, 'it was started before, by a router that is gone'), started: true }
    return outcome ?? refusal('conflict', keyed, 'it has ended, with an answer too large to be kept')
  }

  async #patiently(ended: Promise<Outcome>, keyed: Keyed): Promise<Outcome> {
    const { clock } = this.#init
    const late = Promise.withResolvers<Outcome>()
    const stop = clock.after(Math.max(0, keyed.invocation.deadlineAt - clock.monotonic()), () =>
      late.resolve({ ...refusal('deadline_exceeded', keyed, 'the call under the same Idempotency-Key still runs'), started: true }),
    )
    const outcome = await Promise.race([ended, late.promise])
    stop()
    // Of an answer that goes on as a stream there is one reader.
    if (outcome.kind === 'response' && outcome.body !== undefined && !(outcome.body instanceof Uint8Array))
      return this.#told('ended', undefined, keyed)
    return outcome
  }

  async #through(keeper: Peer, { invocation, title }: Keyed): Promise<Outcome> {
    const { network, clock } = this.#init
    const now = clock.monotonic()
    try {
      const timeoutMs = invocation.deadlineAt - now + ANSWER_GRACE_MS
      return await decodeOutcome(await network.request(keeper, KEEP_PROTOCOL, encodeInvocation(invocation, now), { timeoutMs }))
    } catch (thrown) {
      const error = OsirisError.from(thrown, `Cannot call "${title}" through the router that keeps its answer`)
      return failed(error, { hops: invocation.hops }, error.details?.['sent'] !== false)
    }
  }

  async #note(to: Peer, note: Note, timeoutMs: number): Promise<Reply | undefined> {
    try {
      return await decodeReply(await this.#init.network.request(to, COPY_PROTOCOL, encodeNote(note), { timeoutMs }))
    } catch {
      // One that cannot be reached keeps nothing; another is asked, or nobody.
      return undefined
    }
  }

  /** Routers in the order in which they keep it. */
  #keepers(id: string): Peer[] {
    const { members, peer } = this.#init.network
    const routers = [peer, ...members.withRole('router').map((each) => each.peer)].map((each) => ({ peer: each, seed: seedOf(each) }))
    return homesOf(id, routers).map((each) => each.peer)
  }
}

function refusal(
  code: 'overloaded' | 'conflict' | 'outcome_unknown' | 'deadline_exceeded',
  { title, invocation }: Keyed,
  state: string,
): FailedOutcome {
  return failed(new OsirisError(code, `Cannot call "${title}": ${state}`), { hops: invocation.hops })
}
