/**
 * Whether a function takes what its WebSocket brings. Such a call has no deadline of its own: it lasts as long as somebody talks. What it is given it has to
 * take within the function's timeout, and while nobody says anything it is asked now and then: a turn that never ends would otherwise be nobody's to end.
 */
import type { Clock } from '#protocols/lifecycle'

/** How long a function may be left alone that has heard nothing. */
const PROBE_MS = 10_000

export interface SocketWatchInit {
  clock: Pick<Clock, 'after' | 'monotonic'>
  /** To take what it was given, or to show that it takes any of it. */
  timeoutMs: number
  /** When it must have; infinite while it owes nothing. */
  due: (at: number) => void
  /** Asks. */
  probe: () => void
}

export class SocketWatch {
  readonly #init: SocketWatchInit
  #owed = 0
  #cancel = (): void => {}
  #isStopped = false

  constructor(init: SocketWatchInit) {
    this.#init = init
    this.#again()
  }

  given(bytes: number): void {
    if (this.#owed === 0) this.#expect()
    this.#owed += bytes
  }

  taken(bytes: number): void {
    this.#owed -= bytes
    if (this.#owed <= 0) this.#init.due(Number.POSITIVE_INFINITY)
    else this.#expect()
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel()
  }

  #expect(): void {
    this.#init.due(this.#init.clock.monotonic() + this.#init.timeoutMs)
  }

  #again(): void {
    this.#cancel = this.#init.clock.after(PROBE_MS, () => {
      if (this.#isStopped) return
      if (this.#owed === 0) this.#init.probe()
      this.#again()
    })
  }
}
