/** The streams (Streams Standard), evaluated when the first of them is needed. */
import type * as polyfill from 'web-streams-polyfill'
import { lazyPiece } from './lazy.ts'

let made: typeof polyfill | undefined

export const streams = lazyPiece(() => (made = require('web-streams-polyfill') as typeof polyfill))

/** Costs nothing while there are none. */
export function isStream(value: unknown): value is polyfill.ReadableStream {
  return made !== undefined && value instanceof made.ReadableStream
}
