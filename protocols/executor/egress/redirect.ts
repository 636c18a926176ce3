/** Where a redirect leads (Fetch Standard, HTTP-redirect fetch). Pure. */
import { type HeaderList, redirectedHeaders } from './headers.ts'

export interface Hop {
  method: string
  url: string
  headers: HeaderList
  /** Whether the body goes along. */
  hasBody: boolean
}

const REDIRECTS = new Set([301, 302, 303, 307, 308])

export function isRedirect(status: number): boolean {
  return REDIRECTS.has(status)
}

/** The next hop, not judged yet; throws when `location` is no URL. */
export function nextHop(hop: Hop, status: number, location: string): Hop {
  const from = new URL(hop.url)
  if (!URL.canParse(location, hop.url)) throw new Error('it redirects to what is not a URL')
  const to = new URL(location, hop.url)
  const { method } = hop
  const becomesGet = ((status === 301 || status === 302) && method === 'POST') || (status === 303 && method !== 'GET' && method !== 'HEAD')
  return {
    method: becomesGet ? 'GET' : method,
    url: to.href,
    headers: redirectedHeaders(hop.headers, { origin: from.origin === to.origin, body: !becomesGet }),
    hasBody: hop.hasBody && !becomesGet,
  }
}
