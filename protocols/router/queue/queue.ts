/**
 * A queue that outlives nodes: what was added is on the disk of three routers (of all, where there are fewer) before `add` resolves, and is handed to
 * the handler of its kind until that says that it is done. Every router runs one; the router that took an item hands it out (its owner), the others
 * hold copies, and when the owner is gone from the mesh the next holder takes over.
 *
 * Times are wall-clock milliseconds since the epoch: items outlive processes and move between nodes.
 *
 * Two ways to be handed out, chosen per item (`NewItem.once`):
 * - at least once (default): an attempt whose end nobody heard of is made again, and two routers may make one at a time while the mesh is split.
 *   Whoever is handed an item drops the ids it knows.
 * - at most one start: an attempt begins when a quorum of the item's holders has put on disk that this router makes it, and nobody makes it again unless
 *   the handler said that nothing had begun (`again`). An attempt whose end nobody heard of goes to the handler's `ended` with `outcome_unknown`.
 *
 * Not promised: order; that an item is handed out at `notBeforeAt` sharp; that `list` is complete while routers cannot be reached; that copies are made
 * again when holders are lost for good.
 */
import type { OsirisError } from '#protocols/errors'
import type { MaybePromise } from '#protocols/lifecycle'

export interface NewItem {
  /** Names it in the whole universe: 1 to 256 of `A-Z a-z 0-9 . _ ~ : @ / -`. An id that is known (waiting, running, or ended a while ago) is dropped. */
  id: string
  /** `namespace/…`, at most 512 characters of the same: whose bounds it counts against, and what `list` filters by its beginning. */
  key: string
  /** Whose handler gets it: a short word such as `call`. */
  kind: string
  /** At most `PAYLOAD_BYTES_MAX`. Only on disk while it waits. */
  payload: Uint8Array
  /** What `look` and `list` show of it, also when the payload is gone; at most `ABOUT_BYTES_MAX`. */
  about?: Uint8Array
  /** Not handed out earlier. Default: at once. */
  notBeforeAt?: number
  /** From then on no attempt begins: it goes to `ended` with `deadline_exceeded`. At most `LIFE_MS_MAX` from now. */
  expiresAt: number
  /** At most one start, as above. Default: at least once. */
  once?: boolean
}

/** What a handler is handed. */
export interface QueueItem {
  id: string
  key: string
  kind: string
  payload: Uint8Array
  about: Uint8Array
  notBeforeAt: number
  expiresAt: number
  addedAt: number
  /** This one included: 1 for the first. */
  attempts: number
  once: boolean
}

/** How an attempt ended. */
export type Verdict =
  /**
   * It is over. `answer` (at most `ANSWER_BYTES_MAX`) is what `look` shows for `keepMs` (default `KNOWN_MS`), and the id stays known as long. Lists show `error`,
   * `cancelled` as its state, and this attempt among the others unless `counts: false`.
   */
  | { kind: 'done'; answer?: Uint8Array; keepMs?: number; error?: OsirisError; cancelled?: boolean; counts?: false }
  /**
   * To be tried again, later: by back-off, or after `afterMs`. Of an item that may start once only, this says that nothing was started.
   * `counts: false`: it was no attempt (nobody had room, say), and `attempts` is for the next one what it was for this one.
   */
  | { kind: 'again'; error: OsirisError; afterMs?: number; counts?: false }
  /** No use in trying again: a dead letter, until somebody replays or removes it. */
  | { kind: 'dead'; error: OsirisError }

export interface HandlerOptions {
  /** Items of this kind in attempts at the same time on this node. Default 64; namespaces take turns, and each has as many as it leaves free at most. */
  concurrency?: number
  /**
   * Items whose keys give the same lane: at most this many of them in attempts at the same time on this node. What waits in a lane holds up no other, and
   * takes no place of `concurrency`. Default: no lanes.
   */
  lanes?: { of(key: string): string; concurrency: number }
  /** Longest attempt: beyond it `signal` aborts, and an item that may be tried again is. Default 60,000. */
  leaseMs?: number
  /** Attempts, beyond which it goes to `ended` with the last one's error. Default 16. */
  attemptsMax?: number
  /** The first pause; doubled each time, up to `capMs`, and between a half and all of it by chance. Default 1,000 and 300,000. */
  backoff?: { baseMs: number; capMs: number }
  /**
   * What becomes of an item that the queue itself gives up: `deadline_exceeded` (expired), `outcome_unknown` (it may start only once, and may have), or the
   * last attempt's error. Default: a dead letter. Must not reject.
   */
  ended?(item: QueueItem, error: OsirisError): MaybePromise<Exclude<Verdict, { kind: 'again' }>>
}

