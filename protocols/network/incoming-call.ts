/** One request that arrived, as its handler sees it, and the answer's way back. */
import { streamOf } from '#protocols/body'
import type { Body } from '#protocols/invocation'
import { OsirisError } from '#protocols/errors'
import { IncomingBody, OutgoingBody } from './body.ts'
import type { Channel } from './channel.ts'
import type { Deadline } from './deadlines.ts'
import { BodyMode, errorFrame, FrameError, Kind, readCredit, readError, type RequestFrame, responseFrame, signalFrame } from './frames.ts'
import { MESSAGE_BYTES_MAX } from './limits.ts'
import type { IncomingRequest, Message, Peer, RequestHandler } from './network.ts'
import { withoutSent } from './unsent.ts'

export interface IncomingCallInit {
  id: number
  peer: Peer
  channel: Channel
  deadlineAt: number
  request: RequestFrame
  /** The call is over on this side. */
  forget: (call: IncomingCall) => void
}

export class IncomingCall implements IncomingRequest, Deadline {
  readonly id: number
  readonly peer: Peer
  readonly deadlineAt: number
  readonly timeoutMs: number
  readonly head: Uint8Array
  /** Absent, not undefined, where there is none. */
  declare readonly body?: Body
  readonly #init: IncomingCallInit
  readonly #channel: Channel
  readonly #incoming: IncomingBody | undefined
  #outgoing: OutgoingBody | undefined
  #abort: AbortController | undefined
  #reason: OsirisError | undefined
  #over = false

  constructor(init: IncomingCallInit) {
    const { id, request } = init
    this.id = id
    this.peer = init.peer
    this.deadlineAt = init.deadlineAt
    this.timeoutMs = request.timeoutMs
    this.head = request.head
    this.#init = init
    this.#channel = init.channel
    if (request.mode === BodyMode.inline) this.body = request.body
    if (request.mode !== BodyMode.stream) return
    this.#incoming = new IncomingBody({ id, outbox: init.channel.outbox, onReturn: () => this.#stop() })
    this.body = this.#incoming
  }

  get streamed(): boolean {
    return this.#incoming !== undefined
  }

  /** Made when asked for: most handlers of small requests never look. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController()
      if (this.#reason !== undefined) this.#abort.abort(this.#reason)
    }
    return this.#abort.signal
  }

  /** Never rejects. */
  async run(handler: RequestHandler): Promise<void> {
    try {
      await this.#respond(await handler(this))
    } catch (error) {
      if (!this.#over) this.#channel.outbox.push(errorFrame(Kind.error, this.id, OsirisError.from(error, 'Cannot answer')))
    } finally {
      this.#finish()
    }
  }

  frame(kind: number, payload: Uint8Array): void {
    switch (kind) {
      case Kind.data:
        if (this.#incoming === undefined) throw new FrameError('a body that was not announced')
        return this.#incoming.push(payload)
      case Kind.end:
        return this.#incoming?.end()
      case Kind.fail:
        return this.#incoming?.fail(withoutSent(readError(payload)))
      case Kind.credit:
        return this.#outgoing?.allow(readCredit(payload))
      case Kind.cancel:
        return this.abort(new OsirisError('unavailable', 'Cannot answer: the caller has cancelled'))
      default:
        throw new FrameError(`a frame of kind ${kind} is no part of a request`)
    }
  }

  expire(): void {
    this.abort(new OsirisError('deadline_exceeded', 'Cannot answer: the deadline has passed'))
  }

  /** Nobody waits for the answer any more. */
  abort(reason: OsirisError): void {
    if (this.#over) return
    this.#reason = reason
    this.#incoming?.fail(reason)
    this.#finish()
    this.#abort?.abort(reason)
  }

  async #respond({ head, body }: Message): Promise<void> {
    const { outbox } = this.#channel
    while (outbox.congested && !this.#over) await outbox.room()
    if (this.#over) return cancelBody(body)
    if (head.length > MESSAGE_BYTES_MAX)
      throw new OsirisError('internal', `Cannot answer: the head is longer than ${MESSAGE_BYTES_MAX} bytes`)
    if (body === undefined) outbox.push(responseFrame(this.id, head, BodyMode.none, 0))
    else if (body instanceof Uint8Array && head.length + body.length <= MESSAGE_BYTES_MAX) {
      outbox.push(responseFrame(this.id, head, BodyMode.inline, body.length), body)
    } else {
      outbox.push(responseFrame(this.id, head, BodyMode.stream, 0))
      this.#outgoing = new OutgoingBody({ id: this.id, outbox, source: body instanceof Uint8Array ? streamOf(body) : body })
      await this.#outgoing.run()
    }
  }

  #stop(): void {
    if (!this.#over) this.#channel.outbox.push(signalFrame(Kind.stop, this.id))
  }

  #finish(): void {
    if (this.#over) return
    this.#over = true
    this.#init.forget(this)
    this.#outgoing?.cancel()
    this.#incoming?.fail(new OsirisError('unavailable', 'Cannot read the body: the request has been answered'))
  }
}

/** A source nobody will read must hear of it. */
function cancelBody(body: Body | undefined): void {
  if (body !== undefined && !(body instanceof Uint8Array))
    body[Symbol.asyncIterator]()
      .return?.()
      .catch(() => {})
}
