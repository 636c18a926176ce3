/** What an isolate has left to do after an entry broke off with somebody's unhandled rejection. */
import type ivm from 'isolated-vm'
import type { Turns } from './turns.ts'

/**
 * On its way out the error of a rejection is read, which runs code of whoever made it, and that may reject again: a few times that is somebody's
 * mistake, without end it is meant.
 */
const REJECTIONS_MAX = 16
/** Promises that were left settle here, and nothing else: longer is a loop. Anybody's deadline holds besides. */
const TIMEOUT = { timeout: 200 }

export interface Settling {
  turns: Turns
  /** Enters and does nothing; gives the last text `call` returned. */
  last: ivm.Reference<() => string | undefined>
  /** One more; whether that ends it. */
  broke: (error: unknown) => boolean
  settled: (text: unknown) => void
  endless: () => void
}

/** Exactly one of its ends comes, at once or from a thread: `broke` that said so, `settled`, `endless`. */
export function settle(init: Settling, left = REJECTIONS_MAX): void {
  const { turns, last } = init
  const broke = (error: unknown) => {
    if (init.broke(error)) return
    if (left === 0) init.endless()
    else settle(init, left - 1)
  }
  if (!turns.isIdle) return turns.aside({ entry: last, args: [], begin: () => TIMEOUT, ended: init.settled, broke })
  let text: unknown
  try {
    text = last.applySync(undefined, [], TIMEOUT)
  } catch (error) {
    return broke(error)
  }
  init.settled(text)
}
