/** A token bucket: filled evenly, looked at only when somebody takes. No timer, nothing made per take. */
export class Bucket {
  #ratePerMs: number
  #capacity: number
  #level: number
  #at: number

  /** Begins full. `now`: monotonic milliseconds. */
  constructor(ratePerSecond: number, capacity: number, now: number) {
    this.#ratePerMs = ratePerSecond / 1000
    this.#capacity = capacity
    this.#level = capacity
    this.#at = now
  }

  /** What it holds now; negative after more was spent than there was. */
  level(now: number): number {
    // A clock that is asked twice may answer the same.
    if (now > this.#at) {
      this.#level = Math.min(this.#capacity, this.#level + (now - this.#at) * this.#ratePerMs)
      this.#at = now
    }
    return this.#level
  }

  /** From 0 to 1. */
  fullness(now: number): number {
    return Math.min(1, Math.max(0, this.level(now) / this.#capacity))
  }

  /** Takes one, where there is one. */
  take(now: number): boolean {
    if (this.level(now) < 1) return false
    this.#level -= 1
    return true
  }

  /** Takes what has been used already, more than there is if need be. */
  spend(amount: number, now: number): void {
    this.#level = this.level(now) - amount
  }

  /** Milliseconds until it holds so much; 0 when it does. */
  waitMs(amount: number, now: number): number {
    return Math.max(0, Math.ceil((amount - this.level(now)) / this.#ratePerMs))
  }

  /** From now on; what it holds stays, as far as it fits. */
  resize(ratePerSecond: number, capacity: number, now: number): void {
    const level = this.level(now)
    this.#ratePerMs = ratePerSecond / 1000
    // A node whose part grows is not given at once what others had: only what it lacked by being small.
    this.#level = Math.min(capacity, level)
    this.#capacity = capacity
  }
}
