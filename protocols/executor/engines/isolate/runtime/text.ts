/** TextEncoder and TextDecoder (Encoding Standard): UTF-8 here, what else is known in encodings.ts. */
import { lazy } from './lazy.ts'
import type * as encodings from './encodings.ts'

const others = lazy(() => require('./encodings.ts') as typeof encodings)
const LABELS = new Set(['utf-8', 'utf8', 'unicode-1-1-utf-8', 'unicode11utf8', 'unicode20utf8', 'x-unicode20utf8'])
/** Characters per `fromCharCode`: below the engine's limit on arguments. */
const PIECE = 8192
const REPLACEMENT = 0xfffd
const BOM = 0xfeff
const fromCharCode = String.fromCharCode

/** Web IDL's conversion to a string: throws for a symbol, as `String()` would not. */
export function stringOf(value: unknown): string {
  return `${value as string | number}`
}

/** Without the blanks of HTTP and of labels at both ends; a regular expression would take quadratic time for a long run of them inside. */
export function trimHttp(text: string): string {
  let from = 0
  let to = text.length
  while (from < to && isBlank(text.charCodeAt(from))) from++
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--
  return text.slice(from, to)
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9 || code === 10 || code === 12 || code === 13
}

export class TextEncoder {
  get encoding(): string {
    return 'utf-8'
  }

  encode(input: unknown = ''): Uint8Array<ArrayBuffer> {
    return encodeUtf8(stringOf(input))
  }

  get [Symbol.toStringTag](): string {
    return 'TextEncoder'
  }

  encodeInto(source: string, destination: Uint8Array): { read: number; written: number } {
    let read = 0
    let written = 0
    for (const character of stringOf(source)) {
      const bytes = encodeUtf8(character)
      if (written + bytes.length > destination.length) break
      destination.set(bytes, written)
      written += bytes.length
      read += character.length
    }
    return { read, written }
  }
}

export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(utf8Length(text))
  let at = 0
  for (let index = 0; index < text.length; index++) {
    let code = text.charCodeAt(index)
    if (code < 0x80) {
      bytes[at++] = code
      continue
    }
    if (code >= 0xd800 && code < 0xe000) {
      const next = index + 1 < text.length ? text.charCodeAt(index + 1) : 0
      if (code < 0xdc00 && next >= 0xdc00 && next < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (next - 0xdc00)
        index++
      } else code = REPLACEMENT
    }
    at = putMany(bytes, at, code)
  }
  return bytes
}

function putMany(bytes: Uint8Array, at: number, code: number): number {
  if (code < 0x800) {
    bytes[at] = 0xc0 | (code >> 6)
    bytes[at + 1] = 0x80 | (code & 63)
    return at + 2
  }
  if (code < 0x10000) {
    bytes[at] = 0xe0 | (code >> 12)
    bytes[at + 1] = 0x80 | ((code >> 6) & 63)
    bytes[at + 2] = 0x80 | (code & 63)
    return at + 3
  }
  bytes[at] = 0xf0 | (code >> 18)
  bytes[at + 1] = 0x80 | ((code >> 12) & 63)
  bytes[at + 2] = 0x80 | ((code >> 6) & 63)
  bytes[at + 3] = 0x80 | (code & 63)
  return at + 4
}

export function utf8Length(text: string): number {
  let bytes = text.length
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code < 0x80) continue
    bytes += code < 0x800 ? 1 : 2
    // A whole pair is four bytes for two units; half of one is the replacement character's three.
    if (code >= 0xd800 && code < 0xdc00) {
      const next = index + 1 < text.length ? text.charCodeAt(index + 1) : 0
      if (next >= 0xdc00 && next < 0xe000) index++
    }
  }
  return bytes
}

/** Whether the text is longer than that in bytes; counts them only where its length does not tell. */
export function isLongerThan(text: string, bytesMax: number): boolean {
  return text.length > bytesMax || (text.length > bytesMax / 3 && utf8Length(text) > bytesMax)
}

interface Decoder {
  /** Throws a TypeError for bytes that are none, when that is asked for. `last`: nothing comes after. */
  decode(bytes: Uint8Array, last: boolean): string
}

export class TextDecoder {
  readonly #encoding: string
  readonly #fatal: boolean
  readonly #ignoreBom: boolean
  #decoder: Decoder | undefined
  #started = false

