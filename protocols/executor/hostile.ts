/** What a worker says is judged as if an attacker had written it: it may have been. Every function here throws on anything else than the shape. */
import { type ErrorShape, isErrorCode, OsirisError } from '#protocols/errors'
import { FETCH_URL_MAX, HEADER_CHARACTERS_MAX, HEADER_NAME_MAX, HEADERS_MAX } from './bounds.ts'
import { type ColdParts, isLimitName } from '#protocols/invocation'
import type { WireAsk, WireFetch, WireResponse } from './frames.ts'

const TEXT_MAX = 4096
/** The answer to who asks for a WebSocket. */
export const SWITCHING = 101
const METHOD = /^[!#$%&'*+\-.^_`|~0-9a-zA-Z]{1,64}$/
const NO_METHOD = new Set(['CONNECT', 'TRACE', 'TRACK'])
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/
// oxlint-disable-next-line no-control-regex -- exactly the characters that would end a header line
const HEADER_VALUE = /^[^\0\r\n]*$/

/** Codes a worker may answer with; any other is the function's own claim and counts as `function_failed`. */
const OWN_CODES = new Set<string>([
  'deadline_exceeded',
  'memory_exceeded',
  'worker_crashed',
  'function_failed',
  'result_not_serializable',
  'result_too_large',
  'invalid_argument',
  'egress_denied',
  'depth_exceeded',
  'not_found',
  'forbidden',
  'overloaded',
  'quota_exceeded',
  'payload_too_large',
  'unavailable',
])

export function decodeError(bytes: Uint8Array, title: string): OsirisError {
  const value = objectOf(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'))
  const { code, message, stack, limit } = value
  if (typeof code !== 'string' || typeof message !== 'string') throw new Error('an error without code and message')
  const known = isErrorCode(code) && OWN_CODES.has(code) ? code : 'function_failed'
  const text = message.slice(0, TEXT_MAX)
  const shape: ErrorShape = {
    code: known,
    message: known === 'function_failed' && !text.startsWith('Cannot ') ? `Cannot run "${title}": ${text}` : text,
  }
  if (typeof stack === 'string') shape.stack = stack.slice(0, TEXT_MAX)
  if (isLimitName(limit)) shape.details = { limit }
  return OsirisError.fromShape(shape)
}

/** What making an instance took, by the worker's own word. */
export function decodeParts(bytes: Uint8Array): Partial<ColdParts> {
  if (bytes.length === 0) return {}
  const value: unknown = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'))
  if (!Array.isArray(value) || value.length !== 3 || !value.every((each) => Number.isInteger(each) && each >= 0))
    throw new Error('malformed parts of a start')
  const [isolate, compile, first] = (value as [number, number, number]).map((us) => us / 1000) as [number, number, number]
  return { isolate, compile, first }
}

/** `mayUpgrade`: 101 is an answer too. */
export function decodeHead(text: string, mayUpgrade = false): WireResponse {
  const { status, headers } = objectOf(text)
  if (!Number.isInteger(status) || (!(mayUpgrade && status === SWITCHING) && ((status as number) < 200 || (status as number) > 599)))
    throw new Error('a status out of range')
  return { status: status as number, headers: headersOf(headers) }
}

/** What a function fetches; whether it may is the guard's to say. */
export function decodeFetch(text: string): WireFetch {
  const { call, method, url, headers, redirect, streams, bytes } = objectOf(text)
  if (!isCount(call) || typeof url !== 'string' || url.length > FETCH_URL_MAX) throw new Error('a malformed fetch')
  if (typeof method !== 'string' || !METHOD.test(method) || NO_METHOD.has(method.toUpperCase())) throw new Error('a malformed method')
  if (redirect !== 'follow' && redirect !== 'manual' && redirect !== 'error') throw new Error('a malformed fetch')
  if (typeof streams !== 'boolean' || (bytes !== undefined && (!streams || !isCount(bytes)))) throw new Error('a malformed fetch')
  const head: WireFetch = { call, method, url, headers: headersOf(headers), redirect, streams }
  return bytes === undefined ? head : { ...head, bytes }
}

function headersOf(headers: unknown): [string, string][] {
  if (!Array.isArray(headers) || headers.length > HEADERS_MAX) throw new Error('malformed headers')
  let characters = 0
  for (const pair of headers as unknown[]) {
    if (!Array.isArray(pair) || pair.length !== 2) throw new Error('a malformed header')
    const [name, value] = pair as unknown[]
    if (typeof name !== 'string' || typeof value !== 'string' || !HEADER_NAME.test(name) || !HEADER_VALUE.test(value))
      throw new Error('a malformed header')
    characters += name.length + value.length
    if (name.length > HEADER_NAME_MAX || characters > HEADER_CHARACTERS_MAX) throw new Error('headers that are too long')
  }
  return headers as [string, string][]
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

export function decodeAsk(text: string): WireAsk {
  const { kind, ref, args, topic, data, id, key } = objectOf(text)
  if (kind === 'call' && typeof ref === 'string' && typeof args === 'string') return { kind, ref: ref.slice(0, 512), args }
  if (kind !== 'publish' || typeof topic !== 'string' || typeof data !== 'string' || !isTextOrNone(id) || !isTextOrNone(key))
    throw new Error('a malformed request')
  // Too long by one is refused as the long one would be.
  const chosen = { ...(id === undefined ? {} : { id: id.slice(0, 257) }), ...(key === undefined ? {} : { key: key.slice(0, 257) }) }
  return { kind, topic: topic.slice(0, 512), data, ...chosen }
}

function isTextOrNone(value: unknown): value is string | undefined {
  return value === undefined || typeof value === 'string'
}

function objectOf(text: string): Record<string, unknown> {
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null) throw new Error('not an object')
  return value as Record<string, unknown>
}
