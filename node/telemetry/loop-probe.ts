/** How long this process did not come round to its events: a synchronous turn that took long, a collection, a call into the system that blocked. */
import { openSync, readSync } from 'node:fs'
import type { Clock } from '#protocols/lifecycle'

/** Often enough to see what a caller would notice; 20 µs a round, a thousandth of a core. */
const LOOK_MS = 20

export interface LoopProbeInit {
  clock: Clock
  /** Milliseconds in which the main thread could have run and the machine gave it no processor. */
  notScheduledMs?: () => number
}

/** The longest delay since it was last asked. Time in which other processes had the processor is not counted: it says nothing about this one. */
export class LoopProbe {
  readonly #clock: Clock
  readonly #notScheduledMs: () => number
  #cancel = () => {}
  #expectedAt = 0
  #notScheduledAt = 0
  #longestMs = 0

  constructor(init: LoopProbeInit) {
    this.#clock = init.clock
    this.#notScheduledMs = init.notScheduledMs ?? runQueueMs()
    this.#expect()
  }

  /** Milliseconds; begins anew. */
  take(): number {
    this.#look()
    const longest = this.#longestMs
    this.#longestMs = 0
    return longest
  }

  stop(): void {
    this.#cancel()
  }

  #expect(): void {
    this.#expectedAt = this.#clock.monotonic() + LOOK_MS
    this.#notScheduledAt = this.#notScheduledMs()
    this.#cancel = this.#clock.after(LOOK_MS, () => {
      this.#look()
      this.#expect()
    })
  }

  #look(): void {
    const lateMs = this.#clock.monotonic() - this.#expectedAt
    if (lateMs > this.#longestMs) this.#longestMs = Math.max(this.#longestMs, lateMs - (this.#notScheduledMs() - this.#notScheduledAt))
  }
}

/** The second field of schedstat (Linux, Documentation/scheduler/sched-stats): nanoseconds on a run queue. Always 0 where the host does not tell. */
function runQueueMs(): () => number {
  const text = Buffer.alloc(96)
  try {
    const file = openSync('/proc/self/schedstat', 'r')
    return () => Number(text.toString('latin1', 0, readSync(file, text, 0, text.length, 0)).split(' ')[1]) / 1e6
  } catch {
    return () => 0
  }
}
