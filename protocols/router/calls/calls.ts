/**
 * Calls that nobody waits for: accepted when they are on the disk of three routers (as far as there are), begun by the router that took them, or by another
 * when that is lost, and asked about on any node.
 *
 * - A function that is not `idempotent: true` is started once at most: a call whose function may have begun when its router was lost is done, with
 *   `outcome_unknown`. What is proven not to have started is tried again, as is everything of a function that is idempotent, until the call expires.
 * - The caller's token goes along and is judged again when the call begins. It is on the disk of the routers that hold the call until that is over.
 * - Who may read and cancel a call: whoever may invoke in its namespace; of a call by somebody who may not (of a public function), whoever knows its id.
 *
 * Not promised: order.
 */
import type { ErrorShape } from '#protocols/errors'
import type { Caller, HeaderList, Invocation } from '#protocols/invocation'

export interface NewCall {
  /** Of a function by name, called or fetched; a request's body is held whole. Its id, deadline and place in a chain are made anew. */
  invocation: Invocation
  /**
   * Told when the call is done: a POST of its status as JSON to this URL, signed with the key of `callbackKeyOf(token)`. Takes a grant to invoke in the
   * namespace. Tried again with growing pauses for a day; then it is a dead letter.
   */
  callback?: string
}

/** queued: not begun, or to be tried again · running · done: with a value, a response or an error · cancelled. */
export type CallState = 'queued' | 'running' | 'done' | 'cancelled'

export interface CallStatus {
  /** 32 hex characters; not to be guessed. */
  id: string
  /** `namespace/name`. */
  function: string
  state: CallState
  /** Attempts that began, as far as is known; one that met no room is none. */
  attempts: number
  createdAt: number
  /** From then on it does not begin any more. */
  expiresAt: number
  endedAt: number | null
  /** Of a value function that is done: JSON text. */
  value?: string
  /** Of a web function that is done; the body in base64. */
  response?: { status: number; headers: HeaderList; body: string }
  /** Of a call that failed; of one that waits, what came of its last attempt. In lists without stack and details. */
  error?: ErrorShape
  /** That ran. */
  version?: string
  node?: string
}

/** A callback that was given up: nothing took it within a day or 16 attempts, or it was told 410. */
export interface DeadCallback {
  /** Of the call. */
  id: string
  function: string
  /** Without its query and fragment, which may hold secrets; at most 512 characters. */
  url: string
  attempts: number
  /** When the call was done. */
  createdAt: number
  diedAt: number
  error: { code: string; message: string }
}

export interface Waiting {
  /** The answer comes when the call is over, and after so long at the latest (0 to `WAIT_MS_MAX`); at once where very many wait. */
  waitMs?: number
  /** The caller is gone. */
  signal?: AbortSignal
}

export interface Calls {
  /**
   * Resolves when the call is accepted. Throws what stands in the way of calling the function (`not_found`, `forbidden`, …); `invalid_argument`
   * for a callback that cannot be called, `unauthenticated` for one without a token; `payload_too_large` beyond `CALL_BYTES_MAX`; `quota_exceeded`, `overloaded`,
   * `storage_full`, `unavailable` (not accepted); `outcome_unknown` (it may have been).
   */
  submit(call: NewCall): Promise<{ id: string }>
  /** Throws `not_found` (never accepted, or forgotten), `forbidden`, `unauthenticated`, `unavailable`. */
  get(id: string, caller: Caller, waiting?: Waiting): Promise<CallStatus>
  /** A call that is queued never begins; one that runs is aborted; of one that is over nothing changes. Throws as `get`. */
  cancel(id: string, caller: Caller): Promise<CallStatus>
  /** Newest first, without values and responses. Throws `forbidden`, `unauthenticated`. */
  list(namespace: string, limit: number, caller: Caller): Promise<CallStatus[]>
  /** Callbacks of the namespace's calls that were given up, newest first; kept for 30 days. Takes `invoke`. Throws `forbidden`, `unauthenticated`. */
  deadCallbacks(namespace: string, limit: number, caller: Caller): Promise<DeadCallback[]>
  /** Makes it again with all its attempts, or forgets it; by the id of its call. Takes `deploy`. Throws `not_found`, `forbidden`, `unauthenticated`, `unavailable`. */
  decideCallback(decision: CallbackDecision, id: string, caller: Caller): Promise<void>
}

export const CALLBACK_DECISIONS = ['replay', 'remove'] as const
export type CallbackDecision = (typeof CALLBACK_DECISIONS)[number]

const MIB = 1024 * 1024
/** Arguments, or a request with its body; token and headers included. */
export const CALL_BYTES_MAX = 4 * MIB - 64 * 1024
/** A longer one is `result_too_large`. */
export const RESULT_BYTES_MAX = 4 * MIB - 64 * 1024
/** How long a call may wait for its begin. */
export const CALL_LIFE_MS = 3_600_000
/** How long what came of it is kept; less where a namespace has more than 64 MiB of results on a node. */
export const RESULT_KEEP_MS = 3_600_000
/** Below what proxies between give up at. */
export const WAIT_MS_MAX = 30_000
