/**
 * `multipart/form-data` (RFC 7578, and the HTML Standard's encoding of forms). A part's bytes stay where they are in the body: what a body holds is bounded
 * by the isolate's memory, what reading it costs by its length (each byte is looked at a fixed number of times).
 */
import { bytesOfBlob, type File, File as FileClass, fromBytes } from './blob.ts'
import type { Field } from './form-data.ts'
import { parseMime } from './mime.ts'
import { decodeUtf8, encodeUtf8, trimHttp } from './text.ts'

/** RFC 2046, 5.1.1. */
const BOUNDARY_MAX = 70
/** The headers of one part. */
const HEADERS_MAX = 16_384
const CR = 13
const DASH = 45

let boundaries = 0

export function encodeMultipart(fields: Field[]): { source: Uint8Array<ArrayBuffer>; type: string } {
  const boundary = `----osiris-${Date.now().toString(36)}-${(++boundaries).toString(36)}-${Math.random().toString(36).slice(2)}`
  const pieces: Uint8Array[] = []
  for (const [name, value] of fields) pieces.push(encodeUtf8(partHead(boundary, name, value)), ...partBody(value), encodeUtf8('\r\n'))
  pieces.push(encodeUtf8(`--${boundary}--\r\n`))
  const source = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    source.set(piece, at)
    at += piece.length
  }
  return { source, type: `multipart/form-data; boundary=${boundary}` }
}

function partHead(boundary: string, name: string, value: string | File): string {
  const head = `--${boundary}\r\nContent-Disposition: form-data; name="${escaped(withCrlf(name))}"`
  if (typeof value === 'string') return `${head}\r\n\r\n`
  return `${head}; filename="${escaped(value.name)}"\r\nContent-Type: ${value.type === '' ? 'application/octet-stream' : value.type}\r\n\r\n`
}

function partBody(value: string | File): Uint8Array[] {
  return [typeof value === 'string' ? encodeUtf8(withCrlf(value)) : bytesOfBlob(value)]
}

function withCrlf(text: string): string {
  return text.replace(/\r\n|\r|\n/g, '\r\n')
}

function escaped(text: string): string {
  return text.replaceAll('\n', '%0A').replaceAll('\r', '%0D').replaceAll('"', '%22')
}

/** The boundary that a content type names; nothing where it is not one of a multipart form. */
export function boundaryOf(parameters: Map<string, string>): string {
  const boundary = parameters.get('boundary') ?? ''
  if (boundary.length < 1 || boundary.length > BOUNDARY_MAX) throw malformed('its content type has no boundary of 1 to 70 characters')
  return boundary
}

/** Throws a TypeError for bytes that are not such a form. */
export function parseMultipart(bytes: Uint8Array<ArrayBuffer>, boundary: string): Field[] {
  const delimiter = encodeUtf8(`\r\n--${boundary}`)
  const fields: Field[] = []
  // The first delimiter may stand at the very beginning, without a line before it; a preamble is passed over.
  let at = matches(bytes, 0, delimiter, 2) ? delimiter.length - 2 : find(bytes, 0, delimiter) + delimiter.length
  while (!(bytes[at] === DASH && bytes[at + 1] === DASH)) {
    const from = lineEnd(bytes, at)
    const end = find(bytes, from - 2, delimiter)
    fields.push(fieldOf(bytes, from, end))
    at = end + delimiter.length
  }
  return fields
}

/** Only blanks may stand between a delimiter and the end of its line. */
function lineEnd(bytes: Uint8Array, from: number): number {
  let at = from
  while (bytes[at] === 32 || bytes[at] === 9) at++
  if (bytes[at] !== CR || bytes[at + 1] !== 10) throw malformed('a delimiter is not followed by the end of its line')
  return at + 2
}

