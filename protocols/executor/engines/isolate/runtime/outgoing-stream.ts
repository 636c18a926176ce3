/** A body that leaves the isolate, as far as the host has granted room for it. */
import type { ReadableStream } from 'web-streams-polyfill'
import { CHUNK_BYTES, INLINE_BYTES_MAX } from '../../../bounds.ts'
import { Window } from '../../../window.ts'
import { chunkBytes } from './body.ts'
import { isLongerThan } from './text.ts'

export class OutgoingStream {
  readonly #window = new Window()
  #reader: { cancel(reason: unknown): Promise<unknown> } | undefined

  /** The host took this much. */
  credit(bytes: number): void {
    this.#window.credit(bytes)
  }

  /** Nothing is said any more; the stream is cancelled. */
  stop(reason: unknown): void {
    this.#window.close()
    void this.#reader?.cancel(reason).catch(() => {})
  }

  /** Resolves at the stream's end, or when stopped; rejects with what broke it. */
  async pump(stream: ReadableStream, send: (part: Uint8Array) => void): Promise<void> {
    const reader = stream.getReader()
    this.#reader = reader
    for (;;) {
      const { done, value } = await reader.read()
      if (done || this.#window.isClosed) return
      const bytes = chunkBytes(value)
      for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
        const part = bytes.slice(at, at + CHUNK_BYTES)
        while (!this.#window.take(part.length)) {
          if (this.#window.isClosed) return
          await this.#window.changed()
        }
        send(part)
      }
    }
  }
}

/** Whether a body is too long to travel with its head. */
export function isLong(source: string | Uint8Array): boolean {
  return typeof source === 'string' ? isLongerThan(source, INLINE_BYTES_MAX) : source.length > INLINE_BYTES_MAX
}
