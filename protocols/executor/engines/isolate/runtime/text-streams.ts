/** TextEncoderStream and TextDecoderStream (Encoding Standard). */
import type { TransformStream } from 'web-streams-polyfill'
import { streams } from './streams.ts'
import { bytesOf, encodeUtf8, stringOf, TextDecoder } from './text.ts'

export class TextEncoderStream {
  readonly #stream: TransformStream<unknown, Uint8Array>

  constructor() {
    // Half of a pair at the end of a chunk waits for the other half.
    let held = ''
    this.#stream = new (streams().TransformStream)({
      transform(chunk, controller) {
        let text = held + stringOf(chunk)
        held = ''
        if (/[\ud800-\udbff]$/.test(text.slice(-1))) {
          held = text.slice(-1)
          text = text.slice(0, -1)
        }
        if (text !== '') controller.enqueue(encodeUtf8(text))
      },
      flush(controller) {
        if (held !== '') controller.enqueue(encodeUtf8(held))
      },
    })
  }

  get encoding(): string {
    return 'utf-8'
  }

  get readable(): ReadableStream<Uint8Array> {
    return this.#stream.readable as unknown as ReadableStream<Uint8Array>
  }

  get writable(): WritableStream {
    return this.#stream.writable
  }

  get [Symbol.toStringTag](): string {
    return 'TextEncoderStream'
  }
}

export class TextDecoderStream {
  readonly #decoder: TextDecoder
  readonly #stream: TransformStream<ArrayBuffer | ArrayBufferView, string>

  constructor(label?: string, options: { fatal?: boolean; ignoreBOM?: boolean } = {}) {
    const decoder = new TextDecoder(label, options)
    this.#decoder = decoder
    this.#stream = new (streams().TransformStream)({
      transform(chunk, controller) {
        const text = decoder.decode(bytesOf(chunk), { stream: true })
        if (text !== '') controller.enqueue(text)
      },
      flush(controller) {
        const text = decoder.decode()
        if (text !== '') controller.enqueue(text)
      },
    })
  }

  get encoding(): string {
    return this.#decoder.encoding
  }

  get fatal(): boolean {
    return this.#decoder.fatal
  }

  get ignoreBOM(): boolean {
    return this.#decoder.ignoreBOM
  }

  get readable(): ReadableStream<string> {
    return this.#stream.readable as unknown as ReadableStream<string>
  }

  get writable(): WritableStream {
    return this.#stream.writable
  }

  get [Symbol.toStringTag](): string {
    return 'TextDecoderStream'
  }
}
