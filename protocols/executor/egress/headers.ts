/** Headers on their way out of a function and back in. Pure. */
import { HEADER_CHARACTERS_MAX, HEADER_NAME_MAX, HEADERS_MAX } from '../bounds.ts'

export type HeaderList = [string, string][]

/** Written by the node alone, or about the connection, which the function does not have (Fetch Standard, forbidden request-header; RFC 9110, 7.6.1). */
const NOT_SENT = new Set([
  'osiris-egress',
  ...['host', 'connection', 'keep-alive', 'transfer-encoding', 'content-length', 'te', 'trailer', 'upgrade', 'expect', 'http2-settings'],
  ...['sec-websocket-key', 'sec-websocket-version', 'sec-websocket-protocol', 'sec-websocket-extensions'],
])
const NOT_GIVEN = new Set(['connection', 'keep-alive', 'transfer-encoding', 'te', 'trailer', 'upgrade'])
/** What belongs to one origin does not follow a redirect to another. */
const OF_ORIGIN = new Set(['authorization', 'cookie'])
const OF_BODY = new Set(['content-encoding', 'content-language', 'content-location', 'content-type'])
/** `br` is left out: its decoder had a flaw before Node 24.22.1 and 26.12.1 (CVE-2026-111497), and nobody offers `br` alone. */
const ENCODINGS = ['gzip', 'deflate']

/** Pairs with names in lower case, each value one line: what is sent besides what the node writes itself. */
export function headersOut(headers: HeaderList): HeaderList {
  const kept = headers.filter(([name]) => !NOT_SENT.has(name) && !name.startsWith('proxy-') && name !== 'accept-encoding')
  const wanted = headers.filter(([name]) => name === 'accept-encoding').map(([, value]) => value)
  kept.push(['accept-encoding', acceptEncoding(wanted)])
  const has = (wantedName: string) => kept.some(([name]) => name === wantedName)
  if (!has('accept')) kept.push(['accept', '*/*'])
  if (!has('user-agent')) kept.push(['user-agent', 'Osiris'])
  return kept
}

/** Of what the function asks for, what can be decoded here. */
function acceptEncoding(wanted: string[]): string {
  if (wanted.length === 0) return ENCODINGS.join(', ')
  const parts = wanted.join(',').toLowerCase().split(',')
  const kept = parts.map((each) => each.trim()).filter((each) => [...ENCODINGS, 'identity'].includes(each.split(';')[0] as string))
  return kept.length === 0 ? 'identity' : kept.join(', ')
}

/** `raw` as `node:http` gives it, name and value in turn. Throws when there are more than a function takes. */
export function headersIn(raw: string[], isDecoded: boolean): HeaderList {
  const headers: HeaderList = []
  let characters = 0
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = (raw[at] as string).toLowerCase()
    const value = raw[at + 1] as string
    characters += name.length + value.length
    if (name.length > HEADER_NAME_MAX || characters > HEADER_CHARACTERS_MAX) throw new Error('its headers are too long')
    headers.push([name, value])
  }
  if (headers.length > HEADERS_MAX) throw new Error(`it has ${headers.length} headers (at most ${HEADERS_MAX})`)
  const named = new Set(headers.filter(([name]) => name === 'connection').flatMap(([, value]) => value.toLowerCase().split(/[\s,]+/)))
  return headers.filter(([name]) => {
    if (NOT_GIVEN.has(name) || name.startsWith('proxy-') || named.has(name)) return false
    // They speak of the bytes before they were decoded.
    return !isDecoded || (name !== 'content-encoding' && name !== 'content-length')
  })
}

/** The headers that follow a redirect. */
export function redirectedHeaders(headers: HeaderList, keeps: { origin: boolean; body: boolean }): HeaderList {
  return headers.filter(([name]) => (keeps.origin || !OF_ORIGIN.has(name)) && (keeps.body || !OF_BODY.has(name)))
}
