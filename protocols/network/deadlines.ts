/** Deadlines of all calls under one timer: setting and clearing one is two operations on a Set. */
import type { Clock } from '#protocols/lifecycle'

export interface Deadline {
  /** On the clock's monotonic time. */
  deadlineAt: number
  expire(): void
}

/** Deadlines met within this much of each other share a round. */
const GRAIN_MS = 5

export class Deadlines {
  readonly #clock: Clock
  readonly #pending = new Set<Deadline>()
  #timerAt = Infinity
  #cancel = (): void => {}

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(deadline: Deadline): void {
    this.#pending.add(deadline)
    if (deadline.deadlineAt < this.#timerAt) this.#schedule(deadline.deadlineAt)
  }

  delete(deadline: Deadline): void {
    this.#pending.delete(deadline)
  }

  stop(): void {
    this.#cancel()
    this.#timerAt = Infinity
    this.#pending.clear()
  }

  #schedule(at: number): void {
    this.#cancel()
    this.#timerAt = at
    // Node's timers hold 31 bits of milliseconds; a round in between costs nothing.
    const delayMs = Math.min(Math.max(GRAIN_MS, at - this.#clock.monotonic()), 0x7fffffff)
    this.#cancel = this.#clock.after(delayMs, () => this.#sweep())
  }

  #sweep(): void {
    this.#timerAt = Infinity
    const now = this.#clock.monotonic()
    let next = Infinity
    for (const each of [...this.#pending]) {
      if (each.deadlineAt <= now) {
        this.#pending.delete(each)
        each.expire()
      } else if (each.deadlineAt < next) next = each.deadlineAt
    }
    if (next < this.#timerAt) this.#schedule(next)
  }
}
