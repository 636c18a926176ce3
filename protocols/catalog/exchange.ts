/**
 * One pull from one member, in at most `timeoutMs` per question: what it has and this node lacks. Equal nodes exchange one digest. Few feeds
 * are named whole; many feeds, and what is no feed, are compared by ranges (`reconcile.ts`).
 */
import { createHash } from 'node:crypto'
import { collect } from '#protocols/body'
import { decodeAs, encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import { breathe, type Clock, type Random } from '#protocols/lifecycle'
import type { Message, Network, Peer } from '#protocols/network'
import type { ForkExchange } from './fork-exchange.ts'
import type { Adopting } from './checkpoints/adopting.ts'
import { packIds } from './id-set.ts'
import { comparePlaces, type Entry, placeOf, Refusal } from './ledger/entry.ts'
import type { Head } from './ledger/feeds.ts'
import type { Ledger } from './ledger/ledger.ts'
import {
  emptySchema,
  ENTRIES_BYTES_MAX,
  entriesSchema,
  HEADS_WHOLE_MAX,
  headsAnswerSchema,
  OBJECTS_MAX,
  packedHeadSchema,
  packedHeadsSchema,
  PROTOCOL,
  type Request,
  WANTS_MAX,
} from './messages.ts'
import { answerSchema, MESSAGE_BYTES_MAX, Reconciliation, SALT_BYTES } from './reconcile.ts'
import type { VoidBound } from './void-bound.ts'
import { FROZEN, HEADS, type SharedSet, type SharedSets } from './shared-sets.ts'

const HEADS_BYTES_MAX = HEADS_WHOLE_MAX * 128
/** Entries judged between two breaths of the event loop: about 1 ms here, beside 3 ms of signatures on two threads. */
const BREATH = 64
/** What a peer could not bring forward is not asked of it again for so long. */
const AVOID_MS = 5000
const AVOIDED_MAX = 4096
/** Sessions of one set in one pull; each finds up to `NEED_MAX` more. */
const SESSIONS_MAX = 64

export interface ExchangeInit {
  ledger: Ledger
  sets: SharedSets
  forks: ForkExchange
  voids: VoidBound
  adopting: Adopting
  network: Network
  clock: Clock
  random: Random
  /** Hears of what one entry or object was refused for. */
  tell: (error: unknown) => void
}

/** How a pull asks. */
interface Asking {
  peer: Peer
  timeoutMs: number
  signal: AbortSignal
}

export class Exchange {
  readonly #init: ExchangeInit
  /** `peer what` → monotonic time until when. */
  readonly #avoided = new Map<string, number>()

  constructor(init: ExchangeInit) {
    this.#init = init
  }

  /** Whether anything new came. Throws what the peer or the network says; what came before stays. */
  async pull(peer: Peer, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    const asking = { peer, timeoutMs, signal }
    const { sets, forks, adopting, tell } = this.#init
    const response = await this.#request(asking, { type: 'heads', known: sets.digest() })
    const answer = decodeAs(headsAnswerSchema, response.head, 'the answer to heads')
    if (answer.same) return this.#pullEntries(asking, [])
    if (answer.digests[FROZEN] !== sets.digests()[FROZEN]) await forks.exchange(peer, timeoutMs).catch(tell)
    const joined = await adopting.adopt(peer, answer.entries)
    if (joined === 'busy') return false
    const whole = answer.whole ? decodeAs(packedHeadsSchema, await collect(response.body, HEADS_BYTES_MAX, 'heads'), 'heads') : undefined
    let news = whole === undefined ? await this.#pullManyFeeds(asking) : await this.#pullEntries(asking, whole)
    for (const set of sets.others()) {
      const theirs = answer.digests[set.name]
      if (theirs !== undefined && theirs !== set.ids().digest()) news = (await this.#pullObjects(asking, set)) || news
    }
    return news
  }

  async #pullManyFeeds(asking: Asking): Promise<boolean> {
    let news = await this.#pullRoot(asking)
    for (let session = 0; session < SESSIONS_MAX; session += 1) {
      const { need, complete } = await this.#lacking(asking, HEADS)
      let more = false
      for (const ids of slices(need, OBJECTS_MAX)) {
        const heads = (await this.#objects(asking, HEADS, ids)).map((bytes) => decodeAs(packedHeadSchema, bytes, 'a head'))
        more = (await this.#pullEntries(asking, heads)) || more
      }
      news ||= more
      if (complete || !more) return news
    }
    return news
  }

  /** The root's feed, on which all others stand, before it is known where they differ. */
  async #pullRoot(asking: Asking): Promise<boolean> {
    const { ledger } = this.#init
    for (let first = ledger.tip(ledger.root).seq, at = first; ; at = ledger.tip(ledger.root).seq) {
      await this.#takeAll(asking.peer, await this.#entries(asking, [{ author: ledger.root, from: at + 1 }]), new Set(), new Set())
      if (ledger.tip(ledger.root).seq === at) return at > first
    }
  }

  async #pullObjects(asking: Asking, set: SharedSet): Promise<boolean> {
    const avoiding = `${asking.peer} set ${set.name}`
    if (this.#avoids(avoiding)) return false
    let news = false
    for (let session = 0; session < SESSIONS_MAX; session += 1) {
      const before = set.ids()
      const { need, complete } = await this.#lacking(asking, set.name)
      for (const ids of slices(need, OBJECTS_MAX)) await this.#takeObjects(set, await this.#objects(asking, set.name, ids))
      const more = set.ids() !== before
      news ||= more
      // What it promised and did not bring, or what was refused, it would promise again.
      if (need.length > 0 && !more) this.#avoid(avoiding)
      if (complete || !more) return news
    }
    return news
  }

  async #takeObjects(set: SharedSet, objects: Uint8Array[]): Promise<void> {
    for (const [at, bytes] of objects.entries()) {
      if (at % BREATH === BREATH - 1) await breathe(this.#init.clock)
      await set.take(bytes).catch(this.#init.tell)
    }
  }

  /** The ids that the peer has and this node lacks. */
  async #lacking(asking: Asking, name: string): Promise<Reconciliation> {
    const { sets, random } = this.#init
    const salt = createHash('sha256').update(`${random()} ${random()}`).digest().subarray(0, SALT_BYTES)
    const found = new Reconciliation(sets.ids(name), salt)
    for (let question = found.next(); question !== undefined; question = found.next()) {
      const response = await this.#request(asking, { type: 'compare', set: name }, encode(question))
      decodeAs(emptySchema, response.head, 'the answer to compare')
      found.take(decodeAs(answerSchema, await collect(response.body, MESSAGE_BYTES_MAX, 'the answer to compare'), 'the answer to compare'))
    }
    return found
  }

  async #objects(asking: Asking, set: string, ids: string[]): Promise<Uint8Array[]> {
    const response = await this.#request(asking, { type: 'objects', set, ids: packIds(ids) })
    decodeAs(emptySchema, response.head, 'the answer to objects')
    const objects = decodeAs(entriesSchema, await collect(response.body, 2 * ENTRIES_BYTES_MAX, 'objects'), 'objects')
    if (objects.length <= ids.length) return objects
    throw new OsirisError('invalid_argument', `Cannot take ${objects.length} objects: ${ids.length} were asked for`)
  }

  /** What these heads say that this node lacks, and its own damaged records. */
  async #pullEntries(asking: Asking, heads: readonly Head[]): Promise<boolean> {
    const { ledger, forks } = this.#init
    const { peer, timeoutMs } = asking
    await forks.compare(peer, heads, timeoutMs)
    const refused = new Set<string>()
    /** What does not follow our last entry may follow another one in its place. */
    const unchained = new Set<string>()
    /** What did not move lately: it may stand on what another feed brings. */
    const stuck = new Set<string>()
    let news = false
    for (;;) {
      const wants = ledger.wants(heads).filter(({ author }) => !refused.has(author) && !this.#avoids(`${peer} ${author}`))
      if (wants.length === 0) return news
      const asked = wants.toSorted((a, b) => Number(stuck.has(a.author)) - Number(stuck.has(b.author))).slice(0, WANTS_MAX)
      const waiting = await this.#takeAll(asking.peer, await this.#entries(asking, asked), refused, unchained)
      const still = ledger.wants(heads)
      const [unmoved, moved] = [[] as string[], [] as string[]]
      for (const { author, from } of asked)
        (still.some((each) => each.author === author && each.from === from) ? unmoved : moved).push(author)
      news ||= moved.length > 0
      for (const author of moved) stuck.delete(author)
      for (const author of unmoved) (moved.length > 0 ? stuck : refused).add(author)
      // What waits for the grant it stands on is asked for again in the next round.
      for (const author of refused) if (!waiting.has(author)) this.#avoid(`${peer} ${author}`)
      for (const author of unchained) await forks.search(peer, author, ledger.tip(author).seq, timeoutMs)
      unchained.clear()
    }
  }

  async #entries(asking: Asking, wants: { author: string; from: number; to?: number }[]): Promise<Uint8Array[]> {
    const response = await this.#request(asking, { type: 'entries', wants })
    decodeAs(emptySchema, response.head, 'the answer to entries')
    return decodeAs(entriesSchema, await collect(response.body, 2 * ENTRIES_BYTES_MAX, 'entries'), 'entries')
  }

  /** A feed with a bad entry is left alone for the rest of this pull. Returns the authors of entries that could not be judged yet. */
  async #takeAll(peer: Peer, batch: Uint8Array[], refused: Set<string>, unchained: Set<string>): Promise<Set<string>> {
    const { ledger, tell } = this.#init
    const entries: Entry[] = []
    for (let at = 0; at < batch.length; at += BREATH) {
      for (const entry of await ledger.openAll(batch.slice(at, at + BREATH))) {
        if (entry instanceof Refusal) tell(entry)
        else entries.push(entry)
      }
      await breathe(this.#init.clock)
    }
    const waiting = new Set<string>()
    const writes: Promise<unknown>[] = []
    // A grant comes before whatever stands on it.
    for (const entry of entries.toSorted((a, b) => comparePlaces(placeOf(a), placeOf(b))))
      if (!refused.has(entry.author)) writes.push(this.#take(peer, entry, refused, unchained, waiting))
    const results = await Promise.allSettled(writes)
    for (const result of results) if (result.status === 'rejected') tell(result.reason)
    return waiting
  }

  async #take(peer: Peer, entry: Entry, refused: Set<string>, unchained: Set<string>, waiting: Set<string>): Promise<void> {
    try {
      this.#init.voids.pass(peer, entry)
      if ((await this.#init.ledger.take(entry)) === 'gap') waiting.add(entry.author)
    } catch (error) {
      if (error instanceof Refusal && error.reason === 'chain' && !refused.has(entry.author)) unchained.add(entry.author)
      refused.add(entry.author)
      throw error
    }
  }

  #avoids(what: string): boolean {
    return (this.#avoided.get(what) ?? 0) > this.#init.clock.monotonic()
  }

  #avoid(what: string): void {
    if (this.#avoided.size >= AVOIDED_MAX) this.#avoided.clear()
    this.#avoided.set(what, this.#init.clock.monotonic() + AVOID_MS)
  }

  #request({ peer, timeoutMs, signal }: Asking, request: Request, body?: Uint8Array): Promise<Message> {
    const message = { head: encode(request), ...(body === undefined ? {} : { body }) }
    return this.#init.network.request(peer, PROTOCOL, message, { timeoutMs, signal })
  }
}

function slices<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, at) => all.slice(at * size, (at + 1) * size))
}
