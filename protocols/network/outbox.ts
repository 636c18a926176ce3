/** Frames on their way out of one pipe: all frames of one tick leave in one write. */
import type { Pipe } from './transport.ts'
import { OUTBOX_BYTES_HIGH } from './limits.ts'

/** Runs something at the end of this tick. */
export type Defer = (run: () => void) => void

export class Outbox {
  readonly #pipe: Pick<Pipe, 'send'>
  readonly #defer: Defer
  #parts: Uint8Array[] = []
  #bytes = 0
  #pushed = 0
  #flushed = 0
  #full = false
  #scheduled = false
  #closed = false
  #waiting: (() => void)[] = []

  constructor(pipe: Pick<Pipe, 'send'>, defer: Defer) {
    this.#pipe = pipe
    this.#defer = defer
  }

  /** Queues one frame, given in one or two parts; its ticket says later whether it left. */
  push(frame: Uint8Array, body?: Uint8Array): number {
    if (this.#closed) return ++this.#pushed
    this.#parts.push(frame)
    this.#bytes += frame.length
    if (body !== undefined && body.length > 0) {
      this.#parts.push(body)
      this.#bytes += body.length
    }
    this.#schedule()
    return ++this.#pushed
  }

  /** Whether the frame was handed to the pipe. */
  left(ticket: number): boolean {
    return ticket <= this.#flushed
  }

  /** Bytes that the pipe has not taken yet. */
  get bytes(): number {
    return this.#bytes
  }

  get congested(): boolean {
    return this.#bytes >= OUTBOX_BYTES_HIGH
  }

  /** Resolves when there is room again, or the pipe is closed. */
  room(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  drained(): void {
    this.#full = false
    this.#flush()
  }

  close(): void {
    this.#closed = true
    this.#parts = []
    this.#bytes = 0
    this.#wake()
  }

  #schedule(): void {
    if (this.#scheduled || this.#full) return
    this.#scheduled = true
    this.#defer(() => {
      this.#scheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    if (this.#parts.length > 0 && !this.#full && !this.#closed) {
      const parts = this.#parts
      this.#parts = []
      this.#bytes = 0
      this.#flushed = this.#pushed
      this.#full = !this.#pipe.send(asPlain(parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts)))
    }
    if (!this.congested && this.#waiting.length > 0) this.#wake()
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const each of waiting) each()
  }
}

/** Receivers in the same process must see what receivers of a socket see: plain bytes, no Buffer. */
function asPlain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
