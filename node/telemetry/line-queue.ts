/** Lines of functions on their way to the log: so many at a time that the node's own work, calls of others above all, never waits long for them. */
import type { LogLevel } from '#protocols/events'
import type { Logger } from './logger.ts'

/** Of one turn: 20 to 40 µs each. */
const LINES_PER_TURN = 32
/** Beyond what one namespace may have written at once, and several a little. */
const CHARACTERS_MAX = 16 * 1024 * 1024

interface Line {
  level: LogLevel
  text: string
  data: Record<string, unknown>
}

/** Namespaces take turns: nobody's lines wait for the flood of another. */
export class LineQueue {
  readonly #logger: Logger
  readonly #waiting = new Map<string, Line[]>()
  #characters = 0
  #isScheduled = false

  constructor(logger: Logger) {
    this.#logger = logger
    // Before the lines themselves are written for the last time.
    process.prependOnceListener('exit', this.writeAll)
  }

  /** False, and nothing is kept, when too much waits. */
  add(namespace: string, line: Line): boolean {
    if (this.#characters > CHARACTERS_MAX) return false
    const lines = this.#waiting.get(namespace)
    if (lines === undefined) this.#waiting.set(namespace, [line])
    else lines.push(line)
    this.#characters += line.text.length
    this.#schedule()
    return true
  }

  /** What is left, when there is no next turn. */
  readonly writeAll = (): void => {
    process.off('exit', this.writeAll)
    this.#write(Number.POSITIVE_INFINITY)
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#write(LINES_PER_TURN)
      if (this.#waiting.size > 0) this.#schedule()
    })
  }

  #write(count: number): void {
    let left = count
    this.#logger.together(() => {
      // Whoever is not done goes to the end, where the loop comes to it again.
      for (const [namespace, lines] of this.#waiting) {
        const part = lines.splice(0, Math.max(1, Math.floor(left / this.#waiting.size)))
        this.#waiting.delete(namespace)
        if (lines.length > 0) this.#waiting.set(namespace, lines)
        for (const { level, text, data } of part) {
          this.#characters -= text.length
          this.#logger[level](text, data)
        }
        left -= part.length
        if (left <= 0) return
      }
    })
  }
}
