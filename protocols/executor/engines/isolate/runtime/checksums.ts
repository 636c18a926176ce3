/** CRC-32 (RFC 1952, section 8) and Adler-32 (RFC 1950, section 9), over bytes that come in pieces. */
export interface Checksum {
  add(bytes: Uint8Array): void
  /** Whether the trailer of the format says the same. */
  matches(tail: readonly number[]): boolean
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  return value
})

/** With the length, as gzip's trailer has both: little end first. */
export class Crc32 implements Checksum {
  #value = 0xffffffff
  #length = 0

  add(bytes: Uint8Array): void {
    let value = this.#value
    for (let at = 0; at < bytes.length; at++) value = (TABLE[(value ^ (bytes[at] as number)) & 255] as number) ^ (value >>> 8)
    this.#value = value
    this.#length = (this.#length + bytes.length) % 2 ** 32
  }

  matches(tail: readonly number[]): boolean {
    return little(tail, 0) === ~this.#value >>> 0 && little(tail, 4) === this.#length
  }
}

const MODULUS = 65_521
/** As many additions as stay below 2^32. */
const PIECE = 3_850

/** Big end first. */
export class Adler32 implements Checksum {
  #low = 1
  #high = 0

  add(bytes: Uint8Array): void {
    for (let from = 0; from < bytes.length; from += PIECE) {
      const end = Math.min(from + PIECE, bytes.length)
      for (let at = from; at < end; at++) {
        this.#low += bytes[at] as number
        this.#high += this.#low
      }
      this.#low %= MODULUS
      this.#high %= MODULUS
    }
  }

  matches([a = 0, b = 0, c = 0, d = 0]: readonly number[]): boolean {
    return ((a << 8) | b) === this.#high && ((c << 8) | d) === this.#low
  }
}

function little(bytes: readonly number[], at: number): number {
  return [3, 2, 1, 0].reduce((sum, place) => sum * 256 + (bytes[at + place] ?? 0), 0)
}
