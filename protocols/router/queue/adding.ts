/** New items on their way to the disks of their holders. */
import { OsirisError } from '#protocols/errors'
import type { Clock, Random } from '#protocols/lifecycle'
import type { Member, Peer } from '#protocols/network'
import { parse } from '#protocols/codec'
import type { Copies } from './copies.ts'
import { BATCH_BYTES_MAX, ITEMS_MAX, type Part } from './messages.ts'
import { LIFE_MS_MAX, type NewItem, PAYLOAD_BYTES_MAX } from './queue.ts'
import { type Head, headSchema, HOLDERS_MAX, namespaceOf, overAt, WITHDRAWN } from './record.ts'
import type { Shelf } from './shelf.ts'

export interface AddingInit {
  self: Peer
  shelf: Shelf
  copies: Copies
  /** The other routers. */
  routers: () => readonly Member[]
  clock: Clock
  random: Random
}

/** Rounds of asking others in the place of those that refused. */
const ROUNDS_MAX = 4

/** Items that were asked of these routers in this round, and the rounds before. */
interface Course {
  parts: Part[]
  /** Asked, and it is not known whether they hold it. */
  unsure: Set<Peer>
  /** Hold it. */
  holding: Set<Peer>
  /** Said no, or could not be reached. */
  refused: Set<Peer>
  rev: number
  last: OsirisError | undefined
}

export class Adding {
  readonly #init: AddingInit
  /** Not on enough disks yet: nobody hands them out, and nothing else changes them. Each with the end of that, whichever it is. */
  readonly #open = new Map<string, Promise<void>>()

  constructor(init: AddingInit) {
    this.#init = init
  }

  /** The new ones among them, on disk here and there. Throws as `Queue.add`. */
  async add(items: readonly NewItem[]): Promise<Head[]> {
    const { shelf } = this.#init
    const parts = this.#parts(items)
    const ids = parts.map(({ head }) => head.id)
    // A copy that another router has just left here.
    if (ids.some((id) => shelf.get(id) !== undefined)) await shelf.settled()
    // Somebody is adding the same id right now: what comes of that comes of this.
    while (ids.some((id) => this.isOpen(id))) await this.settled(ids)
    const news = parts.filter(({ head }) => shelf.get(head.id) === undefined)
    const withdrawn = parts.find(({ head }) => shelf.get(head.id)?.head.error?.code === WITHDRAWN)
    if (withdrawn !== undefined)
      throw new OsirisError('conflict', `Cannot queue "${withdrawn.head.id}": it was taken back a while ago; add it under another id`)
    if (news.length === 0) return []
    this.#requireRoom(news)
    const course: Course = { parts: news, unsure: new Set(), holding: new Set(), refused: new Set(), rev: 0, last: undefined }
    const { promise, resolve } = Promise.withResolvers<void>()
    for (const { head } of news) this.#open.set(head.id, promise)
    try {
      await this.#rounds(course)
    } catch (error) {
      await this.#withdraw(course)
      throw error
    } finally {
      for (const { head } of news) this.#open.delete(head.id)
      resolve()
    }
    return course.parts.map(({ head }) => head)
  }

  isOpen(id: string): boolean {
    return this.#open.has(id)
  }

