/** ErrorEvent, PromiseRejectionEvent and MessageEvent (HTML Standard), and CloseEvent (WebSockets Standard). */
import { Event, type EventInit } from './events.ts'
import { stringOf } from './text.ts'

interface ErrorEventInit extends EventInit {
  message?: string
  filename?: string
  lineno?: number
  colno?: number
  error?: unknown
}

export class ErrorEvent extends Event {
  readonly #init: Required<Omit<ErrorEventInit, keyof EventInit>>

  constructor(type: string, init?: ErrorEventInit | null) {
    super(type, init)
    const { message = '', filename = '', lineno = 0, colno = 0, error } = init ?? {}
    this.#init = { message: stringOf(message), filename: stringOf(filename), lineno: lineno >>> 0, colno: colno >>> 0, error }
  }

  get message(): string {
    return this.#init.message
  }

  get filename(): string {
    return this.#init.filename
  }

  get lineno(): number {
    return this.#init.lineno
  }

  get colno(): number {
    return this.#init.colno
  }

  get error(): unknown {
    return this.#init.error
  }

  override get [Symbol.toStringTag](): string {
    return 'ErrorEvent'
  }
}

export class PromiseRejectionEvent extends Event {
  readonly #promise: object
  readonly #reason: unknown

  constructor(type: string, init: EventInit & { promise: object; reason?: unknown }) {
    super(type, init)
    if (typeof init?.promise !== 'object' || init.promise === null) throw new TypeError('A PromiseRejectionEvent needs its promise')
    this.#promise = init.promise
    this.#reason = init.reason
  }

  get promise(): object {
    return this.#promise
  }

  get reason(): unknown {
    return this.#reason
  }

  override get [Symbol.toStringTag](): string {
    return 'PromiseRejectionEvent'
  }
}

interface CloseEventInit extends EventInit {
  wasClean?: boolean
  code?: number
  reason?: string
}

export class CloseEvent extends Event {
  readonly #wasClean: boolean
  readonly #code: number
  readonly #reason: string

  constructor(type: string, init?: CloseEventInit | null) {
    super(type, init)
    const { wasClean = false, code = 0, reason = '' } = init ?? {}
    this.#wasClean = wasClean
    this.#code = code & 0xffff
    this.#reason = stringOf(reason)
  }

  get wasClean(): boolean {
    return this.#wasClean
  }

  get code(): number {
    return this.#code
  }

  get reason(): string {
    return this.#reason
  }

  override get [Symbol.toStringTag](): string {
    return 'CloseEvent'
  }
}

interface MessageEventInit extends EventInit {
  data?: unknown
  origin?: string
  lastEventId?: string
  source?: unknown
  ports?: Iterable<unknown>
}

export class MessageEvent extends Event {
  readonly #data: unknown
  readonly #origin: string
  readonly #lastEventId: string
  readonly #source: unknown
  readonly #ports: readonly unknown[]

  constructor(type: string, init?: MessageEventInit | null) {
    super(type, init)
    const { data = null, origin = '', lastEventId = '', source = null, ports = [] } = init ?? {}
    this.#data = data
    this.#origin = stringOf(origin)
    this.#lastEventId = stringOf(lastEventId)
    this.#source = source
    this.#ports = Object.freeze([...ports])
  }

  get data(): unknown {
    return this.#data
  }

  get origin(): string {
    return this.#origin
  }

  get lastEventId(): string {
    return this.#lastEventId
  }

  get source(): unknown {
    return this.#source
  }

  get ports(): readonly unknown[] {
    return this.#ports
  }

  override get [Symbol.toStringTag](): string {
    return 'MessageEvent'
  }
}
