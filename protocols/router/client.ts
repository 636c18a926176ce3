/** Calls through a member with the router role: the last one that answered, or another. */
import type { ErrorCode } from '#protocols/errors'
import { OsirisError } from '#protocols/errors'
import { type Body, failed, type FailedOutcome, type Invocation, type Outcome, titleOf } from '#protocols/invocation'
import { decodeOutcome, encodeInvocation } from '#protocols/invocation-wire'
import type { Clock, Random } from '#protocols/lifecycle'
import type { Member, Message, Network, Peer } from '#protocols/network'
import { ROUTER_PROTOCOL } from './messages.ts'
import { isStream, ReplayableBody } from './replay.ts'
import type { Router } from './router.ts'

export interface RouterClientInit {
  network: Pick<Network, 'members' | 'request'>
  clock: Clock
  random: Random
}

const ATTEMPTS_MAX = 3
/** A router answers within 700 ms of the deadline and its answer needs its way; the caller hears something within the second. */
const ANSWER_GRACE_MS = 900
/** Raised on this side, or by the connection: whether the call began is not known, unless `details.sent` says so. */
const EFFECT_UNKNOWN: ReadonlySet<ErrorCode> = new Set(['outcome_unknown', 'deadline_exceeded', 'unavailable', 'internal'])

export class RouterClient implements Router {
  readonly #network: RouterClientInit['network']
  readonly #clock: Clock
  readonly #random: Random
  #lastGood: Peer | undefined

  constructor(init: RouterClientInit) {
    this.#network = init.network
    this.#clock = init.clock
    this.#random = init.random
  }

  async invoke(invocation: Invocation): Promise<Outcome> {
    const body = streamOf(invocation)
    const tried: Peer[] = []
    let last: FailedOutcome | undefined
    for (let router = this.#choose(tried); router !== undefined && tried.length < ATTEMPTS_MAX; router = this.#choose(tried)) {
      tried.push(router.peer)
      const outcome = await this.#through(router, body === undefined ? invocation : withBody(invocation, body.stream()))
      if (outcome.kind !== 'failed' || !this.#mayTryElsewhere(outcome, invocation, body)) {
        body?.commit()
        return outcome
      }
      last = outcome
    }
    body?.commit()
    return last ?? failed(this.#nobody(invocation), { hops: invocation.hops })
  }

  /** The network's own proof, never a router's word: a router that refused has already asked everybody it knows. */
  #mayTryElsewhere({ error }: FailedOutcome, invocation: Invocation, body: ReplayableBody | undefined): boolean {
    if (error.details?.['sent'] !== false || invocation.signal?.aborted === true) return false
    return this.#clock.monotonic() < invocation.deadlineAt && (body === undefined || body.canReplay)
  }

  async #through(router: Member, invocation: Invocation): Promise<Outcome> {
    const now = this.#clock.monotonic()
    const timeoutMs = invocation.deadlineAt - now + ANSWER_GRACE_MS
    const options = invocation.signal === undefined ? { timeoutMs } : { timeoutMs, signal: invocation.signal }
    let answer: Message
    try {
      answer = await this.#network.request(router.peer, ROUTER_PROTOCOL, encodeInvocation(invocation, now), options)
    } catch (thrown) {
      if (this.#lastGood === router.peer) this.#lastGood = undefined
      const error = OsirisError.from(thrown, `Cannot call ${titleOf(invocation.target)} through "${router.name}"`)
      // A router that refuses the message itself has started nothing.
      return failed(error, { hops: invocation.hops }, error.details?.['sent'] !== false && EFFECT_UNKNOWN.has(error.code))
    }
    try {
      const outcome = await decodeOutcome(answer)
      this.#lastGood = router.peer
      return outcome
    } catch (thrown) {
      // Whoever answers with garbage may well have run the function.
      const act = `Cannot tell how ${titleOf(invocation.target)} ended through "${router.name}": ${(thrown as Error).message}`
      return failed(new OsirisError('outcome_unknown', act, { cause: thrown }), { hops: invocation.hops }, true)
    }
  }

  /** The last that answered, else a connected one, else anyone; drawn at random, so that clients spread. */
  #choose(tried: readonly Peer[]): Member | undefined {
    const routers = this.#network.members.withRole('router').filter((each) => !tried.includes(each.peer))
    const good = routers.find((each) => each.peer === this.#lastGood)
    if (good !== undefined) return good
    const connected = routers.filter((each) => each.connected)
    const among = connected.length > 0 ? connected : routers
    return among[Math.floor(this.#random() * among.length)]
  }

  #nobody(invocation: Invocation): OsirisError {
    const members = this.#network.members.list().length + 1
    return new OsirisError('unavailable', `Cannot call ${titleOf(invocation.target)}: no member runs router (members: ${members})`)
  }
}

function streamOf({ payload }: Invocation): ReplayableBody | undefined {
  return payload.kind === 'fetch' && isStream(payload.body) ? new ReplayableBody(payload.body) : undefined
}

function withBody(invocation: Invocation, body: Body): Invocation {
  return invocation.payload.kind === 'fetch' ? { ...invocation, payload: { ...invocation.payload, body } } : invocation
}
