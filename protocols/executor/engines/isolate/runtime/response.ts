/** Response (Fetch Standard), as a function makes it. */
import type { WireFetched } from '../../../frames.ts'
import { Body, extract, type Source } from './body.ts'
import { Headers, type HeadersInput } from './headers.ts'
import { loaded } from './loaded.ts'
import { stringOf } from './text.ts'
import { urls } from './urls.ts'
import type { WebSocket } from './web-socket.ts'

export interface ResponseInit {
  status?: number
  statusText?: string
  headers?: HeadersInput
  /** With status 101: the client's end of a WebSocketPair. */
  webSocket?: WebSocket | null
}

const SWITCHING = 101
const NULL_BODY = new Set([101, 204, 205, 304])
const REDIRECTS = new Set([301, 302, 303, 307, 308])

export class Response extends Body {
  readonly #status: number
  readonly #statusText: string
  #headers: Headers
  readonly #type: string
  readonly #webSocket: WebSocket | null
  #url = ''
  #redirected = false

  constructor(body?: unknown, init: ResponseInit = {}, kind = 'default') {
    const { source, type } = extract(body)
    const webSocket = socketOf(init)
    const status = webSocket === null ? statusOf(init.status ?? 200, kind) : SWITCHING
    if (source !== null && NULL_BODY.has(status)) throw new TypeError(`A response with status ${status} has no body`)
    super(source)
    this.#status = status
    this.#statusText = kind === 'basic' ? stringOf(init.statusText) : reasonOf(init.statusText ?? '')
    this.#headers = new Headers(init.headers)
    this.#type = kind
    this.#webSocket = webSocket
    if (type !== null && !this.#headers.has('content-type')) this.#headers.set('content-type', type)
  }

  static json(data: unknown, init: ResponseInit = {}): Response {
    const text = JSON.stringify(data)
    if (text === undefined) throw new TypeError('The value cannot be expressed as JSON')
    const headers = new Headers(init.headers)
    if (!headers.has('content-type')) headers.set('content-type', 'application/json')
    return new Response(text, { ...init, headers })
  }

  static redirect(url: string | URL, status = 302): Response {
    if (!REDIRECTS.has(status)) throw new RangeError(`${status} is not the status of a redirect`)
    return new Response(null, { status, headers: { location: new (urls().URL)(stringOf(url)).href } })
  }

  static error(): Response {
    return new Response(null, { status: 0 }, 'error')
  }

  /** What a fetch got: nothing of it is judged again. */
  static received(head: WireFetched, source: Source): Response {
    const { status, statusText, headers, url, redirected } = head
    const response = new Response(source, { status, statusText }, 'basic')
    response.#headers = Headers.wrap(headers)
    response.#url = url
    response.#redirected = redirected
    return response
  }

  static send(response: Response): { status: number; headers: [string, string][]; source: Source; webSocket: WebSocket | null } {
    const webSocket = response.#webSocket
    return { status: response.#status, headers: Headers.list(response.#headers), source: Body.take(response), webSocket }
  }

  static is(value: unknown): value is Response {
    return typeof value === 'object' && value !== null && #status in value
  }

  get webSocket(): WebSocket | null {
    return this.#webSocket
  }

  get status(): number {
    return this.#status
  }

  get statusText(): string {
    return this.#statusText
  }

  get ok(): boolean {
    return this.#status >= 200 && this.#status < 300
  }

  get headers(): Headers {
    return this.#headers
  }

  get type(): string {
    return this.#type
  }

  get url(): string {
    return this.#url
  }

  get redirected(): boolean {
    return this.#redirected
  }

  clone(): Response {
    if (this.#webSocket !== null) throw new TypeError('A response with a WebSocket cannot be cloned')
    const copy = new Response(Body.split(this), { status: this.#status, statusText: this.#statusText, headers: this.#headers }, this.#type)
    // The body's own content type was judged when the original was made.
    if (!this.#headers.has('content-type')) copy.#headers.delete('content-type')
    copy.#url = this.#url
    copy.#redirected = this.#redirected
    return copy
  }

  get [Symbol.toStringTag](): string {
    return 'Response'
  }
}

/** 101 goes with a WebSocket, and nothing else goes with either. */
function socketOf({ webSocket, status }: ResponseInit): WebSocket | null {
  if (webSocket === undefined || webSocket === null) return null
  if (loaded.sockets?.isSocket(webSocket) !== true) throw new TypeError('webSocket is one end of a WebSocketPair')
  if (status !== SWITCHING) throw new RangeError(`A response with a WebSocket has status ${SWITCHING}`)
  return webSocket
}

/** RFC 9112's reason-phrase. */
function reasonOf(value: unknown): string {
  const reason = stringOf(value)
  if (/[^\t\x20-\x7e\x80-\xff]/.test(reason)) throw new TypeError('A status text has characters it must not have')
  return reason
}

function statusOf(status: number, kind: string): number {
  if (kind === 'error') return 0
  if (kind === 'basic') return status
  const number = Math.trunc(status)
  if (!(number >= 200 && number <= 599)) throw new RangeError(`A status is between 200 and 599, and this one is ${status}`)
  return number
}
