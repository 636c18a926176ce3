/**
 * Joining by a checkpoint that other catalogs signed. Who counts as a catalog is found out from the ledger itself (`jury.ts`); then chunks of entries come
 * from whoever has them. What is put off is the signature of each entry: form, chain, time and authority are judged as ever, and the last entry of
 * each chunk is verified before the chunk is taken, by which its author vouches for all before it. The rest is verified in the background (`prover.ts`).
 */
import { collect } from '#protocols/body'
import { decodeAs } from '#protocols/codec'
import { breathe, type Clock } from '#protocols/lifecycle'
import type { Message, Peer } from '#protocols/network'
import { hearAuthority, requireQuorum } from './jury.ts'
import { isAuthorityType } from '../ledger/authority-facts.ts'
import { type Entry, ENTRY_BYTES_MAX, type Line, Refusal, type RefusalReason } from '../ledger/entry.ts'
import type { Ledger } from '../ledger/ledger.ts'
import {
  type Chunk,
  chunksOf,
  type Content,
  CONTENT_BYTES_MAX,
  type Offer,
  openOffer,
  refusal,
} from '../ledger/checkpoints/shared-checkpoint.ts'
import { ENTRIES_BYTES_MAX, entriesSchema, type Request } from '../messages.ts'
import { SIGNERS_MAX } from './checkpoint-set.ts'

/** Chunks on their way at a time; each holds at most 16 MiB, usually 200 KiB. */
const AHEAD = 4
/** Entries taken between two breaths of the event loop: about 2 ms. */
const BREATH = 64
/** A member whose checkpoint was of no use is not asked for one again for so long. */
const AVOID_MS = 60_000
/** Who has more of a chunk answers with as much as fits, less one entry. */
const ANSWER_BYTES_MIN = ENTRIES_BYTES_MAX - 2 * ENTRY_BYTES_MAX
const OFFER_BYTES_MAX = CONTENT_BYTES_MAX + SIGNERS_MAX * 1024
/** What those who sign must have seen: then the checkpoint itself is wrong, and not this node's moment. */
const LASTING: ReadonlySet<RefusalReason> = new Set(['oversized', 'malformed', 'universe', 'signature', 'order', 'chain'])

export interface AdoptingInit {
  ledger: Ledger
  clock: Clock
  /** Members with the catalog role. */
  others: () => readonly Peer[]
  ask: (peer: Peer, request: Request) => Promise<Message>
  /** Entries that this node must lack: for fewer, to verify each at once is quick. */
  joinBehind: number
  /** Whether this node is stopping: what was begun goes on after the next start. */
  isEnded: () => boolean
  tell: (error: unknown) => void
}

export class Adopting {
  readonly #init: AdoptingInit
  readonly #avoided = new Map<Peer, number>()
  #isRunning = false

  constructor(init: AdoptingInit) {
    this.#init = init
  }

