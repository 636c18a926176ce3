/**
 * Decompression as the Compression Standard has it: RFC 1952 (gzip), RFC 1950 (deflate) and RFC 1951 (deflate-raw), byte by byte as they come. The blocks are
 * fflate's; heads and checks are here, since fflate passes over wrong checksums and what stands behind the end.
 */
import { Inflate } from 'fflate'
import { Adler32, Crc32, type Checksum } from './checksums.ts'

export type Format = 'gzip' | 'deflate' | 'deflate-raw'

/** What fflate keeps of a stream: bytes not taken yet; whether the last block began, and whether one is open; the bit it stopped at. */
interface InflateState {
  p: Uint8Array
  s: { f?: number; l?: unknown; p?: number }
}

export class Inflator {
  readonly #head: ((byte: number) => boolean) | undefined
  #inHead: boolean
  readonly #check: Checksum | undefined
  readonly #tailBytes: number
  readonly #tail: number[] = []
  readonly #inflate: Inflate
  #out: (bytes: Uint8Array) => void = () => {}
  #ended = false

  constructor(format: Format) {
    this.#head = format === 'gzip' ? gzipHead() : format === 'deflate' ? zlibHead() : undefined
    this.#inHead = this.#head !== undefined
    this.#check = format === 'gzip' ? new Crc32() : format === 'deflate' ? new Adler32() : undefined
    this.#tailBytes = format === 'gzip' ? 8 : format === 'deflate' ? 4 : 0
    this.#inflate = new Inflate((bytes) => {
      if (bytes.length === 0) return
      this.#check?.add(bytes)
      this.#out(bytes)
    })
  }

  /** Throws a TypeError for bytes that cannot follow. */
  push(bytes: Uint8Array, out: (bytes: Uint8Array) => void): void {
    let at = 0
    while (this.#inHead && at < bytes.length) this.#inHead = !(this.#head as (byte: number) => boolean)(bytes[at++] as number)
    if (at === bytes.length) return
    if (this.#ended) return this.#takeTail(bytes.subarray(at))
    this.#out = out
    try {
      this.#inflate.push(bytes.subarray(at))
    } catch (error) {
      throw new TypeError('The compressed data is damaged', { cause: error })
    }
    const { p: left, s: state } = this.#inflate as unknown as InflateState
    if (state.f !== 1 || state.l) return
    this.#ended = true
    this.#takeTail(left.subarray((state.p ?? 0) > 0 ? 1 : 0))
  }

  end(): void {
    if (!this.#ended || this.#tail.length < this.#tailBytes) throw new TypeError('The compressed data ends too soon')
  }

  #takeTail(bytes: Uint8Array): void {
    if (this.#tail.length + bytes.length > this.#tailBytes) throw new TypeError('Something follows the compressed data')
    this.#tail.push(...bytes)
    if (this.#tail.length === this.#tailBytes && this.#check?.matches(this.#tail) === false)
      throw new TypeError('The checksum of the compressed data is wrong')
  }
}

/** Told byte after byte; true at the last one of the head. */
function zlibHead(): (byte: number) => boolean {
  let first: number | undefined
  return (byte) => {
    if (first === undefined) {
      first = byte
      return false
    }
    const preset = (byte & 32) !== 0
    if ((first & 15) !== 8 || first >> 4 > 7 || ((first << 8) | byte) % 31 !== 0 || preset)
      throw new TypeError('The data is not of the format deflate')
    return true
  }
}

const FIXED_BYTES = 10
const FLAGS = { crc: 2, extra: 4, name: 8, comment: 16, reserved: 224 }

function gzipHead(): (byte: number) => boolean {
  let at = 0
  let flags = 0
  let extraLength = 0
  // What follows the fixed part, in this order, where its flag is set; each says whether it ends with the byte.
  const parts: ((byte: number, index: number) => boolean)[] = []
  let index = 0
  const plan = () => {
    if (flags & FLAGS.extra)
      parts.push((byte, index) => {
        if (index < 2) extraLength |= byte << (8 * index)
        return index >= 1 && index === extraLength + 1
      })
    for (const flag of [FLAGS.name, FLAGS.comment]) if (flags & flag) parts.push((byte) => byte === 0)
    if (flags & FLAGS.crc) parts.push((_, index) => index === 1)
  }
  return (byte) => {
    if (at < FIXED_BYTES) {
      if ((at === 0 && byte !== 31) || (at === 1 && byte !== 139) || (at === 2 && byte !== 8))
        throw new TypeError('The data is not of the format gzip')
      if (at === 3) flags = byte
      if (flags & FLAGS.reserved) throw new TypeError('The data is not of the format gzip')
      if (++at === FIXED_BYTES) plan()
      return at === FIXED_BYTES && parts.length === 0
    }
    if (parts[0]?.(byte, index++) === true) {
      parts.shift()
      index = 0
    }
    return parts.length === 0
  }
}