/**
 * One attempt. `signal` aborts when the lease is over, when somebody cancels the item, and when the node stops; `cancelled()` says whether it was the second.
 * What it throws is `again` with that error; of an item that may start once only, `outcome_unknown`.
 */
export type QueueHandler = (item: QueueItem, attempt: { signal: AbortSignal; cancelled(): boolean }) => Promise<Verdict>

/** waiting: for its time, its turn or another attempt · running: in an attempt · done · cancelled: before it began · dead: a dead letter. */
export type ItemState = 'waiting' | 'running' | 'done' | 'cancelled' | 'dead'

/** What can be seen of an item. */
export interface ItemView {
  id: string
  key: string
  kind: string
  state: ItemState
  about: Uint8Array
  /** Attempts begun. */
  attempts: number
  addedAt: number
  notBeforeAt: number
  expiresAt: number
  /** When it was done, cancelled, or became a dead letter. */
  endedAt?: number
  /** Of the last attempt that failed. */
  error?: { code: string; message: string }
  /** Bytes of the payload. */
  bytes: number
}

/** The same with what the handler answered; only while that is kept. */
export interface ItemDetail extends ItemView {
  answer?: Uint8Array
  /** Of a dead letter: what it was, for whoever decides about it. */
  payload?: Uint8Array
}

export interface ListFilter {
  kind: string
  /** Beginning of the key: end it with `/` to mean one namespace. */
  key: string
  states?: readonly ItemState[]
  /** Newest first; at most `LISTED_MAX`. Default 100. */
  limit?: number
}

export interface Queue {
  /**
   * Resolves when all of them are synced here and on two other routers (as far as there are). All or none; known ids are dropped.
   * Throws `invalid_argument`, `payload_too_large`, `quota_exceeded` (the namespace's bounds), `overloaded` (the node's), `storage_full`, `unavailable`
   * (not on enough routers, and taken back), `conflict` (the same id was taken back before), `outcome_unknown` (taken back, but a router that does not
   * answer may hold it and hand it out).
   */
  add(items: readonly NewItem[]): Promise<void>
  /** An item anywhere in the universe. Undefined: never added, or forgotten. Throws `unavailable` when not found while routers could not be asked. */
  look(id: string): Promise<ItemDetail | undefined>
  /** Resolves when something else is known of the item here, at the latest after `timeoutMs` or when the signal aborts. Of what others hold nothing is known here. */
  changed(id: string, timeoutMs: number, signal?: AbortSignal): Promise<void>
  /** Items anywhere in the universe, as far as routers answer. */
  list(filter: ListFilter): Promise<ItemView[]>
  /**
   * A waiting item never begins (`cancelled`); a running one's attempt is aborted and ends as its handler says (`running`); of one that has ended nothing
   * changes. Undefined: not known. Throws `unavailable` while its owner cannot be asked and nobody may take over.
   */
  cancel(id: string): Promise<ItemState | undefined>
  /** A dead letter waits again, with all its attempts, for as long as it had at first. False: no such dead letter. Throws as `cancel`. */
  replay(id: string): Promise<boolean>
  /** Forgets a dead letter. False: no such dead letter. Throws as `cancel`. */
  remove(id: string): Promise<boolean>
  /** From now on items of this kind that this node owns are handed out. One handler per kind. Returns the way to stop. */
  handle(kind: string, handler: QueueHandler, options?: HandlerOptions): () => void
}

export const PAYLOAD_BYTES_MAX = 4 * 1024 * 1024
export const ABOUT_BYTES_MAX = 2048
export const ANSWER_BYTES_MAX = 4 * 1024 * 1024
export const LISTED_MAX = 1000
/** An item that ended stays known at least so long, so that late news of it are recognised. */
export const KNOWN_MS = 3_600_000
export const LIFE_MS_MAX = 30 * 24 * 3_600_000
