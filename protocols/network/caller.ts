/** The asking end of a pipe: requests out, answers in. */
import type { OsirisError } from '#protocols/errors'
import { Channel, type ChannelTools } from './channel.ts'
import { FrameError, Kind } from './frames.ts'
import { CALLS_MAX, MESSAGE_BYTES_MAX } from './limits.ts'
import type { Message, Peer, RequestOptions } from './network.ts'
import { OutgoingCall } from './outgoing-call.ts'
import type { Pipe } from './transport.ts'
import { unsent } from './unsent.ts'

export class Caller {
  readonly #peer: Peer
  readonly #tools: ChannelTools
  readonly #channel: Channel
  readonly #onClosed: () => void
  readonly #calls = new Map<number, OutgoingCall>()
  readonly #names = new Map<string, Buffer>()
  #lastId = 0

  constructor(init: ChannelTools & { peer: Peer; pipe: Pipe; onClosed: () => void }) {
    this.#peer = init.peer
    this.#tools = init
    this.#onClosed = init.onClosed
    this.#channel = new Channel({
      ...init,
      onFrame: (kind, id, payload) => this.#frame(kind, id, payload),
      onClosed: (reason) => this.#ended(reason),
    })
  }

  get open(): boolean {
    return this.#channel.open && this.#lastId < 0xffffffff
  }

  /** Sends the request at the end of this tick. The promise and its errors are those of `Network.request`. */
  request(protocol: string, message: Message, options: RequestOptions): Promise<Message> {
    const refusal = this.#refusal(message, options)
    if (refusal !== undefined) return Promise.reject(refusal)
    return new Promise((resolve, reject) => {
      const call = new OutgoingCall({
        id: ++this.#lastId,
        act: `ask ${this.#peer} for "${protocol}"`,
        deadlineAt: this.#tools.clock.monotonic() + options.timeoutMs,
        channel: this.#channel,
        resolve,
        reject,
        forget: this.#forget,
      })
      this.#calls.set(call.id, call)
      this.#tools.deadlines.add(call)
      call.send(this.#nameOf(protocol), message, options)
    })
  }

  close(reason: string): void {
    this.#channel.close(reason)
  }

  readonly #forget = (call: OutgoingCall): void => {
    this.#calls.delete(call.id)
    this.#tools.deadlines.delete(call)
  }

  #refusal(message: Message, options: RequestOptions): OsirisError | undefined {
    if (message.head.length > MESSAGE_BYTES_MAX) {
      return unsent('payload_too_large', `Cannot ask ${this.#peer}: the head is longer than ${MESSAGE_BYTES_MAX} bytes`)
    }
    if (!(options.timeoutMs > 0)) return unsent('deadline_exceeded', `Cannot ask ${this.#peer}: no time is left`)
    if (options.signal?.aborted === true)
      return unsent('unavailable', `Cannot ask ${this.#peer}: the request was cancelled before it was sent`)
    if (this.#calls.size >= CALLS_MAX) return unsent('overloaded', `Cannot ask ${this.#peer}: ${CALLS_MAX} requests are in flight`)
    if (!this.#channel.open) return unsent('unavailable', `Cannot ask ${this.#peer}: the connection is closed`)
    return undefined
  }

  #nameOf(protocol: string): Buffer {
    let name = this.#names.get(protocol)
    if (name === undefined) this.#names.set(protocol, (name = Buffer.from(protocol, 'latin1')))
    return name
  }

  /** Frames of calls that are over are expected: they crossed our cancel. */
  #frame(kind: number, id: number, payload: Uint8Array): void {
    const call = this.#calls.get(id)
    if (call !== undefined) call.frame(kind, payload)
    else if (id > this.#lastId || kind < Kind.response || kind > Kind.stop) throw new FrameError('an answer to nothing')
  }

  #ended(reason: string): void {
    for (const call of [...this.#calls.values()]) call.broken(reason)
    this.#onClosed()
  }
}
