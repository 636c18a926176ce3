/** Topics through a member with the router role. */
import type { Caller } from '#protocols/invocation'
import { hexOf } from '#protocols/lifecycle'
import type { Message as WireMessage, Peer } from '#protocols/network'
import { askRouter, type Asker } from '../ask.ts'
import { wireCaller } from '../wire-caller.ts'
import { decodeAnswer, encodePublish, encodeRequest, type Publisher, type TopicsRequest, TOPICS_PROTOCOL } from './messages.ts'
import type {
  DeadLetter,
  DeadLetterDetail,
  NewMessage,
  PublishedMessage,
  PublishingFunction,
  SubscriptionSummary,
  Topics,
} from './topics.ts'

/** A write to three disks, one of which may be slow; a list asks every router. */
const TIMEOUT_MS = 10_000

export class TopicsClient implements Topics {
  readonly #asker: Asker

  constructor(asker: Asker) {
    this.#asker = asker
  }

  publish(message: NewMessage, caller: Caller): Promise<PublishedMessage> {
    return this.#publish(message, { caller })
  }

  publishFrom(message: NewMessage, from: PublishingFunction): Promise<PublishedMessage> {
    return this.#publish(message, { from })
  }

  /** Of this router, whose the id is while it is here. Throws as `Topics.publish`; `unavailable` with `details.sent: false` proves that it did not hear of it. */
  async publishAt(peer: Peer, message: NewMessage & { id: string }, by: Publisher): Promise<PublishedMessage> {
    const { network } = this.#asker
    return decodeAnswer(
      'publish',
      await network.request(peer, TOPICS_PROTOCOL, encodePublish(message, by, { chosen: true, forwarded: true }), {
        timeoutMs: TIMEOUT_MS,
      }),
    )
  }

  async subscriptions(namespace: string, caller: Caller): Promise<SubscriptionSummary[]> {
    return (await decodeAnswer('subscriptions', await this.#ask({ type: 'subscriptions', namespace, caller: wireCaller(caller) })))
      .subscriptions
  }

  async deadLetters(namespace: string, limit: number, caller: Caller): Promise<DeadLetter[]> {
    return (await decodeAnswer('deadLetters', await this.#ask({ type: 'deadLetters', namespace, limit, caller: wireCaller(caller) })))
      .letters
  }

  async deadLetter(namespace: string, id: string, caller: Caller): Promise<DeadLetterDetail> {
    return decodeAnswer('deadLetter', await this.#ask({ type: 'deadLetter', namespace, id, caller: wireCaller(caller) }))
  }

  async replay(namespace: string, id: string, caller: Caller): Promise<void> {
    await this.#ask({ type: 'replay', namespace, id, caller: wireCaller(caller) })
  }

  async remove(namespace: string, id: string, caller: Caller): Promise<void> {
    await this.#ask({ type: 'remove', namespace, id, caller: wireCaller(caller) })
  }

  async #publish(message: NewMessage, by: Publisher): Promise<PublishedMessage> {
    const id = message.id ?? hexOf(this.#asker.random, 32)
    const act = `Cannot publish to "${message.namespace}/${message.topic}"`
    return decodeAnswer(
      'publish',
      await this.#send(encodePublish({ ...message, id }, by, { chosen: message.id !== undefined, forwarded: false }), act),
    )
  }

  #ask(request: TopicsRequest): Promise<WireMessage> {
    return this.#send(encodeRequest(request), `Cannot ask about topics of "${request.namespace}"`)
  }

  #send(message: WireMessage, act: string): Promise<WireMessage> {
    return askRouter(this.#asker, { protocol: TOPICS_PROTOCOL, message, timeoutMs: TIMEOUT_MS, act })
  }
}