  /** Takes over the checkpoint of a member that has so many entries, if it is worth it. `busy`: this is going on. Never rejects. */
  async adopt(peer: Peer, entries: number): Promise<'done' | 'busy' | 'none'> {
    if (this.#isRunning) return 'busy'
    const { ledger, tell } = this.#init
    const isBegun = ledger.adoption.stage === 'taking'
    if (!isBegun && !this.#isWorthIt(peer, entries)) return 'none'
    this.#isRunning = true
    try {
      await (isBegun ? this.#goOn(peer) : this.#begin(peer))
      await this.#take(ledger.adoption.content as Content)
      return 'done'
    } catch (error) {
      this.#avoided.set(peer, this.#init.clock.monotonic() + AVOID_MS)
      tell(error)
      return 'none'
    } finally {
      // What is missing comes one by one.
      if (ledger.adoption.stage === 'taking' && !this.#init.isEnded()) await ledger.adoption.taken().catch(tell)
      this.#isRunning = false
    }
  }

  #isWorthIt(peer: Peer, entries: number): boolean {
    const { ledger, joinBehind, clock } = this.#init
    const isAvoided = (this.#avoided.get(peer) ?? 0) > clock.monotonic()
    return ledger.adoption.stage === undefined && entries - ledger.entries > joinBehind && !isAvoided
  }

  async #begin(peer: Peer): Promise<void> {
    const { ledger, clock } = this.#init
    const offer = await this.#offered(peer)
    this.#requireOfUse(offer.content)
    const authority = await this.#authority(peer)
    requireQuorum(offer, authority, ledger, clock.now())
    await ledger.adoption.begin(offer, (author) => ledger.tip(author))
    for (const line of authority) ledger.authority.foresee(line)
  }

  async #goOn(peer: Peer): Promise<void> {
    for (const line of await this.#authority(peer)) this.#init.ledger.authority.foresee(line)
  }

  /** Feeds come one after the other, and what an entry stands on may be in one that comes later. */
  #authority(peer: Peer): Promise<Line[]> {
    return hearAuthority(this.#init, [peer, ...this.#init.others().filter((each) => each !== peer)])
  }

  async #offered(peer: Peer): Promise<Offer> {
    const response = await this.#init.ask(peer, { type: 'checkpoint' })
    const bytes = await collect(response.body, OFFER_BYTES_MAX, 'a checkpoint')
    if (bytes.length === 0) throw refusal('there is none')
    return openOffer(bytes, SIGNERS_MAX)
  }

  #requireOfUse(content: Content): void {
    const { ledger, joinBehind } = this.#init
    if (content.universe !== ledger.universe) throw refusal('it belongs to another universe')
    if (ledger.adoption.isRefused(content.digest)) throw refusal('it did not hold before')
    const missing = content.feeds.reduce((sum, { author, seq }) => sum + Math.max(0, seq - ledger.tip(author).seq), 0)
    if (missing <= joinBehind) throw refusal('it brings little that is not here')
    const frozen = new Map(ledger.frozen().map(({ author, seq }) => [author, seq]))
    if (content.feeds.some(({ author, seq }) => seq >= (frozen.get(author) ?? Number.POSITIVE_INFINITY)))
      throw refusal('it goes on after a fork that is proven here')
    if (content.frozen.some(({ author, seq }) => frozen.get(author) !== seq)) throw refusal('it speaks of a fork that is not proven here')
    const chunks = chunksOf(content, () => 0)
    if (chunks.some(({ author, to, hash }) => (ledger.hashAt(author, to) ?? hash) !== hash))
      throw refusal('it has other entries than this node')
  }

  async #take(content: Content): Promise<void> {
    const { ledger } = this.#init
    const rootFirst = chunksOf(content, (author) =>
      Math.min(ledger.tip(author).seq, content.feeds.find((each) => each.author === author)?.seq ?? 0),
    )
    rootFirst.sort((a, b) => Number(b.author === ledger.root) - Number(a.author === ledger.root))
    const liars = new Set<Peer>()
    const ahead: Promise<Entry[]>[] = []
    for (let next = 0; ahead.length > 0 || next < rootFirst.length;) {
      while (ahead.length < AHEAD && next < rootFirst.length) {
        const fetching = this.#fetch(rootFirst[next] as Chunk, next, liars)
        fetching.catch(() => {})
        ahead.push(fetching)
        next += 1
      }
      await this.#takeChunk((await ahead.shift()) as Entry[])
    }
  }

  async #takeChunk(entries: readonly Entry[]): Promise<void> {
    const { ledger, clock } = this.#init
    const writes: Promise<unknown>[] = []
    try {
      for (const [at, entry] of entries.entries()) {
        if (at % BREATH === BREATH - 1) await breathe(clock)
        const write = ledger.take(entry, true)
        write.catch(() => {})
        writes.push(write)
      }
      await Promise.all(writes)
    } catch (error) {
      if (error instanceof Refusal && LASTING.has(error.reason)) await ledger.adoption.refuse(error.message)
      throw error
    }
  }

  /** From one member after the other, until one brings it. */
  async #fetch(chunk: Chunk, turn: number, liars: Set<Peer>): Promise<Entry[]> {
    const peers = this.#init.others()
    for (let at = 0; at < peers.length; at += 1) {
      const peer = peers[(turn + at) % peers.length] as Peer
      if (liars.has(peer)) continue
      try {
        return await this.#fetchFrom(peer, chunk)
      } catch (error) {
        liars.add(peer)
        this.#init.tell(error)
      }
    }
    throw refusal(`nobody has entries ${chunk.from} to ${chunk.to} of ${chunk.author.slice(0, 8)}`)
  }

  async #fetchFrom(peer: Peer, { author, from, to, after, hash }: Chunk): Promise<Entry[]> {
    const { ledger, ask } = this.#init
    const entries: Entry[] = []
    let [seq, last] = [Math.max(from - 1, Math.min(to, ledger.tip(author).seq)), after]
    if (seq >= from) last = ledger.hashAt(author, seq) ?? null
    while (seq < to) {
      const response = await ask(peer, { type: 'entries', wants: [{ author, from: seq + 1, to }] })
      const bytes = await collect(response.body, 2 * ENTRIES_BYTES_MAX, 'entries')
      const list = decodeAs(entriesSchema, bytes, 'entries')
      const isMore = seq + list.length < to
      if (isMore && bytes.length < ANSWER_BYTES_MIN) throw refusal('a member does not have all of it')
      for (const each of list) {
        const entry = ledger.openUnsigned(each)
        if (entry.author !== author || entry.seq !== seq + 1 || entry.prev !== last || seq === to)
          throw refusal('a chunk is not what it names')
        entries.push(entry)
        seq += 1
        last = entry.hash
      }
    }
    if (last !== hash) throw refusal('a chunk is not what it names')
    await this.#verifySome(entries)
    return entries
  }

  /** The last one, and those that give authority. */
  async #verifySome(entries: readonly Entry[]): Promise<void> {
    const some = entries.filter(({ type }, at) => at === entries.length - 1 || isAuthorityType(type))
    for (const verified of await this.#init.ledger.verified(some.map(({ bytes }) => bytes))) if (verified instanceof Refusal) throw verified
  }
}
