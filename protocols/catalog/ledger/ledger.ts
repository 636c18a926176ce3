/** The signed entries of a universe on this node: judged at the door, stored, folded. Knows no peers. */
import { universeId } from '#protocols/access'
import { dropOldest } from '#protocols/bounded'
import { OsirisError } from '#protocols/errors'
import type { Events } from '#protocols/events'
import type { Clock } from '#protocols/lifecycle'
import { Adoption, type RefusedCheckpoint, wordsOf } from './checkpoints/adoption.ts'
import type { LedgerAuthority } from './authority.ts'
import type { BodyOf, EntryType } from './bodies.ts'
import { Checkpointer } from './checkpoints/checkpointer.ts'
import {
  type Entry,
  ENTRY_BYTES_MAX,
  type Line,
  openEntries,
  openEntry,
  openUnsigned,
  reopenEntry,
  type Place,
  Refusal,
  type RefusalReason,
  type VerifyOn,
} from './entry.ts'
import { Keyring } from './keyring.ts'
import type { LedgerInit } from './ledger-init.ts'
import { LedgerState } from './ledger-state.ts'
import { faultOfSigning, signerFor } from './authority-signer.ts'
import { nextEntry, type NextEntryInit, readyToWrite, writableTip } from './next-entry.ts'
import { Places } from './places.ts'
import { type EntryLine, readLog } from './entry-line.ts'
import { type FeedEnd, Feeds, type Head, type Tip } from './feeds.ts'
import { type ForkProof, openProof, proveFork } from './forks/forks.ts'
import { Frozen, type FrozenAuthor } from './forks/frozen.ts'
import { drifts, type Hlc, HLC_ZERO, observe } from './hlc.ts'
import { RefusalCounts, type Refusals } from './refusals.ts'
import { Scrub } from './scrub.ts'

/** Hashes of fresh entries: gossip and push bring each one several times, and a known one is not judged again. */
const RECENT_MAX = 1024

export class Ledger {
  readonly universe: string
  readonly author: string
  /** What the entries on disk here come to. */
  readonly state: LedgerState
  readonly root: string
  /** What came by a checkpoint of other catalogs, until it is verified. */
  readonly adoption: Adoption
  readonly keyring: Keyring
  readonly #clock: Clock
  readonly #events: Events
  readonly #verifyOn: VerifyOn
  readonly #onChange: LedgerInit['onChange']
  readonly #onFork: LedgerInit['onFork']
  readonly #mayWrite: LedgerInit['mayWrite']
  readonly #feeds: Feeds
  readonly #frozen: Frozen
  readonly #checkpointer: Checkpointer
  readonly #refusals: RefusalCounts
  readonly #recent = new Set<string>()
  readonly #places = new Places()
  #hlc: Hlc = HLC_ZERO