  constructor(label: unknown = 'utf-8', options: { fatal?: boolean; ignoreBOM?: boolean } = {}) {
    const name = trimHttp(stringOf(label)).toLowerCase()
    this.#encoding = LABELS.has(name) ? 'utf-8' : others().encodingOf(name)
    this.#fatal = Boolean(options?.fatal)
    this.#ignoreBom = Boolean(options?.ignoreBOM)
  }

  get encoding(): string {
    return this.#encoding
  }

  get fatal(): boolean {
    return this.#fatal
  }

  get ignoreBOM(): boolean {
    return this.#ignoreBom
  }

  decode(input?: ArrayBuffer | ArrayBufferView, options: { stream?: boolean } = {}): string {
    const bytes = input === undefined ? new Uint8Array(0) : bytesOf(input)
    const last = !options?.stream
    const started = this.#started
    const decoder = (this.#decoder ??= this.#encoding === 'utf-8' ? new Utf8(this.#fatal) : others().decoderOf(this.#encoding, this.#fatal))
    if (last) this.#decoder = undefined
    this.#started = false
    const text = decoder.decode(bytes, last)
    this.#started = !last && (started || text.length > 0)
    return started || this.#ignoreBom || text.charCodeAt(0) !== BOM ? text : text.slice(1)
  }

  get [Symbol.toStringTag](): string {
    return 'TextDecoder'
  }
}

class Utf8 implements Decoder {
  readonly #fatal: boolean
  #held: Uint8Array = new Uint8Array(0)

  constructor(fatal: boolean) {
    this.#fatal = fatal
  }

  decode(given: Uint8Array, last: boolean): string {
    const bytes = joined(this.#held, given)
    const whole = last ? bytes.length : completeLength(bytes)
    this.#held = bytes.slice(whole)
    return decodeUtf8(bytes, whole, this.#fatal)
  }
}

/** A view of the same bytes, whatever kind of buffer they come in. */
export function bytesOf(input: ArrayBuffer | ArrayBufferView): Uint8Array<ArrayBuffer> {
  if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer as ArrayBuffer, input.byteOffset, input.byteLength)
  if (input instanceof ArrayBuffer) return new Uint8Array(input)
  throw new TypeError('Expected an ArrayBuffer or a view of one')
}

function joined(held: Uint8Array, bytes: Uint8Array): Uint8Array {
  if (held.length === 0) return bytes
  const all = new Uint8Array(held.length + bytes.length)
  all.set(held)
  all.set(bytes, held.length)
  return all
}

/** How many bytes stand before a sequence that may still be completed. */
function completeLength(bytes: Uint8Array): number {
  const from = Math.max(0, bytes.length - 3)
  for (let at = bytes.length - 1; at >= from; at--) {
    const byte = bytes[at] as number
    if ((byte & 0xc0) === 0x80) continue
    return byte >= 0xc2 && at + sequenceLength(byte) > bytes.length ? at : bytes.length
  }
  return bytes.length
}

function sequenceLength(first: number): number {
  return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 1
}

export function decodeUtf8(bytes: Uint8Array, length: number, fatal: boolean): string {
  let text = ''
  let units: number[] = []
  let at = 0
  while (at < length) {
    const first = bytes[at] as number
    if (first < 0x80) {
      units.push(first)
      at++
    } else at = decodeMany(bytes, at, length, units, fatal)
    if (units.length >= PIECE) {
      text += fromCharCode.apply(null, units)
      units = []
    }
  }
  return text + fromCharCode.apply(null, units)
}

/** One sequence beyond ASCII; a malformed one is replaced up to its longest valid prefix, as the standard says. */
function decodeMany(bytes: Uint8Array, at: number, length: number, units: number[], fatal: boolean): number {
  const first = bytes[at] as number
  const needed = first < 0xc2 || first > 0xf4 ? 0 : sequenceLength(first) - 1
  let code = first & (0x3f >> needed)
  let low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80
  let high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf
  let next = at + 1
  let seen = 0
  for (; seen < needed && next < length; seen++, next++) {
    const byte = bytes[next] as number
    if (byte < low || byte > high) break
    code = (code << 6) | (byte & 63)
    low = 0x80
    high = 0xbf
  }
  if (needed === 0 || seen < needed) {
    if (fatal) throw new TypeError('The bytes are not valid UTF-8')
    units.push(REPLACEMENT)
    return next
  }
  if (code >= 0x10000) units.push(0xd800 + ((code - 0x10000) >> 10), 0xdc00 + ((code - 0x10000) & 0x3ff))
  else units.push(code)
  return next
}
