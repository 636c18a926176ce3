/** The queue of one router: what its users ask, here or of the routers that know. */
import { OsirisError } from '#protocols/errors'
import type { Events } from '#protocols/events'
import type { Clock, Random, Startable } from '#protocols/lifecycle'
import type { Network, Peer } from '#protocols/network'
import type { Storage } from '#protocols/storage'
import type { Routers } from '../triggers/routers.ts'
import { Adding } from './adding.ts'
import { BOUNDS, type QueueBounds } from './bounds.ts'
import { Claims } from './claims.ts'
import { Copies } from './copies.ts'
import { Deliveries } from './deliveries.ts'
import { Holdings } from './holdings.ts'
import type { Act, ActAnswer } from './messages.ts'
import {
  type HandlerOptions,
  type ItemDetail,
  type ItemState,
  type ItemView,
  LISTED_MAX,
  type ListFilter,
  type NewItem,
  type Queue,
  type QueueHandler,
} from './queue.ts'
import { detailOf, type Head, isLater, isOver, overAt, responsible, type Stored, viewOf } from './record.ts'
import { serveQueue } from './serve.ts'
import { Shelf } from './shelf.ts'
import { Tending } from './tending.ts'

export interface QueueServiceInit {
  network: Pick<Network, 'peer' | 'members' | 'request' | 'handle'>
  storage: Storage
  clock: Clock
  random: Random
  events: Events
  /** Whether this one is among the greater part of the routers: what may start more than once is taken over by no other. */
  routers: Pick<Routers, 'mayAct'>
  bounds?: Partial<QueueBounds>
}

/** How long `stop()` lets attempts end. */
const DRAIN_MS = 2000
/** What was on disk at the start waits until routers that may have taken it over have been heard of. */
const SETTLE_MS = 3000

export class QueueService implements Queue, Startable {
  readonly holdings: Holdings
  readonly #init: QueueServiceInit
  readonly #self: Peer
  readonly #shelf: Shelf
  readonly #copies: Copies
  readonly #deliveries: Deliveries
  readonly #tending: Tending
  readonly #adding: Adding
  #started = false
  #closeDoor = (): void => {}

  constructor(init: QueueServiceInit) {
    const { network, storage, clock, random, events } = init
    const { members, peer: self } = network
    this.#init = init
    this.#self = self
    const shelf = new Shelf({ storage, bounds: { ...BOUNDS, ...init.bounds } })
    const copies = new Copies({ network, clock })
    const isRunning = (id: string) => this.#deliveries.isRunning(id)
    const holdings = new Holdings({ self, shelf, isRunning, onChanged: (stored) => this.#changed(stored) })
    const isHere = (peer: Peer) => this.#tending.isHere(peer)
    const claims = new Claims({ self, shelf, holdings, copies, isHere })
    this.#shelf = shelf
    this.#copies = copies
    this.holdings = holdings
    this.#deliveries = new Deliveries({ self, shelf, copies, claims, clock, random, events })
    const mayTakeOver = () => init.routers.mayAct()
    const isOpen = (id: string) => this.#adding.isOpen(id)
    this.#tending = new Tending({
      isOpen,
      self,
      shelf,
      holdings,
      deliveries: this.#deliveries,
      copies,
      members,
      mayTakeOver,
      clock,
      random,
      events,
    })
    this.#adding = new Adding({ self, shelf, copies, routers: () => members.withRole('router'), clock, random })
  }

