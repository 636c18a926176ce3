/** An executor on a peer. One attempt, one peer: who else to ask is the router's business. */
import { type ErrorCode, OsirisError } from '#protocols/errors'
import { formatRef } from '#protocols/function'
import { failed, type Outcome, type PlacedInvocation } from '#protocols/invocation'
import { decodeOutcome, encodeInvocation } from '#protocols/invocation-wire'
import type { Clock } from '#protocols/lifecycle'
import type { Message, Network, Peer } from '#protocols/network'
import type { Executor, InstanceCount, ScaleOrder } from './executor.ts'
import { decodeCount, encodeOrder, EXECUTOR_PROTOCOL, SCALE_PROTOCOL } from './messages.ts'

export interface ExecutorClientInit {
  network: Pick<Network, 'request'>
  clock: Clock
}

/** An order is answered without waiting for what it starts; the record may have to be fetched. */
const ORDER_MS = 3000
/** The executor kills at 200 ms after the deadline; the rest is its answer's way back. */
const ANSWER_GRACE_MS = 500
/** To somebody far away a connection takes five round trips. A member that cannot be reached in this time is followed by another before the caller has waited for two seconds. */
const OPEN_MS = 1500
/** After these the peer may have started the function, unless `details.sent` is `false`. */
const EFFECT_UNKNOWN: ReadonlySet<ErrorCode> = new Set(['outcome_unknown', 'deadline_exceeded', 'unavailable', 'internal'])

export class ExecutorClient {
  readonly #init: ExecutorClientInit

  constructor(init: ExecutorClientInit) {
    this.#init = init
  }

  /** The executor of that peer. */
  at(peer: Peer): Pick<Executor, 'invoke' | 'scale'> {
    return { invoke: (invocation) => this.#invoke(peer, invocation), scale: (order) => this.#scale(peer, order) }
  }

  async #scale(peer: Peer, order: ScaleOrder): Promise<InstanceCount> {
    return decodeCount(await this.#init.network.request(peer, SCALE_PROTOCOL, encodeOrder(order), { timeoutMs: ORDER_MS }))
  }

  async #invoke(peer: Peer, invocation: PlacedInvocation): Promise<Outcome> {
    const { network, clock } = this.#init
    const now = clock.monotonic()
    const timeoutMs = invocation.deadlineAt - now + ANSWER_GRACE_MS
    const times = { timeoutMs, openTimeoutMs: OPEN_MS }
    const options = invocation.signal === undefined ? times : { ...times, signal: invocation.signal }
    let answer: Message
    try {
      answer = await network.request(peer, EXECUTOR_PROTOCOL, encodeInvocation(invocation, now), options)
    } catch (thrown) {
      const error = OsirisError.from(thrown, `Cannot call "${formatRef(invocation.target)}" on ${peer}`)
      const started = error.details?.['sent'] !== false && EFFECT_UNKNOWN.has(error.code)
      return failed(error, { version: invocation.version, hops: invocation.hops }, started)
    }
    try {
      return await decodeOutcome(answer)
    } catch (thrown) {
      // Whoever answers with garbage may well have run the function.
      const act = `Cannot tell how "${formatRef(invocation.target)}" ended on ${peer}: ${(thrown as Error).message}`
      return failed(
        new OsirisError('outcome_unknown', act, { cause: thrown }),
        { version: invocation.version, hops: invocation.hops },
        true,
      )
    }
  }
}
