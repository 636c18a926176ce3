/**
 * WebSocketPair, as Workers have it, and its two ends (WebSockets Standard, as far as it says how one behaves). The end that a Response takes along belongs to the
 * client from then on; what arrives for the other one waits until it is accepted. Messages are events of the call that answered with the socket.
 */
import {
  closeFrame,
  CLOSED as CODE,
  maySend,
  readClose,
  SOCKET,
  SOCKET_MESSAGE_BYTES_MAX,
  SOCKET_REASON_BYTES_MAX,
  socketFrame,
} from '#protocols/socket'
import { DOMException } from './dom-exception.ts'
import { dispatch, Event, EventTarget, handlerOf, type Listener, setHandler } from './events.ts'
import { CloseEvent, MessageEvent } from './late-events.ts'
import { loaded } from './loaded.ts'
import { PromiseThen, resolved } from './primordials.ts'
import { type SocketLink, WAITING_BYTES_MAX } from './socket-link.ts'
import { bytesOf, decodeUtf8, encodeUtf8, stringOf } from './text.ts'

const CONNECTING = 0
const OPEN = 1
const CLOSING = 2
const CLOSED = 3

type Word = { data: string | Uint8Array<ArrayBuffer> } | { code: number; reason: string; wasClean: boolean }

/** The client's end, as the call that answered with it sees it. */
export interface Coupled {
  /** Throws where nobody accepts what comes. */
  arrived(kind: number, payload: Uint8Array): void
  /** The client is gone without a word. */
  lost(): void
}

const KEY = Symbol('WebSocket')

// Assigned in the class, where its private parts can be seen.
export let isSocket: (value: unknown) => value is WebSocket
/** Throws where the socket is in use, or was sent already; what it gives hands over what was said until then. */
export let couple: (socket: WebSocket, link: SocketLink) => () => Coupled
let join: (one: WebSocket, other: WebSocket) => void

export class WebSocket extends EventTarget {
  static readonly CONNECTING = CONNECTING
  static readonly OPEN = OPEN
  static readonly CLOSING = CLOSING
  static readonly CLOSED = CLOSED

  #other: WebSocket = this
  /** Set for the end that a client has. */
  #link: SocketLink | undefined
  #isAccepted = false
  #isDelivering = false
  #hasSaidClose = false
  #hasHeardClose = false
  #inbox: Word[] = []
  #inboxBytes = 0

  constructor(key?: unknown) {
    super()
    if (key !== KEY)
      throw new DOMException('Functions open no WebSockets: they answer with one end of a WebSocketPair', 'NotSupportedError')
  }

