/** How much the functions of one namespace may write to the node's log, so that a flood costs neither the node its time nor others their lines. */
import type { Clock } from '#protocols/lifecycle'

/** A line costs the node about 20 µs, and more the longer it is; the log its length: so many are a tenth of a core and 5 MB a second. Of up to 1 KiB; a longer one counts as several. */
export const LINES_PER_SECOND = 5_000
/** What may come at once: what forty calls may write each. */
export const LINES_AT_ONCE = 10_000
const LINE_CHARACTERS = 1024
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

  /** Whether one more line of so many characters may be written. */
  take(namespace: string, characters: number): boolean {
    const account = this.#accountOf(namespace)
    this.#cancel ??= this.#clock.after(TOLD_EVERY_MS, () => this.#tell())
    if (account.left < 1) {
      account.dropped++
      return false
    }
    account.left = Math.max(0, account.left - Math.max(1, characters / LINE_CHARACTERS))
    return true
  }

  /** One that was taken is not written after all. */
  drop(namespace: string): void {
    this.#accountOf(namespace).dropped++
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
