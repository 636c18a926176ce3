/** One end of a pipe that carries frames: decoder in, outbox out. Whatever breaks it ends this pipe and nothing else. */
import type { Clock } from '#protocols/lifecycle'
import type { Deadlines } from './deadlines.ts'
import { FrameDecoder, type FrameHandler } from './decoder.ts'
import { STALL_MS } from './limits.ts'
import { type Defer, Outbox } from './outbox.ts'
import type { Pipe, PipeEnd } from './transport.ts'

export interface ChannelTools {
  clock: Clock
  deadlines: Deadlines
  defer: Defer
}

export interface ChannelInit extends ChannelTools {
  pipe: Pipe
  onFrame: FrameHandler
  onClosed: (reason: string) => void
}

export class Channel implements PipeEnd {
  readonly outbox: Outbox
  readonly #pipe: Pipe
  readonly #decoder: FrameDecoder
  readonly #onClosed: (reason: string) => void
  readonly #clock: Clock
  readonly #deadlines: Deadlines
  readonly #stall = { deadlineAt: 0, expire: () => this.close('the peer takes no bytes') }
  #open = true

  constructor(init: ChannelInit) {
    this.#pipe = init.pipe
    this.#clock = init.clock
    this.#deadlines = init.deadlines
    this.#onClosed = init.onClosed
    this.#decoder = new FrameDecoder(init.onFrame)
    this.outbox = new Outbox({ send: (bytes) => this.#send(bytes) }, init.defer)
    init.pipe.attach(this)
  }

  get open(): boolean {
    return this.#open
  }

  received(bytes: Uint8Array): void {
    if (!this.#open) return
    try {
      this.#decoder.push(bytes)
    } catch (error) {
      this.close(error instanceof Error ? error.message : String(error))
    }
  }

  drained(): void {
    this.#deadlines.delete(this.#stall)
    this.outbox.drained()
  }

  closed(reason: string): void {
    if (!this.#open) return
    this.#open = false
    this.#deadlines.delete(this.#stall)
    this.#onClosed(reason)
    this.outbox.close()
  }

  close(reason: string): void {
    this.closed(reason)
    this.#pipe.close(reason)
  }

  #send(bytes: Uint8Array): boolean {
    const room = this.#pipe.send(bytes)
    if (!room && this.#open) {
      this.#stall.deadlineAt = this.#clock.monotonic() + STALL_MS
      this.#deadlines.add(this.#stall)
    }
    return room
  }
}
