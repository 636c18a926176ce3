/**
 * Whether a member is worse than others at the same work: by what was measured here, never by what a member says of itself. Pure.
 *
 * Calls of one version are compared, since versions differ more than members do. The rule is a stated one: slow is a member whose last calls all took
 * longer than 2.5 times the others' median and 25 ms more; failing is one whose calls fail at least half of the time more often than elsewhere.
 */

/** Milliseconds of the last calls of one version at one member, newest last, and how often they failed. */
export interface Sample {
  readonly times: number[]
  /** Their median. */
  typicalMs: number | undefined
  /** 0 to 1, the newest weighing `FAILURE_WEIGHT`. */
  failures: number
  /** Calls that ended. */
  count: number
}

const TIMES_KEPT = 5
const FAILURE_WEIGHT = 0.2
/** As many in a row: one slow call is a collection of garbage, a cold start, or the one large input. */
const SLOW_IN_A_ROW = 4
const SLOW_FACTOR = 2.5
/** Below this a difference is the noise of a busy machine. */
const SLOW_FLOOR_MS = 25
const FAILURES_MORE = 0.5
const FAILURES_COUNTED_MIN = 5

export function emptySample(): Sample {
  return { times: [], typicalMs: undefined, failures: 0, count: 0 }
}

/** A call ended in an answer after so long, or failed in a way that may be the member's doing. */
export function note(sample: Sample, ms: number, isFailure: boolean): void {
  sample.count += 1
  sample.failures += ((isFailure ? 1 : 0) - sample.failures) * FAILURE_WEIGHT
  // How fast a call fails says nothing of how fast it would have run.
  if (isFailure) return
  sample.times.push(ms)
  if (sample.times.length > TIMES_KEPT) sample.times.shift()
  sample.typicalMs = upperMedian(sample.times)
}

/** The middle one, of two the larger: one that answers at once, whatever it is asked, makes nobody look slow where there is a second opinion. */
function upperMedian(values: readonly number[]): number | undefined {
  // A few, with every call that ends: sorted by insertion, without asking a function.
  const sorted: number[] = []
  for (const value of values) {
    let at = sorted.length
    for (; at > 0 && (sorted[at - 1] as number) > value; at--) sorted[at] = sorted[at - 1] as number
    sorted[at] = value
  }
  return sorted[Math.floor(sorted.length / 2)]
}

export function isSlow(ms: number, referenceMs: number): boolean {
  return ms > referenceMs * SLOW_FACTOR + SLOW_FLOOR_MS
}

/**
 * What is wrong with the member, if anything: `own` against the same version's calls at others. `underWayMs`: how long calls that have not ended are
 * under way; one that has taken longer than the others' is as good as measured.
 */
export function verdictOf(own: Sample, underWayMs: readonly number[], others: readonly Sample[]): 'slow' | 'failing' | undefined {
  const reference = referenceOf(others)
  if (reference !== undefined && slowInARow(own.times, underWayMs, reference) >= SLOW_IN_A_ROW) return 'slow'
  const failures = upperMedian(others.filter((each) => each.count > 0).map((each) => each.failures))
  if (failures !== undefined && own.count >= FAILURES_COUNTED_MIN && own.failures >= failures + FAILURES_MORE) return 'failing'
  return undefined
}

/** What the same work takes elsewhere. */
export function referenceOf(others: readonly Sample[]): number | undefined {
  return upperMedian(others.map((each) => each.typicalMs).filter((each) => each !== undefined))
}

function slowInARow(times: readonly number[], underWayMs: readonly number[], referenceMs: number): number {
  const lastGood = times.findLastIndex((each) => !isSlow(each, referenceMs))
  return times.length - 1 - lastGood + underWayMs.filter((each) => isSlow(each, referenceMs)).length
}
