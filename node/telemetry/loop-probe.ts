/** How long this process did not come round to its events: a synchronous turn that took long, a collection, a call into the system that blocked. */
import type { Clock } from '#protocols/lifecycle'
import { heldOf, type Schedstat, SchedstatReader } from './schedstat.ts'

/** Often enough to see what a caller would notice; 40 µs a round, two thousandths of a core. */
const LOOK_MS = 20

export interface LoopProbeInit {
  clock: Clock
  /** Processors had and waited for. */
  schedstat?: Pick<SchedstatReader, 'read' | 'close'>
}

/** The longest delay since it was last asked. Time in which other processes had the processor is not counted: it says nothing about this one. */
export class LoopProbe {
  readonly #clock: Clock
  readonly #schedstat: Pick<SchedstatReader, 'read' | 'close'>
  #cancel = () => {}
  #expectedAt = 0
  #before: Schedstat = { ranMs: 0, waitedMs: new Map() }
  #longestMs = 0

  constructor(init: LoopProbeInit) {
    this.#clock = init.clock
    this.#schedstat = init.schedstat ?? new SchedstatReader()
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
    this.#schedstat.close()
  }

  #expect(): void {
    this.#expectedAt = this.#clock.monotonic() + LOOK_MS
    this.#before = this.#schedstat.read()
    this.#cancel = this.#clock.after(LOOK_MS, () => {
      this.#look()
      this.#expect()
    })
  }

  #look(): void {
    const lateMs = this.#clock.monotonic() - this.#expectedAt
    if (lateMs > this.#longestMs) this.#longestMs = Math.max(this.#longestMs, heldOf(lateMs, this.#before, this.#schedstat.read()))
  }
}
