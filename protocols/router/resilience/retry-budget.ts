/**
 * How many calls may be tried again: at most a tenth of those of the last seconds, so that retries and hedges never make a storm of a difficulty. A few are
 * always free, since a tenth of little is nothing. Counted per router, over all functions.
 *
 * Half of it is for calls that failed, or are at a member in trouble: where everything is slow, every hedge is due, and none of them may cost a call that is lost without.
 */

/** `hedge`: to be sooner. `failure`: to be answered at all. */
export type Purpose = 'hedge' | 'failure'

/** Calls are counted over this time and the one before it. */
const WINDOW_MS = 10_000
const SHARE = 0.1
/** In one window and the one before it. */
const ALWAYS = 10
/** Of both. */
const HEDGES = 0.5

export class RetryBudget {
  #since = Number.NEGATIVE_INFINITY
  #calls = 0
  #taken = 0
  #hedges = 0
  #callsBefore = 0
  #takenBefore = 0
  #hedgesBefore = 0

  /** On the path of every call: it looks at no clock. */
  called(): void {
    this.#calls++
  }

  /** Whether one more may be tried again now; if so it is counted. `now`: monotonic milliseconds. */
  take(now: number, purpose: Purpose): boolean {
    this.#turn(now)
    const allowed = Math.max(ALWAYS, (this.#calls + this.#callsBefore) * SHARE)
    if (this.#taken + this.#takenBefore >= allowed) return false
    if (purpose === 'hedge') {
      if (this.#hedges + this.#hedgesBefore >= allowed * HEDGES) return false
      this.#hedges++
    }
    this.#taken++
    return true
  }

  /** Windows end when somebody asks; of calls that were counted over a longer time, as many count as fell into one. */
  #turn(now: number): void {
    const elapsed = now - this.#since
    if (elapsed < WINDOW_MS) return
    this.#callsBefore = elapsed === Number.POSITIVE_INFINITY ? this.#calls : (this.#calls * WINDOW_MS) / elapsed
    this.#takenBefore = elapsed < 2 * WINDOW_MS ? this.#taken : 0
    this.#hedgesBefore = elapsed < 2 * WINDOW_MS ? this.#hedges : 0
    this.#calls = 0
    this.#taken = 0
    this.#hedges = 0
    this.#since = now
  }
}
