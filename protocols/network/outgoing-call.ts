/** One request from its sending to the last byte of its answer. */
import { streamOf } from '#protocols/body'
import { OsirisError } from '#protocols/errors'
import { IncomingBody, OutgoingBody } from './body.ts'
import type { Channel } from './channel.ts'
import type { Deadline } from './deadlines.ts'
import { BodyMode, FrameError, Kind, readCredit, readError, readResponse, requestFrame, signalFrame } from './frames.ts'
import { MESSAGE_BYTES_MAX } from './limits.ts'
import type { Message, RequestOptions } from './network.ts'
import { asUnsent, unsent, withoutSent } from './unsent.ts'

export interface OutgoingCallInit {
  id: number
  /** For error sentences: `ask <peer> for "<protocol>"`. */
  act: string
  deadlineAt: number
  channel: Channel
  resolve: (message: Message) => void
  reject: (error: OsirisError) => void
  /** The call is over on this side. */
  forget: (call: OutgoingCall) => void
}

export class OutgoingCall implements Deadline {
  readonly id: number
  readonly deadlineAt: number
  readonly #init: OutgoingCallInit
  readonly #channel: Channel
  #ticket = 0
  #outgoing: OutgoingBody | undefined
  #incoming: IncomingBody | undefined
  #unlisten = (): void => {}

  constructor(init: OutgoingCallInit) {
    this.id = init.id
    this.deadlineAt = init.deadlineAt
    this.#init = init
    this.#channel = init.channel
  }

  send(name: Buffer, { head, body }: Message, { timeoutMs, signal }: RequestOptions): void {
    const { outbox } = this.#channel
    const inline = body instanceof Uint8Array && head.length + body.length <= MESSAGE_BYTES_MAX
    if (inline) {
      this.#ticket = outbox.push(requestFrame(this.id, timeoutMs, name, head, BodyMode.inline, body.length), body)
    } else {
      const mode = body === undefined ? BodyMode.none : BodyMode.stream
      this.#ticket = outbox.push(requestFrame(this.id, timeoutMs, name, head, mode, 0))
      if (body !== undefined) this.#pump(body instanceof Uint8Array ? streamOf(body) : body)
    }
    if (signal !== undefined) this.#listen(signal)
  }

  frame(kind: number, payload: Uint8Array): void {
    switch (kind) {
      case Kind.response:
        return this.#answered(payload)
      case Kind.error:
        return this.#over(withoutSent(readError(payload)))
      case Kind.refused:
        return this.#over(asUnsent(readError(payload)))
      case Kind.data:
        return this.#body.push(payload)
      case Kind.end:
        this.#body.end()
        return this.#finish()
      case Kind.fail:
        this.#body.fail(withoutSent(readError(payload)))
        return this.#finish()
      case Kind.credit:
        return this.#outgoing?.allow(readCredit(payload))
      case Kind.stop:
        return this.#outgoing?.cancel()
      default:
        throw new FrameError(`a frame of kind ${kind} is no answer`)
    }
  }

  expire(): void {
    this.#abandon(
      new OsirisError('deadline_exceeded', `Cannot ${this.#init.act}: no answer within the deadline`, { details: { sent: this.#sent } }),
    )
  }

  broken(reason: string): void {
    this.#over(this.#interrupted(`the connection ended (${reason})`))
  }

  get #body(): IncomingBody {
    if (this.#incoming === undefined) throw new FrameError('a body before its response')
    return this.#incoming
  }

  get #sent(): boolean {
    return this.#channel.outbox.left(this.#ticket)
  }

  #pump(source: AsyncIterable<Uint8Array>): void {
    this.#outgoing = new OutgoingBody({ id: this.id, outbox: this.#channel.outbox, source })
    void this.#outgoing.run()
  }

  #listen(signal: AbortSignal): void {
    const cancelled = (): void =>
      this.#abandon(signal.reason instanceof OsirisError ? signal.reason : this.#interrupted('the request was cancelled'))
    signal.addEventListener('abort', cancelled, { once: true })
    this.#unlisten = () => signal.removeEventListener('abort', cancelled)
  }

  #answered(payload: Uint8Array): void {
    if (this.#incoming !== undefined) throw new FrameError('a second response')
    const { mode, head, body } = readResponse(payload)
    if (mode !== BodyMode.stream) {
      this.#finish()
      return this.#init.resolve(mode === BodyMode.none ? { head } : { head, body })
    }
    this.#incoming = new IncomingBody({ id: this.id, outbox: this.#channel.outbox, onReturn: () => this.#cancel() })
    this.#init.resolve({ head, body: this.#incoming })
  }

  #interrupted(why: string): OsirisError {
    if (this.#sent)
      return new OsirisError('outcome_unknown', `Cannot ${this.#init.act}: ${why} before the answer`, { details: { sent: true } })
    return unsent('unavailable', `Cannot ${this.#init.act}: ${why} before the request was sent`)
  }

  #abandon(error: OsirisError): void {
    this.#cancel()
    if (this.#incoming === undefined) this.#init.reject(error)
    else this.#incoming.fail(error)
  }

  #cancel(): void {
    this.#channel.outbox.push(signalFrame(Kind.cancel, this.id))
    this.#finish()
  }

  #over(error: OsirisError): void {
    this.#finish()
    if (this.#incoming === undefined) this.#init.reject(error)
    else this.#incoming.fail(error)
  }

  #finish(): void {
    this.#init.forget(this)
    this.#unlisten()
    this.#outgoing?.cancel()
  }
}
