/** Event, EventTarget, AbortController and AbortSignal (DOM Standard, without a tree: events neither capture nor bubble). */
import { uncaught } from './console.ts'
import { stringOf } from './text.ts'
import { setTimer } from './timers.ts'

type Listener = ((event: Event) => unknown) | { handleEvent(event: Event): unknown }
interface Registration {
  type: string
  listener: Listener
  once: boolean
  removed: boolean
}

/** Legacy codes (Web IDL) of the names used here. */
const CODES: Record<string, number> = {
  InvalidCharacterError: 5,
  NotSupportedError: 9,
  InvalidStateError: 11,
  SyntaxError: 12,
  InvalidAccessError: 15,
  TypeMismatchError: 17,
  AbortError: 20,
  QuotaExceededError: 22,
  TimeoutError: 23,
  DataCloneError: 25,
}

export class DOMException extends Error {
  readonly code: number

  constructor(message = '', name: string | { name?: string; cause?: unknown } = 'Error') {
    super(message)
    const given = typeof name === 'string' ? name : (name.name ?? 'Error')
    Object.defineProperty(this, 'name', { value: given, configurable: true, writable: true, enumerable: false })
    this.code = CODES[given] ?? 0
  }
}

export class Event {
  readonly type: string
  readonly cancelable: boolean
  readonly bubbles: boolean
  readonly timeStamp = Date.now()
  readonly isTrusted = false
  target: EventTarget | null = null
  currentTarget: EventTarget | null = null
  defaultPrevented = false
  /** Set by stopImmediatePropagation. */
  stopped = false

  constructor(type: string, init: { bubbles?: boolean; cancelable?: boolean } = {}) {
    this.type = stringOf(type)
    this.bubbles = init.bubbles === true
    this.cancelable = init.cancelable === true
  }

  preventDefault(): void {
    if (this.cancelable) this.defaultPrevented = true
  }

  stopPropagation(): void {}

  stopImmediatePropagation(): void {
    this.stopped = true
  }
}

export class CustomEvent extends Event {
  readonly detail: unknown

  constructor(type: string, init: { bubbles?: boolean; cancelable?: boolean; detail?: unknown } = {}) {
    super(type, init)
    this.detail = init.detail ?? null
  }
}

export class EventTarget {
  #registrations: Registration[] = []

  addEventListener(type: string, listener: Listener | null, options: boolean | { once?: boolean; signal?: AbortSignal } = {}): void {
    if (listener === null || listener === undefined) return
    const { once = false, signal } = typeof options === 'boolean' ? {} : options
    if (signal?.aborted === true) return
    if (this.#registrations.some((each) => each.type === type && each.listener === listener)) return
    this.#registrations.push({ type: stringOf(type), listener, once, removed: false })
    signal?.addEventListener('abort', () => this.removeEventListener(type, listener), { once: true })
  }

  removeEventListener(type: string, listener: Listener | null): void {
    for (const each of this.#registrations) if (each.type === type && each.listener === listener) each.removed = true
    this.#registrations = this.#registrations.filter((each) => !each.removed)
  }

  dispatchEvent(event: Event): boolean {
    event.target = this
    event.currentTarget = this
    for (const each of [...this.#registrations]) {
      if (each.type !== event.type || each.removed) continue
      if (each.once) this.removeEventListener(each.type, each.listener)
      try {
        if (typeof each.listener === 'function') each.listener.call(this, event)
        else each.listener.handleEvent(event)
      } catch (error) {
        uncaught(`a listener of "${event.type}"`, error)
      }
      if (event.stopped) break
    }
    event.currentTarget = null
    return !event.defaultPrevented
  }
}

const KEY = Symbol('AbortSignal')

export class AbortSignal extends EventTarget {
  #aborted = false
  #reason: unknown = undefined
  onabort: ((event: Event) => unknown) | null = null

  constructor(key?: symbol) {
    super()
    if (key !== KEY) throw new TypeError('An AbortSignal comes from an AbortController')
  }

  get aborted(): boolean {
    return this.#aborted
  }

  get reason(): unknown {
    return this.#reason
  }

  throwIfAborted(): void {
    if (this.#aborted) throw this.#reason
  }

  /** For the controller; a second abort changes nothing. */
  static [KEY](signal: AbortSignal, reason: unknown): void {
    if (signal.#aborted) return
    signal.#aborted = true
    signal.#reason = reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : reason
    const event = new Event('abort')
    if (typeof signal.onabort === 'function') signal.addEventListener('abort', signal.onabort, { once: true })
    signal.dispatchEvent(event)
  }

  static abort(reason?: unknown): AbortSignal {
    const signal = new AbortSignal(KEY)
    AbortSignal[KEY](signal, reason)
    return signal
  }

  static timeout(delayMs: number): AbortSignal {
    const signal = new AbortSignal(KEY)
    setTimer(() => AbortSignal[KEY](signal, new DOMException('The operation timed out', 'TimeoutError')), delayMs, [], false)
    return signal
  }

  static any(signals: Iterable<AbortSignal>): AbortSignal {
    const result = new AbortSignal(KEY)
    for (const each of signals) {
      if (each.aborted) {
        AbortSignal[KEY](result, each.reason)
        break
      }
      each.addEventListener('abort', () => AbortSignal[KEY](result, each.reason), { once: true })
    }
    return result
  }
}

export class AbortController {
  readonly signal = new AbortSignal(KEY)

  abort(reason?: unknown): void {
    AbortSignal[KEY](this.signal, reason)
  }
}
