/** What becomes of frames on the way from one node to another: one direction of a cable. Pure but for what it remembers. */

export interface Weather {
  /** Nothing arrives. */
  isCut: boolean
  /** Share of frames that do not arrive, 0 … 1. */
  loss: number
  /** How long one is on its way: between these, by chance. Frames never overtake each other. */
  delayMs: readonly [number, number]
  /** Bits a second; 0 for as many as there are. */
  bitsPerSecond: number
}

export const CLEAR: Weather = { isCut: false, loss: 0, delayMs: [0, 0], bitsPerSecond: 0 }
/** Frames that would wait longer for a narrow link are lost, as in a router whose queue is full. */
export const QUEUE_MS_MAX = 1000

export class Link {
  weather: Weather = CLEAR
  /** When the last bit of what was sent so far is on its way. */
  #sentAt = 0
  #arrivedAt = 0

  /** When a frame of so many bytes arrives, on the clock of `now`; nothing when it never does. `random`: 0 … 1. */
  arrival(bytes: number, now: number, random: () => number): number | undefined {
    const { isCut, loss, delayMs, bitsPerSecond } = this.weather
    if (isCut || (loss > 0 && random() < loss)) return undefined
    const takesMs = bitsPerSecond === 0 ? 0 : (bytes * 8000) / bitsPerSecond
    const startedAt = Math.max(now, this.#sentAt)
    if (startedAt - now > QUEUE_MS_MAX) return undefined
    this.#sentAt = startedAt + takesMs
    const [min, max] = delayMs
    this.#arrivedAt = Math.max(this.#arrivedAt, this.#sentAt + (max === 0 ? 0 : min + random() * (max - min)))
    return this.#arrivedAt
  }
}
