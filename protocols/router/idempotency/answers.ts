/** The answers a router keeps for calls that are sent again, bounded in number, bytes and time. Holds state, does nothing by itself. */
import type { FailedOutcome, Outcome, ResponseOutcome, ValueOutcome } from '#protocols/invocation'
import type { Peer } from '#protocols/network'

/** From the end of a call. */
export const KEPT_MS = 600_000
export const ANSWER_BYTES_MAX = 1024 * 1024
const BYTES_MAX = 64 * 1024 * 1024
const COUNT_MAX = 10_000
/** Of number and bytes, what calls of one namespace may take, so that there is room for the others'. */
const NAMESPACE_SHARE = 0.5
/** What an entry costs besides its answer. */
const ENTRY_BYTES = 512

/** An answer without a stream: what can be kept, and sent to another router. */
export type WholeOutcome = ValueOutcome | FailedOutcome | (ResponseOutcome & { body?: Uint8Array })

interface Entry {
  readonly namespace: string
  /** Of what was asked for: the same key with another request is a mistake. */
  readonly digest: string
  bytes: number
  /** Monotonic milliseconds. */
  until: number
  state: EntryState
}

export type EntryState =
  /** Here; the promise never rejects. */
  | { readonly kind: 'running'; readonly ended: Promise<Outcome> }
  /** At the router that said so, and how it ended is not known here. */
  | { readonly kind: 'begun'; readonly at: Peer }
  /** Without an answer: it was too large to keep. */
  | { readonly kind: 'ended'; readonly outcome: WholeOutcome | undefined }

export type Found = EntryState | { readonly kind: 'none' } | { readonly kind: 'conflict' }

export class Answers {
  readonly #entries = new Map<string, Entry>()
  readonly #used = new Map<string, { count: number; bytes: number }>()
  #bytes = 0

  find(id: string, digest: string, now: number): Found {
    const entry = this.#entries.get(id)
    if (entry === undefined || entry.until <= now) return { kind: 'none' }
    return entry.digest === digest ? entry.state : { kind: 'conflict' }
  }

  /** Takes a place; false where there is none. `untilMs`: when the call must have ended. */
  begin(id: string, about: { namespace: string; digest: string }, state: EntryState, untilMs: number, now: number): boolean {
    this.#expire(now)
    this.forget(id)
    if (!this.#hasRoom(about.namespace, ENTRY_BYTES)) return false
    const entry: Entry = { ...about, state, bytes: 0, until: untilMs + KEPT_MS }
    this.#entries.set(id, entry)
    this.#count(entry, 1, ENTRY_BYTES)
    return true
  }

  /** Keeps how it ended; without the answer where there is no room for it. Nothing where it was forgotten meanwhile. */
  end(id: string, outcome: WholeOutcome | undefined, now: number): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    const bytes = outcome === undefined ? 0 : bytesOf(outcome)
    const isKept = bytes <= ANSWER_BYTES_MAX && this.#hasRoom(entry.namespace, bytes)
    entry.state = { kind: 'ended', outcome: isKept ? outcome : undefined }
    entry.until = now + KEPT_MS
    if (isKept) this.#count(entry, 0, bytes)
  }

  forget(id: string): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    this.#entries.delete(id)
    this.#count(entry, -1, -entry.bytes)
  }

  #expire(now: number): void {
    const isFull = this.#entries.size >= COUNT_MAX || this.#bytes >= BYTES_MAX / 2
    for (const [id, entry] of this.#entries) {
      if (entry.until <= now) this.forget(id)
      // Mostly the first is the first to end; all are looked at when room is short.
      else if (!isFull) break
    }
  }

  #hasRoom(namespace: string, bytes: number): boolean {
    const used = this.#used.get(namespace) ?? { count: 0, bytes: 0 }
    if (this.#entries.size >= COUNT_MAX || this.#bytes + bytes > BYTES_MAX) return false
    return used.count < COUNT_MAX * NAMESPACE_SHARE && used.bytes + bytes <= BYTES_MAX * NAMESPACE_SHARE
  }

  #count(entry: Entry, count: number, bytes: number): void {
    entry.bytes += bytes
    this.#bytes += bytes
    const used = this.#used.get(entry.namespace) ?? { count: 0, bytes: 0 }
    used.count += count
    used.bytes += bytes
    if (used.count <= 0) this.#used.delete(entry.namespace)
    else this.#used.set(entry.namespace, used)
  }
}

function bytesOf(outcome: WholeOutcome): number {
  if (outcome.kind === 'value') return outcome.value.length
  if (outcome.kind === 'failed') return outcome.error.message.length + (outcome.error.functionStack?.length ?? 0)
  const headers = outcome.headers.reduce((sum, [name, value]) => sum + name.length + value.length, 0)
  return headers + (outcome.body?.length ?? 0)
}
