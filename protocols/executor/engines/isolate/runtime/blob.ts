/** Blob and File (File API): bytes that cannot change, held in the isolate. */
import type { ReadableStream } from 'web-streams-polyfill'
import { loaded } from './loaded.ts'
import { streams } from './streams.ts'
import { bytesOf, decodeUtf8, encodeUtf8, stringOf } from './text.ts'

/** What a reader of `stream()` gets at once. */
const CHUNK_BYTES = 65_536

interface BlobOptions {
  type?: string
  endings?: string
}

// Assigned in the class, where its private parts can be seen.
export let isBlob: (value: unknown) => value is Blob
/** The bytes themselves, not a copy. */
export let bytesOfBlob: (blob: Blob) => Uint8Array<ArrayBuffer>
/** Makes these bytes, uncopied, the content of a blob nobody else has yet. */
export let fromBytes: <B extends Blob>(bytes: Uint8Array<ArrayBuffer>, blob: B) => B

export class Blob {
  #bytes: Uint8Array<ArrayBuffer>
  readonly #type: string

  constructor(parts?: Iterable<unknown>, options: BlobOptions = {}) {
    if (parts !== undefined && (typeof parts !== 'object' || parts === null || typeof parts[Symbol.iterator] !== 'function'))
      throw new TypeError('A Blob is made from a list of parts')
    const { type = '', endings = 'transparent' } = dictionary(options)
    if (endings !== 'transparent' && endings !== 'native') throw new TypeError('endings is "transparent" or "native"')
    this.#bytes = joined(Array.from(parts ?? [], (part) => partBytes(part, endings === 'native')))
    this.#type = typeOf(type)
  }

  get size(): number {
    return this.#bytes.length
  }

  get type(): string {
    return this.#type
  }

  slice(start: unknown = 0, end: unknown = this.size, type = ''): Blob {
    const part = new Blob([], { type })
    part.#bytes = this.#bytes.subarray(place(start, this.size), Math.max(place(start, this.size), place(end, this.size)))
    return part
  }

  stream(): ReadableStream<Uint8Array> {
    const bytes = this.#bytes
    let at = 0
    return new (streams().ReadableStream)({
      type: 'bytes',
      pull(controller) {
        if (at < bytes.length) controller.enqueue(bytes.slice(at, (at += CHUNK_BYTES)))
        if (at < bytes.length) return
        controller.close()
        // A reader that brought its own buffer waits for a word even at the end.
        controller.byobRequest?.respond(0)
      },
    })
  }

  async text(): Promise<string> {
    const text = decodeUtf8(this.#bytes, this.#bytes.length, false)
    return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
  }

  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return this.#bytes.slice()
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return this.#bytes.slice().buffer
  }

  get [Symbol.toStringTag](): string {
    return 'Blob'
  }

  static {
    isBlob = (value): value is Blob => typeof value === 'object' && value !== null && #bytes in value
    bytesOfBlob = (blob) => blob.#bytes
    fromBytes = (bytes, blob) => {
      blob.#bytes = bytes
      return blob
    }
  }
}

export class File extends Blob {
  readonly #name: string
  readonly #lastModified: number

  constructor(parts: Iterable<unknown>, name: string, options: BlobOptions & { lastModified?: unknown } = {}) {
    // oxlint-disable-next-line prefer-rest-params -- undefined given counts as given
    if (arguments.length < 2) throw new TypeError('A File is made from parts and a name')
    super(parts ?? null, options)
    this.#name = wellFormed(name)
    const { lastModified } = dictionary(options)
    this.#lastModified = lastModified === undefined ? Date.now() : Math.trunc(Number(lastModified)) || 0
  }

  get name(): string {
    return this.#name
  }

  get lastModified(): number {
    return this.#lastModified
  }

  override get [Symbol.toStringTag](): string {
    return 'File'
  }
}

/** Another Blob, or File, of the same bytes. */
export function cloneBlob(blob: Blob): Blob {
  const { type } = blob
  return blob instanceof File
    ? fileOf(blob, blob.name, { type, lastModified: blob.lastModified })
    : fromBytes(bytesOfBlob(blob), new Blob([], { type }))
}

/** A File of a blob's bytes. */
export function fileOf(blob: Blob, name: string, options: { type: string; lastModified?: unknown }): File {
  return fromBytes(bytesOfBlob(blob), new File([], name, options))
}

/** Web IDL's USVString: halves of surrogate pairs become U+FFFD. */
export function wellFormed(value: unknown): string {
  return stringOf(value).toWellFormed()
}

function dictionary<O extends object>(options: O): O {
  if (options !== null && typeof options !== 'object' && typeof options !== 'function') throw new TypeError('The options are an object')
  return options ?? {}
}

function partBytes(part: unknown, native: boolean): Uint8Array<ArrayBuffer> {
  if (isBlob(part)) return bytesOfBlob(part)
  if (part instanceof ArrayBuffer || ArrayBuffer.isView(part)) return bytesOf(part)
  const text = wellFormed(part)
  return encodeUtf8(native ? text.replace(/\r\n?/g, '\n') : text)
}

function joined(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** A type with characters outside of printable ASCII is none. */
function typeOf(type: unknown): string {
  const text = stringOf(type)
  return /^[\x20-\x7e]*$/.test(text) ? text.toLowerCase() : ''
}

function place(at: unknown, size: number): number {
  const whole = Math.trunc(Number(at)) || 0
  return whole < 0 ? Math.max(size + whole, 0) : Math.min(whole, size)
}

loaded.blob = { isBlob, bytesOfBlob, cloneBlob }