  /** Resolves when none of them is being added: each is on enough disks, was taken back, or never came. */
  async settled(ids: readonly string[]): Promise<void> {
    while (ids.some((id) => this.isOpen(id))) await Promise.all(ids.flatMap((id) => this.#open.get(id) ?? []))
  }

  #parts(items: readonly NewItem[]): Part[] {
    const bytes = items.reduce((sum, { payload }) => sum + payload.length, 0)
    if (items.length > ITEMS_MAX || bytes > BATCH_BYTES_MAX - PAYLOAD_BYTES_MAX)
      throw new OsirisError(
        'payload_too_large',
        `Cannot queue ${items.length} items with ${bytes} bytes at once: at most ${ITEMS_MAX} with ${BATCH_BYTES_MAX - PAYLOAD_BYTES_MAX}`,
      )
    const large = items.find(({ payload }) => payload.length > PAYLOAD_BYTES_MAX)
    if (large !== undefined)
      throw new OsirisError(
        'payload_too_large',
        `Cannot queue "${large.id.slice(0, 80)}": its payload is longer than ${PAYLOAD_BYTES_MAX} bytes`,
      )
    const seen = new Map(items.map((each) => [each.id, each]))
    return [...seen.values()].map((each) => ({ head: this.#head(each), bytes: each.payload }))
  }

  #head({ id, key, kind, payload, about = new Uint8Array(), notBeforeAt, expiresAt, once = false }: NewItem): Head {
    const { self, clock } = this.#init
    const now = clock.now()
    if (expiresAt > now + LIFE_MS_MAX)
      throw new OsirisError('invalid_argument', `Cannot queue "${id}": it would wait longer than ${LIFE_MS_MAX / 86_400_000} days`)
    const head = {
      ...{ id, key, kind, about, bytes: payload.length, once, addedAt: now, notBeforeAt: notBeforeAt ?? now, expiresAt },
      ...{ lifeMs: Math.max(0, expiresAt - now), holders: [self], owner: self, epoch: 0, rev: 0, ended: 0, uncounted: 0 },
      ...{ state: 'waiting', error: null, endedAt: null, forgetAt: null, answerBytes: 0 },
    }
    return parse(headSchema, head, 'an item for the queue')
  }

  #requireRoom(parts: readonly Part[]): void {
    const { usage } = this.#init.shelf
    for (const [namespace, own] of Map.groupBy(parts, ({ head }) => namespaceOf(head.key)))
      usage.requireRoom(
        namespace,
        own.length,
        own.reduce((sum, { head }) => sum + head.bytes, 0),
      )
  }

  /** Each round asks as many others as are still needed, and tells all who are to hold it who the others are. */
  async #rounds(course: Course): Promise<void> {
    const { self, shelf } = this.#init
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      const chosen = this.#choose(course)
      const holders = [self, ...chosen]
      this.#requireSafe(course, holders)
      course.parts = course.parts.map(({ head, bytes }) => ({ head: { ...head, holders, rev: round }, bytes }))
      const written = shelf.putAll(course.parts.map(({ head, bytes }) => ({ stored: { head, claim: null }, parts: { payload: bytes } })))
      const asked = await Promise.all([written, ...chosen.map((peer) => this.#put(peer, course))])
      if (asked.slice(1).every((each) => each === true)) return
    }
    throw course.last ?? new OsirisError('unavailable', 'Cannot queue: no other router takes a copy')
  }

  /** Those that hold it, then connected ones by chance. */
  #choose({ holding, refused, unsure }: Course): Peer[] {
    const { routers, random } = this.#init
    const open = routers().filter(({ peer }) => !refused.has(peer) && !unsure.has(peer))
    const rank = ({ peer, connected }: Member) => (holding.has(peer) ? 0 : connected ? 1 : 2) + random() / 2
    const ranked = open.map((each) => ({ peer: each.peer, rank: rank(each) })).toSorted((a, b) => a.rank - b.rank)
    return ranked.slice(0, HOLDERS_MAX - 1).map((each) => each.peer)
  }

  /**
   * Who was asked without an answer may hold it, with the holders of that round. With one of the others it might begin it: so that one must know better.
   * Where there is no such other, it could begin it alone.
   */
  #requireSafe({ unsure, holding, last }: Course, holders: readonly Peer[]): void {
    if (unsure.size === 0 || holders.some((each) => holding.has(each))) return
    throw new OsirisError(
      'outcome_unknown',
      `Cannot tell whether it is queued: ${last?.message ?? 'a router did not answer'}`,
      last === undefined ? {} : { cause: last },
    )
  }

  async #put(peer: Peer, course: Course): Promise<boolean> {
    try {
      await this.#init.copies.put(peer, course.parts)
      course.holding.add(peer)
      return true
    } catch (thrown) {
      const error = OsirisError.from(thrown, 'Cannot queue', 'unavailable')
      const isProof = error.details?.['sent'] === false || REFUSALS.has(error.code)
      course.holding.delete(peer)
      if (isProof) course.refused.add(peer)
      else course.unsure.add(peer)
      course.last = error
      return false
    }
  }

  /** Nobody hands it out: here at once, elsewhere as soon as they hear of it. */
  async #withdraw({ parts, holding, unsure }: Course): Promise<void> {
    const { shelf, copies, clock, self } = this.#init
    const error = { code: WITHDRAWN, message: 'too few routers took a copy' }
    const heads = parts.map(({ head }) => ({ ...overAt(head, 'cancelled', clock.now()), error }))
    for (const head of heads)
      for (const peer of new Set([...holding, ...unsure])) if (peer !== self) copies.tell(peer, { head, answer: undefined })
    await shelf.putAll(heads.map((head) => ({ stored: { head, claim: null } }))).catch(() => {})
  }
}

/** The router's own no, before anything was written. */
const REFUSALS: ReadonlySet<string> = new Set([
  'quota_exceeded',
  'overloaded',
  'forbidden',
  'invalid_argument',
  'version_mismatch',
  'payload_too_large',
])
