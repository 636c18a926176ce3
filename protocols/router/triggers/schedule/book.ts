/** The rows of all schedules and what was granted of each, in memory and on this router's disk. */
import { ENCODINGS, readUpToDamage, type Storage, type StorageOperation } from '#protocols/storage'
import { decodeKept, encodeKept, type Grant, keyOf, type Kept, mayGrant, mergeRows, releasedFrom, type Row, sameRow } from './row.ts'

const PREFIX = 'triggers/schedule/'

export class ScheduleBook {
  readonly #storage: Storage
  readonly #kept = new Map<string, Kept>()
  /** Hears of a disk that refuses: schedules go on in memory. */
  readonly #onRefused: (error: unknown) => void

  constructor(init: { storage: Storage; onRefused: (error: unknown) => void }) {
    this.#storage = init.storage
    this.#onRefused = init.onRefused
  }

  async load(): Promise<void> {
    for await (const [, value] of readUpToDamage(this.#storage, { gte: PREFIX, lt: `${PREFIX}\uffff` })) {
      const kept = decodeKept(value)
      if (kept !== undefined) this.#kept.set(keyOf(kept.row), kept)
    }
  }

  /** What is known of the schedule; another line, or none, begins now. */
  begin(namespace: string, name: string, line: string, now: number): Row {
    const known = this.#kept.get(`${namespace}/${name}`)
    if (known?.row.line === line) return known.row
    const row: Row = { namespace, name, line, since: now, lastAt: 0, fired: null }
    void this.#keep({ row, grant: null })
    return row
  }

  row(key: string): Row | undefined {
    return this.#kept.get(key)?.row
  }

  rowsAfter(key: string, max: number): Row[] {
    const keys = [...this.#kept.keys()].filter((each) => each > key).toSorted()
    return keys.slice(0, max).map((each) => (this.#kept.get(each) as Kept).row)
  }

  set(row: Row): void {
    void this.#keep({ row, grant: this.#kept.get(keyOf(row))?.grant ?? null })
  }

  /** Takes in what another router knows, of schedules that are here. Whether it was news. */
  merge(row: Row): boolean {
    const known = this.#kept.get(keyOf(row))
    if (known?.row.line !== row.line) return false
    const merged = mergeRows(known.row, row)
    if (sameRow(merged, known.row)) return false
    void this.#keep({ row: merged, grant: known.grant })
    return true
  }

  /** Whether the tick is the claimant's: nobody fired or claimed it, nor one after it. */
  async grant(key: string, line: string, asked: Grant): Promise<boolean> {
    const known = this.#kept.get(key)
    if (known?.row.line !== line || asked.tickAt <= known.row.lastAt || !mayGrant(known.grant, asked)) return false
    await this.#keep({ row: known.row, grant: asked })
    return true
  }

  release(key: string, line: string, asked: Grant): void {
    const known = this.#kept.get(key)
    if (known?.row.line === line) void this.#keep({ row: known.row, grant: releasedFrom(known.grant, asked) })
  }

  forget(key: string): void {
    if (this.#kept.delete(key)) void this.#write({ type: 'del', key: PREFIX + key })
  }

  /** Forgets all but these. */
  prune(keys: ReadonlySet<string>): void {
    for (const key of [...this.#kept.keys()]) if (!keys.has(key)) this.forget(key)
  }

  #keep(kept: Kept): Promise<void> {
    const key = keyOf(kept.row)
    this.#kept.set(key, kept)
    return this.#write({ type: 'put', key: PREFIX + key, value: encodeKept(kept) })
  }

  /** Without a sync: it outlives the process; what a power cut takes, two routers of three still know. */
  async #write(operation: StorageOperation): Promise<void> {
    try {
      await this.#storage.batch([operation], { ...ENCODINGS, sync: false })
    } catch (error) {
      this.#onRefused(error)
    }
  }
}
