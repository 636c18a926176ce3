/** Event, CustomEvent and EventTarget (DOM Standard, without a tree: events neither capture nor bubble). */
import { DOMException } from './dom-exception.ts'
import { remember } from './lazy.ts'
import { report } from './report.ts'
import { stringOf } from './text.ts'

export interface EventInit {
  bubbles?: boolean
  cancelable?: boolean
  composed?: boolean
}

/** How the algorithms below reach what an event hides. */
interface Flight {
  start(event: Event, target: object, isTrusted: boolean): void
  listener(event: Event, passive: boolean): void
  stopped(event: Event): boolean
  end(event: Event): void
}
let flight: Flight

export class Event {
  static readonly NONE = 0
  static readonly CAPTURING_PHASE = 1
  static readonly AT_TARGET = 2
  static readonly BUBBLING_PHASE = 3

  readonly #type: string
  readonly #init: EventInit
  readonly #timeStamp = Date.now()
  #target: object | null = null
  #isUnderWay = false
  #isTrusted = false
  #isPassive = false
  #isStopped = false
  #isCancelled = false
  #propagates = true

  constructor(type: string, init?: EventInit | null) {
    // oxlint-disable-next-line prefer-rest-params -- undefined given counts as given
    if (arguments.length === 0) throw new TypeError('An event needs a type')
    this.#type = stringOf(type)
    this.#init = { bubbles: Boolean(init?.bubbles), cancelable: Boolean(init?.cancelable), composed: Boolean(init?.composed) }
  }

  get type(): string {
    return this.#type
  }

  get target(): object | null {
    return this.#target
  }

  get srcElement(): object | null {
    return this.#target
  }

  get currentTarget(): object | null {
    return this.#isUnderWay ? this.#target : null
  }

  get eventPhase(): number {
    return this.#isUnderWay ? Event.AT_TARGET : Event.NONE
  }

  get bubbles(): boolean {
    return this.#init.bubbles as boolean
  }

  get cancelable(): boolean {
    return this.#init.cancelable as boolean
  }

  get composed(): boolean {
    return this.#init.composed as boolean
  }

  get defaultPrevented(): boolean {
    return this.#isCancelled
  }

  get returnValue(): boolean {
    return !this.#isCancelled
  }

  set returnValue(value: boolean) {
    if (!value) this.preventDefault()
  }

  get cancelBubble(): boolean {
    return !this.#propagates
  }

  set cancelBubble(value: boolean) {
    if (value) this.#propagates = false
  }

  get isTrusted(): boolean {
    return this.#isTrusted
  }

  get timeStamp(): number {
    return this.#timeStamp
  }

  composedPath(): object[] {
    return this.#isUnderWay ? [this.#target as object] : []
  }

