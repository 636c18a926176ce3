/** Topics on a router: takes messages in, notes a delivery for each subscriber in the queue, and makes the deliveries that the queue hands out here. */
import type { Access } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import { assertName } from '#protocols/function'
import type { Caller } from '#protocols/invocation'
import { hexOf, type Random, type Startable } from '#protocols/lifecycle'
import { TIMEOUT_MS_MAX } from '#protocols/manifest'
import type { Network, Peer } from '#protocols/network'
import type { NewItem, Queue } from '../queue/queue.ts'
import { namespaceOf } from '../queue/record.ts'
import { ownerOf } from '../triggers/owner.ts'
import { TopicsClient } from './client.ts'
import { Deliverer, type DelivererInit } from './deliverer.ts'
import { deadLetterOf, detailOf, isOf, notThere, summaryOf } from './dead-letters.ts'
import { Follower, type FollowerInit } from './follower.ts'
import { unknownOf } from './known.ts'
import type { Publisher } from './messages.ts'
import { assertMessage, itemsFor, laneOf, type Message, TOPIC_KIND } from './message.ts'
import type {
  DeadLetter,
  DeadLetterDetail,
  NewMessage,
  PublishedMessage,
  PublishingFunction,
  SubscriptionSummary,
  Topics,
} from './topics.ts'

export interface TopicsServiceInit extends FollowerInit, Omit<DelivererInit, 'follower'> {
  queue: Pick<Queue, 'add' | 'look' | 'list' | 'replay' | 'remove' | 'handle'>
  access: Pick<Access, 'require'>
  network: Pick<Network, 'peer' | 'members' | 'request'>
}

/** Where a message comes from, as it says itself. */
interface Origin {
  publishedBy: string
  depth: number
}

/** Attempts of one subscriber at the same time on this node; of all. */
const LANE_CONCURRENCY = 16
const CONCURRENCY = 64
/** A call, and some seconds to find and reach its function. */
const LEASE_MS = TIMEOUT_MS_MAX + 10_000
/** What the queue takes at once; a message that goes to more is noted part by part. */
const BATCH_ITEMS_MAX = 64

export class TopicsService implements Topics, Startable {
  readonly #init: TopicsServiceInit
  readonly #follower: Follower
  readonly #remote: TopicsClient
  readonly #deliverer: Deliverer
  #stopHandling: (() => void) | undefined

  constructor(init: TopicsServiceInit) {
    this.#init = init
    this.#follower = new Follower(init)
    this.#remote = new TopicsClient(init)
    this.#deliverer = new Deliverer({ ...init, follower: this.#follower })
  }

