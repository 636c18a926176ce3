/** Where a request goes, from its URL alone. Pure. */
import { type FunctionRef, refOf } from '#protocols/function'
import { OsirisError } from '#protocols/errors'
import { hostnameOf } from '#node/access'

const CALL = '/v1/call/'
const FETCH = '/v1/fetch/'

export type Way = 'call' | 'fetch' | 'platform' | 'route'

/** Platform paths go before every route a user may publish. */
export function wayOf(url: string): Way {
  if (url.startsWith(CALL)) return 'call'
  if (url.startsWith(FETCH)) return 'fetch'
  return PLATFORM.test(url) ? 'platform' : 'route'
}
const PLATFORM = /^\/(?:v1|livez|readyz|metrics|console)(?:[/?]|$)/

/** The path of a URL as sent, without its query. */
export function pathOf(url: string): string {
  const query = url.indexOf('?')
  return query < 0 ? url : url.slice(0, query)
}

/** The path that routes are judged by: the one that the function will see, so without what its `URL` resolves (`..`, `\`) or cuts off (`#`). */
export function routedPath(url: string): string {
  const path = pathOf(url)
  return RESOLVED_BY_URL.test(path) ? new URL(`http://host${path}`).pathname : path
}
const RESOLVED_BY_URL = /[\\#]|\/(?:\.|%2e){1,2}(?:\/|$)/i

/** `/v1/call/{ns}/{name}[@sel][?query]` → the function. Throws `invalid_argument` and `not_found`. */
export function callTarget(url: string): FunctionRef {
  const [namespace, name, ...more] = pathOf(url).slice(CALL.length).split('/')
  if (namespace === undefined || name === undefined || more.length > 0) throw unknownPath(url)
  return refOfSegments(namespace, name)
}

/** `/v1/fetch/{ns}/{name}[@sel]/rest?query` → the function, and the URL it sees: everything after its name, byte for byte. */
export function fetchTarget(url: string): { ref: FunctionRef; url: string } {
  const match = /^\/v1\/fetch\/([^/?]*)\/([^/?]*)(.*)$/s.exec(url)
  if (match === null) throw unknownPath(url)
  const [, namespace = '', name = '', rest = ''] = match
  return { ref: refOfSegments(namespace, name), url: rest.startsWith('/') ? rest : `/${rest}` }
}

export function unknownPath(url: string): OsirisError {
  return new OsirisError('not_found', `Cannot find ${JSON.stringify(pathOf(url).slice(0, 200))}: the platform has no such path`)
}

/** A client may send `@` as `%40`. */
function refOfSegments(namespace: string, name: string): FunctionRef {
  return refOf(namespace, name.replaceAll('%40', '@'))
}

/** `?arg=…&arg=…` → the text of a JSON array: each argument that is JSON as it stands, every other one as a string. */
export function argumentsOf(url: string): string {
  const query = url.indexOf('?')
  if (query < 0) return '[]'
  return `[${new URLSearchParams(url.slice(query + 1)).getAll('arg').map(jsonOf).join(',')}]`
}

function jsonOf(text: string): string {
  try {
    JSON.parse(text)
    return text
  } catch {
    return JSON.stringify(text)
  }
}

/**
 * The request target as a path: `/path?query` as sent; an absolute one (RFC 9112 section 3.2.2) only when it names the same host as the `Host` header,
 * because callers are judged by that header. Throws `invalid_argument`.
 */
export function originForm(url: string, host: string | undefined): string {
  if (host === undefined || hostnameOf(host) === undefined) {
    throw new OsirisError(
      'invalid_argument',
      `Cannot take the request: ${host === undefined ? 'it has no Host header' : 'its Host header is no host'}`,
    )
  }
  if (url.startsWith('/')) return url
  const match = /^https?:\/\/([^/?#]*)(.*)$/is.exec(url)
  if (match === null || match[1]?.toLowerCase() !== host.toLowerCase()) {
    throw new OsirisError(
      'invalid_argument',
      `Cannot take the request: ${JSON.stringify(url.slice(0, 200))} is not a path on ${host.slice(0, 200)}`,
    )
  }
  const rest = match[2] ?? ''
  return rest.startsWith('/') ? rest : `/${rest}`
}
