/** The records of the DHT that this node has seen: of each the latest good one. Nothing else is kept, passed on or given out. */
import { OsirisError } from '#protocols/errors'
import { RECORD_BYTES_MAX, RECORDS_BYTES_MAX, RECORDS_MAX } from './limits.ts'
import type { RecordJudge } from './network.ts'

interface Kept {
  value: Uint8Array
  rank: string
}

export class RecordTable {
  readonly #judges = new Map<string, RecordJudge>()
  readonly #kept = new Map<string, Kept>()
  #bytes = 0

  /** One judge per kind. Returns the way to stop. */
  judge(kind: string, judge: RecordJudge): () => void {
    if (!/^[a-z]{1,32}$/.test(kind)) throw new OsirisError('internal', `Cannot judge records "${kind}": a kind is 1 to 32 letters`)
    if (this.#judges.has(kind)) throw new OsirisError('internal', `Cannot judge records "${kind}": they have a judge`)
    this.#judges.set(kind, judge)
    return () => {
      if (this.#judges.get(kind) === judge) this.#judges.delete(kind)
    }
  }

  /** Takes in a good value. Throws for one that is not, and for one that is older than what was here: nobody takes a key back to an older one. */
  offer(kind: string, key: string, value: Uint8Array): void {
    const rank = this.#rankOf(kind, key, value)
    const path = pathOf(kind, key)
    const before = this.#good(kind, key)
    if (before !== undefined && before.rank > rank) throw new OsirisError('conflict', `Cannot take record ${path}: a later one is here`)
    this.#drop(path)
    this.#kept.set(path, { value, rank })
    this.#bytes += value.length
    while (this.#kept.size > RECORDS_MAX || this.#bytes > RECORDS_BYTES_MAX) this.#drop(this.#kept.keys().next().value as string)
  }

  /** As `offer`, for values of whom nobody waits for a verdict. Whether it was taken. */
  hear(kind: string, key: string, value: Uint8Array): boolean {
    try {
      this.offer(kind, key, value)
      return true
    } catch {
      return false
    }
  }

  /** The latest value, if it is still good. */
  best(kind: string, key: string): Uint8Array | undefined {
    return this.#good(kind, key)?.value
  }

  /** Which of these values is the latest good one; the first where none is. */
  select(kind: string, key: string, values: readonly Uint8Array[]): number {
    const ranks = values.map((value) => {
      try {
        return this.#rankOf(kind, key, value)
      } catch {
        return ''
      }
    })
    return ranks.reduce((best, rank, at) => (rank > (ranks[best] ?? '') ? at : best), 0)
  }

  #good(kind: string, key: string): Kept | undefined {
    const path = pathOf(kind, key)
    const kept = this.#kept.get(path)
    if (kept === undefined) return undefined
    try {
      this.#rankOf(kind, key, kept.value)
      return kept
    } catch {
      this.#drop(path)
      return undefined
    }
  }

  #rankOf(kind: string, key: string, value: Uint8Array): string {
    const path = pathOf(kind, key)
    const judge = this.#judges.get(kind)
    if (judge === undefined) throw new OsirisError('invalid_argument', `Cannot judge record ${path}: its kind is not known here`)
    if (!/^[0-9a-f]{64}$/.test(key)) throw new OsirisError('invalid_argument', 'Cannot judge a record: its key is not 64 hex characters')
    if (value.length > RECORD_BYTES_MAX) throw new OsirisError('payload_too_large', `Cannot judge record ${path}: it is too long`)
    return judge(key, value)
  }

  #drop(path: string): void {
    this.#bytes -= this.#kept.get(path)?.value.length ?? 0
    this.#kept.delete(path)
  }
}

function pathOf(kind: string, key: string): string {
  return `${kind}/${key}`
}
