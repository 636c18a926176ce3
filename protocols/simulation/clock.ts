/** One node's clock: wrong by some milliseconds, a little fast or slow, and sometimes set. Production code sees no other. */
import type { Clock } from '#protocols/lifecycle'
import type { Owner, Scheduler } from './scheduler.ts'

/** When runs begin on the wall clock. */
export const EPOCH_MS = Date.UTC(2026, 0, 1)

/** Node's timers take no less (https://nodejs.org/api/timers.html); whoever waits for the rest of a moment gets somewhere. */
const TIMER_MS_MIN = 1

/** What a node's clock does wrong; survives its restarts, as the hardware's does. */
export interface ClockError {
  offsetMs: number
  /** Milliseconds counted per millisecond. */
  rate: number
}

export class NodeClock implements Clock {
  readonly #scheduler: Scheduler
  readonly #owner: Owner
  readonly #error: ClockError
  readonly #bootAt: number

  constructor(scheduler: Scheduler, owner: Owner, error: ClockError) {
    this.#scheduler = scheduler
    this.#owner = owner
    this.#error = error
    this.#bootAt = scheduler.now
  }

  now(): number {
    return wallMsOf(this.#scheduler.now, this.#error)
  }

  monotonic(): number {
    return (this.#scheduler.now - this.#bootAt) * this.#error.rate
  }

  after(delayMs: number, run: () => void): () => void {
    return this.#scheduler.after(this.#owner, Math.max(TIMER_MS_MIN, delayMs) / this.#error.rate, run)
  }
}

/** What a clock with this fault shows, so long after the run began. */
export function wallMsOf(atMs: number, { rate, offsetMs }: ClockError): number {
  return Math.floor(EPOCH_MS + atMs * rate + offsetMs)
}
