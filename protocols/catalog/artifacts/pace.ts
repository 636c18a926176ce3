/**
 * How much of artifacts may be on its way to this node, so that on a thin line heads, entries and calls wait for a piece and not for an artifact:
 * few pieces at a time, small ones where they take long.
 */
import type { Clock } from '#protocols/lifecycle'

export const PIECE_BYTES_MIN = 16 * 1024
export const PIECE_BYTES_MAX = 256 * 1024
const PIECE_BYTES_FIRST = 64 * 1024
/** With the smallest pieces, 128 KiB: what 256 kbit/s carry in four seconds. */
const PIECES_MAX = 8
const QUICK_MS = 100
const SLOW_MS = 1000

/** The size of the next piece after one took so long. */
export function nextPieceBytes(bytes: number, tookMs: number): number {
  if (tookMs > SLOW_MS) return Math.max(PIECE_BYTES_MIN, bytes / 2)
  if (tookMs < QUICK_MS) return Math.min(PIECE_BYTES_MAX, bytes * 2)
  return bytes
}

export class Pace {
  readonly #clock: Clock
  readonly #waiting: (() => void)[] = []
  #running = 0
  #bytes = PIECE_BYTES_FIRST

  constructor(init: { clock: Clock }) {
    this.#clock = init.clock
  }

  /** Runs `act` when it is its turn, with what the piece may weigh. A failure says nothing about the line. */
  async run<T>(act: (bytesMax: number) => Promise<T>): Promise<T> {
    if (this.#running === PIECES_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#running += 1
    const bytes = this.#bytes
    const startedAt = this.#clock.monotonic()
    try {
      const result = await act(bytes)
      this.#bytes = nextPieceBytes(bytes, this.#clock.monotonic() - startedAt)
      return result
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running -= 1
      else next()
    }
  }
}