function fieldOf(bytes: Uint8Array<ArrayBuffer>, from: number, end: number): Field {
  const { headers, body } = headersOf(bytes, from, end)
  const disposition = dispositionOf(headers.get('content-disposition') ?? '')
  const { name, filename } = disposition
  if (name === undefined) throw malformed('a part has no name')
  const content = bytes.subarray(body, Math.max(body, end))
  if (filename === undefined) return [name, withoutBom(decodeUtf8(content, content.length, false))]
  const type = headers.get('content-type') ?? 'text/plain'
  return [name, fromBytes(content, new FileClass([], filename, { type }))]
}

function withoutBom(text: string): string {
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
}

function headersOf(bytes: Uint8Array, from: number, end: number): { headers: Map<string, string>; body: number } {
  const headers = new Map<string, string>()
  let at = from
  while (at < end) {
    const eol = crlf(bytes, at, Math.min(end + 2, from + HEADERS_MAX))
    if (eol === at) return { headers, body: at + 2 }
    const line = decodeUtf8(bytes.subarray(at, eol), eol - at, false)
    const colon = line.indexOf(':')
    if (colon < 1) throw malformed('a header of a part has no name')
    headers.set(line.slice(0, colon).toLowerCase(), trimHttp(line.slice(colon + 1)))
    at = eol + 2
  }
  throw malformed('a part has no end of its headers')
}

function crlf(bytes: Uint8Array, from: number, end: number): number {
  for (let at = bytes.indexOf(CR, from); at >= 0 && at < end; at = bytes.indexOf(CR, at + 1)) if (bytes[at + 1] === 10) return at
  throw malformed('a header of a part is too long, or has no end')
}

/** `form-data; name="a"; filename="b"`: what browsers escape is taken back, a backslash is one. */
function dispositionOf(text: string): { name?: string; filename?: string } {
  const kind = text.split(';', 1)[0] as string
  if (trimHttp(kind).toLowerCase() !== 'form-data') throw malformed('a part is not form-data')
  const found: { name?: string; filename?: string } = {}
  for (let at = kind.length; at < text.length;) {
    const equals = text.indexOf('=', at)
    if (equals < 0) break
    const quoted = text[equals + 1] === '"'
    const from = equals + (quoted ? 2 : 1)
    const stop = text.indexOf(quoted ? '"' : ';', from)
    const end = stop < 0 ? text.length : stop
    const key = trimHttp(text.slice(at + 1, equals)).toLowerCase()
    const value = quoted ? unescaped(text.slice(from, end)) : trimHttp(text.slice(from, end))
    if (key === 'name') found.name ??= value
    else if (key === 'filename') found.filename ??= value
    at = quoted ? nextParameter(text, end) : end
  }
  return found
}

function nextParameter(text: string, from: number): number {
  const at = text.indexOf(';', from)
  return at < 0 ? text.length : at
}

function unescaped(text: string): string {
  return text.replace(/%0A/gi, '\n').replace(/%0D/gi, '\r').replaceAll('%22', '"')
}

/** Where the delimiter stands next. Each byte is met once by `indexOf`, and at most once per character of a delimiter that nearly matches. */
function find(bytes: Uint8Array, from: number, delimiter: Uint8Array): number {
  for (let at = bytes.indexOf(CR, from); at >= 0; at = bytes.indexOf(CR, at + 1)) if (matches(bytes, at, delimiter, 0)) return at
  throw malformed('its last delimiter is missing')
}

function matches(bytes: Uint8Array, at: number, delimiter: Uint8Array, skipped: number): boolean {
  if (at + delimiter.length - skipped > bytes.length) return false
  for (let index = skipped; index < delimiter.length; index++) if (bytes[at + index - skipped] !== delimiter[index]) return false
  return true
}

function malformed(why: string): TypeError {
  return new TypeError(`The body is not a multipart form: ${why}`)
}

/** The fields of a body with this content type. */
export function fieldsOf(bytes: Uint8Array<ArrayBuffer>, contentType: string): Field[] {
  const mime = parseMime(contentType)
  if (mime?.essence !== 'multipart/form-data') throw malformed(`its content type is ${JSON.stringify(contentType.slice(0, 100))}`)
  return parseMultipart(bytes, boundaryOf(mime.parameters))
}
