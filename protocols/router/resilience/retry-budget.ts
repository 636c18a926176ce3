/**
 * How many calls may be tried again: at most a tenth of those of the last seconds, so that retries and hedges never make a storm of a difficulty. A few are
 * always free, since a tenth of little is nothing. Counted per router, over all functions.
 */

/** Calls are counted over this time and the one before it. */
const WINDOW_MS = 10_000
const SHARE = 0.1
/** In one window and the one before it. */
const ALWAYS = 10

export class RetryBudget {
  #since = Number.NEGATIVE_INFINITY
  #calls = 0
  #retries = 0
  #callsBefore = 0
  #retriesBefore = 0

  /** On the path of every call: it looks at no clock. */
  called(): void {
    this.#calls++
  }

  /** Whether one more may be tried again now; if so it is counted. `now`: monotonic milliseconds. */
  take(now: number): boolean {
    this.#turn(now)
    const recent = this.#calls + this.#callsBefore
    if (this.#retries + this.#retriesBefore >= Math.max(ALWAYS, recent * SHARE)) return false
    this.#retries++
    return true
  }

  /** Windows end when somebody asks; of calls that were counted over a longer time, as many count as fell into one. */
  #turn(now: number): void {
    const elapsed = now - this.#since
    if (elapsed < WINDOW_MS) return
    this.#callsBefore = elapsed === Number.POSITIVE_INFINITY ? this.#calls : (this.#calls * WINDOW_MS) / elapsed
    this.#retriesBefore = elapsed < 2 * WINDOW_MS ? this.#retries : 0
    this.#calls = 0
    this.#retries = 0
    this.#since = now
  }
}
