/** What a listener, a timer or a microtask throws: told to the `error` listeners of the global object, else logged. */
import { uncaught } from './console.ts'

let tell: ((error: unknown) => boolean) | undefined
let isTelling = false

/** `listener` says whether the error is dealt with. */
export function onReport(listener: (error: unknown) => boolean): void {
  tell = listener
}

export function report(where: string, error: unknown): void {
  // What goes wrong while an error is told is only logged.
  if (tell === undefined || isTelling) return uncaught(where, error)
  isTelling = true
  try {
    if (tell(error)) return
  } finally {
    isTelling = false
  }
  uncaught(where, error)
}
