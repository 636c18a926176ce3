/** A request's body as the host brings it: what is taken is told, so that the sender's window moves. */
import { ReadableStream } from 'web-streams-polyfill'
import { OUT } from './codes.ts'
import { say } from './outbox.ts'

export class IncomingStream {
  readonly stream: ReadableStream
  readonly #id: number
  #chunks: Uint8Array<ArrayBuffer>[] = []
  #ended = false
  #error: Error | undefined
  #wake: (() => void) | undefined

  constructor(id: number) {
    this.#id = id
    this.stream = new ReadableStream(
      {
        pull: (controller) => this.#pull(controller),
        cancel: () => {
          this.#chunks = []
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

  fail(reason: string): void {
    this.#error = new Error(reason)
    this.#notify()
  }

  async #pull(controller: { enqueue(chunk: Uint8Array<ArrayBuffer>): void; close(): void; byobRequest?: unknown }): Promise<void> {
    while (this.#chunks.length === 0 && !this.#ended && this.#error === undefined)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    const chunk = this.#chunks.shift()
    if (chunk !== undefined) {
      say(OUT.credit, this.#id, chunk.length)
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
