/**
 * isolated-vm keeps about 190 bytes for every timeout until it would have fired, however soon the entry returned: at 100,000 calls/s with a
 * timeout of 10 s that is 190 MB. So only so many are outstanding at once; entries beyond them run without one, and the node's own deadline,
 * which ends the process, is what stops a loop in them.
 */
const OUTSTANDING_MAX = 20_000
const BUCKET_MS = 256

export class Timeouts {
  #outstanding = 0
  /** How many fire in each stretch of time. */
  readonly #firing = new Map<number, number>()

  /** Options for an entry that starts at `now` (monotonic milliseconds) and may take `ms`. */
  for(ms: number, now: number): { timeout?: number } {
    if (this.#outstanding >= OUTSTANDING_MAX && !this.#forget(now)) return {}
    const bucket = Math.ceil((now + ms) / BUCKET_MS)
    this.#firing.set(bucket, (this.#firing.get(bucket) ?? 0) + 1)
    this.#outstanding++
    return { timeout: ms }
  }

  /** Those whose time has come are gone. Whether there is room now. */
  #forget(now: number): boolean {
    const current = Math.floor(now / BUCKET_MS)
    for (const [bucket, count] of this.#firing) {
      if (bucket >= current) continue
      this.#outstanding -= count
      this.#firing.delete(bucket)
    }
    return this.#outstanding < OUTSTANDING_MAX
  }
}