  async start(): Promise<void> {
    if (this.#stopHandling !== undefined) return
    this.#follower.start()
    this.#stopHandling = this.#init.queue.handle(TOPIC_KIND, (item, { signal }) => this.#deliverer.attempt(item, signal), {
      concurrency: CONCURRENCY,
      lanes: { of: laneOf, concurrency: LANE_CONCURRENCY },
      leaseMs: LEASE_MS,
      // Each subscriber has its own bound, which is lower.
      attemptsMax: 1000,
    })
  }

  async stop(): Promise<void> {
    this.#stopHandling?.()
    this.#stopHandling = undefined
    this.#follower.stop()
  }

  publish(message: NewMessage, caller: Caller): Promise<PublishedMessage> {
    return this.take(withId(message, this.#init.random), { caller }, message.id !== undefined)
  }

  publishFrom(message: NewMessage, from: PublishingFunction): Promise<PublishedMessage> {
    return this.take(withId(message, this.#init.random), { from }, message.id !== undefined)
  }

  /** Throws `unauthenticated` or `forbidden`. */
  async requirePublisher(caller: Caller, namespace: string): Promise<string> {
    return (await this.#init.access.require(caller, 'invoke', namespace)).subject
  }

  /**
   * Takes a message in. An id that its publisher chose may come again by any router: there is one that knows it, by rendezvous, and who is asked when
   * that one is gone looks first.
   */
  async take(message: NewMessage & { id: string }, by: Publisher, chosen: boolean, forwarded = false): Promise<PublishedMessage> {
    const origin = await this.#originOf(message, by)
    assertMessage(message)
    const home = chosen && !forwarded ? this.#homeOf(message) : undefined
    if (home === undefined) return this.#accept(message, origin, chosen)
    try {
      return await this.#remote.publishAt(home, message, by)
    } catch (error) {
      if (!(error instanceof OsirisError) || error.details?.['sent'] !== false) throw error
      return this.#accept(message, origin, true)
    }
  }

  async #originOf({ namespace, topic }: NewMessage, by: Publisher): Promise<Origin> {
    if ('caller' in by) return { publishedBy: await this.requirePublisher(by.caller, namespace), depth: 0 }
    const { name, subject, depth } = by.from
    const [own, fn = ''] = name.split('/')
    const act = `Cannot publish to "${namespace}/${topic}"`
    if (own !== namespace) throw new OsirisError('forbidden', `${act}: "${name}" may publish to topics of its own namespace`)
    if (!(await this.#isFunction(namespace, fn))) throw new OsirisError('forbidden', `${act}: there is no function "${name.slice(0, 127)}"`)
    return { publishedBy: `${name} for ${subject}`, depth: depth + 1 }
  }

  /** Who runs functions may speak for those that are, and for no others. */
  async #isFunction(namespace: string, name: string): Promise<boolean> {
    try {
      await this.#init.catalog.get({ namespace, name })
      return true
    } catch (error) {
      if (error instanceof OsirisError && (error.code === 'not_found' || error.code === 'invalid_argument')) return false
      throw error
    }
  }

  /** Another router, where it is not this one. */
  #homeOf({ namespace, topic, id }: NewMessage & { id: string }): Peer | undefined {
    const { network } = this.#init
    const routers = [network.peer, ...network.members.withRole('router').map(({ peer }) => peer)]
    const home = ownerOf(`${namespace}/${topic}/${id}`, routers)
    return home === network.peer ? undefined : home
  }

  async subscriptions(namespace: string, caller: Caller): Promise<SubscriptionSummary[]> {
    await this.#require(caller, 'read', namespace)
    await this.#follower.current()
    const mayHear = await this.#follower.hearersOf(namespace)
    return this.#follower.table.of(namespace).filter(mayHear).map(summaryOf)
  }

  async deadLetters(namespace: string, limit: number, caller: Caller): Promise<DeadLetter[]> {
    await this.#require(caller, 'read', namespace)
    const found = await this.#init.queue.list({ kind: TOPIC_KIND, key: `${namespace}/`, states: ['dead'], limit })
    return found.flatMap((each) => deadLetterOf(each) ?? [])
  }

  async deadLetter(namespace: string, id: string, caller: Caller): Promise<DeadLetterDetail> {
    await this.#require(caller, 'read', namespace)
    const found = await this.#init.queue.look(id)
    const detail = found !== undefined && isOf(found, namespace) ? detailOf(found) : undefined
    if (detail === undefined) throw notThere('show', namespace, id)
    return detail
  }

  async replay(namespace: string, id: string, caller: Caller): Promise<void> {
    await this.#require(caller, 'deploy', namespace)
    if (!(await this.#isDead(namespace, id)) || !(await this.#init.queue.replay(id))) throw notThere('replay', namespace, id)
  }

  async remove(namespace: string, id: string, caller: Caller): Promise<void> {
    await this.#require(caller, 'deploy', namespace)
    if (!(await this.#isDead(namespace, id)) || !(await this.#init.queue.remove(id))) throw notThere('remove', namespace, id)
  }

  /** The id alone is no right: it must be of this namespace. */
  async #isDead(namespace: string, id: string): Promise<boolean> {
    const found = await this.#init.queue.look(id)
    return found !== undefined && isOf(found, namespace)
  }

  async #require(caller: Caller, can: 'read' | 'deploy', namespace: string): Promise<void> {
    assertName(namespace, 'a namespace')
    await this.#init.access.require(caller, can, namespace)
  }

  async #accept(given: NewMessage & { id: string }, { publishedBy, depth }: Origin, chosen: boolean): Promise<PublishedMessage> {
    const { namespace, topic, data, id, key = null, traceparent = null } = given
    await this.#follower.current()
    const publishedAt = this.#init.clock.now()
    const message: Message = { id, namespace, topic, data, key, publishedAt, publishedBy: publishedBy.slice(0, 512), depth, traceparent }
    const subscribers = this.#follower.table.subscribersOf(namespace, topic, await this.#follower.hearersOf(namespace))
    const items = itemsFor(message, subscribers)
    let passedOver = 0
    for (const batch of batchesOf(chosen ? await unknownOf(this.#init.queue, items) : items))
      passedOver += await this.#note(batch, namespace)
    return { id, subscribers: subscribers.length - passedOver }
  }

  /** How many were not noted: another namespace that has too much waiting misses the message, and does not keep it from its own. */
  async #note(batch: NewItem[], namespace: string): Promise<number> {
    try {
      await this.#init.queue.add(batch)
      return 0
    } catch (error) {
      const isOwn = batch[0]?.key.startsWith(`${namespace}/`) !== false
      if (isOwn || !(error instanceof OsirisError) || error.code !== 'quota_exceeded') throw error
      this.#deliverer.tell(`Passing over ${batch[0]?.key ?? ''}: ${error.message}`)
      return batch.length
    }
  }
}

function withId(message: NewMessage, random: Random): NewMessage & { id: string } {
  return { ...message, id: message.id ?? hexOf(random, 32) }
}

/** Of one namespace each, because the queue's bounds are a namespace's; the topic's own first. */
function batchesOf(items: NewItem[]): NewItem[][] {
  const batches: NewItem[][] = []
  for (const all of Map.groupBy(items, ({ key }) => namespaceOf(key)).values())
    for (let at = 0; at < all.length; at += BATCH_ITEMS_MAX) batches.push(all.slice(at, at + BATCH_ITEMS_MAX))
  return batches
}
