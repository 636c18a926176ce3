/** Headers between a client and a web function: what passes and what ends at the platform. Pure. */
import { OsirisError } from '#protocols/errors'
import type { HeaderList } from '#protocols/invocation'
import { STICKY_HEADER, VERSION_HEADER } from '#protocols/steering'

/** About one connection, not about the message (RFC 9110 section 7.6.1). */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Of a request: what is said to the platform, not to the function. */
const ENDS_HERE = new Set([...HOP_BY_HOP, 'expect', 'osiris-token', 'osiris-callback', STICKY_HEADER, VERSION_HEADER])

/**
 * Refuses what proxies and servers read differently: a second `Host` (RFC 9112 section 3.2), and a body in a coding beside `chunked`, which nobody here
 * would undo (section 6.1). Throws `invalid_argument`.
 */
export function assertReadOneWay(raw: readonly string[], coding: string | undefined): void {
  let hosts = 0
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string
    if (name.length === 4 && name.toLowerCase() === 'host' && ++hosts > 1)
      throw new OsirisError('invalid_argument', 'Cannot take the request: it has more than one Host header')
  }
  if (coding !== undefined && coding.toLowerCase() !== 'chunked')
    throw new OsirisError('invalid_argument', 'Cannot take the request: its Transfer-Encoding is not "chunked"')
}

/** What of a WebSocket's handshake is between the client and this door (RFC 6455 section 4). The protocols are the function's to choose from. */
const HANDSHAKE = new Set(['sec-websocket-key', 'sec-websocket-version', 'sec-websocket-extensions', 'sec-websocket-accept'])

/** Headers of a request for a WebSocket, as a function sees them: it asks whether there is `upgrade`. */
export function upgradeHeaders(raw: readonly string[], dropAuthorization: boolean): HeaderList {
  const headers = requestHeaders(raw, dropAuthorization).filter(([name]) => !HANDSHAKE.has(name))
  return [...headers, ['upgrade', 'websocket']]
}

/** `node:http`'s raw headers as a function sees them: without those of the connection and those said to the platform. */
export function requestHeaders(raw: readonly string[], dropAuthorization: boolean): HeaderList {
  const headers: HeaderList = []
  const listed = listedInConnection(raw)
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase()
    if (ENDS_HERE.has(name) || listed?.includes(name) === true) continue
    if (name === 'authorization' && dropAuthorization) continue
    headers.push([name, raw[i + 1] as string])
  }
  return headers
}

/** Headers a sender names in `Connection` are about the connection too. */
function listedInConnection(raw: readonly string[]): string[] | undefined {
  for (let i = 0; i < raw.length; i += 2) {
    if ((raw[i] as string).toLowerCase() !== 'connection') continue
    const value = (raw[i + 1] as string).toLowerCase()
    if (value !== 'keep-alive' && value !== 'close') return value.split(',').map((each) => each.trim())
  }
  return undefined
}

/** A function's headers as flat `[name, value, …]`, without those of the connection, its length (the platform counts) and the platform's own names. */
export function responseHeaders(headers: HeaderList): string[] {
  const flat: string[] = []
  for (const [name, value] of headers) {
    const lower = name.toLowerCase()
    if (HOP_BY_HOP.has(lower) || lower === 'content-length' || lower.startsWith('osiris-')) continue
    flat.push(lower, value)
  }
  return flat
}

/** The length a function declared for its response; `undefined` unless it is one whole number. */
export function declaredLength(headers: HeaderList): number | undefined {
  const found = headers.filter(([name]) => name.toLowerCase() === 'content-length')
  const value = found[0]?.[1]
  return found.length === 1 && value !== undefined && /^\d{1,15}$/.test(value) ? Number(value) : undefined
}
