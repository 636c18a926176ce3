/** Functions whose calls wait for memory: how long they may, and when it is worth asking again. */
import type { FunctionState } from '../function-state.ts'

/**
 * Without anybody of them being let in for so long, they are refused: a first call gives back most of what it was promised within milliseconds, and many of them
 * at once take turns; those that hold what they were promised do not make others wait.
 */
const WAIT_MS = 200

export class Shortage {
  readonly #short = new Set<FunctionState>()
  /** The least that one of them asks for. */
  #leastMb = Number.POSITIVE_INFINITY
  #letInAt = 0

  /** A call of it could begin but for the memory. */
  meets(fn: FunctionState, wantedMb: number, now: number): void {
    if (fn.shortSince === 0) fn.shortSince = now
    this.#short.add(fn)
    this.#leastMb = Math.min(this.#leastMb, wantedMb)
  }

  letIn(fn: FunctionState, now: number): void {
    this.moves(now)
    this.leaves(fn)
  }

  /** What was promised to somebody may come back soon. */
  moves(now: number): void {
    this.#letInAt = now
  }

  /** None of its calls waits any more. */
  leaves(fn: FunctionState): void {
    fn.shortSince = 0
    this.#short.delete(fn)
    if (this.#short.size === 0) this.#leastMb = Number.POSITIVE_INFINITY
  }

  /** Whether one of so many functions with waiting calls may have become able to run: not while all of them want more memory than there is. */
  mayAdvance(waiting: number, roomMb: number): boolean {
    return waiting > this.#short.size || roomMb >= this.#leastMb
  }

  /** Whether it may get what it asks for from calls that end. */
  canWait(fn: FunctionState, now: number): boolean {
    return fn.shortSince === 0 || now - Math.max(fn.shortSince, this.#letInAt) < WAIT_MS / 2
  }

  /** Those that waited long enough. Where one runs or starts, its calls wait for that as they always do. */
  overdue(now: number): FunctionState[] {
    return [...this.#short].filter((fn) => fn.running === 0 && fn.starting === 0 && now - Math.max(fn.shortSince, this.#letInAt) >= WAIT_MS)
  }

  get isOver(): boolean {
    return this.#short.size === 0
  }
}
