/** Makes the deliveries that the queue hands out on this router. */
import { OsirisError } from '#protocols/errors'
import type { Events } from '#protocols/events'
import type { Outcome } from '#protocols/invocation'
import { type Clock, hexOf, type Random } from '#protocols/lifecycle'
import { TIMEOUT_MS_MAX } from '#protocols/manifest'
import type { TriggeredInvocation } from '#protocols/trigger'
import type { QueueItem, Verdict } from '../queue/queue.ts'
import type { Follower } from './follower.ts'
import { decodeDelivery, type Delivery, eventOf } from './message.ts'
import type { Subscriber } from './subscriptions.ts'
import { DEPTH_MAX, loopError, memberFor, verdictOf } from './verdict.ts'

export interface DelivererInit {
  router: { trigger(invocation: TriggeredInvocation): Promise<Outcome> }
  follower: Pick<Follower, 'current' | 'hearersOf' | 'table'>
  clock: Clock
  random: Random
  events: Events
}

/** The same sentence is told once a minute. */
const TOLD_MS = 60_000
const TOLD_MAX = 1024

export class Deliverer {
  readonly #init: DelivererInit
  /** What was logged: when. */
  readonly #told = new Map<string, number>()

  constructor(init: DelivererInit) {
    this.#init = init
  }

  async attempt(item: QueueItem, signal: AbortSignal): Promise<Verdict> {
    const { random } = this.#init
    const delivery = decoded(item)
    if (delivery instanceof OsirisError) return { kind: 'dead', error: delivery }
    if (delivery.message.depth > DEPTH_MAX) return { kind: 'dead', error: this.#endLoop(delivery) }
    const subscriber = await this.#asItIsNow(delivery)
    if (subscriber === undefined) return { kind: 'dead', error: notHeard(delivery) }
    const current = { ...delivery, subscriber }
    const outcome = await this.#init.router.trigger(this.#invocationOf(item, current, signal))
    return verdictOf(outcome, current, item.attempts, random)
  }

  /**
   * Who gets it is settled when a message is accepted; which functions that are, and how patient, is as it is now. Where that cannot be told, as it was.
   * Undefined: a function of another namespace that does not subscribe any more, or may not hear of it.
   */
  async #asItIsNow({ message, subscriber }: Delivery): Promise<Subscriber | undefined> {
    const { namespace, topic } = message
    const { follower } = this.#init
    try {
      await follower.current()
      const all = follower.table.subscribersOf(namespace, topic, await follower.hearersOf(namespace))
      return all.find((each) => each.id === subscriber.id) ?? (subscriber.namespace === namespace ? subscriber : undefined)
    } catch {
      return subscriber
    }
  }

  #invocationOf(item: QueueItem, delivery: Delivery, signal: AbortSignal): TriggeredInvocation {
    const { message, subscriber } = delivery
    const { id, key, namespace, topic, depth, traceparent } = message
    const name = memberFor(subscriber, key ?? id, item.attempts)
    return {
      id: hexOf(this.#init.random, 32),
      target: { namespace: subscriber.namespace, name },
      payload: { kind: 'event', handler: 'message', event: eventOf(delivery, item.attempts) },
      caller: { subject: `topic:${namespace}/${topic}`.slice(0, 256) },
      deadlineAt: this.#init.clock.monotonic() + TIMEOUT_MS_MAX,
      hops: 0,
      depth,
      sticky: key ?? id,
      trigger: { kind: 'topic', id: item.id },
      signal,
      ...(traceparent === null ? {} : { traceparent }),
    }
  }

  #endLoop(delivery: Delivery): OsirisError {
    const error = loopError(delivery)
    this.tell(error.message)
    return error
  }

  /** For people; the same sentence once a minute. */
  tell(text: string): void {
    const now = this.#init.clock.monotonic()
    if (now - (this.#told.get(text) ?? Number.NEGATIVE_INFINITY) < TOLD_MS) return
    if (this.#told.size >= TOLD_MAX) this.#told.clear()
    this.#told.set(text, now)
    this.#init.events.emit('log', { level: 'warn', room: 'topics', text })
  }
}

function decoded(item: QueueItem): Delivery | OsirisError {
  try {
    return decodeDelivery(item.payload)
  } catch (error) {
    return OsirisError.from(error, 'Cannot read a delivery')
  }
}

function notHeard({ message, subscriber }: Delivery): OsirisError {
  const what = `"${message.namespace}/${message.topic}" to "${subscriber.id}"`
  return new OsirisError('forbidden', `Cannot deliver ${what}: it does not subscribe any more, or may not read there`)
}
