/** What one call has fetched so far, and what it may. */
import type { ExecutorLimits } from '../limits/limits.ts'
import { exceeded } from './failures.ts'

export type EgressLimits = Pick<
  ExecutorLimits,
  | 'egressConcurrentMax'
  | 'egressNodeMax'
  | 'egressRedirectsMax'
  | 'egressBytesOutMax'
  | 'egressBytesInMax'
  | 'egressCallBytesMax'
  | 'egressBytesPerMinute'
  | 'egressConnectMs'
  | 'egressHeadMs'
  | 'egressIdleMs'
>

export class Account {
  readonly #limits: EgressLimits
  readonly count: () => void
  #bytes = 0
  #waitingForHead = 0
  #refusals = 0
  readonly #queue: (() => void)[] = []

  /** `count`: one more request leaves, a fetch or the next hop of one. Throws `quota_exceeded`. */
  constructor(limits: EgressLimits, count: () => void) {
    this.#limits = limits
    this.count = count
  }

  /** Which refusal this is, counted from 1. */
  refused(): number {
    return ++this.#refusals
  }

  /** Bytes either way. Throws `quota_exceeded`. */
  take(bytes: number): void {
    const { egressCallBytesMax } = this.#limits
    this.#bytes += bytes
    if (this.#bytes > egressCallBytesMax) throw exceeded(`the call has moved more than ${egressCallBytesMax} bytes`)
  }

  /** Runs `start` now, or as soon as fewer wait for their response's head. The queue is no longer than the fetches of a call. */
  whenFree(start: () => void): void {
    if (this.#waitingForHead >= this.#limits.egressConcurrentMax) {
      this.#queue.push(start)
      return
    }
    this.#waitingForHead++
    start()
  }

  /** One of those that were started has its head, or will not get one. */
  headCame(): void {
    this.#waitingForHead--
    const next = this.#queue.shift()
    if (next === undefined) return
    this.#waitingForHead++
    next()
  }
}
