/** How many lines the functions of one namespace may write to the node's log, so that a flood costs neither the node its time nor others their lines. */
import type { Clock } from '#protocols/lifecycle'

/** A line costs the node 6 µs and the log its length: so many of 1 KB are 3 % of a core and 5 MB a second. */
export const LINES_PER_SECOND = 5_000
/** What may come at once: what forty calls may write each. */
export const LINES_AT_ONCE = 10_000
const TOLD_EVERY_MS = 1_000

interface Account {
  left: number
  at: number
  dropped: number
}

export class LineBudget {
  readonly #clock: Clock
  readonly #onDropped: (namespace: string, lines: number) => void
  /** Of namespaces that wrote lately. */
  readonly #accounts = new Map<string, Account>()
  #cancel: (() => void) | undefined

  constructor(clock: Clock, onDropped: (namespace: string, lines: number) => void) {
    this.#clock = clock
    this.#onDropped = onDropped
  }

  /** Whether one more line may be written. */
  take(namespace: string): boolean {
    const account = this.#accountOf(namespace)
    this.#cancel ??= this.#clock.after(TOLD_EVERY_MS, () => this.#tell())
    if (account.left < 1) {
      account.dropped++
      return false
    }
    account.left--
    return true
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  #accountOf(namespace: string): Account {
    const now = this.#clock.monotonic()
    let account = this.#accounts.get(namespace)
    if (account === undefined) this.#accounts.set(namespace, (account = { left: LINES_AT_ONCE, at: now, dropped: 0 }))
    account.left = Math.min(LINES_AT_ONCE, account.left + ((now - account.at) / 1000) * LINES_PER_SECOND)
    account.at = now
    return account
  }

  #tell(): void {
    this.#cancel = undefined
    for (const namespace of this.#accounts.keys()) {
      const account = this.#accountOf(namespace)
      const lines = account.dropped
      account.dropped = 0
      if (lines > 0) this.#onDropped(namespace, lines)
      else if (account.left === LINES_AT_ONCE) this.#accounts.delete(namespace)
    }
    if (this.#accounts.size > 0) this.#cancel = this.#clock.after(TOLD_EVERY_MS, () => this.#tell())
  }
}
