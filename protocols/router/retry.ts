/** When a failed attempt may be followed by another. Pure. */
import type { ErrorCode } from '#protocols/errors'
import type { FailedOutcome } from '#protocols/invocation'
import type { Random } from '#protocols/lifecycle'

/** Refusals that another time may be none: nobody had room, or nobody could be reached. */
export const ANOTHER_TIME: readonly ErrorCode[] = [
  'unavailable',
  'overloaded',
  'rate_limited',
  'quota_exceeded',
  'version_mismatch',
  'storage_full',
]
/**
 * Refusals that are the member's own and not the call's: another member may well say yes. `not_found`: its catalog has not heard of the
 * version yet. `worker_crashed` before the start: its worker died under somebody else's call.
 */
const ANOTHER_MAY: ReadonlySet<ErrorCode> = new Set([
  'unavailable',
  'overloaded',
  // The share of one node that this namespace has used up.
  'quota_exceeded',
  'version_mismatch',
  'storage_full',
  'not_found',
  'worker_crashed',
])
/** How a call ends whose effect nobody knows. */
const EFFECT_UNKNOWN: ReadonlySet<ErrorCode> = new Set(['outcome_unknown', 'worker_crashed', 'unavailable'])

/** On proof that the function's code was not started, and only then. */
export function mayTryElsewhere(outcome: FailedOutcome): boolean {
  return !outcome.started && ANOTHER_MAY.has(outcome.error.code)
}

/** For functions that say `idempotent: true`. */
export function mayStartAgain(outcome: FailedOutcome): boolean {
  return EFFECT_UNKNOWN.has(outcome.error.code)
}

/** Nobody but this node had to do with the attempt: no connection could be made. */
export function neverLeft({ error: { code, details } }: FailedOutcome): boolean {
  return code === 'unavailable' && details?.['sent'] === false
}

/** The longest pause before the first attempt that is not the first; twice as long before the next. */
const PAUSE_MS = 10
/** At most this part of what is left is spent on waiting, or kept for the answer's way back. */
const PART_OF_REST = 0.1
const MARGIN_MS_MAX = 100

/** Before another attempt: anything between nothing and a little ("full jitter", Brooker 2015), so that calls that failed together do not return together. */
export function pauseMs(attempts: number, restMs: number, random: Random): number {
  return random() * Math.min(PAUSE_MS * 2 ** (attempts - 1), Math.max(0, restMs) * PART_OF_REST)
}

/** What the next hop gets less of the deadline, so that its answer is here in time: what calls to it cost besides running. */
export function hopMarginMs(latencyMs: number, restMs: number): number {
  return Math.min(latencyMs, MARGIN_MS_MAX, Math.max(0, restMs) * PART_OF_REST)
}
