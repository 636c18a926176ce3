/**
 * What travels between the node and a worker over one pipe, both ways: `u32 length · u8 kind · u32 id · u32 a · u32 b · payload`, little endian;
 * `length` counts what follows it. Frames of one turn of the event loop leave in one write. Either side ends the pipe at the first malformed frame.
 */
import type { Writable } from 'node:stream'

/** Node to worker. `id` is a call unless said otherwise. */
export const DO = {
  /** id: instance, a: memory limit in MiB, b: bytes of settings JSON; payload: settings, then the artifact. Answered by `loaded` or `loadFailed`. */
  load: 1,
  /** a: instance, b: milliseconds left; payload: the arguments' JSON text. */
  call: 2,
  /** a: instance, b: bytes of the head; payload: head JSON (`WireRequest`), then the whole body. */
  fetch: 3,
  /** Part of the request's body; only after `fetch` said that it streams. */
  chunk: 4,
  end: 5,
  /** The request's body broke; payload: the reason. */
  broken: 6,
  /** a: bytes of the response's body that may be sent on top of what was granted. */
  credit: 7,
  /** The caller is gone, or nobody waits any more: `request.signal` aborts. Answered by `heard`, and nothing about the call is sent again. */
  cancel: 8,
  /** id: instance. Answered by `retired`. */
  retire: 9,
  /** id: request of the instance, a: instance, b: 0 value, 1 error; payload: JSON. Answers `ask`. */
  answer: 10,
  /** Like `call`; payload: the event's JSON text, for the method of that name. */
  scheduled: 12,
  message: 13,
  /** id: the call of the frame that follows, a: its instance; payload: JSON of the functions above it (`Invocation.path`). */
  from: 14,
  /** Answered by `pong` as soon as the worker's main thread is free. */
  ping: 11,
  /** About a fetch; id: its, a: the instance, here and below. Payload: head JSON (`WireFetched`). */
  fetchHead: 16,
  /** Part of the response's body, decoded. */
  fetchChunk: 17,
  fetchEnd: 18,
  /** Instead of the head, or of the rest of the body; payload: JSON of code and message. */
  fetchBroken: 19,
  /** b: bytes of the request's body that may be sent on top of what was granted. */
  fetchCredit: 20,
  /**
   * Like `load`, with a: an idle instance of the same version that the new one is to take the place of. The new one shares an isolate with others;
   * where that would be no good, the answer is `loadFailed`.
   */
  share: 28,
  /** id: the instance of the `load` that follows; payload: its compiled code, as `SAY.codeCache` gave it. */
  codeCache: 29,
  /** First of all frames. Payload: the start-up snapshot of all workers here, or nothing: then it makes its own. */
  snapshot: 30,
} as const

/** Worker to node. */
export const SAY = {
  ready: 32,
  /** id: instance, a: 1 when the code it was given was used instead of compiling; payload: JSON `[isolate, compile, first]`, microseconds each, or nothing. */
  loaded: 33,
  /** id: instance; payload: error JSON. */
  loadFailed: 34,
  /** a: microseconds run, b: microseconds of processor; payload: JSON text of the result. */
  value: 35,
  /** a: microseconds run, b: microseconds of processor, doubled, plus 1 when the instance must not be used again; payload: error JSON (`WireError`). */
  failed: 36,
  /** a: microseconds run, b: bytes of the head, plus OPEN or CLOSED; payload: head JSON (`WireResponse`), then the first bytes of the body. */
  response: 37,
  chunk: 38,
  end: 39,
  /** The response's body broke; payload: error JSON. */
  broken: 40,
  /** a: bytes of the request's body that the function took. */
  credit: 41,
  /** The call is wholly over: body sent, `waitUntil` done. a: microseconds of processor in all. */
  closed: 42,
  /** a: instance, b: level; payload: text. id 0: the line belongs to no single call. */
  log: 43,
  /** id: instance; payload: error JSON. Its calls in flight end with that error. */
  gone: 44,
  /** id: request of the instance, a: instance, b: the call that asks, or 0; payload: JSON (`WireAsk`). */
  ask: 45,
  /** The instance took in that the call is cancelled: it is not stuck in it. */
  heard: 46,
  /** id: instance. Nothing of it runs any more. */
  retired: 47,
  pong: 48,
  /** a: microseconds of processor until now; before `response`, which has no room for it. */
  spent: 72,
  /** id: instance, a: KiB, the most that was seen in use. */
  memory: 73,
  /** id: call, or 0, a: instance, b: place in LIMITS. Once per call and limit. */
  limit: 74,
  /** A fetch; id: its, counted by the instance, a: the instance, here and below. b: bytes of the head; payload: head JSON (`WireFetch`), then the whole body. */
  fetch: 64,
  /** Part of the request's body; only after `fetch` said that it streams. */
  fetchChunk: 65,
  fetchEnd: 66,
  /** Nobody waits for it any more. */
  fetchCancel: 67,
  /** b: bytes of the response's body that the function took. */
  fetchCredit: 68,
  /** id: instance that shares an isolate. It no longer should: it is to be retired. */
  unfit: 76,
  /** id: instance; payload: compiled code of its artifact, for later loads. At most once, after a `loaded` that used none. */
  codeCache: 77,
} as const