  constructor(init: LedgerInit) {
    this.universe = universeId(init.universe)
    this.author = init.identity.id
    this.root = init.universe.root
    this.state = new LedgerState(this.root)
    this.keyring = new Keyring(init.identity, init.rootKeys ?? [])
    this.#clock = init.clock
    this.#events = init.events
    this.#verifyOn = init.verifyOn ?? 'threads'
    this.#onChange = init.onChange
    this.#onFork = init.onFork
    this.#mayWrite = init.mayWrite
    this.#refusals = new RefusalCounts({ clock: init.clock, warn: (text) => this.#warn(text) })
    this.#frozen = new Frozen({ storage: init.storage, universe: this.universe })
    this.#feeds = new Feeds({ storage: init.storage, onDurable: (entries) => this.#apply(entries) })
    const onRefused = (refused: RefusedCheckpoint) => this.#warn(wordsOf(refused))
    this.adoption = new Adoption({ storage: init.storage, onRefused })
    this.#checkpointer = new Checkpointer({
      ...{ ...init, universe: this.universe, feeds: this.#feeds, verifiedTo: (author) => this.adoption.verifiedTo(author) },
      onError: (error) => this.#warn(`The checkpoint of the ledger is not kept up: ${String(error)}`),
    })
  }

  /** Who holds what, by the entries on disk here. */
  get authority(): LedgerAuthority {
    return this.state.authority
  }

  /** Reads everything from disk. Damage is logged and left to replication. */
  async load(): Promise<void> {
    let read = 0
    await this.#frozen.load()
    await this.adoption.load()
    for (const { author, seq } of this.#frozen.list()) this.state.freeze(author, seq)
    await this.#checkpointer.load((line) => this.#index(line))
    const damaged = await this.#feeds.load((entry) => {
      this.#index(entry)
      read += 1
    })
    this.#checkpointer.noticed(read)
    this.#settle([])
    for (const author of damaged) this.#warn(`The feed of ${author.slice(0, 8)} is damaged on disk: fetching the rest from peers`)
  }

  /** Begins to read everything on disk again, `perSecond` records a second. Returns the way to stop. */
  scrub(perSecond: number): () => void {
    return new Scrub({
      ...{ feeds: this.#feeds, clock: this.#clock, perSecond },
      onDamage: (records) => this.#warn(`${records} records of the ledger are damaged on disk: fetching them from peers`),
      onError: (error) => this.#warn(`Cannot read the ledger through: ${String(error)}`),
    }).start()
  }

  /** Resolves when no write is on its way and the checkpoint is as far as the feeds. */
  async settled(): Promise<void> {
    await this.#feeds.settled()
    await this.#checkpointer.finish()
  }

  /** Why none of this node's keys may write it; nothing where one may. */
  faultOfSigning<T extends EntryType>(type: T, body: BodyOf<T>): OsirisError | undefined {
    return faultOfSigning(this.authority, this.keyring.all, type, body, Math.max(this.#hlc.wallMs, this.#clock.now()))
  }

  /**
   * Writes an entry of this node, or of the root where only the root may and its key is here; resolves when it is on disk and in the view.
   * Throws `forbidden` (saying which grant is missing), `payload_too_large`, `storage_full`, `unavailable`.
   */
  async append<T extends EntryType>(type: T, body: BodyOf<T>, by: NextEntryInit<T>['by']): Promise<Entry> {
    const authorOf = () =>
      signerFor(this.authority, this.keyring.all, type, body, Math.max(this.#hlc.wallMs, this.#clock.now())).identity.id
    await readyToWrite({ own: this.author, authorOf, mayWrite: this.#mayWrite, authority: this.authority })
    const entry = nextEntry({
      ...{ type, body, by, authority: this.authority, identities: this.keyring.all, universe: this.universe },
      last: this.#hlc,
      nowMs: this.#clock.now(),
      tipOf: (author) => writableTip(this.#feeds, author, this.#frozen.from(author)),
    })
    this.#hlc = entry.hlc
    await this.authority.storing(entry, () => this.#feeds.add(entry))
    return entry
  }

  /** Judges foreign bytes by themselves: form, signature, universe, time, authority. Counts and throws `Refusal`. */
  open(bytes: Uint8Array): Entry {
    return this.#refusals.counted(() => this.#judgeAlone(openEntry(bytes)))
  }

  /** As `open`, without what depends on this node: its clock, its authority. Counts and throws `Refusal`. */
  opened(bytes: Uint8Array): Entry {
    return this.#refusals.counted(() => this.#judgeUniverse(openEntry(bytes)))
  }

  /** As `open` for several, each with its own verdict, in their order; counts, does not throw. */
  async openAll(list: readonly Uint8Array[]): Promise<(Entry | Refusal)[]> {
    const opened = await openEntries(list, this.#verifyOn)
    return opened.map((each) => {
      try {
        return this.#refusals.counted(() => {
          if (each instanceof Refusal) throw each
          return this.#judgeAlone(each)
        })
      } catch (error) {
        if (error instanceof Refusal) return error
        throw error
      }
    })
  }

  /**
   * Whether a judged entry comes next, is known, or comes too early: entries before it in its feed are not here, or not what its authority stands on.
   * With `pulled`, after peers were asked, the latter is refused. Counts and throws `Refusal`.
   */
  judge(entry: Entry, pulled = false): 'next' | 'known' | 'gap' {
    return this.#refusals.counted(() => {
      const verdict = this.#place(entry)
      if (verdict !== 'next') return verdict
      const fault = this.authority.judge(entry)
      if (fault === undefined) return 'next'
      if ('unknown' in fault && !pulled) return 'gap'
      throw new Refusal('authority', 'refused' in fault ? fault.refused : fault.unknown)
    })
  }

  /** Stores a judged entry. Throws `Refusal`, `storage_full`, `unavailable`. */
  async take(entry: Entry, pulled = false): Promise<'stored' | 'known' | 'gap'> {
    const verdict = this.judge(entry, pulled)
    if (verdict === 'gap') return 'gap'
    const add = () => this.#feeds.add(entry)
    return verdict === 'next' ? this.authority.storing(entry, add) : add()
  }

  /** The entries in stored bytes, each verified by itself, or why it is none; in their order. */
  verified(list: readonly Uint8Array[]): Promise<(Entry | Refusal)[]> {
    return openEntries(list, this.#verifyOn)
  }

  /** As `open` for an entry out of a chain whose end was verified: all but its signature. */
  openUnsigned(bytes: Uint8Array): Entry {
    return this.#refusals.counted(() => this.#judgeAlone(openUnsigned(bytes)))
  }

  /** Takes out what these authors wrote behind these seqs, as if it had never come; it may come again. Resolves when the disk has forgotten it. */
  async cut(ends: ReadonlyMap<string, number>): Promise<void> {
    const tips = new Map<string, Tip>()
    for (const [author, seq] of ends) tips.set(author, await this.#feeds.tipAt(author, seq))
    await this.#feeds.settled()
    const gone = this.#feeds.cut(tips)
    const isOut = ({ author, seq }: Place) => seq > (tips.get(author)?.seq ?? Number.POSITIVE_INFINITY)
    this.#places.remove(isOut)
    this.state.remove(isOut)
    this.#recent.clear()
    this.#settle([])
    await gone
  }

  /** Of what came by a checkpoint nothing is left to verify. */
  async proven(): Promise<void> {
    await this.adoption.finish()
    this.#checkpointer.again()
  }

  /** Whether this entry came in lately and is on disk. `false` proves nothing. */
  holds(hash: string): boolean {
    return this.#recent.has(hash)
  }

  /** What is on disk and in force: of a frozen author only what came before the fork, so that they are the same whichever branch is here. */
  heads(): Head[] {
    return this.#feeds.heads().flatMap((head) => {
      const seq = Math.min(head.seq, this.#frozen.from(head.author) - 1)
      const hash = this.#feeds.hashAt(head.author, seq)
      return hash === undefined ? [] : [{ author: head.author, seq, hash }]
    })
  }

  hashAt(author: string, seq: number): string | undefined {
    return this.#feeds.hashAt(author, seq)
  }

  tip(author: string): Tip {
    return this.#feeds.tip(author)
  }

  endOf(author: string): FeedEnd {
    return this.#feeds.endOf(author)
  }

  /** The next seq of each feed in which these heads are ahead, those above all others first since these stand on them, and each record that is damaged here. */
  wants(heads: readonly Head[]): { author: string; from: number; to?: number }[] {
    const topFirst = this.authority.verdict.keys.topFirst(heads)
    const behind = topFirst.filter(({ author, seq }) => Math.min(seq, this.#frozen.from(author) - 1) > this.#feeds.tip(author).seq)
    const ahead = behind.map(({ author }) => ({ author, from: this.#feeds.tip(author).seq + 1 }))
    return [...ahead, ...this.#feeds.damaged().map(({ author, seq }) => ({ author, from: seq, to: seq }))]
  }

  read(author: string, from: number, to: number, bytesMax: number): Promise<Uint8Array[]> {
    return this.#feeds.read(author, from, to, bytesMax)
  }

  /** Authors whose entries have no effect from a seq on. */
  frozen(): FrozenAuthor[] {
    return this.#frozen.list()
  }

  /** Proofs that whoever knows `known` lacks, as bytes, at most `bytesMax` (one at least). */
  proofs(known: readonly FrozenAuthor[], bytesMax: number): Promise<Uint8Array[]> {
    return this.#frozen.lackedBy(known, bytesMax)
  }

  /** Judges foreign bytes that claim to be a proof, and freezes its author. Whether that was news. Counts and throws `Refusal`. */
  convict(bytes: Uint8Array): boolean {
    const proof = this.#refusals.counted(() => openProof(bytes, this.universe))
    // Of other keys there may be any number: whoever makes them up fills nobody's disk with them. A member counts without a feed here, too: who is
    // frozen is part of the digest, and once it is, nobody hands out its feed any more.
    const isKnown = this.#feeds.tip(proof.author).seq > 0 || this.authority.isMember(proof.author, this.#clock.now())
    return isKnown && this.#freeze(proof)
  }

  /** Makes the proof out of an opened entry and the one on disk in its place. Nothing happens when they are the same, or ours cannot be read. */
  async accuse(entry: Entry): Promise<void> {
    if (!this.#frozen.isNews(entry)) return
    await this.#feeds.settled()
    const [bytes] = await this.#feeds.read(entry.author, entry.seq, entry.seq, ENTRY_BYTES_MAX)
    if (bytes === undefined) return
    const ours = openEntry(bytes)
    if (ours.hash !== entry.hash) this.#freeze(proveFork(ours, entry))
  }

  /** The stored entry at a place of this ledger. Throws `unavailable` when its record is damaged. */
  async entryAt(place: Place): Promise<Entry> {
    const [bytes] = await this.#feeds.read(place.author, place.seq, place.seq, ENTRY_BYTES_MAX)
    if (bytes !== undefined) return reopenEntry(bytes, place.hash)
    throw new OsirisError('unavailable', `Cannot read entry ${place.seq} of ${place.author.slice(0, 8)}: it is damaged on this node's disk`)
  }

  get entries(): number {
    return this.#places.size
  }

  refusals(): Refusals {
    return this.#refusals.list()
  }

  /** Counts what was refused before it was an entry. */
  refused(reason: RefusalReason): void {
    this.#refusals.count(reason)
  }

  log(options: { after?: string; limit: number }): Promise<EntryLine[]> {
    return readLog(this.#places, this.#feeds, this.authority.verdict, options)
  }

  #apply(entries: Entry[]): void {
    for (const entry of entries) {
      this.#index(entry)
      dropOldest(this.#recent, RECENT_MAX)
      this.#recent.add(entry.hash)
    }
    this.#settle(entries)
  }

  /** Works out what has become of everything that came in, and tells. */
  #settle(entries: Entry[]): void {
    const { states, authorityChanged } = this.state.settle()
    this.#onChange(states, entries)
    this.#checkpointer.noticed(entries.length)
    if (authorityChanged) this.authority.announce()
  }

  #index(entry: Line): void {
    this.#hlc = observe(this.#hlc, entry.hlc)
    if (entry.seq >= this.#frozen.from(entry.author)) return
    this.#places.add(this.state.insert(entry))
  }

  /** As `judge`, uncounted. A second entry in one place is on its way to be proven. */
  #place(entry: Entry): 'next' | 'known' | 'gap' {
    if (entry.seq >= this.#frozen.from(entry.author)) throw new Refusal('frozen', 'its author wrote two entries with one seq')
    try {
      return this.#feeds.hear(entry)
    } catch (error) {
      if (error instanceof Refusal && error.reason === 'fork') this.accuse(entry).catch((failure: unknown) => this.#warn(String(failure)))
      throw error
    }
  }

  #freeze(proof: ForkProof): boolean {
    if (!this.#frozen.isNews(proof)) return false
    const { author, seq } = proof
    this.#frozen.add(proof).catch((error: unknown) => this.#warn(`A proof against ${author.slice(0, 8)} is not on disk: ${String(error)}`))
    this.#places.remove((place) => place.author === author && place.seq >= seq)
    this.state.freeze(author, seq)
    this.#warn(`${author.slice(0, 8)} wrote two entries ${seq}: nothing it wrote from there on has an effect any more`)
    this.#settle([])
    this.#onFork(proof)
    return true
  }

  #judgeUniverse(entry: Entry): Entry {
    if (entry.universe !== this.universe) throw new Refusal('universe', 'it belongs to another universe')
    return entry
  }

  #judgeAlone(entry: Entry): Entry {
    this.#judgeUniverse(entry)
    if (drifts(entry.hlc, this.#clock.now())) {
      this.#place(entry)
      throw new Refusal('drift', 'its time lies in the future')
    }
    return entry
  }

  #warn(text: string): void {
    this.#events.emit('log', { level: 'warn', room: 'catalog', text })
  }
}
