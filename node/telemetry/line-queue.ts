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

export class LineQueue {
  readonly #logger: Logger
  #lines: Line[] = []
  #characters = 0
  #isScheduled = false

  constructor(logger: Logger) {
    this.#logger = logger
    // Before the lines themselves are written for the last time.
    process.prependOnceListener('exit', this.writeAll)
  }

  /** False, and nothing is kept, when too much waits. */
  add(level: LogLevel, text: string, data: Record<string, unknown>): boolean {
    if (this.#characters > CHARACTERS_MAX) return false
    this.#lines.push({ level, text, data })
    this.#characters += text.length
    this.#schedule()
    return true
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#turn())
  }

  /** What is left, when there is no next turn. */
  readonly writeAll = (): void => {
    process.off('exit', this.writeAll)
    this.#write(this.#lines.length)
  }

  #turn(): void {
    this.#isScheduled = false
    this.#write(LINES_PER_TURN)
    if (this.#lines.length > 0) this.#schedule()
  }

  #write(count: number): void {
    const lines = this.#lines.splice(0, count)
    if (lines.length > 0)
      this.#logger.together(() => {
        for (const { level, text, data } of lines) {
          this.#characters -= text.length
          this.#logger[level](text, data)
        }
      })
  }
}
