/** What a WebSocket of a function says to its client, on its way out as far as the host has granted room. */
import { CHUNK_BYTES } from '../../../bounds.ts'
import { Window } from '../../../window.ts'

/** What may wait for the client: a function that sends faster for long has its memory filled by who does not read. */
export const WAITING_BYTES_MAX = 4 * 1024 * 1024

export class SocketLink {
  readonly #window = new Window()
  readonly #say: (part: Uint8Array) => void
  readonly #done: () => void
  #frames: Uint8Array[] = []
  #waiting = 0
  #isEnding = false

  /** `say` hands a part to the host; `done` is called once, when all is said after `end`. */
  constructor(say: (part: Uint8Array) => void, done: () => void) {
    this.#say = say
    this.#done = done
  }

  /** Bytes that the host has no room for yet. */
  get waiting(): number {
    return this.#waiting
  }

  send(frame: Uint8Array): void {
    if (this.#isEnding) return
    this.#frames.push(frame)
    this.#waiting += frame.length
    this.#drain()
  }

  end(): void {
    if (this.#isEnding) return
    this.#isEnding = true
    this.#drain()
  }

  /** The host took this much. */
  credit(bytes: number): void {
    this.#window.credit(bytes)
    this.#drain()
  }

  /** Nothing is said any more. */
  stop(): void {
    this.#window.close()
    this.#frames = []
    this.#waiting = 0
  }

  #drain(): void {
    for (let frame = this.#frames[0]; frame !== undefined; frame = this.#frames[0]) {
      const part = frame.slice(0, CHUNK_BYTES)
      if (!this.#window.take(part.length)) return
      this.#waiting -= part.length
      if (part.length === frame.length) this.#frames.shift()
      else this.#frames[0] = frame.subarray(part.length)
      this.#say(part)
    }
    if (this.#isEnding && !this.#window.isClosed) {
      this.#window.close()
      this.#done()
    }
  }
}
