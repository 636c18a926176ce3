/**
 * isolated-vm keeps about 190 bytes for every timeout until it would have fired, however soon the entry returned: at 100,000 calls/s with a
 * timeout of 10 s that is 190 MB. So only so many are outstanding at once; entries beyond them run without one, and the node's own deadline,
 * which ends the process, is what stops a loop in them.
 *
 * Its thread wakes for each of them as well (40 µs; 1,000 calls/s kept it busy for 4 % of a core until ten seconds after the last one). So they are
 * late by up to a sixteenth and fire together.
 */
const OUTSTANDING_MAX = 20_000
/** The thread takes those that fire together from its list by recursion, about 60 bytes of its stack each. */
const TOGETHER_MAX = 4096
const LATE_PART = 16
/** Well within what the node waits after a deadline. */
const LATE_MS_MAX = 64

export class Timeouts {
  #outstanding = 0
  /** How many fire when. */
  readonly #firing = new Map<number, number>()

  /** Options for an entry that starts at `now` (monotonic milliseconds) and may take `ms`. */
  for(ms: number, now: number): { timeout?: number } {
    if (this.#outstanding >= OUTSTANDING_MAX && !this.#forget(now)) return {}
    const step = stepOf(ms)
    const end = Math.ceil((now + ms) / step) * step
    const together = this.#firing.get(end) ?? 0
    if (together >= TOGETHER_MAX) return {}
    this.#firing.set(end, together + 1)
    this.#outstanding++
    return { timeout: Math.ceil(end - now) }
  }

  /** Those whose time has come are gone. Whether there is room now. */
  #forget(now: number): boolean {
    for (const [end, count] of this.#firing) {
      if (end >= now) continue
      this.#outstanding -= count
      this.#firing.delete(end)
    }
    return this.#outstanding < OUTSTANDING_MAX
  }
}

/** Milliseconds between times at which such timeouts fire: a power of two, so that those of different lengths meet. */
function stepOf(ms: number): number {
  return Math.min(LATE_MS_MAX, 1 << (31 - Math.clz32(Math.max(1, ms / LATE_PART))))
}
