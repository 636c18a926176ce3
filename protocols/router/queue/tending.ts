/** What goes on by itself: items of routers that are gone are taken over, holders compare what they have, and what is long over is forgotten. */
import type { Events } from '#protocols/events'
import { type Clock, every, type Random } from '#protocols/lifecycle'
import type { Members, Peer } from '#protocols/network'
import { batchesOf, type Copies } from './copies.ts'
import type { Deliveries } from './deliveries.ts'
import type { Holdings } from './holdings.ts'
import { COMPARED_MAX, ITEMS_MAX, type Part } from './messages.ts'
import { LIFE_MS_MAX } from './queue.ts'
import { type Head, isOver, nextEpoch, responsible, type Stored } from './record.ts'
import type { Shelf } from './shelf.ts'
import { inTurn } from './turns.ts'

export interface TendingInit {
  self: Peer
  shelf: Shelf
  holdings: Holdings
  deliveries: Deliveries
  copies: Copies
  members: Members
  /** Whether it is still being added here. */
  isOpen: (id: string) => boolean
  /** Whether this router is not among the few that are cut off from the others. */
  mayTakeOver: () => boolean
  clock: Clock
  random: Random
  events: Events
}

const ROUND_MS = 5000
/** A router that restarts, or that one node lost sight of, comes back sooner. */
const TAKE_OVER_MS = 1000
/** Items of which both know the same cost one line of 300 bytes each. */
const PAGES_MAX = 16
/** Items that nobody handles, or whose owner never came back and nobody took over. Dead letters are kept for as long as items live at most. */
const LEFTOVER_MS = 24 * 3_600_000

export class Tending {
  readonly #init: TendingInit
  #routers = new Set<Peer>()
  #stops: (() => void)[] = []
  #cancelLook = (): void => {}
  #turn = 0

  constructor(init: TendingInit) {
    this.#init = init
  }

  start(): void {
    const { members, clock, events } = this.#init
    const onError = (error: unknown) => events.emit('log', { level: 'warn', room: 'router', text: `The queue: ${String(error)}` })
    this.#stops = [members.onChange(() => this.#look()), every(clock, ROUND_MS, () => this.#round(), onError), () => this.#cancelLook()]
    this.#look()
  }

  stop(): void {
    for (const stop of this.#stops.splice(0)) stop()
  }

  isHere(peer: Peer): boolean {
    return peer === this.#init.self || this.#init.members.withRole('router').some((each) => each.peer === peer)
  }

  /** Makes this router the owner where it is the one to be. Throws what the disk throws. */
  async takeOver(stored: Stored): Promise<boolean> {
    if (!this.#isMine(stored)) return false
    if (stored.head.owner !== this.#init.self) await this.#take([stored])
    return true
  }

  /** Whether this router is the one to be its owner, or is it. */
  #isMine({ head }: Stored): boolean {
    return !isOver(head) && responsible(head, (peer) => this.isHere(peer)) === this.#init.self
  }

  async #take(all: readonly Stored[]): Promise<Head[]> {
    const { self, shelf, copies } = this.#init
    const mine = all.map(({ head, claim }) => ({
      head: { ...head, owner: self, epoch: nextEpoch(head, head.holders.indexOf(self)), rev: 0 },
      claim,
    }))
    await shelf.putAll(mine.map((stored) => ({ stored })))
    for (const { head } of mine) for (const peer of head.holders) if (peer !== self) copies.tell(peer, { head, answer: undefined })
    return mine.map(({ head }) => head)
  }

  /** After a moment: who is here, who is gone. */
  #look(): void {
    const now = new Set(this.#init.members.withRole('router').map((each) => each.peer))
    const came = [...now].filter((each) => !this.#routers.has(each))
    const isSame = came.length === 0 && now.size === this.#routers.size
    if (isSame) return
    this.#routers = now
    this.#cancelLook()
    this.#cancelLook = this.#init.clock.after(TAKE_OVER_MS, () => {
      void this.#takeOverAll()
      for (const peer of came) void this.#compare(peer).catch(() => {})
    })
  }

  async #takeOverAll(): Promise<void> {
    const { self, shelf, deliveries, mayTakeOver, events } = this.#init
    // Of what may start only once, holders decide by quorum.
    const isOrphan = (each: Stored) => each.head.owner !== self && this.#isMine(each) && (each.head.once || mayTakeOver())
    const ids = [...shelf.all()].filter(isOrphan).map(({ head }) => head.id)
    let taken = 0
    for (let at = 0; at < ids.length; at += ITEMS_MAX) {
      const orphans = ids.slice(at, at + ITEMS_MAX).flatMap((id) => shelf.get(id) ?? [])
      const heads = await this.#take(orphans.filter(isOrphan)).catch(() => [])
      taken += heads.length
      for (const { id } of heads) {
        const head = shelf.get(id)?.head
        if (head?.owner === self && head.state === 'waiting') deliveries.own(head)
      }
    }
    if (taken > 0) events.emit('log', { level: 'info', room: 'router', text: `Took over ${taken} queued items of routers that are gone` })
  }

  async #round(): Promise<void> {
    await this.#sweep()
    await this.#takeOverAll()
    const peers = [...this.#routers]
    const peer = peers[(this.#turn += 1) % Math.max(1, peers.length)]
    if (peer !== undefined) await this.#compare(peer).catch(() => {})
  }

  async #sweep(): Promise<void> {
    const { self, shelf, deliveries, clock, isOpen } = this.#init
    const now = clock.now()
    const old: string[] = []
    for (const { head } of shelf.all()) {
      if (isOver(head)) {
        if ((head.forgetAt ?? 0) <= now) old.push(head.id)
      } else if (now > (head.endedAt ?? head.expiresAt) + (head.state === 'dead' ? LIFE_MS_MAX : LEFTOVER_MS)) old.push(head.id)
      else if (head.owner === self && head.state === 'waiting' && !deliveries.isKnown(head.id) && !isOpen(head.id)) deliveries.own(head)
    }
    await shelf.forget(old)
  }

  /** With one router that holds some of the same. */
  async #compare(peer: Peer): Promise<void> {
    const { shelf, random } = this.#init
    const shared = inTurn(
      [...shelf.all()].filter(({ head }) => head.holders.includes(peer)),
      random,
    )
    for (let page = 0; page < PAGES_MAX && page * COMPARED_MAX < shared.length; page += 1)
      await this.#comparePage(peer, shared.slice(page * COMPARED_MAX, (page + 1) * COMPARED_MAX))
  }

  async #comparePage(peer: Peer, page: readonly Stored[]): Promise<void> {
    const { copies, holdings } = this.#init
    const compared = page.map(({ head: { id, epoch, rev, state } }) => ({ id, epoch, rev, state }))
    const { later, wanted } = await copies.compare(peer, compared)
    for (const head of later) {
      const found = head.answerBytes > 0 ? await copies.look(peer, head.id) : undefined
      await holdings.adopt(found?.head ?? head, found?.detail.answer ?? new Uint8Array())
    }
    await this.#bring(peer, wanted)
  }

  async #bring(peer: Peer, wanted: readonly string[]): Promise<void> {
    const { shelf, copies } = this.#init
    const parts: Part[] = []
    for (const id of wanted) {
      const head = shelf.get(id)?.head
      if (head === undefined) continue
      if (isOver(head)) copies.tell(peer, { head, answer: await shelf.answer(head) })
      else {
        const bytes = await shelf.payload(head)
        if (bytes !== undefined) parts.push({ head, bytes })
      }
    }
    for (const batch of batchesOf(parts)) await copies.put(peer, batch, true)
  }
}
