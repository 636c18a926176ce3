/**
 * URL and URLSearchParams (URL Standard), evaluated when the first of them is needed. core-js puts them on what it takes for the global object, which is one of
 * their own (scripts/runtime.ts).
 */
import { lazyPiece } from './lazy.ts'

interface Urls {
  URL: typeof URL
  URLSearchParams: typeof URLSearchParams
}

let made: Urls | undefined

// Both, as scripts/runtime.ts bundles it.
export const urls = lazyPiece(() => (made = require('core-js/web/url.js') as Urls))

/** Costs nothing while there are none. */
export function isSearchParams(value: unknown): value is URLSearchParams {
  return made !== undefined && value instanceof made.URLSearchParams
}
