/** The answering end of a pipe: requests in, handlers run, answers out. */
import { OsirisError } from '#protocols/errors'
import { Channel, type ChannelTools } from './channel.ts'
import { BodyMode, errorFrame, FrameError, Kind, readRequest } from './frames.ts'
import { IncomingCall } from './incoming-call.ts'
import { CALLS_MAX, INCOMING_BODIES_MAX } from './limits.ts'
import type { Peer, RequestHandler } from './network.ts'
import type { Pipe } from './transport.ts'

export class Callee {
  readonly #peer: Peer
  readonly #tools: ChannelTools
  readonly #channel: Channel
  readonly #handlers: ReadonlyMap<string, RequestHandler>
  readonly #onClosed: () => void
  readonly #calls = new Map<number, IncomingCall>()
  #bodies = 0
  #lastId = 0

  constructor(init: ChannelTools & { peer: Peer; pipe: Pipe; handlers: ReadonlyMap<string, RequestHandler>; onClosed: () => void }) {
    this.#peer = init.peer
    this.#tools = init
    this.#handlers = init.handlers
    this.#onClosed = init.onClosed
    this.#channel = new Channel({
      ...init,
      onFrame: (kind, id, payload) => this.#frame(kind, id, payload),
      onClosed: (reason) => this.#ended(reason),
    })
  }

  close(reason: string): void {
    this.#channel.close(reason)
  }

  readonly #forget = (call: IncomingCall): void => {
    if (!this.#calls.delete(call.id)) return
    if (call.streamed) this.#bodies--
    this.#tools.deadlines.delete(call)
  }

  #frame(kind: number, id: number, payload: Uint8Array): void {
    if (kind === Kind.request) return this.#start(id, payload)
    const call = this.#calls.get(id)
    if (call !== undefined) call.frame(kind, payload)
    else if (id > this.#lastId || kind < Kind.data || kind > Kind.cancel) throw new FrameError('a frame of no request')
  }

  #start(id: number, payload: Uint8Array): void {
    // Ids only grow, so that a frame that comes twice can never run a request twice.
    if (id <= this.#lastId) throw new FrameError('a request comes twice')
    this.#lastId = id
    const request = readRequest(payload)
    const handler = this.#handlers.get(request.protocol)
    if (handler === undefined) return this.#refuse(id, 'unavailable', `this node has no handler for "${request.protocol}"`)
    if (this.#calls.size >= CALLS_MAX) return this.#refuse(id, 'overloaded', `${CALLS_MAX} requests are in flight`)
    const streamed = request.mode === BodyMode.stream
    if (streamed && this.#bodies >= INCOMING_BODIES_MAX) return this.#refuse(id, 'overloaded', `${INCOMING_BODIES_MAX} bodies are open`)
    const deadlineAt = this.#tools.clock.monotonic() + request.timeoutMs
    const call = new IncomingCall({ id, peer: this.#peer, channel: this.#channel, deadlineAt, request, forget: this.#forget })
    if (streamed) this.#bodies++
    this.#calls.set(id, call)
    this.#tools.deadlines.add(call)
    void call.run(handler)
  }

  #refuse(id: number, code: 'unavailable' | 'overloaded', state: string): void {
    this.#channel.outbox.push(errorFrame(Kind.refused, id, new OsirisError(code, `Cannot answer: ${state}`)))
  }

  #ended(reason: string): void {
    for (const call of [...this.#calls.values()])
      call.abort(new OsirisError('unavailable', `Cannot answer: the connection ended (${reason})`))
    this.#onClosed()
  }
}
