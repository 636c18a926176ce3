/** Keeps this node's checkpoint behind its feeds: reads it when the ledger opens, adds a chunk for every few hundred entries, and the rest at the end. */
import type { Identity } from '#protocols/access'
import { breathe, type Clock } from '#protocols/lifecycle'
import { CHUNK_ROWS, packChunk } from './chunk.ts'
import { readChunks, readHead, writeChunk } from './checkpoint.ts'
import { type Entry, type Line, reopenEntry } from '../entry.ts'
import type { Feeds } from '../feeds.ts'
import type { Storage } from '#protocols/storage'

/** Entries read and judged between two breaths of the event loop: about 3 ms. */
const BREATH = 64
const READ_BYTES_MAX = 256 * 1024
/** One value of the store. */
const CHUNK_BYTES_MAX = 4 * 1024 * 1024

export interface CheckpointerInit {
  storage: Storage
  identity: Identity
  universe: string
  feeds: Feeds
  /** The last entry of an author that was judged in full: no later one is taken in. */
  verifiedTo: (author: string) => number
  clock: Clock
  onError: (error: unknown) => void
}

export class Checkpointer {
  readonly #init: CheckpointerInit
  #chunks: string[] = []
  /** Last seq of each author in the checkpoint. */
  #covered = new Map<string, number>()
  /** The same before the last chunk, which is written again as long as it is not full. */
  #coveredBefore = new Map<string, number>()
  #lastRows = 0
  #writing: Promise<void> | undefined
  /** Entries on disk since the last chunk. */
  #news = 0

  constructor(init: CheckpointerInit) {
    this.#init = init
  }

  /** Gives every line of the checkpoint to the feeds and then to `onLine`. What cannot be read is left to the entries themselves. */
  async load(onLine: (line: Line) => void): Promise<void> {
    const { storage, identity, universe, feeds } = this.#init
    const head = await readHead(storage, identity.id, universe)
    try {
      for await (const lines of readChunks(storage, head, universe, (author, seq) => feeds.hashAt(author, seq))) {
        this.#restore(lines, onLine)
        this.#chunks.push(head[this.#chunks.length] as string)
      }
    } catch (error) {
      this.#init.onError(error)
    }
  }

  #restore(lines: Iterable<Line>, onLine: (line: Line) => void): void {
    this.#coveredBefore = new Map(this.#covered)
    this.#lastRows = 0
    for (const line of lines) {
      this.#init.feeds.restore(line)
      onLine(line)
      this.#covered.set(line.author, line.seq)
      this.#lastRows += 1
    }
  }

  /** So many entries came to the disk. */
  noticed(entries: number): void {
    this.#news += entries
    if (this.#news >= CHUNK_ROWS) this.#begin()
  }

  /** Entries that were not to be taken in may be now. */
  again(): void {
    this.#news = this.#uncovered()
    this.noticed(0)
  }

  /** Writes what is missing, however little; for a clean end. Never rejects. */
  async finish(): Promise<void> {
    await this.#writing
    if (this.#news > 0) this.#begin()
    await this.#writing
  }

  #begin(): void {
    this.#writing ??= this.#write()
      .catch((error: unknown) => {
        this.#news = this.#uncovered()
        this.#init.onError(error)
      })
      .finally(() => (this.#writing = undefined))
  }

  async #write(): Promise<void> {
    do {
      this.#news = 0
      const isAgain = this.#lastRows < CHUNK_ROWS && this.#chunks.length > 0
      const entries = await this.#collect(isAgain ? this.#coveredBefore : this.#covered)
      // A few large entries fill a chunk as well.
      if (isAgain && entries.length <= this.#lastRows) this.#lastRows = CHUNK_ROWS
      else if (entries.length === 0) return
      else await this.#add(isAgain, entries)
      if (this.#lastRows === CHUNK_ROWS) this.#news = this.#uncovered()
    } while (this.#news >= CHUNK_ROWS)
  }

  async #add(isAgain: boolean, entries: Entry[]): Promise<void> {
    const { storage, identity, universe } = this.#init
    const before = isAgain ? this.#chunks.slice(0, -1) : this.#chunks
    const hash = await writeChunk(storage, identity, universe, before, packChunk(entries))
    this.#chunks = [...before, hash]
    if (!isAgain) this.#coveredBefore = new Map(this.#covered)
    for (const { author, seq } of entries) this.#covered.set(author, seq)
    this.#lastRows = entries.length
  }

  /** The next entries behind `from`, as many as fit one chunk, read and verified. */
  async #collect(from: ReadonlyMap<string, number>): Promise<Entry[]> {
    const { feeds } = this.#init
    const entries: Entry[] = []
    let bytesLeft = CHUNK_BYTES_MAX
    for (const { author, seq } of this.#heads()) {
      let next = (from.get(author) ?? 0) + 1
      while (next <= seq && entries.length < CHUNK_ROWS && bytesLeft > 0) {
        const to = Math.min(seq, next + BREATH - 1, next + CHUNK_ROWS - entries.length - 1)
        const read = await feeds.read(author, next, to, READ_BYTES_MAX)
        if (read.length === 0) break
        for (const [at, bytes] of read.entries()) {
          bytesLeft -= bytes.length
          entries.push(reopenEntry(bytes, feeds.hashAt(author, next + at) as string))
        }
        next += read.length
        await breathe(this.#init.clock)
      }
    }
    return entries
  }

  #heads(): { author: string; seq: number }[] {
    const { feeds, verifiedTo } = this.#init
    return feeds.heads().map(({ author, seq }) => ({ author, seq: Math.min(seq, verifiedTo(author)) }))
  }

  #uncovered(): number {
    return this.#heads().reduce((sum, { author, seq }) => sum + seq - (this.#covered.get(author) ?? 0), 0)
  }
}