  preventDefault(): void {
    if (this.#init.cancelable && !this.#isPassive) this.#isCancelled = true
  }

  stopPropagation(): void {
    this.#propagates = false
  }

  stopImmediatePropagation(): void {
    this.#propagates = false
    this.#isStopped = true
  }

  get [Symbol.toStringTag](): string {
    return 'Event'
  }

  static {
    flight = {
      start(event, target, isTrusted) {
        if (event.#isUnderWay) throw new DOMException('The event is being dispatched already', 'InvalidStateError')
        event.#isUnderWay = true
        event.#isTrusted = isTrusted
        event.#target = target
      },
      listener(event, passive) {
        event.#isPassive = passive
      },
      stopped: (event) => event.#isStopped,
      end(event) {
        event.#isUnderWay = event.#isPassive = event.#isStopped = false
        event.#propagates = true
      },
    }
  }
}
for (const name of ['NONE', 'CAPTURING_PHASE', 'AT_TARGET', 'BUBBLING_PHASE'] as const)
  Object.defineProperty(Event.prototype, name, { value: Event[name], enumerable: true })

export class CustomEvent extends Event {
  readonly #detail: unknown

  constructor(type: string, init?: (EventInit & { detail?: unknown }) | null) {
    super(type, init)
    this.#detail = init?.detail ?? null
  }

  get detail(): unknown {
    return this.#detail
  }

  override get [Symbol.toStringTag](): string {
    return 'CustomEvent'
  }
}

export type Listener = ((event: Event) => unknown) | { handleEvent(event: Event): unknown }

interface Registration {
  type: string
  listener: Listener
  capture: boolean
  once: boolean
  passive: boolean
  removed: boolean
  /** Of an attribute such as `onmessage`, not of addEventListener. */
  isHandler: boolean
}

interface SignalLike {
  readonly aborted: boolean
  addEventListener(type: string, run: () => void, options: { once: boolean }): void
}

export interface ListenerOptions {
  capture?: boolean
  once?: boolean
  passive?: boolean
  signal?: SignalLike
}

// Assigned in the class, where its private parts can be seen.
/** As the platform itself dispatches: to listeners of `target` but in the name of `as`. Whether nobody prevented the default. */
export let dispatch: (target: EventTarget, event: Event, as?: object, isTrusted?: boolean) => boolean
export let hasListener: (target: EventTarget, type: string) => boolean
/** The attributes such as `onmessage` (HTML Standard, event handlers). */
export let handlerOf: (target: EventTarget, type: string) => Listener | null
export let setHandler: (target: EventTarget, type: string, handler: unknown) => void

export class EventTarget {
  #registrations: Registration[] = []

  addEventListener(type: string, listener: Listener | null, options?: boolean | ListenerOptions): void {
    const { capture, once, passive, signal } = optionsOf(options)
    const name = stringOf(type)
    if (!isListener(listener) || signal?.aborted === true) return
    if (this.#find(name, listener, capture) !== undefined) return
    this.#registrations.push({ type: name, listener, capture, once, passive, removed: false, isHandler: false })
    signal?.addEventListener('abort', () => this.removeEventListener(name, listener, capture), { once: true })
  }

  removeEventListener(type: string, listener: Listener | null, options?: boolean | ListenerOptions): void {
    const { capture } = optionsOf(options)
    if (isListener(listener)) this.#remove(this.#find(stringOf(type), listener, capture))
  }

  dispatchEvent(event: Event): boolean {
    return this.#dispatch(event, this, false)
  }

  get [Symbol.toStringTag](): string {
    return 'EventTarget'
  }

  #find(type: string, listener: Listener, capture: boolean): Registration | undefined {
    return this.#registrations.find(
      (each) => each.type === type && each.listener === listener && each.capture === capture && !each.isHandler,
    )
  }

  #remove(registration: Registration | undefined): void {
    if (registration === undefined) return
    registration.removed = true
    this.#registrations = this.#registrations.filter((each) => each !== registration)
  }

  #dispatch(event: Event, as: object, isTrusted: boolean): boolean {
    if (!(event instanceof Event)) throw new TypeError('What is dispatched is an Event')
    flight.start(event, as, isTrusted)
    try {
      for (const each of this.#registrations.slice()) {
        if (each.type !== event.type || each.removed) continue
        if (each.once) this.#remove(each)
        flight.listener(event, each.passive)
        run(each, as, event)
        flight.listener(event, false)
        if (flight.stopped(event)) break
      }
    } finally {
      flight.end(event)
    }
    return !event.defaultPrevented
  }

  static {
    dispatch = (target, event, as = target, isTrusted = true) => target.#dispatch(event, as, isTrusted)
    hasListener = (target, type) => target.#registrations.some((each) => each.type === type)
    const handler = (target: EventTarget, type: string) => target.#registrations.find((each) => each.type === type && each.isHandler)
    handlerOf = (target, type) => handler(target, type)?.listener ?? null
    setHandler = (target, type, listener) => {
      const known = handler(target, type)
      const usable = (typeof listener === 'object' && listener !== null) || typeof listener === 'function'
      if (!usable) target.#remove(known)
      else if (known !== undefined) known.listener = listener as Listener
      else
        target.#registrations.push({
          ...{ type, listener: listener as Listener, isHandler: true },
          ...{ capture: false, once: false, passive: false, removed: false },
        })
    }
  }
}

function run({ listener, isHandler }: Registration, self: object, event: Event): void {
  try {
    if (typeof listener === 'function') {
      if (listener.call(self as never, event) === false && isHandler) event.preventDefault()
    } else if (!isHandler) listener.handleEvent(event)
  } catch (error) {
    report(`a listener of "${event.type}"`, error)
  }
}

function isListener(listener: unknown): listener is Listener {
  if (listener === null || listener === undefined) return false
  if (typeof listener === 'function' || typeof listener === 'object') return true
  throw new TypeError('A listener is a function, or an object with handleEvent')
}

function optionsOf(options: unknown): { capture: boolean; once: boolean; passive: boolean; signal: SignalLike | undefined } {
  if ((typeof options !== 'object' && typeof options !== 'function') || options === null)
    return { capture: Boolean(options), once: false, passive: false, signal: undefined }
  const { capture, once, passive, signal } = options as ListenerOptions
  if (signal !== undefined && typeof (signal as SignalLike | null)?.aborted !== 'boolean') throw new TypeError('signal is an AbortSignal')
  return { capture: Boolean(capture), once: Boolean(once), passive: Boolean(passive), signal }
}

for (const each of [Event, EventTarget, CustomEvent]) remember(each)
