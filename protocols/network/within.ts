/** Waiting for something shared, with one's own deadline. */
import { OsirisError } from '#protocols/errors'
import type { Deadlines } from './deadlines.ts'
import { unsent } from './unsent.ts'

export interface Patience {
  deadlines: Deadlines
  /** On the monotonic clock. */
  deadlineAt: number
  signal: AbortSignal | undefined
  /** What it is when the deadline passes; default: `deadline_exceeded`. */
  late?: 'unavailable' | 'deadline_exceeded'
  /** For the error's sentence. */
  act: string
}

/** The promise, or `late`, or `unavailable` when cancelled; what is waited for goes on. */
export function within<T>(promise: Promise<T>, { deadlines, deadlineAt, signal, act, late = 'deadline_exceeded' }: Patience): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const deadline = {
      deadlineAt,
      expire: () => end(() => reject(unsent(late, `${act}: no connection within the time there was for it`))),
    }
    const cancelled = (): void =>
      end(() =>
        reject(
          signal?.reason instanceof OsirisError
            ? signal.reason
            : unsent('unavailable', `${act}: the request was cancelled before it was sent`),
        ),
      )
    const end = (settle: () => void): void => {
      deadlines.delete(deadline)
      signal?.removeEventListener('abort', cancelled)
      settle()
    }
    deadlines.add(deadline)
    signal?.addEventListener('abort', cancelled, { once: true })
    promise.then(
      (value) => end(() => resolve(value)),
      (error: unknown) => end(() => reject(OsirisError.from(error, act, 'unavailable'))),
    )
    if (signal?.aborted === true) cancelled()
  })
}
