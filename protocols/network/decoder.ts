/** Bytes of a pipe → frames. Pure: no clock, no I/O. Hostile input costs at most one frame of memory. */
import { FrameError, HEADER_BYTES, readU32 } from './frames.ts'
import { FRAME_BYTES_MAX } from './limits.ts'

export type FrameHandler = (kind: number, id: number, payload: Uint8Array) => void

const LENGTH_BYTES = 4
const LENGTH_MIN = HEADER_BYTES - LENGTH_BYTES

export class FrameDecoder {
  readonly #onFrame: FrameHandler
  /** The beginning of a frame whose rest has not come yet. */
  #partial: Uint8Array | undefined
  #have = 0

  constructor(onFrame: FrameHandler) {
    this.#onFrame = onFrame
  }

  /** Calls the handler for each whole frame; payloads are views of `chunk` where they can be. Throws FrameError for a length out of bounds, and whatever the handler throws. */
  push(chunk: Uint8Array): void {
    let at = this.#have === 0 ? 0 : this.#complete(chunk)
    while (at < chunk.length) {
      const left = chunk.length - at
      if (left < LENGTH_BYTES) return this.#keep(chunk, at)
      const size = LENGTH_BYTES + lengthAt(chunk, at)
      if (left < size) return this.#keep(chunk, at)
      this.#emit(chunk, at, at + size)
      at += size
    }
  }

  #emit(bytes: Uint8Array, from: number, to: number): void {
    this.#onFrame(bytes[from + 4] as number, readU32(bytes, from + 5), bytes.subarray(from + HEADER_BYTES, to))
  }

  #keep(chunk: Uint8Array, at: number): void {
    this.#append(chunk, at, chunk.length - at)
  }

  /** Takes what the frame begun earlier still lacks; the number of bytes taken. */
  #complete(chunk: Uint8Array): number {
    let at = 0
    if (this.#have < LENGTH_BYTES) at = this.#append(chunk, 0, LENGTH_BYTES - this.#have)
    if (this.#have < LENGTH_BYTES) return at
    const size = LENGTH_BYTES + lengthAt(this.#partial as Uint8Array, 0)
    at += this.#append(chunk, at, size - this.#have)
    if (this.#have < size) return at
    const frame = this.#partial as Uint8Array
    this.#partial = undefined
    this.#have = 0
    this.#emit(frame, 0, size)
    return at
  }

  /** Grows by doubling, so that a length alone makes nobody allocate. */
  #append(chunk: Uint8Array, at: number, wanted: number): number {
    const bytes = Math.min(wanted, chunk.length - at)
    const needed = this.#have + bytes
    if (this.#partial === undefined || this.#partial.length < needed) {
      const grown = new Uint8Array(Math.max(needed, 2 * (this.#partial?.length ?? 0)))
      if (this.#partial !== undefined) grown.set(this.#partial)
      this.#partial = grown
    }
    this.#partial.set(chunk.subarray(at, at + bytes), this.#have)
    this.#have = needed
    return bytes
  }
}

function lengthAt(bytes: Uint8Array, at: number): number {
  const length = readU32(bytes, at)
  if (length < LENGTH_MIN || length > FRAME_BYTES_MAX) throw new FrameError(`a frame claims ${length} bytes`)
  return length
}
