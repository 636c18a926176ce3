/**
 * When a member is asked, after it failed: a circuit breaker (Nygard 2007) with its three states. Pure: a state and what happened make the next state.
 *
 * Closed: it is asked. Open: it is not, for a time that doubles with each opening in a row and, from the second on, until some calls went elsewhere
 * too, so that a member whom few calls would reach is not asked with each of them. Half-open: one call is under way to see whether it is well again.
 */

/** Why it opened. */
export type Cause =
  /** It could not be reached, its connection ended under a call, or it answered what nobody can read. */
  | 'unreachable'
  /** It cannot run what others can: another protocol, a full disk. */
  | 'unfit'
  /** It has no room. */
  | 'full'
  /** Its calls take much longer, or fail much more often, than the same calls elsewhere. */
  | 'slow'
  | 'failing'

export type BreakerState =
  | { readonly kind: 'closed' }
  | {
      readonly kind: 'open'
      readonly cause: Cause
      /** Openings in a row, this one counted. */
      readonly times: number
      /** Monotonic milliseconds. */
      readonly since: number
      readonly until: number
      /** Calls that must go elsewhere first. */
      readonly skips: number
    }
  | { readonly kind: 'half-open'; readonly cause: Cause; readonly times: number }

export const CLOSED: BreakerState = Object.freeze({ kind: 'closed' })

/** The first opening, and the longest: a member that cannot be reached is declared dead after 5 s or comes back; a full one drains soon. */
const OPEN_MS: Record<Cause, readonly [first: number, longest: number]> = {
  unreachable: [2000, 30_000],
  unfit: [5000, 60_000],
  full: [100, 1600],
  slow: [1000, 60_000],
  failing: [1000, 60_000],
}
/** One call in 33 that would go to a member in trouble measures it again. */
const SKIPS_MAX = 32

/** A call, as far as it tells about the member it was handed to. */
export interface Told {
  /** Monotonic milliseconds. */
  readonly startedAt: number
  /** It is the one that finds out. */
  readonly isProbe: boolean
}

/** It is in trouble. While that is known already, or is being found out by another call, this tells nothing new. */
export function opened(state: BreakerState, cause: Cause, now: number, isProbe: boolean): BreakerState {
  if (state.kind === 'open' || (state.kind === 'half-open' && !isProbe)) return state
  const times = state.kind === 'closed' ? 1 : state.times + 1
  const [first, longest] = OPEN_MS[cause]
  const skips = times === 1 ? 0 : Math.min(SKIPS_MAX, 2 ** times)
  return { kind: 'open', cause, times, since: now, until: now + Math.min(longest, first * 2 ** (times - 1)), skips }
}

/** Whether a call may go there now: all of them, one to find out, or none. */
export function mayAsk(state: BreakerState, now: number): boolean {
  return state.kind === 'closed' || (state.kind === 'open' && state.skips <= 0 && now >= state.until)
}

/** A call goes there. When it may be asked again, that call is the one that finds out. */
export function asked(state: BreakerState, now: number): BreakerState {
  return state.kind === 'open' && mayAsk(state, now) ? { kind: 'half-open', cause: state.cause, times: state.times } : state
}

/** A call went elsewhere. */
export function passedOver(state: BreakerState): BreakerState {
  return state.kind === 'open' && state.skips > 0 ? { ...state, skips: state.skips - 1 } : state
}

/**
 * A call there was answered as it should be. It closes what it found out, whatever it is; and else what an answer disproves: a place in a full member
 * came free, a member that could not be reached was. That it was slow, or failed often, one answer does not disprove.
 */
export function answered(state: BreakerState, call: Told): BreakerState {
  if (state.kind === 'closed') return state
  if (state.kind === 'half-open') return call.isProbe || state.cause === 'full' ? CLOSED : state
  if (state.cause === 'full') return CLOSED
  const isLater = call.startedAt >= state.since
  return isLater && (state.cause === 'unreachable' || state.cause === 'unfit') ? CLOSED : state
}

/** The call that was to find out ended without telling anything (its caller left): the next one may. */
export function undecided(state: BreakerState, now: number): BreakerState {
  const { kind } = state
  return kind === 'half-open' ? { kind: 'open', cause: state.cause, times: state.times, since: now, until: now, skips: 0 } : state
}
