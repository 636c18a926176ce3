/** Bytes per minute of each namespace: a bucket that fills evenly, so that nobody gets twice the budget at the turn of a minute. */
import type { Clock } from '#protocols/lifecycle'

const MINUTE_MS = 60_000

export class ByteBudgets {
  readonly #clock: Clock
  readonly #perMinute: number
  /** Only namespaces that have used some of theirs. */
  readonly #buckets = new Map<string, { left: number; at: number }>()

  constructor(clock: Clock, bytesPerMinute: number) {
    this.#clock = clock
    this.#perMinute = bytesPerMinute
  }

  /** Whether anything is left. */
  has(namespace: string): boolean {
    return this.#at(namespace).left > 0
  }

  /** Whether there was enough; what is taken beyond it has to be waited for. */
  take(namespace: string, bytes: number): boolean {
    const bucket = this.#at(namespace)
    bucket.left -= bytes
    this.#buckets.set(namespace, bucket)
    return bucket.left >= 0
  }

  /** Forgets those that are full again. */
  sweep(): void {
    for (const namespace of this.#buckets.keys()) if (this.#at(namespace).left >= this.#perMinute) this.#buckets.delete(namespace)
  }

  #at(namespace: string): { left: number; at: number } {
    const now = this.#clock.monotonic()
    const bucket = this.#buckets.get(namespace)
    if (bucket === undefined) return { left: this.#perMinute, at: now }
    bucket.left = Math.min(this.#perMinute, bucket.left + ((now - bucket.at) / MINUTE_MS) * this.#perMinute)
    bucket.at = now
    return bucket
  }
}
