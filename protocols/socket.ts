/**
 * A WebSocket between the door that has the client and the function that serves it: two streams of bytes, the request's body and the response's. Each is a
 * row of frames, `u8 kind, u32 length, payload` (big-endian), cut into chunks anywhere. What carries bodies (credit, hops, cancelling) carries sockets.
 * Used inside isolates too: no dependencies, nothing of Node.
 */

export const SOCKET = {
  /** UTF-8. */
  text: 1,
  binary: 2,
  /** `u16 code`, reason in UTF-8; the last one of its direction. */
  close: 3,
  /** Nothing; only to the function: whoever takes it is not stuck. */
  probe: 4,
} as const
type SocketKind = (typeof SOCKET)[keyof typeof SOCKET]

/** One message. */
export const SOCKET_MESSAGE_BYTES_MAX = 1024 * 1024
/** RFC 6455 section 5.5: what a control frame has left for the reason. */
export const SOCKET_REASON_BYTES_MAX = 123
/** How long one may be open at most. */
export const SOCKET_MS_MAX = 24 * 60 * 60 * 1000

/** RFC 6455 section 7.4.1. */
export const CLOSED = {
  normal: 1000,
  goingAway: 1001,
  /** Never sent: no code came. */
  none: 1005,
  /** Never sent: the connection ended without a word. */
  lost: 1006,
  /** Who opened it may not any more. */
  policy: 1008,
  failed: 1011,
} as const

const HEADER_BYTES = 5

export function socketFrame(kind: SocketKind, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const { length } = payload
  const frame = new Uint8Array(HEADER_BYTES + length)
  frame.set([kind, length >>> 24, (length >>> 16) & 255, (length >>> 8) & 255, length & 255])
  frame.set(payload, HEADER_BYTES)
  return frame
}

/** `reason` is cut where a close frame would be too long. */
export function closeFrame(code: number, reason: Uint8Array): Uint8Array<ArrayBuffer> {
  const payload = new Uint8Array(2 + Math.min(reason.length, SOCKET_REASON_BYTES_MAX))
  payload.set([code >>> 8, code & 255])
  payload.set(reason.subarray(0, SOCKET_REASON_BYTES_MAX), 2)
  return socketFrame(SOCKET.close, payload)
}

export function readClose(payload: Uint8Array): { code: number; reason: Uint8Array } {
  return { code: ((payload[0] ?? 0) << 8) | (payload[1] ?? 0), reason: payload.subarray(2) }
}

/** Codes that one side may send (RFC 6455 section 7.4): the others are for what no side says. */
export function maySend(code: number): boolean {
  return (code >= 1000 && code <= 1014 && code !== 1004 && code !== CLOSED.none && code !== CLOSED.lost) || (code >= 3000 && code <= 4999)
}

export type SocketFrameHandler = (kind: number, payload: Uint8Array) => void

/** Chunks → frames. Hostile input costs at most one message of memory, and a length alone none. */
export class SocketDecoder {
  readonly #onFrame: SocketFrameHandler
  readonly #header = new Uint8Array(HEADER_BYTES)
  #headerBytes = 0
  #parts: Uint8Array[] = []
  #missing = 0

  constructor(onFrame: SocketFrameHandler) {
    this.#onFrame = onFrame
  }

  /** Chunks must not change afterwards. Throws at a kind or length that nobody writes, and whatever the handler throws. */
  push(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#headerBytes < HEADER_BYTES) {
        this.#header[this.#headerBytes++] = chunk[at++] as number
        if (this.#headerBytes === HEADER_BYTES) this.#begin()
        continue
      }
      const part = chunk.subarray(at, at + this.#missing)
      at += part.length
      this.#missing -= part.length
      this.#parts.push(part)
      if (this.#missing === 0) this.#whole()
    }
  }

  #begin(): void {
    const [kind = 0, a = 0, b = 0, c = 0, d = 0] = this.#header
    this.#missing = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0
    if (kind < SOCKET.text || kind > SOCKET.probe) throw new Error(`a frame of kind ${kind}`)
    if (this.#missing > lengthMax(kind)) throw new Error(`a frame of ${this.#missing} bytes`)
    if (kind === SOCKET.close && this.#missing < 2) throw new Error('a close without its code')
    if (this.#missing === 0) this.#whole()
  }

  #whole(): void {
    const payload = joined(this.#parts)
    this.#parts = []
    this.#headerBytes = 0
    this.#onFrame(this.#header[0] as number, payload)
  }
}

function lengthMax(kind: number): number {
  if (kind === SOCKET.probe) return 0
  return kind === SOCKET.close ? 2 + SOCKET_REASON_BYTES_MAX : SOCKET_MESSAGE_BYTES_MAX
}

function joined(parts: Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0] as Uint8Array
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