  accept(): void {
    if (this.#link !== undefined) throw new TypeError('This end of the pair is the client’s')
    if (this.#isAccepted) return
    this.#isAccepted = true
    this.#deliverSoon()
  }

  send(data: unknown): void {
    this.#mayTalk('send')
    if (this.#hasSaidClose) throw new TypeError('The socket was closed by this end')
    if (this.#hasHeardClose) return
    const content = contentOf(data)
    const bytes = typeof content === 'string' ? encodeUtf8(content) : content
    if (bytes.length > SOCKET_MESSAGE_BYTES_MAX)
      throw new DOMException(`A message of ${bytes.length} bytes is too long (at most ${SOCKET_MESSAGE_BYTES_MAX})`, 'DataError')
    if (this.bufferedAmount + bytes.length > WAITING_BYTES_MAX)
      throw new DOMException(
        `The client is slow: ${this.bufferedAmount} bytes wait for it already (at most ${WAITING_BYTES_MAX})`,
        'QuotaExceededError',
      )
    this.#other.#hear({ data: content }, typeof content === 'string' ? bytes : content)
  }

  close(code: number = CODE.normal, reason: string = ''): void {
    this.#mayTalk('close')
    const number = Math.trunc(code)
    const text = stringOf(reason)
    if (!maySend(number)) throw new DOMException(`${number} is no code that an end may close with`, 'InvalidAccessError')
    if (encodeUtf8(text).length > SOCKET_REASON_BYTES_MAX)
      throw new DOMException(`A reason has at most ${SOCKET_REASON_BYTES_MAX} bytes`, 'SyntaxError')
    this.#sayClose(number, text)
  }

  get readyState(): number {
    if (this.#hasHeardClose) return CLOSED
    return this.#hasSaidClose ? CLOSING : OPEN
  }

  /** Bytes that wait for the client. */
  get bufferedAmount(): number {
    const other = this.#other
    if (other.#link !== undefined) return other.#link.waiting
    return other.#isAccepted ? 0 : other.#inboxBytes
  }

  get binaryType(): string {
    return 'arraybuffer'
  }

  get url(): null {
    return null
  }

  get protocol(): string {
    return ''
  }

  get extensions(): string {
    return ''
  }

  override get [Symbol.toStringTag](): string {
    return 'WebSocket'
  }

  #mayTalk(act: string): void {
    if (this.#link !== undefined) throw new TypeError(`Cannot ${act}: this end of the pair is the client’s`)
    if (!this.#isAccepted) throw new DOMException(`Cannot ${act}: accept() the socket first`, 'InvalidStateError')
  }

  #sayClose(code: number, reason: string): void {
    if (this.#hasSaidClose) return
    this.#hasSaidClose = true
    this.#other.#hear({ code, reason, wasClean: true }, encodeUtf8(reason))
    if (this.#hasHeardClose) this.#other.#link?.end()
  }

  /** What the other end says. */
  #hear(word: Word, bytes: Uint8Array): void {
    if (this.#link !== undefined) return this.#link.send(frameOf(word, bytes))
    this.#inbox.push(word)
    this.#inboxBytes += bytes.length
    if (this.#isAccepted) this.#deliverSoon()
    else if (this.#inboxBytes > WAITING_BYTES_MAX) throw new Error('nobody accepts the socket')
  }

  /** Not at once: listeners are added after accept(). At the end of this turn, so on the account of what arrived. */
  #deliverSoon(): void {
    if (this.#isDelivering || this.#inbox.length === 0) return
    this.#isDelivering = true
    void PromiseThen(resolved(undefined), () => {
      this.#isDelivering = false
      const words = this.#inbox
      this.#inbox = []
      this.#inboxBytes = 0
      for (const word of words) this.#deliver(word)
    })
  }

  #deliver(word: Word): void {
    if (this.#hasHeardClose) return
    if ('data' in word) {
      // A copy of its own: what arrived lies in memory that more was cut from.
      const data = typeof word.data === 'string' ? word.data : word.data.slice().buffer
      dispatch(this, new MessageEvent('message', { data }))
      return
    }
    this.#hasHeardClose = true
    const link = this.#other.#link
    // Answered with its own code (RFC 6455 section 5.5.1), so that the other side need not wait for the function to say it.
    if (!this.#hasSaidClose && link !== undefined) {
      this.#hasSaidClose = true
      link.send(frameOf({ ...word, code: maySend(word.code) ? word.code : CODE.normal }, new Uint8Array()))
    }
    try {
      if (!word.wasClean) dispatch(this, new Event('error'))
      dispatch(this, new CloseEvent('close', word))
    } finally {
      link?.end()
    }
  }

  static {
    isSocket = (value): value is WebSocket => typeof value === 'object' && value !== null && #link in value
    join = (one, other) => {
      one.#other = other
      other.#other = one
    }
    couple = (socket, link) => {
      const other = socket.#other
      if (socket.#isAccepted || socket.#link !== undefined || other.#link !== undefined)
        throw new TypeError('The WebSocket is in use already')
      socket.#link = link
      const words = socket.#inbox
      socket.#inbox = []
      const coupled: Coupled = {
        arrived(kind, payload) {
          if (kind === SOCKET.text) other.#hear({ data: decodeUtf8(payload, payload.length, false) }, payload)
          else if (kind === SOCKET.binary) other.#hear({ data: payload as Uint8Array<ArrayBuffer> }, payload)
          else if (kind === SOCKET.close) {
            const { code, reason } = readClose(payload)
            other.#hear({ code, reason: decodeUtf8(reason, reason.length, false), wasClean: code !== CODE.lost }, payload)
          }
        },
        lost: () => other.#deliver({ code: CODE.lost, reason: '', wasClean: false }),
      }
      return () => {
        for (const word of words) link.send(frameOf(word, bytesOfWord(word)))
        if (other.#hasHeardClose) link.end()
        return coupled
      }
    }
  }
}
for (const [name, value] of Object.entries({ CONNECTING, OPEN, CLOSING, CLOSED }))
  Object.defineProperty(WebSocket.prototype, name, { value, enumerable: true })
for (const type of ['open', 'message', 'close', 'error'])
  Object.defineProperty(WebSocket.prototype, `on${type}`, {
    configurable: true,
    enumerable: true,
    get(this: WebSocket): Listener | null {
      return handlerOf(this, type)
    },
    set(this: WebSocket, handler: unknown) {
      setHandler(this, type, handler)
    },
  })

/** `Object.values(new WebSocketPair())` are the client's end and the function's. */
export class WebSocketPair {
  constructor() {
    const client = new WebSocket(KEY)
    const server = new WebSocket(KEY)
    join(client, server)
    for (const [name, value] of [client, server].entries())
      Object.defineProperty(this, name, { value, enumerable: true, configurable: true, writable: true })
  }

  get [Symbol.toStringTag](): string {
    return 'WebSocketPair'
  }
}

function contentOf(data: unknown): string | Uint8Array<ArrayBuffer> {
  if (loaded.blob?.isBlob(data) === true) return loaded.blob.bytesOfBlob(data).slice()
  if (data instanceof ArrayBuffer || ArrayBuffer.isView(data)) return bytesOf(data).slice()
  return stringOf(data)
}

function frameOf(word: Word, bytes: Uint8Array): Uint8Array {
  if ('data' in word) return socketFrame(typeof word.data === 'string' ? SOCKET.text : SOCKET.binary, bytes)
  return closeFrame(word.code, bytes)
}

function bytesOfWord(word: Word): Uint8Array {
  if (!('data' in word)) return encodeUtf8(word.reason)
  return typeof word.data === 'string' ? encodeUtf8(word.data) : word.data
}

loaded.sockets = { isSocket, couple }
