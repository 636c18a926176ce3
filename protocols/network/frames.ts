/**
 * Frames: `u32 length, u8 kind, u32 id, payload`, big-endian; the length counts what follows it.
 * The header is binary and the role's head passes through as bytes: as CBOR, the envelope took ten times as long to write and read (README).
 * The side that opened the pipe asks, the other side answers; `id` is chosen by the asker and only grows.
 */
import { z } from 'zod'
import { decodeAs, encode } from '#protocols/codec'
import { type ErrorShape, OsirisError } from '#protocols/errors'
import { ERROR_BYTES_MAX } from './limits.ts'

export const Kind = {
  /** asker: `u32 timeoutMs, u8 body mode, u8 name length, name, u32 head length, head, inline body` */
  request: 1,
  /** answerer: `u8 body mode, u32 head length, head, inline body` */
  response: 2,
  /** answerer: the handler threw; CBOR of an ErrorShape */
  error: 3,
  /** answerer: no handler saw the request; CBOR of an ErrorShape */
  refused: 4,
  /** both: a piece of a streamed body */
  data: 5,
  /** both: the streamed body is whole */
  end: 6,
  /** both: the streamed body failed; CBOR of an ErrorShape */
  fail: 7,
  /** both: `u32` more bytes of the other side's body may be sent */
  credit: 8,
  /** asker: the answer is no longer wanted */
  cancel: 9,
  /** answerer: no more of the request's body is wanted */
  stop: 10,
} as const

export const BodyMode = { none: 0, inline: 1, stream: 2 } as const
type BodyMode = (typeof BodyMode)[keyof typeof BodyMode]

/** Bytes before the payload. */
export const HEADER_BYTES = 9

/** The other side does not speak this protocol: its pipe ends, nothing else does. */
export class FrameError extends Error {
  override name = 'FrameError'
}

export interface RequestFrame {
  timeoutMs: number
  protocol: string
  mode: BodyMode
  head: Uint8Array
  body: Uint8Array
}

export interface ResponseFrame {
  mode: BodyMode
  head: Uint8Array
  body: Uint8Array
}

/** A header for `bytes` bytes of payload, with room for the first `own` of them in the same buffer. */
function begin(kind: number, id: number, bytes: number, own: number): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + own)
  frame.writeUInt32BE(HEADER_BYTES - 4 + bytes, 0)
  frame[4] = kind
  frame.writeUInt32BE(id, 5)
  return frame
}

/** `name` is the protocol's UTF-8 form. The inline body is not copied: it follows as its own part. */
export function requestFrame(id: number, timeoutMs: number, name: Uint8Array, head: Uint8Array, mode: BodyMode, bodyBytes: number): Buffer {
  const own = 10 + name.length + head.length
  const frame = begin(Kind.request, id, own + bodyBytes, own)
  frame.writeUInt32BE(Math.min(0xffffffff, Math.ceil(timeoutMs)), 9)
  frame[13] = mode
  frame[14] = name.length
  frame.set(name, 15)
  frame.writeUInt32BE(head.length, 15 + name.length)
  frame.set(head, 19 + name.length)
  return frame
}

export function responseFrame(id: number, head: Uint8Array, mode: BodyMode, bodyBytes: number): Buffer {
  const own = 5 + head.length
  const frame = begin(Kind.response, id, own + bodyBytes, own)
  frame[9] = mode
  frame.writeUInt32BE(head.length, 10)
  frame.set(head, 14)
  return frame
}

/** The header of a frame whose payload follows as its own part. */
export function dataHeader(id: number, bytes: number): Buffer {
  return begin(Kind.data, id, bytes, 0)
}

export function signalFrame(kind: typeof Kind.end | typeof Kind.cancel | typeof Kind.stop, id: number): Buffer {
  return begin(kind, id, 0, 0)
}

export function creditFrame(id: number, bytes: number): Buffer {
  const frame = begin(Kind.credit, id, 4, 4)
  frame.writeUInt32BE(bytes, HEADER_BYTES)
  return frame
}

export function errorFrame(kind: typeof Kind.error | typeof Kind.refused | typeof Kind.fail, id: number, error: OsirisError): Buffer {
  const payload = encodeError(error)
  const frame = begin(kind, id, payload.length, payload.length)
  frame.set(payload, HEADER_BYTES)
  return frame
}

export function readRequest(payload: Uint8Array): RequestFrame {
  const nameLength = payload[5] ?? 0
  const headAt = 10 + nameLength
  if (payload.length < headAt) throw new FrameError('a request frame is shorter than its header')
  const bodyAt = headAt + readU32(payload, headAt - 4)
  if (bodyAt > payload.length) throw new FrameError('a request frame is shorter than its head')
  return {
    timeoutMs: readU32(payload, 0),
    mode: readMode(payload[4], bodyAt < payload.length),
    protocol: textOf(payload, 6, 6 + nameLength),
    head: payload.subarray(headAt, bodyAt),
    body: payload.subarray(bodyAt),
  }
}

export function readResponse(payload: Uint8Array): ResponseFrame {
  if (payload.length < 5) throw new FrameError('a response frame is shorter than its header')
  const bodyAt = 5 + readU32(payload, 1)
  if (bodyAt > payload.length) throw new FrameError('a response frame is shorter than its head')
  return { mode: readMode(payload[0], bodyAt < payload.length), head: payload.subarray(5, bodyAt), body: payload.subarray(bodyAt) }
}

export function readCredit(payload: Uint8Array): number {
  if (payload.length !== 4) throw new FrameError('a credit frame is not four bytes')
  return readU32(payload, 0)
}

export function readU32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)) >>> 0
  )
}

function readMode(mode: number | undefined, bytesFollow: boolean): BodyMode {
  if (mode !== BodyMode.none && mode !== BodyMode.inline && mode !== BodyMode.stream)
    throw new FrameError('a frame has an unknown body mode')
  if (bytesFollow && mode !== BodyMode.inline) throw new FrameError('a frame has bytes behind its end')
  return mode
}

function textOf(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('latin1')
}

const errorSchema = z.object({
  code: z.string().max(64),
  message: z.string().max(8192),
  stack: z.string().max(8192).optional(),
  details: z.record(z.string(), z.unknown()).optional(),
})

/** The error in a frame. Throws FrameError when it is none. */
export function readError(payload: Uint8Array): OsirisError {
  if (payload.length > ERROR_BYTES_MAX) throw new FrameError('an error frame is too long')
  try {
    return OsirisError.fromShape(decodeAs(errorSchema, payload, 'an error') as ErrorShape)
  } catch (error) {
    throw new FrameError((error as Error).message)
  }
}

/** Details that cannot travel are left behind; the sentence always arrives. */
function encodeError(error: OsirisError): Uint8Array {
  const { details, ...shape } = error.toShape()
  const short = {
    ...shape,
    message: shape.message.slice(0, 4096),
    ...(shape.stack === undefined ? {} : { stack: shape.stack.slice(0, 4096) }),
  }
  if (details === undefined) return encode(short)
  try {
    const bytes = encode({ ...short, details: JSON.parse(JSON.stringify(details)) })
    if (bytes.length <= ERROR_BYTES_MAX) return bytes
  } catch {
    // circular, or a value that JSON and CBOR both refuse
  }
  return encode(short)
}