/** Flags in `b` of `response`, above the head's length. */
export const OPEN = 1 << 24
export const CLOSED = 1 << 25
export const HEAD_LENGTH_MASK = OPEN - 1

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const

export interface WireSettings {
  name: string
  env: Record<string, string>
  resultBytesMax: number
  parameters: string[]
  /** Milliseconds in which the module must be ready. */
  loadMs: number
  /** Milliseconds of processor one call may use. */
  cpuMs: number
  /** Bytes of log text of one call. */
  logBytesMax: number
  timersMax: number
}
export interface WireRequest {
  /** Milliseconds left. */
  ms: number
  method: string
  url: string
  headers: [string, string][]
  /** The body follows in `chunk` frames. */
  streams: boolean
  params?: Record<string, string>
  /** A WebSocket is asked for: the body is what its client says, as in `#protocols/socket`. */
  upgrade?: true
}
export interface WireResponse {
  status: number
  headers: [string, string][]
}
export interface WireError {
  code: string
  message: string
  stack?: string
  /** The limit it met, by its name in LIMITS. */
  limit?: string
}
export type WireAsk = WireCall | WirePublish
export interface WireCall {
  kind: 'call'
  ref: string
  args: string
}
export interface WirePublish {
  kind: 'publish'
  /** Of its own namespace, unless it names one. */
  topic: string
  /** JSON text. */
  data: string
  id?: string
  key?: string
}

export interface WireFetch {
  /** The call it belongs to; 0 where the runtime cannot tell. */
  call: number
  method: string
  url: string
  headers: [string, string][]
  redirect: 'follow' | 'manual' | 'error'
  /** The body follows in `fetchChunk` frames. */
  streams: boolean
  /** How long that body is, where it is known. */
  bytes?: number
}
export interface WireFetched extends WireResponse {
  statusText: string
  /** After redirects, without fragment. */
  url: string
  redirected: boolean
  /** A body follows, be it empty. */
  body: boolean
}

const PREFIX_BYTES = 4
const FIXED_BYTES = 13
const HEADER_BYTES = PREFIX_BYTES + FIXED_BYTES
const SEGMENT_BYTES = 64 * 1024
const NOTHING = Buffer.alloc(0)
/** Larger payloads are handed to the socket as they are instead of being copied. */
const COPY_BYTES_MAX = 16 * 1024

/** Gathers frames and hands them over at once. Payloads above 16 KiB must not change before they are sent. */
export class FrameWriter {
  readonly #send: (parts: Uint8Array[]) => boolean
  #segment = Buffer.allocUnsafeSlow(SEGMENT_BYTES)
  #view = new DataView(this.#segment.buffer)
  #from = 0
  #at = 0
  #parts: Uint8Array[] = []

  /** `send` says whether it is done with the bytes when it returns. */
  constructor(send: (parts: Uint8Array[]) => boolean) {
    this.#send = send
  }

  get empty(): boolean {
    return this.#at === this.#from && this.#parts.length === 0
  }

  bytes(kind: number, id: number, a: number, b: number, payload?: Uint8Array, more?: Uint8Array): void {
    const length = (payload?.length ?? 0) + (more?.length ?? 0)
    this.#header(kind, id, a, b, length, length <= COPY_BYTES_MAX ? length : 0)
    if (payload !== undefined) this.#put(payload, length)
    if (more !== undefined) this.#put(more, length)
  }

  text(kind: number, id: number, a: number, b: number, text: string): void {
    if (text.length * 3 > COPY_BYTES_MAX) return this.bytes(kind, id, a, b, Buffer.from(text))
    this.#room(HEADER_BYTES + text.length * 3)
    const length = this.#segment.write(text, this.#at + HEADER_BYTES)
    this.#header(kind, id, a, b, length, length)
    this.#at += length
  }

