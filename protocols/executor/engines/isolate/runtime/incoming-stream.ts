/** A body as the host brings it: what is taken is told, so that the sender's window moves. */
import type { ReadableStream } from 'web-streams-polyfill'
import { streams } from './streams.ts'

export class IncomingStream {
  readonly stream: ReadableStream
  readonly #taken: (bytes: number) => void
  #chunks: Uint8Array<ArrayBuffer>[] = []
  #ended = false
  #error: unknown
  #wake: (() => void) | undefined

  /** `taken` tells the sender that there is room for so many bytes more; `left` that nobody reads on. */
  constructor(taken: (bytes: number) => void, left: () => void = () => {}) {
    this.#taken = taken
    this.stream = new (streams().ReadableStream)(
      {
        pull: (controller) => this.#pull(controller),
        cancel: () => {
          this.#chunks = []
          left()
        },
        type: 'bytes',
      },
      { highWaterMark: 0 },
    )
  }

  push(bytes: Uint8Array<ArrayBuffer>): void {
    this.#chunks.push(bytes)
    this.#notify()
  }

  end(): void {
    this.#ended = true
    this.#notify()
  }

  /** Chunks that are here already can still be read. */
  fail(reason: unknown): void {
    this.#error = typeof reason === 'string' ? new Error(reason) : reason
    this.#notify()
  }

  async #pull(controller: { enqueue(chunk: Uint8Array<ArrayBuffer>): void; close(): void; byobRequest?: unknown }): Promise<void> {
    while (this.#chunks.length === 0 && !this.#ended && this.#error === undefined)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    const chunk = this.#chunks.shift()
    if (chunk !== undefined) {
      this.#taken(chunk.length)
      controller.enqueue(chunk)
      return
    }
    if (this.#error !== undefined) throw this.#error
    controller.close()
    // A reader that brought its own buffer waits for a word even at the end (Streams Standard, ReadableByteStreamController.close).
    ;(controller.byobRequest as { respond(bytes: number): void } | null | undefined)?.respond(0)
  }

  #notify(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }
}
