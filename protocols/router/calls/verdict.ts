/** What is to become of a call whose attempt ended so. Pure. */
import type { ErrorCode } from '#protocols/errors'
import type { Outcome } from '#protocols/invocation'
import { ANOTHER_TIME, mayStartAgain } from '../retry.ts'

/** A worker that crashed before the start did so under somebody else's call. */
const LATER: ReadonlySet<ErrorCode> = new Set([...ANOTHER_TIME, 'worker_crashed'])

export interface Circumstances {
  idempotent: boolean
  /** Somebody cancelled the call. */
  cancelled: boolean
  /** The attempt was given up, because this node stops or took too long. */
  aborted: boolean
}

/** `over`: this is its end. `later`: nothing was started, or may be started again. `unknown`: it was given up in the midst. */
export function courseOf(outcome: Outcome, { idempotent, cancelled, aborted }: Circumstances): 'over' | 'later' | 'unknown' {
  if (outcome.kind !== 'failed' || cancelled) return 'over'
  if (!outcome.started) return aborted || LATER.has(outcome.error.code) ? 'later' : 'over'
  if (idempotent && (aborted || mayStartAgain(outcome))) return 'later'
  return aborted ? 'unknown' : 'over'
}

/** Milliseconds until it is tried again: a quarter of its age, so that old ones are in nobody's way. */
export function pauseMs(ageMs: number, draw: number): number {
  return Math.round(Math.min(30_000, Math.max(500, ageMs / 4)) * (0.75 + draw / 2))
}