  flush(): void {
    this.#seal()
    if (this.#parts.length === 0) return
    const parts = this.#parts
    this.#parts = []
    if (!this.#send(parts)) return
    // The kernel has taken it all: the segment is free again, and memory stays flat.
    this.#from = 0
    this.#at = 0
  }

  #header(kind: number, id: number, a: number, b: number, length: number, room: number): void {
    this.#room(HEADER_BYTES + room)
    const at = this.#at
    this.#view.setUint32(at, FIXED_BYTES + length, true)
    this.#segment[at + 4] = kind
    this.#view.setUint32(at + 5, id, true)
    this.#view.setUint32(at + 9, a, true)
    this.#view.setUint32(at + 13, b, true)
    this.#at = at + HEADER_BYTES
  }

  #put(payload: Uint8Array, total: number): void {
    if (total <= COPY_BYTES_MAX) {
      this.#segment.set(payload, this.#at)
      this.#at += payload.length
    } else {
      this.#seal()
      this.#parts.push(payload)
    }
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= SEGMENT_BYTES) return
    this.#seal()
    this.#segment = Buffer.allocUnsafeSlow(SEGMENT_BYTES)
    this.#view = new DataView(this.#segment.buffer)
    this.#from = 0
    this.#at = 0
  }

  #seal(): void {
    if (this.#at === this.#from) return
    this.#parts.push(this.#segment.subarray(this.#from, this.#at))
    this.#from = this.#at
  }
}

/** Hands the parts to a socket in one write. Whether the kernel has taken them all already. */
export function sendTo(socket: Writable, parts: Uint8Array[]): boolean {
  if (parts.length === 1) socket.write(parts[0])
  else {
    socket.cork()
    for (const part of parts) socket.write(part)
    socket.uncork()
  }
  return socket.writableLength === 0
}

export type FrameHandler = (kind: number, id: number, a: number, b: number, buffer: Buffer, start: number, end: number) => void

/**
 * Takes bytes as they come and calls the handler once per whole frame. The payload lies in the chunk that was pushed, or in a buffer of its own
 * where a frame came in parts: a chunk may be reused as soon as `push` returns, if the handler keeps nothing of it.
 */
export class FrameReader {
  readonly #handler: FrameHandler
  readonly #bytesMax: () => number
  /** The frame that is not whole yet, as long as it will be; while its length is not known, as long as that. Each byte of a large one is copied once, and nothing else is held. */
  #frame: Buffer = NOTHING
  #filled = 0

  constructor(handler: FrameHandler, bytesMax: () => number) {
    this.#handler = handler
    this.#bytesMax = bytesMax
  }

  /** Throws at a frame that is too short or too long; nothing may be pushed after that. */
  push(chunk: Buffer): void {
    let at = 0
    while (this.#filled > 0) {
      if (at === chunk.length) return
      const taken = chunk.copy(this.#frame, this.#filled, at)
      at += taken
      this.#filled += taken
      if (this.#filled < this.#frame.length) return
      if (this.#filled === PREFIX_BYTES) this.#begin(this.#frame)
      else {
        const frame = this.#frame
        this.#frame = NOTHING
        this.#filled = 0
        this.#handle(frame, 0, frame.length)
      }
    }
    this.#read(chunk, at)
  }

  #read(buffer: Buffer, from: number): void {
    let at = from
    while (buffer.length - at >= PREFIX_BYTES) {
      const end = at + this.#lengthAt(buffer, at)
      if (end > buffer.length) return this.#begin(buffer.subarray(at))
      this.#handle(buffer, at, end)
      at = end
    }
    if (at === buffer.length) return
    this.#frame = Buffer.allocUnsafe(PREFIX_BYTES)
    this.#filled = buffer.copy(this.#frame, 0, at)
  }

  /** `start`: the first bytes of a frame, its length at least. */
  #begin(start: Buffer): void {
    this.#frame = Buffer.allocUnsafe(this.#lengthAt(start, 0))
    this.#filled = start.copy(this.#frame)
  }

  /** Bytes of the whole frame that begins there. */
  #lengthAt(buffer: Buffer, at: number): number {
    const length = buffer.readUInt32LE(at)
    if (length < FIXED_BYTES || length > this.#bytesMax()) throw new Error(`a frame of ${length} bytes`)
    return PREFIX_BYTES + length
  }

  #handle(buffer: Buffer, at: number, end: number): void {
    const id = buffer.readUInt32LE(at + 5)
    this.#handler(buffer[at + 4] as number, id, buffer.readUInt32LE(at + 9), buffer.readUInt32LE(at + 13), buffer, at + HEADER_BYTES, end)
  }
}
