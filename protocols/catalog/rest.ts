/** Pauses of work in the background; ending it ends the pause at once, and every one after it. */
import type { Clock } from '#protocols/lifecycle'

export class Rest {
  ended = false
  readonly #clock: Clock
  #wake = () => {}

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** One pause at a time. */
  for(ms: number): Promise<void> {
    if (this.ended) return Promise.resolve()
    return new Promise((resolve) => {
      const cancel = this.#clock.after(ms, resolve)
      this.#wake = () => {
        cancel()
        resolve()
      }
    })
  }

  /** Ends the pause there is. */
  wake(): void {
    this.#wake()
  }

  end(): void {
    this.ended = true
    this.#wake()
  }
}
