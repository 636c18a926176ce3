/**
 * MessageChannel and MessagePort (HTML Standard), within one isolate. A message is a task of its own, which is a timer: it counts as one, and ends with the
 * call that sent it.
 */
import { cloneWith, type Moved } from './clone.ts'
import { DOMException } from './dom-exception.ts'
import { dispatch, EventTarget, handlerOf, type Listener, setHandler } from './events.ts'
import { MessageEvent } from './late-events.ts'
import { loaded } from './loaded.ts'
import { setTimer } from './timers.ts'

/** One end of a channel; the object that stands for it changes when it is transferred. */
interface End {
  port: MessagePort | undefined
  other: End | undefined
  isStarted: boolean
  waiting: Moved[]
}

const KEY = Symbol('MessagePort')

// Assigned in the class, where its private parts can be seen.
export let isPort: (value: unknown) => value is MessagePort
/** A new port in the place of one that is transferred. */
export let movePort: (port: MessagePort) => MessagePort
let endOf: (port: MessagePort) => End | undefined

export class MessagePort extends EventTarget {
  #end: End | undefined

  constructor(key?: symbol, end?: End) {
    super()
    if (key !== KEY || end === undefined) throw new TypeError('A MessagePort comes from a MessageChannel')
    this.#end = end
    end.port = this
  }

  postMessage(message: unknown, options?: unknown[] | { transfer?: unknown[] }): void {
    const transfer = Array.isArray(options) ? options : (options?.transfer ?? [])
    const end = this.#end
    if (transfer.includes(this)) throw new DOMException('A port cannot be sent through itself', 'DataCloneError')
    const moved = cloneWith(message, transfer)
    if (end?.other === undefined) return
    end.other.waiting.push(moved)
    if (end.other.isStarted) deliverSoon(end.other)
  }

  start(): void {
    const end = this.#end
    if (end === undefined || end.isStarted) return
    end.isStarted = true
    for (let count = end.waiting.length; count > 0; count--) deliverSoon(end)
  }

  close(): void {
    const end = this.#end
    if (end?.other !== undefined) end.other.other = undefined
    if (end !== undefined) end.other = undefined
  }

  get onmessage(): Listener | null {
    return handlerOf(this, 'message')
  }

  set onmessage(handler: unknown) {
    setHandler(this, 'message', handler)
    this.start()
  }

  get onmessageerror(): Listener | null {
    return handlerOf(this, 'messageerror')
  }

  set onmessageerror(handler: unknown) {
    setHandler(this, 'messageerror', handler)
  }

  override get [Symbol.toStringTag](): string {
    return 'MessagePort'
  }

  static {
    isPort = (value): value is MessagePort => typeof value === 'object' && value !== null && #end in value
    endOf = (port) => port.#end
    movePort = (port) => {
      const end = port.#end
      if (end === undefined) throw new DOMException('The port was transferred already', 'DataCloneError')
      port.#end = undefined
      end.isStarted = false
      return new MessagePort(KEY, end)
    }
  }
}

export class MessageChannel {
  readonly #port1: MessagePort
  readonly #port2: MessagePort

  constructor() {
    const first: End = { port: undefined, other: undefined, isStarted: false, waiting: [] }
    const second: End = { port: undefined, other: first, isStarted: false, waiting: [] }
    first.other = second
    this.#port1 = new MessagePort(KEY, first)
    this.#port2 = new MessagePort(KEY, second)
  }

  get port1(): MessagePort {
    return this.#port1
  }

  get port2(): MessagePort {
    return this.#port2
  }

  get [Symbol.toStringTag](): string {
    return 'MessageChannel'
  }
}

function deliverSoon(end: End): void {
  setTimer(
    () => {
      const { port } = end
      if (!end.isStarted || port === undefined || endOf(port) !== end) return
      const moved = end.waiting.shift()
      if (moved === undefined) return
      dispatch(port, new MessageEvent('message', { data: moved.value, ports: moved.transferred.filter(isPort) }))
    },
    0,
    [],
    false,
  )
}

loaded.messaging = { isPort, movePort }
