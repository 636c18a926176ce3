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

export const urls = lazyPiece(
  () =>
    (made = {
      URL: require('core-js/web/url.js') as typeof URL,
      URLSearchParams: require('core-js/web/url-search-params.js') as typeof URLSearchParams,
    }),
)

/** Costs nothing while there are none. */
export function isSearchParams(value: unknown): value is URLSearchParams {
  return made !== undefined && value instanceof made.URLSearchParams
}
