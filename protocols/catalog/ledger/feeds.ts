/**
 * Every author's feed: what is next, what is known, what is on disk. Hash-linked and gap-free; each record is verified when read.
 * On disk: `entry/<author>/<seq>` → SHA-256 and bytes; `head/<author>` → seq and hash of the last one, written in the same batch, so that
 * a tail the store lost without saying so is noticed.
 */
import { encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import { compareText, type Entry, type Line, Refusal, reopenEntry } from './entry.ts'
import { del, follows, headKey, isSigned, promisedSeq, put, readRecord, recordKey, seqIn } from './feed-records.ts'
import { compareHlc, type Hlc, HLC_ZERO } from './hlc.ts'
import { GroupCommit, readUpToDamage, readValues, sealRecord, type Storage, storageError, unsealRecord } from '#protocols/storage'

export interface Head {
  author: string
  seq: number
  hash: string
}

/** The last entry of a feed; seq 0 before the first. */
export interface Tip {
  seq: number
  hash: string | null
  hlc: Hlc
}

/** What a disk says of a feed. */
export interface FeedEnd {
  /** The last entry on it; `null` for seq 0. */
  seq: number
  hash: string | null
  /** The last of what may be behind it: a write is on its way, or failed. `hash` is `null` where it may be one entry or another. */
  doubt: { seq: number; hash: string | null } | null
}

interface Feed {
  /** On disk. */
  durable: Tip
  /** On disk or on its way there. */
  pending: Tip
  /** Hash of entry `seq` at `seq - 1`. */
  hashes: string[]
  /** The last write of this feed. */
  written: Promise<void>
  /** Seq the disk once promised; more than `durable.seq` after damage, until peers have filled it again. */
  promised: number
  /** By seq, what failed writes may have left on the disk behind `durable`; `null`: one of several. */
  doubts: Map<number, string | null>
  /** The last seq of which another node showed a signed entry. */
  heard: number
}

/** Entries read before the last of them is verified and all are taken over: of a long feed, never more are in memory as a whole. */
const LOADED_AT_ONCE = 1024
const NO_TIP: Tip = Object.freeze({ seq: 0, hash: null, hlc: HLC_ZERO })

export class Feeds {
  readonly #storage: Storage
  readonly #commit: GroupCommit
  readonly #feeds = new Map<string, Feed>()
  /** On disk since the last sync. */
  #fresh: Entry[] = []
  /** Records found damaged after loading, by key. */
  readonly #damaged = new Map<string, { author: string; seq: number }>()

  /** `onDurable` hears of new entries once, in feed order, when they are on disk and before whoever wrote them. */
  constructor(init: { storage: Storage; onDurable: (entries: Entry[]) => void }) {
    this.#storage = init.storage
    this.#commit = new GroupCommit({
      storage: init.storage,
      onSynced: () => init.onDurable(this.#takeFresh()),
      onFailed: () => this.#forgetPending(),
    })
  }

  /** Resolves when no write is on its way. */
  settled(): Promise<void> {
    return this.#commit.settled()
  }

  /** Takes over a line that this node verified before: its record is verified again when it is read. In the order of its feed. Throws `invalid_argument`. */
  restore(line: Line): void {
    const feed = this.#feedOf(line.author)
    if (line.seq !== feed.durable.seq + 1 || feed.promised > 0)
      throw new OsirisError('invalid_argument', `Cannot restore entry ${line.seq} of ${line.author.slice(0, 8)}: it is not the next one`)
    feed.durable = feed.pending = { seq: line.seq, hash: line.hash, hlc: line.hlc }
    feed.hashes.push(line.hash)
  }

  /**
   * Reads from disk what comes after the restored lines, giving each good entry to `onEntry`. A feed ends before its first damaged record; what lies
   * behind is fetched again. Each record is checked by hash and chain; of so many the last one's signature covers everything before it. Returns the
   * authors whose feed is damaged.
   */
  async load(onEntry: (entry: Entry) => void): Promise<string[]> {
    const broken = new Set<string>()
    for await (const author of this.#authors()) {
      const seen = await this.#loadBehind(author, onEntry)
      const feed = this.#feedOf(author)
      feed.promised = seen
      if (feed.durable.seq < seen) broken.add(author)
    }
    await this.#readHeads(broken)
    return [...broken]
  }

  /** Everybody of whom there is a record, one look at the store each. */
  async *#authors(): AsyncGenerator<string> {
    let from = 'entry/'
    for (;;) {
      const author = await this.#firstAuthor(from)
      if (author === undefined) return
      yield author
      from = `entry/${author}/~`
    }
  }

  async #firstAuthor(from: string): Promise<string | undefined> {
    for await (const [key] of readUpToDamage(this.#storage, { gte: from, lt: 'entry0' })) return key.slice(6, 70)
    return undefined
  }

  /** Takes over the good entries behind the restored ones. Returns the last seq of which there is any record at all. */
  async #loadBehind(author: string, onEntry: (entry: Entry) => void): Promise<number> {
    const range = { gte: recordKey(author, this.tip(author).seq + 1), lt: `entry/${author}/~` }
    let seen = this.tip(author).seq
    let batch: Entry[] = []
    let isWhole = true
    const admit = () => {
      const last = batch.at(-1)
      isWhole &&= last === undefined || isSigned(last)
      if (isWhole) for (const entry of batch) this.#admit(entry, onEntry)
      batch = []
    }
    for await (const [key, value] of readUpToDamage(this.#storage, range)) {
      const entry = isWhole ? readRecord(value) : undefined
      if (entry !== undefined && follows(entry, author, batch.at(-1) ?? this.tip(author))) batch.push(entry)
      else if (isWhole) {
        admit()
        isWhole = false
      }
      if (batch.length === LOADED_AT_ONCE) admit()
      seen = seqIn(key)
    }
    admit()
    return seen
  }

  tip(author: string): Tip {
    return this.#feeds.get(author)?.pending ?? NO_TIP
  }

  /** Hash of an entry that is on disk or on its way there. */
  hashAt(author: string, seq: number): string | undefined {
    return this.#feeds.get(author)?.hashes[seq - 1]
  }

  /** What is on disk. */
  heads(): Head[] {
    const heads: Head[] = []
    for (const [author, { durable }] of this.#feeds) if (durable.hash !== null) heads.push({ author, seq: durable.seq, hash: durable.hash })
    return heads.toSorted((a, b) => compareText(a.author, b.author))
  }

  /** Whether there is more of this feed than is here, as far as this node knows: its disk once held it, or others have it. Continuing it would fork it. */
  isCut(author: string): boolean {
    const feed = this.#feeds.get(author)
    return feed !== undefined && feed.pending.seq < Math.max(feed.promised, feed.heard)
  }

  /** As `judge`, for an entry that another node has: the feed is not continued here without it, whatever becomes of it now. */
  hear(entry: Entry): 'next' | 'known' | 'gap' {
    const verdict = this.judge(entry)
    const feed = this.#feeds.get(entry.author)
    if (feed !== undefined) feed.heard = Math.max(feed.heard, entry.seq)
    return verdict
  }

  /** Whether this entry comes next, is there already, or comes too early. Throws `Refusal` (`chain`, `order`, `fork`). */
  judge(entry: Entry): 'next' | 'known' | 'gap' {
    const feed = this.#feeds.get(entry.author)
    const tip = feed?.pending ?? NO_TIP
    if (entry.seq > tip.seq + 1) return 'gap'
    if (entry.seq <= tip.seq) {
      if (feed?.hashes[entry.seq - 1] === entry.hash) return 'known'
      throw new Refusal('fork', `its author already wrote another entry ${entry.seq}`)
    }
    if (entry.prev !== tip.hash) throw new Refusal('chain', 'it does not follow the entry before it')
    if (tip.seq > 0 && compareHlc(entry.hlc, tip.hlc) <= 0) throw new Refusal('order', 'its time is not after the entry before it')
    return 'next'
  }

  /** Resolves when the entry is on disk. Throws `Refusal`; `storage_full` or `unavailable` when the disk refuses. */
  async add(entry: Entry): Promise<'stored' | 'known' | 'gap'> {
    const verdict = this.judge(entry)
    if (verdict === 'gap') return 'gap'
    try {
      if (verdict === 'known') {
        await this.#repair(entry)
        await this.#feeds.get(entry.author)?.written
        return 'known'
      }
      await this.#write(entry)
      await this.#goOn(entry)
      return 'stored'
    } catch (error) {
      throw storageError(error, 'Cannot write to the ledger')
    }
  }

  /** Entries `from` to `to` as stored, at most `bytesMax` of them (one at least); ends before a record that is missing or damaged. */
  async read(author: string, from: number, to: number, bytesMax: number): Promise<Uint8Array[]> {
    const last = Math.min(to, this.#feeds.get(author)?.durable.seq ?? 0)
    if (last < from) return []
    const found: Uint8Array[] = []
    let bytes = 0
    for (const record of await this.#records(author, from, last)) {
      if (record === undefined) break
      bytes += record.length
      if (bytes > bytesMax && found.length > 0) break
      found.push(record)
    }
    return found
  }

  /** Reads and verifies the records `from` to `to`, all of which must be on disk; the damaged and missing ones are known from then on. How many those are. */
  async check(author: string, from: number, to: number): Promise<number> {
    const records = await this.#records(author, from, to)
    return records.filter((record) => record === undefined).length
  }

  async #records(author: string, from: number, to: number): Promise<(Uint8Array | undefined)[]> {
    const keys = Array.from({ length: to - from + 1 }, (_, at) => recordKey(author, from + at))
    const values = await readValues(this.#storage, keys)
    return values.map((value, at) => this.#goodRecord(author, from + at, value))
  }

  #goodRecord(author: string, seq: number, value: Uint8Array | undefined): Uint8Array | undefined {
    const record = unsealRecord(value)
    const key = recordKey(author, seq)
    if (record === undefined || record.hash !== this.hashAt(author, seq)) this.#damaged.set(key, { author, seq })
    return this.#damaged.has(key) ? undefined : record?.bytes
  }

  /** Records found damaged and not yet repaired. */
  damaged(): { author: string; seq: number }[] {
    return [...this.#damaged.values()]
  }

  /** Where a feed would end after this seq; 0 where that cannot be read. */
  async tipAt(author: string, seq: number): Promise<Tip> {
    const [bytes] = seq === 0 ? [] : await this.read(author, seq, seq, Number.POSITIVE_INFINITY)
    return bytes === undefined ? NO_TIP : { seq, hash: this.hashAt(author, seq) as string, hlc: reopenEntry(bytes, '').hlc }
  }

  /** Takes out what lies behind these tips, while no write is on its way; in force at once. Resolves when it is gone from the disk, too. */
  cut(tips: ReadonlyMap<string, Tip>): Promise<void> {
    for (const [author, { seq }] of tips) this.#feedOf(author).heard = seq
    return this.#clear(tips)
  }

  async #clear(tips: ReadonlyMap<string, Tip>): Promise<void> {
    const operations = [...tips].flatMap(([author, tip]) => {
      const feed = this.#feedOf(author)
      const last = Math.max(feed.hashes.length, feed.promised, ...feed.doubts.keys())
      feed.durable = feed.pending = tip
      feed.hashes.length = Math.min(feed.hashes.length, tip.seq)
      for (const [key, each] of this.#damaged) if (each.author === author && each.seq > tip.seq) this.#damaged.delete(key)
      const gone = Array.from({ length: Math.max(0, last - tip.seq) }, (_, at) => del(recordKey(author, tip.seq + 1 + at)))
      return [...gone, tip.hash === null ? del(headKey(author)) : put(headKey(author), encode({ seq: tip.seq, hash: tip.hash }))]
    })
    await this.#commit.write(operations, () => {
      for (const author of tips.keys()) this.#feedOf(author).doubts.clear()
    })
  }

  /** How far a feed goes on this disk, and what may be there after a restart besides. What failed writes left of it begins to be taken away. */
  endOf(author: string): FeedEnd {
    const { durable, pending, hashes, doubts } = this.#feeds.get(author) ?? newFeed()
    const { seq, hash } = durable
    if (doubts.size > 0 && pending === durable) this.#clear(new Map([[author, durable]])).catch(() => {})
    const last = Math.max(pending.seq, ...doubts.keys())
    if (last === seq) return { seq, hash, doubt: null }
    const isOne = [...doubts].every(([at, each]) => each !== null && each === (hashes[at - 1] ?? each))
    return { seq, hash, doubt: { seq: last, hash: isOne ? (hashes[last - 1] ?? doubts.get(last) ?? null) : null } }
  }

  #write(entry: Entry): Promise<void> {
    const feed = this.#feedOf(entry.author)
    const tip: Tip = { seq: entry.seq, hash: entry.hash, hlc: entry.hlc }
    feed.pending = tip
    feed.hashes.push(entry.hash)
    const head = encode({ seq: entry.seq, hash: entry.hash })
    const operations = [put(recordKey(entry.author, entry.seq), sealRecord(entry.bytes, entry.hash)), put(headKey(entry.author), head)]
    const written = this.#commit.write(operations, () => {
      feed.durable = tip
      feed.promised = Math.max(feed.promised, tip.seq)
      feed.doubts.delete(tip.seq)
      this.#fresh.push(entry)
    })
    // Whoever brings the same entry meanwhile waits for the same write, and hears of its failure too.
    feed.written = written
    return written
  }

  /** What stood behind a hole that is filled now: perhaps nobody else has it. What does not follow, or cannot be written now, is left to the peers. */
  async #goOn({ author, seq, hash }: Entry): Promise<void> {
    const feed = this.#feedOf(author)
    if (feed.durable.hash !== hash || feed.pending.seq !== seq || feed.promised <= seq) return
    const [value] = await readValues(this.#storage, [recordKey(author, seq + 1)]).catch(() => [])
    const next = value && readRecord(value)
    if (next !== undefined && follows(next, author, { seq, hash }) && isSigned(next)) await this.add(next).catch(() => undefined)
  }

  async #repair(entry: Entry): Promise<void> {
    const key = recordKey(entry.author, entry.seq)
    if (!this.#damaged.delete(key)) return
    await this.#commit.write([put(key, sealRecord(entry.bytes, entry.hash))], () => {})
  }

  #takeFresh(): Entry[] {
    return this.#fresh.splice(0)
  }

  #forgetPending(): void {
    for (const feed of this.#feeds.values()) {
      for (let seq = feed.durable.seq + 1; seq <= feed.pending.seq; seq += 1) {
        const hash = feed.hashes[seq - 1] as string
        const before = feed.doubts.get(seq)
        feed.doubts.set(seq, before === undefined || before === hash ? hash : null)
      }
      feed.pending = feed.durable
      feed.hashes.length = feed.durable.seq
    }
  }

  #admit(entry: Entry, onEntry: (entry: Entry) => void): void {
    const feed = this.#feedOf(entry.author)
    feed.durable = feed.pending = { seq: entry.seq, hash: entry.hash, hlc: entry.hlc }
    feed.hashes.push(entry.hash)
    onEntry(entry)
  }

  async #readHeads(broken: Set<string>): Promise<void> {
    const heads = readUpToDamage(this.#storage, { gte: 'head/', lt: 'head0' })
    for await (const [key, value] of heads) {
      const author = key.slice(5)
      const feed = this.#feedOf(author)
      feed.promised = Math.max(feed.promised, promisedSeq(value, feed.durable.seq))
      if (feed.promised > feed.durable.seq) broken.add(author)
    }
  }

  #feedOf(author: string): Feed {
    let feed = this.#feeds.get(author)
    if (feed === undefined) {
      feed = newFeed()
      this.#feeds.set(author, feed)
    }
    return feed
  }
}

function newFeed(): Feed {
  return { durable: NO_TIP, pending: NO_TIP, hashes: [], written: Promise.resolve(), promised: 0, doubts: new Map(), heard: 0 }
}
