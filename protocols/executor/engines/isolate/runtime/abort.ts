/** AbortController and AbortSignal (DOM Standard). */
import { DOMException } from './dom-exception.ts'
import { dispatch, Event, EventTarget, handlerOf, type Listener, setHandler } from './events.ts'
import { setTimer } from './timers.ts'

const KEY = Symbol('AbortSignal')

// Assigned in the class, where its private parts can be seen.
export let isAbortSignal: (value: unknown) => value is AbortSignal

export class AbortSignal extends EventTarget {
  #aborted = false
  #reason: unknown = undefined
  /** What `any` made: the signals it follows, of which none was made by `any`; and for those, who follows them. */
  #sources: AbortSignal[] = []
  #followers: AbortSignal[] = []

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

  get onabort(): Listener | null {
    return handlerOf(this, 'abort')
  }

  set onabort(handler: unknown) {
    setHandler(this, 'abort', handler)
  }

  throwIfAborted(): void {
    if (this.#aborted) throw this.#reason
  }

  override get [Symbol.toStringTag](): string {
    return 'AbortSignal'
  }

  /** For the controller; a second abort changes nothing. */
  static [KEY](signal: AbortSignal, given: unknown): void {
    if (signal.#aborted) return
    const reason = given === undefined ? new DOMException('This operation was aborted', 'AbortError') : given
    // All are aborted before any of them tells.
    const all = [signal, ...signal.#followers.filter((each) => !each.#aborted)]
    for (const each of all) {
      each.#aborted = true
      each.#reason = reason
      each.#followers = []
    }
    for (const each of all) dispatch(each, new Event('abort'))
  }

  static abort(reason?: unknown): AbortSignal {
    const signal = new AbortSignal(KEY)
    AbortSignal[KEY](signal, reason)
    return signal
  }

  static timeout(delayMs: unknown): AbortSignal {
    const delay = Number(delayMs)
    if (!(delay >= 0 && delay <= Number.MAX_SAFE_INTEGER))
      throw new TypeError('The delay of AbortSignal.timeout is a number of milliseconds')
    const signal = new AbortSignal(KEY)
    setTimer(() => AbortSignal[KEY](signal, new DOMException('The operation timed out', 'TimeoutError')), delay, [], false)
    return signal
  }

  static any(signals: Iterable<AbortSignal>): AbortSignal {
    const given = [...signals]
    if (!given.every(isAbortSignal)) throw new TypeError('AbortSignal.any needs AbortSignals')
    const result = new AbortSignal(KEY)
    const aborted = given.find((each) => each.#aborted)
    if (aborted !== undefined) {
      result.#aborted = true
      result.#reason = aborted.#reason
      return result
    }
    result.#sources = [...new Set(given.flatMap((each) => (each.#sources.length === 0 ? [each] : each.#sources)))]
    for (const each of result.#sources) each.#followers.push(result)
    return result
  }

  static {
    isAbortSignal = (value): value is AbortSignal => typeof value === 'object' && value !== null && #aborted in value
  }
}

export class AbortController {
  readonly #signal = new AbortSignal(KEY)

  get signal(): AbortSignal {
    return this.#signal
  }

  abort(reason?: unknown): void {
    AbortSignal[KEY](this.#signal, reason)
  }

  get [Symbol.toStringTag](): string {
    return 'AbortController'
  }
}
