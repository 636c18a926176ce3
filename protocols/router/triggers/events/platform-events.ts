/**
 * The platform's own events as messages to functions. Every router sees what happens; the one that owns a happening notes a delivery for each function or
 * group that subscribed, in the queue that topics use as well, and tells the others that it did. Until they hear so they keep it, for the case that its
 * owner is gone.
 */
import { z } from 'zod'
import type { Catalog, FunctionRecord } from '#protocols/catalog'
import { dropOldest } from '#protocols/bounded'
import { decodeAs, encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { Events } from '#protocols/events'
import type { Clock, Startable } from '#protocols/lifecycle'
import type { Network, Peer } from '#protocols/network'
import type { Queue } from '../../queue/queue.ts'
import { namespaceOf } from '../../queue/record.ts'
import { unknownOf } from '../../topics/known.ts'
import { itemsFor } from '../../topics/message.ts'
import { type Subscriber, SubscriptionTable } from '../../topics/subscriptions.ts'
import { LiveFunctions } from '../live-functions.ts'
import { ownerOf, SETTLE_MS } from '../owner.ts'
import type { Routers } from '../routers.ts'
import { type Happening, idOf, joined, keyOf, left, published, removed, type Seen } from './happenings.ts'

const EVENTS_TOPIC = 'platform-events'
/** So long a router keeps what another one should have noted: a death is known after five seconds, and a queue may be full for a while. */
const KEEP_MS = 60_000
const KEPT_MAX = 1000
/** What was published longer ago is no news: a router that was away learns of it late, and others have told of it. */
const NEWS_MS = 600_000
const AGAIN_MS = 1000

const notedSchema = z.strictObject({ topic: z.string().max(255), subject: z.string().max(512) })

export interface PlatformEventsInit {
  network: Pick<Network, 'peer' | 'members' | 'publish' | 'subscribe'>
  routers: Routers
  catalog: Pick<Catalog, 'all' | 'get'>
  queue: Pick<Queue, 'add' | 'look'>
  clock: Clock
  events: Events
}

interface Kept {
  happening: Happening
  /** Monotonic. */
  since: number
  isBeingNoted: boolean
}

export class PlatformEvents implements Startable {
  readonly #init: PlatformEventsInit
  readonly #table = new SubscriptionTable(true)
  readonly #live: LiveFunctions
  readonly #seen = new Map<string, Seen>()
  readonly #kept = new Map<string, Kept>()
  /** What others said they noted, and when: it may be seen here later than it is heard of. */
  readonly #noted = new Map<string, number>()
  #startedAt = 0
  #stops: (() => void)[] = []
  #cancelAgain: (() => void) | undefined

  constructor(init: PlatformEventsInit) {
    this.#init = init
    const changed = (namespace: string, name: string, record: FunctionRecord | undefined) => this.#changed(namespace, name, record)
    this.#live = new LiveFunctions({ catalog: init.catalog, events: init.events, clock: init.clock, changed })
  }

  async start(): Promise<void> {
    if (this.#stops.length > 0) return
    const { network, events, clock } = this.#init
    this.#startedAt = clock.monotonic()
    this.#stops = [
      network.subscribe(EVENTS_TOPIC, (from, data) => this.#hear(from, data)),
      network.members.onChange(() => this.#tend()),
      events.on('member.joined', ({ peer, name }) => this.#saw(joined({ peer, name, roles: network.members.get(peer)?.roles ?? [] }))),
      events.on('member.left', ({ peer, name, reason }) => this.#saw(left(peer, name, reason))),
      () => this.#live.stop(),
    ]
    await this.#live.start()
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0)) stop()
    this.#cancelAgain?.()
    this.#cancelAgain = undefined
    this.#kept.clear()
  }

  #changed(namespace: string, name: string, record: FunctionRecord | undefined): void {
    const key = `${namespace}/${name}`
    const before = this.#seen.get(key)
    if (record === undefined) {
      this.#table.delete(namespace, name)
      this.#seen.delete(key)
      return before === undefined ? undefined : this.#saw(removed(before))
    }
    this.#table.set(record)
    const { version, publishedAt } = record
    this.#seen.set(key, { namespace, name, version, publishedAt })
    const isNew = before?.version !== version || before.publishedAt !== publishedAt
    // What was there when this router began is no news, and neither is what an alias was pointed back at.
    if (isNew && this.#live.isListed && publishedAt > this.#init.clock.now() - NEWS_MS) this.#saw(published(record))
  }

  #saw(happening: Happening): void {
    const now = this.#init.clock.monotonic()
    // Who begins meets everybody: nobody of them joined.
    if (happening.namespace === null && now - this.#startedAt < SETTLE_MS) return
    const key = keyOf(happening)
    const isNoted = now - (this.#noted.get(key) ?? Number.NEGATIVE_INFINITY) < AGAIN_MS
    // The usual case is that nobody asked.
    if (isNoted || this.#subscribersOf(happening).length === 0) return
    dropOldest(this.#kept, KEPT_MAX)
    this.#kept.set(key, { happening, since: now, isBeingNoted: false })
    this.#tend()
  }

  /** Notes what is this router's, and looks again while anything is kept. */
  #tend(): void {
    const now = this.#init.clock.monotonic()
    for (const [key, kept] of this.#kept) {
      if (now - kept.since > KEEP_MS) this.#kept.delete(key)
      else if (!kept.isBeingNoted && this.#isOurs(kept.happening)) void this.#note(key, kept)
    }
    if (this.#kept.size === 0 || this.#stops.length === 0) return
    this.#cancelAgain ??= this.#init.clock.after(AGAIN_MS, () => {
      this.#cancelAgain = undefined
      this.#tend()
    })
  }

  #isOurs(happening: Happening): boolean {
    const { routers } = this.#init
    const able = [routers.self, ...routers.others()].filter((peer) => peer !== happening.except)
    return ownerOf(keyOf(happening), able) === routers.self && routers.mayAct()
  }

  async #note(key: string, kept: Kept): Promise<void> {
    kept.isBeingNoted = true
    const { happening } = kept
    try {
      await this.#deliver(happening)
      this.#kept.delete(key)
      const { topic, subject } = happening
      await this.#init.network.publish(EVENTS_TOPIC, encode({ topic, subject }))
    } catch (error) {
      // Looked at again until it is too old.
      kept.isBeingNoted = false
      this.#init.events.emit('log', { level: 'debug', room: 'router', text: `Cannot tell of ${key}: ${(error as Error).message}` })
    }
  }

  async #deliver(happening: Happening): Promise<void> {
    const { clock, queue } = this.#init
    const publishedAt = clock.now()
    const { topic, data } = happening
    const message = {
      ...{ id: idOf(happening, publishedAt), topic, data: Buffer.from(JSON.stringify(data)), key: null },
      ...{ publishedAt, publishedBy: 'osiris', depth: 0, traceparent: null },
    }
    const items = this.#subscribersOf(happening).flatMap((subscriber) =>
      itemsFor({ ...message, namespace: subscriber.namespace }, [subscriber]),
    )
    // By namespace: the queue's bounds are a namespace's, and a full one keeps nothing from the others.
    const refusals: unknown[] = []
    for (const own of Map.groupBy(items, ({ key }) => namespaceOf(key)).values()) {
      const fresh = await unknownOf(queue, own)
      if (fresh.length > 0) await queue.add(fresh).catch((error: unknown) => refusals.push(error))
    }
    if (refusals.length > 0) throw refusals[0]
  }

  /** A function hears of its own namespace, and of members. */
  #subscribersOf({ namespace, topic }: Happening): Subscriber[] {
    const namespaces = namespace === null ? new Set([...this.#seen.values()].map((each) => each.namespace)) : [namespace]
    return [...namespaces].flatMap((each) => this.#table.subscribersOf(each, topic).filter((subscriber) => subscriber.namespace === each))
  }

  #hear(from: Peer, data: Uint8Array): boolean {
    if (!this.#init.routers.isRouter(from)) return false
    try {
      const key = keyOf(decodeAs(notedSchema, data, 'word of an event'))
      this.#kept.delete(key)
      dropOldest(this.#noted, KEPT_MAX)
      this.#noted.set(key, this.#init.clock.monotonic())
      return true
    } catch (error) {
      if (error instanceof OsirisError) return false
      throw error
    }
  }
}
