/** A bounded number of things at the same time, and a bounded number that wait. */
import { OsirisError } from '#protocols/errors'

interface Waiting {
  go: () => void
  refuse: (error: unknown) => void
}

export class Turns {
  readonly #concurrentMax: number
  readonly #queueMax: number
  readonly #waiting = new Set<Waiting>()
  #running = 0

  constructor(concurrentMax: number, queueMax: number) {
    this.#concurrentMax = concurrentMax
    this.#queueMax = queueMax
  }

  /** Runs `work` when its turn comes, first come first served. Throws `overloaded` at once when the queue is full, and the signal's reason when that aborts first. */
  async take<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#concurrentMax) this.#running++
    else await this.#wait(signal)
    try {
      return await work()
    } finally {
      const [next] = this.#waiting
      if (next === undefined) this.#running--
      else next.go()
    }
  }

  #wait(signal: AbortSignal): Promise<void> {
    if (this.#waiting.size >= this.#queueMax)
      throw new OsirisError('overloaded', `Cannot build: ${this.#running} builds are running and ${this.#waiting.size} wait already`)
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(waiting)
        signal.removeEventListener('abort', onAbort)
      }
      const waiting: Waiting = {
        go: () => {
          leave()
          resolve()
        },
        refuse: (error) => {
          leave()
          reject(error)
        },
      }
      const onAbort = () => waiting.refuse(signal.reason)
      this.#waiting.add(waiting)
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }
}
