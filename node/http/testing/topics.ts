/** Topics that remember what was published; every dead letter is put there by the test. */
import type { Access } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import type { Caller } from '#protocols/invocation'
import type { DeadLetter, DeadLetterDetail, NewMessage, PublishedMessage, SubscriptionSummary, Topics } from '#protocols/router'

export class FakeTopics implements Topics {
  readonly published: NewMessage[] = []
  readonly letters = new Map<string, DeadLetterDetail>()
  readonly replayed: string[] = []
  readonly #access: Pick<Access, 'require'>

  constructor(access: Pick<Access, 'require'>) {
    this.#access = access
  }

  async publish(message: NewMessage, caller: Caller): Promise<PublishedMessage> {
    await this.#access.require(caller, 'invoke', message.namespace)
    this.published.push(message)
    return { id: message.id ?? `message-${this.published.length}`, subscribers: 1 }
  }

  publishFrom(): Promise<PublishedMessage> {
    return Promise.reject(new OsirisError('unavailable', 'Cannot publish: this is a test'))
  }

  async subscriptions(namespace: string, caller: Caller): Promise<SubscriptionSummary[]> {
    await this.#access.require(caller, 'read', namespace)
    return [{ function: `${namespace}/listen`, topic: `${namespace}/orders.*`, group: null, attempts: 8, backoffMs: 1000 }]
  }

  async deadLetters(namespace: string, limit: number, caller: Caller): Promise<DeadLetter[]> {
    await this.#access.require(caller, 'read', namespace)
    return [...this.letters.values()].slice(0, limit).map(({ key: _key, data: _data, ...letter }) => letter)
  }

  async deadLetter(namespace: string, id: string, caller: Caller): Promise<DeadLetterDetail> {
    await this.#access.require(caller, 'read', namespace)
    return this.#letter(id)
  }

  async replay(namespace: string, id: string, caller: Caller): Promise<void> {
    await this.remove(namespace, id, caller)
    this.replayed.push(id)
  }

  async remove(namespace: string, id: string, caller: Caller): Promise<void> {
    await this.#access.require(caller, 'deploy', namespace)
    this.#letter(id)
    this.letters.delete(id)
  }

  #letter(id: string): DeadLetterDetail {
    const found = this.letters.get(id)
    if (found !== undefined) return found
    throw new OsirisError('not_found', `Cannot find the dead letter "${id}"`)
  }
}
