/** The global object as an event target, and reportError (HTML Standard): `error` events for what nobody caught. */
import type { Event, EventTarget, Listener, ListenerOptions } from './events.ts'
import { defineGlobals, lazy } from './lazy.ts'
import type * as lateEvents from './late-events.ts'
import { eventsPiece } from './pieces.ts'
import { onReport, report } from './report.ts'

const late = lazy(() => require('./late-events.ts') as typeof lateEvents)

export function installGlobalEvents(global: Record<string, unknown>): void {
  let target: EventTarget | undefined
  const targetNow = () => (target ??= new (eventsPiece().EventTarget)())
  defineGlobals(global, {
    addEventListener: (type: string, listener: Listener | null, options?: boolean | ListenerOptions) =>
      targetNow().addEventListener(type, listener, options),
    removeEventListener: (type: string, listener: Listener | null, options?: boolean | ListenerOptions) =>
      targetNow().removeEventListener(type, listener, options),
    dispatchEvent: (event: Event) => eventsPiece().dispatch(targetNow(), event, global, false),
    reportError(...given: unknown[]) {
      if (given.length === 0) throw new TypeError('reportError needs an error')
      report('reportError', given[0])
    },
    onerror: null,
  })
  onReport((error) => (target === undefined && typeof global['onerror'] !== 'function' ? false : tell(global, targetNow(), error)))
}

function tell(global: Record<string, unknown>, target: EventTarget, error: unknown): boolean {
  const { onerror } = global
  const { dispatch, hasListener } = eventsPiece()
  const handles = typeof onerror === 'function'
  if (!handles && !hasListener(target, 'error')) return false
  const { ErrorEvent } = late()
  const message = messageOf(error)
  const event = new ErrorEvent('error', { cancelable: true, message, error })
  const handler = () => {
    if ((onerror as (...parts: unknown[]) => unknown).call(global, message, '', 0, 0, error) === true) event.preventDefault()
  }
  if (handles) target.addEventListener('error', handler, { once: true })
  const isLeft = dispatch(target, event, global)
  if (handles) target.removeEventListener('error', handler)
  return !isLeft
}

function messageOf(error: unknown): string {
  try {
    return error instanceof Error ? `Uncaught ${error.name}: ${error.message}` : `Uncaught ${error as string}`
  } catch {
    return 'Uncaught'
  }
}
