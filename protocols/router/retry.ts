/** When a failed attempt may be followed by another. Pure. */
import type { ErrorCode } from '#protocols/errors'
import type { FailedOutcome } from '#protocols/invocation'

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
