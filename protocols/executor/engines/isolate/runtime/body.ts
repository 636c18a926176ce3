/** What Request and Response share: a body held as text or bytes for as long as nobody asks for a stream. */
import type { ReadableStream } from 'web-streams-polyfill'
import { lazy } from './lazy.ts'
import { loaded } from './loaded.ts'
import { isStream, streams } from './streams.ts'
import { bytesOf, decodeUtf8, encodeUtf8, stringOf } from './text.ts'
import type * as blob from './blob.ts'
import type { Blob } from './blob.ts'
import type * as formPiece from './form-data.ts'
import type { FormData } from './form-data.ts'
import type * as multipart from './multipart.ts'
import type * as mime from './mime.ts'
import { isSearchParams, urls } from './urls.ts'

const blobs = lazy(() => require('./blob.ts') as typeof blob)
const forms = lazy(() => require('./form-data.ts') as typeof formPiece)
const multiparts = lazy(() => require('./multipart.ts') as typeof multipart)
const mimes = lazy(() => require('./mime.ts') as typeof mime)

export type Source = string | Uint8Array<ArrayBuffer> | ReadableStream | null

export interface Extracted {
  source: Source
  /** The content type the body brings along. */
  type: string | null
}

export function extract(init: unknown): Extracted {
  if (init === null || init === undefined) return { source: null, type: null }
  if (typeof init === 'string') return { source: init, type: 'text/plain;charset=UTF-8' }
  if (isStream(init)) return streamOf(init)
  if (isSearchParams(init)) return { source: init.toString(), type: 'application/x-www-form-urlencoded;charset=UTF-8' }
  if (loaded.formData?.isFormData(init)) return loaded.formData.encodeFormData(init)
  if (loaded.blob?.isBlob(init)) return { source: loaded.blob.bytesOfBlob(init).slice(), type: init.type === '' ? null : init.type }
  if (init instanceof ArrayBuffer || ArrayBuffer.isView(init)) return { source: bytesOf(init).slice(), type: null }
  return { source: stringOf(init), type: 'text/plain;charset=UTF-8' }
}

function streamOf(stream: ReadableStream): Extracted {
  if (stream.locked || isDisturbed(stream)) throw new TypeError('The stream is locked, or was read already')
  return { source: stream, type: null }
}

export class Body {
  #source: Source
  #used = false

  constructor(source: Source) {
    this.#source = source
  }

  get bodyUsed(): boolean {
    return this.#used || (isStream(this.#source) && isDisturbed(this.#source))
  }

  get body(): ReadableStream | null {
    const source = this.#source
    if (source === null) return null
    if (isStream(source)) return source
    const used = this.#used
    const stream = new (streams().ReadableStream)({
      start(controller) {
        // A copy: what is enqueued is taken away from whoever had it, a clone of this body for one.
        const bytes = typeof source === 'string' ? encodeUtf8(source) : source.slice()
        if (!used && bytes.length > 0) controller.enqueue(bytes)
        controller.close()
      },
      type: 'bytes',
    })
    this.#source = stream
    return stream
  }

  /** Takes the body away, once; the stream may not be in anybody's hands. */
  static take(body: Body): Source {
    const source = body.#source
    if (body.bodyUsed || (isStream(source) && source.locked)) throw new TypeError('The body has been used already')
    if (source !== null) body.#used = true
    return source
  }

  /** Two bodies out of one; both can be read. */
  static split(body: Body): Source {
    if (body.bodyUsed) throw new TypeError('The body has been used already')
    if (!isStream(body.#source)) return body.#source
    const [mine, theirs] = body.#source.tee()
    body.#source = mine
    return theirs
  }

  async text(): Promise<string> {
    const whole = await readWhole(Body.take(this))
    const text = typeof whole === 'string' ? whole : decodeUtf8(whole, whole.length, false)
    return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text())
  }

  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    const whole = await readWhole(Body.take(this))
    return typeof whole === 'string' ? encodeUtf8(whole) : whole.slice()
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return (await this.bytes()).buffer
  }

  async blob(): Promise<Blob> {
    const bytes = await this.bytes()
    const mime = mimes().parseMime(contentType(this))
    return blobs().fromBytes(bytes, new (blobs().Blob)([], { type: mime === undefined ? '' : mimes().mimeText(mime) }))
  }

  async formData(): Promise<FormData> {
    const type = contentType(this)
    const essence = mimes().parseMime(type)?.essence
    if (essence === 'multipart/form-data') return forms().formDataOf(multiparts().fieldsOf(await this.bytes(), type))
    if (essence === 'application/x-www-form-urlencoded') return forms().formDataOf([...new (urls().URLSearchParams)(await this.text())])
    throw new TypeError(`The body is not a form: its content type is ${JSON.stringify(type.slice(0, 100))}`)
  }
}

function contentType(body: Body): string {
  return (body as unknown as { headers: { get(name: string): string | null } }).headers.get('content-type') ?? ''
}

async function readWhole(source: Source): Promise<string | Uint8Array<ArrayBuffer>> {
  if (source === null) return ''
  if (!isStream(source)) return source
  const chunks: Uint8Array[] = []
  let length = 0
  const reader = source.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    const bytes = chunkBytes(value)
    chunks.push(bytes)
    length += bytes.length
  }
  const whole = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}

/** A chunk of a body is bytes; anything else is the function's error. */
export function chunkBytes(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value
  throw new TypeError(`A body's stream gives Uint8Array chunks, and this one is a ${typeof value}`)
}

function isDisturbed(stream: ReadableStream): boolean {
  return (stream as unknown as { _disturbed: boolean })._disturbed
}
