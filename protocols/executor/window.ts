/** Room for bytes under way to one reader, who grants more as it takes them. Of use on both sides of a wall: no import but the bounds. */
import { WINDOW_BYTES } from './bounds.ts'

export class Window {
  #granted = WINDOW_BYTES
  #wake: (() => void) | undefined
  isClosed = false

  /** The reader took this much. Throws when that is more than it was given: whoever grants himself room would have the sender hold what nobody reads. */
  credit(bytes: number): void {
    this.#granted += bytes
    if (this.#granted > WINDOW_BYTES) throw new Error('more credit than bytes')
    this.#notify()
  }

  /** Nobody reads any more. */
  close(): void {
    this.isClosed = true
    this.#notify()
  }

  /** Takes this much room, at most WINDOW_BYTES, where it is there. Whether it did: never once closed. */
  take(bytes: number): boolean {
    if (this.isClosed || this.#granted < bytes) return false
    this.#granted -= bytes
    return true
  }

  /** Resolves when there may be more room, or when closed: whoever waited asks again, for inside an isolate a promise is what a function makes of it. */
  changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  #notify(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }
}
