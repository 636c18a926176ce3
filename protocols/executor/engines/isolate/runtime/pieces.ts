/** Late pieces (lazy.ts) that more than one place needs. */
import type * as domException from './dom-exception.ts'
import type * as events from './events.ts'
import { lazy, lazyPiece } from './lazy.ts'
import type * as web from './web.ts'

export const webPiece = lazyPiece(() => require('./web.ts') as typeof web)
export const eventsPiece = lazy(() => require('./events.ts') as typeof events)
export const exceptionPiece = lazy(() => require('./dom-exception.ts') as typeof domException)