  /** Reads what is on disk, and answers other routers from then on. Throws what the disk throws. */
  async start(): Promise<void> {
    if (this.#started) return
    this.#started = true
    const { clock, events } = this.#init
    const damaged = await this.#shelf.load()
    if (damaged > 0)
      events.emit('log', {
        level: 'warn',
        room: 'router',
        text: `${damaged} queued items are damaged on this disk: other holders have them`,
      })
    await this.#inherit()
    const settledAt = clock.now() + SETTLE_MS
    for (const { head } of this.#shelf.all())
      if (head.state === 'waiting' && head.owner === this.#self) this.#deliveries.own(head, head.holders.length > 1 ? settledAt : 0)
    this.#closeDoor = serveQueue(this.#init.network, this)
    this.#tending.start()
  }

  /** What only this disk holds is this router's, whatever key it had when it took it in: nobody else could hand it out. */
  async #inherit(): Promise<void> {
    const self = this.#self
    const left = [...this.#shelf.all()].filter(
      ({ head: { state, holders, owner } }) => state === 'waiting' && holders.length === 1 && owner !== self,
    )
    await this.#shelf.putAll(
      left.map(({ head, claim }) => ({
        stored: { head: { ...head, owner: self, holders: [self], rev: head.rev + 1 }, claim: claim && { ...claim, by: self } },
      })),
    )
  }

  async stop(): Promise<void> {
    if (!this.#started) return
    this.#started = false
    this.#tending.stop()
    await this.#deliveries.stop(DRAIN_MS)
    await this.#copies.flush()
    this.#closeDoor()
    this.#copies.stop()
    await this.#shelf.settled()
  }

  async add(items: readonly NewItem[]): Promise<void> {
    for (const head of await this.#adding.add(items)) this.#deliveries.own(head, 0, true)
  }

  async look(id: string): Promise<ItemDetail | undefined> {
    await this.#adding.settled([id])
    const own = this.#shelf.get(id)
    if (own !== undefined && (isOver(own.head) || own.head.owner === this.#self)) return this.#detail(own)
    const found = await this.#lookElsewhere(id)
    if (found === undefined) return own === undefined ? undefined : this.#detail(own)
    return own !== undefined && isLater(own.head, found.head) ? this.#detail(own) : found.detail
  }

  changed(id: string, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const stops = [this.#shelf.watch(id, resolve), this.#init.clock.after(timeoutMs, resolve)]
    const abort = () => resolve()
    if (signal?.aborted === true) resolve()
    else signal?.addEventListener('abort', abort, { once: true })
    return promise.finally(() => {
      for (const stop of stops) stop()
      signal?.removeEventListener('abort', abort)
    })
  }

  async list(filter: ListFilter): Promise<ItemView[]> {
    const answers = await Promise.allSettled(this.#others().map((peer) => this.#copies.list(peer, filter)))
    const latest = new Map<string, { head: Head; running: boolean }>()
    for (const each of [
      this.listed(filter),
      ...answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : [])),
    ].flat()) {
      const known = latest.get(each.head.id)
      if (known === undefined || isLater(each.head, known.head) || (each.running && !isLater(known.head, each.head)))
        latest.set(each.head.id, each)
    }
    return [...latest.values()]
      .map(({ head, running }) => viewOf({ head, claim: null }, running))
      .filter(({ state }) => filter.states?.includes(state) !== false)
      .toSorted((a, b) => b.addedAt - a.addedAt || (a.id < b.id ? -1 : 1))
      .slice(0, filter.limit ?? 100)
  }

  async cancel(id: string): Promise<ItemState | undefined> {
    return (await this.#ask('cancel', id)).state ?? undefined
  }

  async replay(id: string): Promise<boolean> {
    return (await this.#ask('replay', id)).changed
  }

  async remove(id: string): Promise<boolean> {
    return (await this.#ask('remove', id)).changed
  }

  handle(kind: string, handler: QueueHandler, options: HandlerOptions = {}): () => void {
    return this.#deliveries.handle(kind, handler, options)
  }

  /** As this router knows it; `answer` is what `look` has as its body. */
  async shown(id: string): Promise<{ head: Head | null; running: boolean; answer?: Uint8Array }> {
    const stored = this.#shelf.get(id)
    if (stored === undefined) return { head: null, running: false }
    const answer = await this.#bytesOf(stored.head)
    return { head: stored.head, running: this.#isRunning(stored), ...(answer === undefined ? {} : { answer }) }
  }

  /** Of what this router holds. */
  listed({ kind, key, states, limit = 100 }: ListFilter): { head: Head; running: boolean }[] {
    const found = [...this.#shelf.all()].filter(({ head }) => head.kind === kind && head.key.startsWith(key))
    return found
      .filter((stored) => states?.includes(viewOf(stored, this.#isRunning(stored)).state) !== false)
      .toSorted((a, b) => b.head.addedAt - a.head.addedAt)
      .slice(0, Math.min(limit, LISTED_MAX))
      .map((stored) => ({ head: stored.head, running: this.#isRunning(stored) }))
  }

  /** Here: this router owns the item, or takes it over now. Throws `unavailable` where another does. */
  async act(act: Act, id: string): Promise<ActAnswer> {
    const stored = this.#shelf.get(id)
    if (stored === undefined) return { state: null, changed: false }
    if (this.#adding.isOpen(id)) throw new OsirisError('unavailable', `Cannot ${act} "${id}": it is still being added`)
    if (!isOver(stored.head) && !(await this.#tending.takeOver(stored)))
      throw new OsirisError('unavailable', `Cannot ${act} "${id}": another router owns it`)
    const before = this.#shelf.get(id)?.head.state
    if (act === 'cancel' && before === 'waiting') await this.#deliveries.cancel(id)
    if (act !== 'cancel' && before === 'dead') await this.#write(act === 'replay' ? this.#replayed(id) : this.#removed(id))
    const after = this.#shelf.get(id)
    return { state: after === undefined ? null : viewOf(after, this.#isRunning(after)).state, changed: after?.head.state !== before }
  }

  async #ask(act: Act, id: string): Promise<ActAnswer> {
    const head = this.#shelf.get(id)?.head ?? (await this.#lookElsewhere(id))?.head
    if (head === undefined) return { state: null, changed: false }
    if (isOver(head)) return { state: head.state, changed: false }
    const owner = responsible(head, (peer) => this.#tending.isHere(peer))
    if (owner === this.#self) return this.act(act, id)
    if (owner !== undefined) return this.#copies.act(owner, act, id)
    throw new OsirisError('unavailable', `Cannot ${act} "${id}": none of the routers that hold it is here`)
  }

  #replayed(id: string): Head | undefined {
    const stored = this.#shelf.get(id)
    if (stored === undefined) return undefined
    const { head, claim } = stored
    const now = this.#init.clock.now()
    // Whoever may have begun an attempt, the next one is another, and nobody takes it for one of those before.
    const ended = Math.max(head.ended, claim?.attempt ?? 0) + 1
    return {
      ...head,
      state: 'waiting',
      ended,
      uncounted: ended,
      endedAt: null,
      notBeforeAt: now,
      expiresAt: now + head.lifeMs,
      rev: head.rev + 1,
    }
  }

  #removed(id: string): Head | undefined {
    const head = this.#shelf.get(id)?.head
    return head === undefined ? undefined : overAt(head, 'cancelled', this.#init.clock.now())
  }

  async #write(head: Head | undefined): Promise<void> {
    if (head === undefined) return
    await this.#shelf.put({ head, claim: null })
    for (const peer of head.holders) if (peer !== this.#self) this.#copies.tell(peer, { head, answer: undefined })
    if (head.state === 'waiting') this.#deliveries.own(head)
  }

  /** Another router's word changed it. */
  #changed({ head }: Stored): void {
    if (head.owner !== this.#self || head.state !== 'waiting') this.#deliveries.abort(head.id)
    else this.#deliveries.own(head)
  }

  /** The latest of what the others know. Throws `unavailable` when none knows it and not all answer. */
  async #lookElsewhere(id: string): Promise<{ head: Head; detail: ItemDetail } | undefined> {
    const peers = this.#others()
    const answers = await Promise.allSettled(peers.map((peer) => this.#copies.look(peer, id)))
    let latest: { head: Head; detail: ItemDetail } | undefined
    for (const [at, each] of answers.entries()) {
      if (each.status === 'rejected' || each.value === undefined) continue
      const { head } = each.value
      const isOwners = head.owner === peers[at]
      if (latest === undefined || isLater(head, latest.head) || (isOwners && !isLater(latest.head, head))) latest = each.value
    }
    const silent = answers.find((each) => each.status === 'rejected')
    if (latest !== undefined || silent === undefined || this.#shelf.get(id) !== undefined) return latest
    throw new OsirisError('unavailable', `Cannot find "${id}" in the queue: not all routers answer`, { cause: silent.reason })
  }

  async #detail(stored: Stored): Promise<ItemDetail> {
    return detailOf(stored, this.#isRunning(stored), await this.#bytesOf(stored.head))
  }

  /** The answer, or the payload of a dead letter. */
  async #bytesOf(head: Head): Promise<Uint8Array | undefined> {
    if (head.state === 'dead') return this.#shelf.payload(head)
    return head.answerBytes > 0 ? this.#shelf.answer(head) : undefined
  }

  #isRunning({ head, claim }: Stored): boolean {
    if (head.state !== 'waiting') return false
    return this.#deliveries.isRunning(head.id) || (claim !== null && claim.attempt > head.ended)
  }

  #others(): Peer[] {
    return this.#init.network.members.withRole('router').map((each) => each.peer)
  }
}
