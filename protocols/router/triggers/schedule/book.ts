/** The rows of all schedules and what was granted of each, in memory and on this router's disk. */
import type { Clock } from '#protocols/lifecycle'
import { ENCODINGS, readUpToDamage, type Storage, type StorageOperation } from '#protocols/storage'
import {
  asOf,
  decodeKept,
  encodeKept,
  type Grant,
  granted,
  isRowAhead,
  keyOf,
  type Kept,
  mergeRows,
  releasedFrom,
  type Row,
  sameRow,
} from './row.ts'

const PREFIX = 'triggers/schedule/'

export class ScheduleBook {
  readonly #storage: Storage
  readonly #clock: Pick<Clock, 'now'>
  readonly #kept = new Map<string, Kept>()
  /** Hears of a disk that refuses: schedules go on in memory. */
  readonly #onRefused: (error: unknown) => void

  constructor(init: { storage: Storage; clock: Pick<Clock, 'now'>; onRefused: (error: unknown) => void }) {
    this.#storage = init.storage
    this.#clock = init.clock
    this.#onRefused = init.onRefused
  }

  async load(): Promise<void> {
    for await (const [, value] of readUpToDamage(this.#storage, { gte: PREFIX, lt: `${PREFIX}\uffff` })) {
      const kept = decodeKept(value)
      if (kept !== undefined) this.#kept.set(keyOf(kept.row), kept)
    }
  }

  /** What is known of the schedule; another line, or none, begins now. */
  begin(namespace: string, name: string, line: string): Row {
    const known = this.#at(`${namespace}/${name}`)
    if (known?.row.line === line) return known.row
    const row: Row = { namespace, name, line, since: this.#clock.now(), lastAt: 0, fired: null }
    void this.#keep({ row, grant: null, ahead: null })
    return row
  }

  row(key: string): Row | undefined {
    return this.#at(key)?.row
  }

  rowsAfter(key: string, max: number): Row[] {
    const keys = [...this.#kept.keys()].filter((each) => each > key).toSorted()
    return keys.slice(0, max).map((each) => (this.#at(each) as Kept).row)
  }

  set(row: Row): void {
    const known = this.#at(keyOf(row))
    void this.#keep({ row, grant: known?.grant ?? null, ahead: known?.ahead ?? null })
  }

  /** Takes in what another router knows, of schedules that are here; never what only a clock far ahead can say. Whether it was news. */
  merge(row: Row): boolean {
    const known = this.#at(keyOf(row))
    if (known?.row.line !== row.line || isRowAhead(row, this.#clock.now())) return false
    const merged = mergeRows(known.row, row)
    if (sameRow(merged, known.row)) return false
    void this.#keep({ ...known, row: merged })
    return true
  }

  /** Whether the tick is the claimant's: nobody fired or claimed it, nor one after it. */
  async grant(key: string, line: string, asked: Grant): Promise<boolean> {
    const known = this.#at(key)
    const kept = known?.row.line === line ? granted(known, asked, this.#clock.now()) : undefined
    if (kept === undefined) return false
    await this.#keep(kept)
    return true
  }

  release(key: string, line: string, asked: Grant): void {
    const known = this.#at(key)
    if (known?.row.line !== line) return
    void this.#keep({ ...known, grant: releasedFrom(known.grant, asked), ahead: releasedFrom(known.ahead, asked) })
  }

  forget(key: string): void {
    if (this.#kept.delete(key)) void this.#write({ type: 'del', key: PREFIX + key })
  }

  /** Forgets all but these. */
  prune(keys: ReadonlySet<string>): void {
    for (const key of [...this.#kept.keys()]) if (!keys.has(key)) this.forget(key)
  }

  /** As it is now: a clock may have been set back since it was noted. */
  #at(key: string): Kept | undefined {
    const known = this.#kept.get(key)
    const kept = known && asOf(known, this.#clock.now())
    if (kept !== undefined && kept !== known) void this.#keep(kept)
    return kept
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
