/**
 * What a function may fetch, as `egress` of its settings says it. Pure. An entry is an origin, with an optional prefix of the path:
 *
 * - `https://api.example.org`, `http://127.0.0.1:9000`: this host, at this port (without one, the scheme's own).
 * - `https://api.example.org/v1`: there, `/v1` and what lies below it.
 * - `https://*.example.org`: every host below it, not `example.org` itself.
 * - `https://*`, `http://*:8080`: every host, at the scheme's own port or this one.
 * - `*`: every host, `http` and `https`, any port.
 *
 * Hosts are compared as the URL Standard writes them (lower case, punycode, an IPv4 address in four decimal parts), without a trailing dot.
 * An entry never opens a private address by a wildcard or by a name that resolves to one: only where it names the address itself, or `localhost`.
 */
import { OsirisError } from './errors.ts'

export interface EgressPattern {
  /** `null`: both. */
  scheme: 'http:' | 'https:' | null
  /** Which hosts: this one, those below it, or all (`host` is empty). */
  hosts: 'exact' | 'below' | 'all'
  host: string
  /** `null`: any. */
  port: number | null
  /** Without a trailing slash; empty: the whole host. */
  path: string
}

/** An entry as it is written, split where the URL parser needs help: scheme, wildcard, the rest. */
const ENTRY = /^(https?:\/\/)(\*\.|\*(?=[:/]|$))?([^*\\\s]*)$/i
const EXPECTED = 'expected "https://host", "https://host:port/path", "https://*.host", "https://*" or "*"'

/** Throws `invalid_argument` that names what is wrong with the entry. */
export function parseEgress(text: string): EgressPattern {
  if (text === '*') return { scheme: null, hosts: 'all', host: '', port: null, path: '' }
  const parts = ENTRY.exec(text)
  if (parts === null) throw unreadable(text, EXPECTED)
  const [, scheme = '', wildcard = '', rest = ''] = parts
  const url = urlOf(scheme + (wildcard === '*' ? `every.invalid${rest}` : rest))
  if (url === undefined) throw unreadable(text, EXPECTED)
  if (url.username !== '' || url.password !== '') throw unreadable(text, 'an entry names no user')
  if (/[?#]/.test(rest)) throw unreadable(text, 'an entry has no "?" or "#"')
  const host = hostOf(url)
  const hosts = wildcard === '' ? 'exact' : wildcard === '*' ? 'all' : 'below'
  if (hosts === 'below' && isLiteral(host)) throw unreadable(text, 'nothing lies below an address')
  return {
    scheme: url.protocol as 'http:' | 'https:',
    hosts,
    host: hosts === 'all' ? '' : host,
    port: portOf(url),
    path: url.pathname.replace(/\/+$/, ''),
  }
}

/** Whether the entry covers the URL, which has the scheme `http:` or `https:`. */
export function coversUrl(pattern: EgressPattern, url: URL): boolean {
  if (pattern.scheme !== null && pattern.scheme !== url.protocol) return false
  if (pattern.port !== null && pattern.port !== portOf(url)) return false
  return coversHost(pattern, hostOf(url)) && coversPath(pattern.path, url.pathname)
}

/** Host name or address of a URL: without brackets and without a trailing dot. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
}

export function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port)
  return url.protocol === 'https:' ? 443 : 80
}

function coversHost({ hosts, host }: EgressPattern, wanted: string): boolean {
  if (hosts === 'all') return true
  return hosts === 'exact' ? wanted === host : wanted.endsWith(`.${host}`)
}

function coversPath(prefix: string, path: string): boolean {
  if (prefix === '') return true
  // A server may take an encoded slash for one, and climb out of the prefix.
  if (/%2f|%5c/i.test(path)) return false
  return path === prefix || path.startsWith(`${prefix}/`)
}

/** A host that is an address, as the URL Standard writes it. */
function isLiteral(host: string): boolean {
  return host.includes(':') || /^\d+\.\d+\.\d+\.\d+$/.test(host)
}

function urlOf(text: string): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url === undefined || hostOf(url) === '' ? undefined : url
}

function unreadable(text: string, state: string): OsirisError {
  return new OsirisError('invalid_argument', `Cannot read the egress entry ${JSON.stringify(text.slice(0, 200))}: ${state}`)
}
