/** Bodies between the node and a worker: a window of bytes may be under way, taking them makes room for more. */
import type { OsirisError } from '#protocols/errors'
import type { ByteStream } from '#protocols/invocation'
import { CHUNK_BYTES, WINDOW_BYTES } from './bounds.ts'
import { Window } from './window.ts'

/** Credit goes back in portions, not with every chunk. */
const PORTION_BYTES = WINDOW_BYTES / 4

/** A response's body as it arrives. The reader's pace is the worker's; leaving early cancels the call. */
export class ResponseBody implements AsyncIterable<Uint8Array>, AsyncIterator<Uint8Array> {
  readonly #wires: { credit(bytes: number): void; cancel(): void }
  #chunks: Uint8Array[] = []
  #bytes = 0
  #taken = 0
  #ended = false
  #error: OsirisError | undefined
  #waiting: { resolve: (result: IteratorResult<Uint8Array>) => void; reject: (error: unknown) => void } | undefined

  constructor(wires: { credit(bytes: number): void; cancel(): void }) {
    this.#wires = wires
  }

  /** Throws when the worker sends more than it was granted. */
  push(chunk: Uint8Array): void {
    if (this.#ended || chunk.length === 0) return
    this.#bytes += chunk.length
    if (this.#bytes > WINDOW_BYTES) throw new Error('more bytes than granted')
    const waiting = this.#waiting
    this.#waiting = undefined
    if (waiting === undefined) this.#chunks.push(chunk)
    else waiting.resolve({ done: false, value: this.#take(chunk) })
  }

  end(): void {
    this.#finish(undefined)
  }

  /** Chunks that are here already can still be read. */
  fail(error: OsirisError): void {
    this.#finish(error)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    const chunk = this.#chunks.shift()
    if (chunk !== undefined) return Promise.resolve({ done: false, value: this.#take(chunk) })
    if (this.#error !== undefined) return Promise.reject(this.#error)
    if (this.#ended) return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
    })
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    this.#chunks = []
    if (!this.#ended) {
      this.#finish(undefined)
      this.#wires.cancel()
    }
    return Promise.resolve({ done: true, value: undefined })
  }

  #take(chunk: Uint8Array): Uint8Array {
    this.#bytes -= chunk.length
    this.#taken += chunk.length
    if (this.#taken >= PORTION_BYTES && !this.#ended) {
      this.#wires.credit(this.#taken)
      this.#taken = 0
    }
    return chunk
  }

  #finish(error: OsirisError | undefined): void {
    if (this.#ended) return
    this.#ended = true
    this.#error = error
    const waiting = this.#waiting
    this.#waiting = undefined
    if (waiting === undefined) return
    if (error === undefined) waiting.resolve({ done: true, value: undefined })
    else waiting.reject(error)
  }
}

/** A request's body on its way into a worker. */
export class RequestBody {
  readonly #window = new Window()

  /** The function took this much. Throws when that is more than it was given. */
  credit(bytes: number): void {
    this.#window.credit(bytes)
  }

  /** Room for something that is in no source. Whether there was. */
  take(bytes: number): boolean {
    return this.#window.take(bytes)
  }

  /** Nobody reads any more: the source is left early. */
  stop(): void {
    this.#window.close()
  }

  /** Sends the source chunk by chunk; resolves when it is at its end, was stopped, or `send` said that it is too much. Rejects when the source fails. */
  async pump(source: ByteStream, send: (chunk: Uint8Array) => boolean): Promise<void> {
    for await (const chunk of source) {
      for (let at = 0; at < chunk.length; at += CHUNK_BYTES) {
        const part = chunk.subarray(at, at + CHUNK_BYTES)
        while (!this.#window.take(part.length)) {
          if (this.#window.isClosed) return
          await this.#window.changed()
        }
        if (!send(part)) return
      }
    }
  }
}
