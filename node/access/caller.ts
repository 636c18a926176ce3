/** Who asks, from what an HTTP request says and where it came from. Pure: proving the token is the work of `#protocols/access`. */
import type { Caller } from '#protocols/invocation'
import { bearerOf, isPlatformToken } from './bearer.ts'
import { isLoopbackHost } from './loopback.ts'

/** Header values by lower-case name, as `node:http` has them. */
export type RequestHeaders = Readonly<Record<string, string | string[] | undefined>>

/**
 * `platform`: calls and management, where a bearer token is always meant for the platform.
 * `function`: web functions, where `Authorization` belongs to the function unless it is the platform's own token.
 */
export type Door = 'platform' | 'function'

export interface CallerRules {
  /** The universe's id: the audience of its tokens. */
  audience: string
  /** Present in a local universe: who a request from this machine acts as. The token changes when the root's key does. */
  developer?: { readonly token: string }
}

export interface FoundCaller {
  caller: Caller
  /** `Authorization` was the platform's: it must not travel to a function. */
  consumed: boolean
  /** Why a request from this machine does not act as the developer; absent where it does, or where there is no developer. */
  refusal?: string
}

/** Returns the judge for one node. `loopback`: the request's socket comes from this machine. */
export function createCallers(rules: CallerRules): (headers: RequestHeaders, loopback: boolean, door: Door) => FoundCaller {
  const anonymous: FoundCaller = { caller: Object.freeze({ subject: 'anonymous' }), consumed: false }
  const developerWith = (token: string) => ({ caller: Object.freeze({ subject: 'developer', token }), consumed: false })
  let developer = rules.developer && developerWith(rules.developer.token)

  const withoutToken = (headers: RequestHeaders, loopback: boolean, door: Door): FoundCaller => {
    if (developer === undefined || !loopback) return anonymous
    const refusal = foreignness(headers, door)
    if (rules.developer !== undefined && developer.caller.token !== rules.developer.token) developer = developerWith(rules.developer.token)
    return refusal === undefined ? developer : { ...anonymous, refusal }
  }

  return (headers, loopback, door) => {
    const bearer = typeof headers['authorization'] === 'string' ? bearerOf(headers['authorization']) : undefined
    const ours = bearer !== undefined && (door === 'platform' || isPlatformToken(bearer, rules.audience))
    const token = headers['osiris-token']
    if (typeof token === 'string') return { caller: { subject: '', token }, consumed: ours }
    if (ours) return { caller: { subject: '', token: bearer }, consumed: true }
    return withoutToken(headers, loopback, door)
  }
}

/** Whether a request from this machine comes from a program its user started, rather than from a page or a proxy that speaks for somebody else. */
export function isLocal(headers: RequestHeaders, loopback: boolean): boolean {
  return loopback && foreignness(headers, 'platform') === undefined
}

/**
 * The reason why a request from loopback may not be its user's own doing. `Osiris-Egress` is on every request of a function, and out of its reach. `Origin` and `Sec-Fetch-Site` are set by browsers and out of a page's reach
 * (https://www.w3.org/TR/fetch-metadata/); a page may load from the web function it belongs to, and never from management, which shares its origin with `/v1/fetch/…`.
 */
function foreignness(headers: RequestHeaders, door: Door): string | undefined {
  const { host, origin } = headers
  if (typeof host !== 'string' || !isLoopbackHost(host)) return `the Host ${JSON.stringify(host ?? '')} is not a name of this machine`
  if (origin !== undefined) return `it comes from a page (Origin: ${String(origin).slice(0, 200)})`
  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'none' && !(site === 'same-origin' && door === 'function')) return 'it comes from a page'
  if (headers['osiris-egress'] !== undefined) return 'a function fetches it'
  if (headers['x-forwarded-for'] !== undefined || headers['forwarded'] !== undefined) return 'it comes through a proxy'
  return undefined
}
