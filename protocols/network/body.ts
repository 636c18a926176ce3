/** Streamed bodies under credit: the receiver's reading is what allows the sender to go on. */
import type { ByteStream } from '#protocols/invocation'
import { OsirisError } from '#protocols/errors'
import { FrameError, Kind, creditFrame, dataHeader, errorFrame, signalFrame } from './frames.ts'
import { CHUNK_BYTES_MAX, CHUNK_OVERHEAD_BYTES, WINDOW_BYTES } from './limits.ts'
import type { Outbox } from './outbox.ts'

/** A body that arrives. May be iterated once; leaving the loop early calls `onReturn`. */
export class IncomingBody implements ByteStream {
  readonly #id: number
  readonly #outbox: Outbox
  readonly #onReturn: () => void
  #chunks: Uint8Array[] = []
  /** Cost of what is unread or already read and not yet credited. */
  #held = 0
  #owed = 0
  #ended = false
  #error: OsirisError | undefined
  #iterated = false
  #wake: (() => void) | undefined

  constructor(init: { id: number; outbox: Outbox; onReturn: () => void }) {
    this.#id = init.id
    this.#outbox = init.outbox
    this.#onReturn = init.onReturn
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Throws FrameError when the sender exceeds its credit. */
  push(chunk: Uint8Array): void {
    if (this.#ended) return
    this.#held += chunk.length + CHUNK_OVERHEAD_BYTES
    if (chunk.length === 0 || this.#held > WINDOW_BYTES) throw new FrameError('a body exceeds its credit')
    // A view would keep the whole read buffer of the socket alive for as long as the reader takes.
    this.#chunks.push(new Uint8Array(chunk))
    this.#notify()
  }

  end(): void {
    this.#ended = true
    this.#notify()
  }

  /** What was received before is still read, then the error is thrown. */
  fail(error: OsirisError): void {
    if (this.#ended) return
    this.#error = error
    this.end()
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    if (this.#iterated) throw new OsirisError('internal', 'Cannot read the body: it has been read before')
    this.#iterated = true
    return { next: () => this.#next(), return: () => this.#return() }
  }

  async #next(): Promise<IteratorResult<Uint8Array>> {
    while (this.#chunks.length === 0 && !this.#ended) await new Promise<void>((resolve) => (this.#wake = resolve))
    const chunk = this.#chunks.shift()
    if (chunk !== undefined) {
      this.#credit(chunk.length + CHUNK_OVERHEAD_BYTES)
      return { done: false, value: chunk }
    }
    if (this.#error !== undefined) throw this.#error
    return { done: true, value: undefined }
  }

  async #return(): Promise<IteratorResult<Uint8Array>> {
    this.#chunks = []
    this.#error = undefined
    if (!this.#ended) {
      this.end()
      this.#onReturn()
    }
    return { done: true, value: undefined }
  }

  #credit(cost: number): void {
    this.#owed += cost
    if (this.#ended || this.#owed < WINDOW_BYTES / 2) return
    this.#held -= this.#owed
    this.#outbox.push(creditFrame(this.#id, this.#owed))
    this.#owed = 0
  }

  #notify(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }
}

/** A body that leaves: pulls from its source only what credit and pipe allow. */
export class OutgoingBody {
  readonly #id: number
  readonly #outbox: Outbox
  readonly #iterator: AsyncIterator<Uint8Array>
  #credit = WINDOW_BYTES
  #cancelled = false
  #wake: (() => void) | undefined

  constructor(init: { id: number; outbox: Outbox; source: ByteStream }) {
    this.#id = init.id
    this.#outbox = init.outbox
    this.#iterator = init.source[Symbol.asyncIterator]()
  }

  /** Sends everything, then `end`, or `fail` when the source throws. Never rejects. */
  async run(): Promise<void> {
    try {
      for (;;) {
        const { done, value } = await this.#iterator.next()
        if (this.#cancelled) return
        if (done === true) break
        await this.#send(value)
        if (this.#cancelled) return
      }
      this.#outbox.push(signalFrame(Kind.end, this.#id))
    } catch (error) {
      if (!this.#cancelled) this.#outbox.push(errorFrame(Kind.fail, this.#id, OsirisError.from(error, 'Cannot read the body')))
    }
  }

  allow(bytes: number): void {
    this.#credit = Math.min(WINDOW_BYTES, this.#credit + bytes)
    this.#notify()
  }

  /** Stops sending and tells the source. */
  cancel(): void {
    if (this.#cancelled) return
    this.#cancelled = true
    this.#notify()
    // A source that is busy or broken must not hold up whoever cancels.
    this.#iterator.return?.().catch(() => {})
  }

  async #send(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES_MAX) {
      const chunk = bytes.subarray(at, at + CHUNK_BYTES_MAX)
      const cost = chunk.length + CHUNK_OVERHEAD_BYTES
      while (this.#credit < cost && !this.#cancelled) await new Promise<void>((resolve) => (this.#wake = resolve))
      while (this.#outbox.congested && !this.#cancelled) await this.#outbox.room()
      if (this.#cancelled) return
      this.#credit -= cost
      this.#outbox.push(dataHeader(this.#id, chunk.length), chunk)
    }
  }

  #notify(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }
}
