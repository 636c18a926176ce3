/**
 * DAG-CBOR that is canonical, checked while it is read: decoding it and encoding it again, only to compare, costs four times as much. What is rare
 * in our messages (floats, links, integers above 2^53) is left to the codec, by that comparison; this reader takes nothing the codec would not.
 *
 * And lists as messages of calls are, written without the codec's tokens: a quarter of its time, and code that a process which was asleep has read sooner.
 */

/** What this reader does not judge by itself. */
export const RARE: unique symbol = Symbol('rare')

export class NotCanonical extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'NotCanonical'
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The value in hostile bytes, or `RARE`. Throws `NotCanonical`. Byte strings share memory with `bytes`. */
export function readCanonical(bytes: Uint8Array, depthMax: number): unknown {
  const reader = new Reader(bytes, depthMax)
  const value = reader.value()
  if (reader.rare) return RARE
  if (reader.at !== bytes.length) throw new NotCanonical(`${bytes.length - reader.at} bytes follow its end`)
  return value
}

/** Beyond it the codec does it. */
const WRITTEN_BYTES_MAX = 16 * 1024
/** A length or a number, with its first byte. */
const HEAD_BYTES_MAX = 9

/** The bytes that the codec makes of lists, texts, whole numbers, truth values and null; `RARE` for anything else, and for what is long. */
export function writeCanonical(value: unknown): Uint8Array | typeof RARE {
  writer.at = 0
  return writer.value(value) ? writer.whole() : RARE
}

class Writer {
  at = 0
  readonly #bytes = Buffer.allocUnsafeSlow(WRITTEN_BYTES_MAX)

  whole(): Uint8Array {
    return new Uint8Array(this.#bytes.subarray(0, this.at))
  }

  /** Whether it could. */
  value(value: unknown): boolean {
    if (typeof value === 'string') return this.#text(value)
    if (this.at + HEAD_BYTES_MAX > WRITTEN_BYTES_MAX) return false
    if (typeof value === 'number') return Number.isSafeInteger(value) && this.#head(value < 0 ? 1 : 0, value < 0 ? -1 - value : value)
    if (value === null) return this.#simple(0xf6)
    if (typeof value === 'boolean') return this.#simple(value ? 0xf5 : 0xf4)
    return Array.isArray(value) && this.#head(4, value.length) && value.every((each) => this.value(each))
  }

  #simple(byte: number): true {
    this.#bytes[this.at++] = byte
    return true
  }

  /** As few bytes as can hold it. */
  #head(major: number, argument: number): true {
    const first = major << 5
    if (argument < 24) return this.#simple(first | argument)
    const power = argument < 0x100 ? 0 : argument < 0x1_0000 ? 1 : argument < 0x1_0000_0000 ? 2 : 3
    this.#bytes[this.at++] = first | (24 + power)
    if (power === 3) this.#bytes.writeUInt32BE(Math.floor(argument / 0x1_0000_0000), this.at)
    const width = Math.min(4, 1 << power)
    this.#bytes.writeUIntBE(argument % 0x1_0000_0000, this.at + (1 << power) - width, width)
    this.at += 1 << power
    return true
  }

  /** Written where it will be if it is ASCII. */
  #text(text: string): boolean {
    if (this.at + HEAD_BYTES_MAX + 3 * text.length > WRITTEN_BYTES_MAX) return false
    const guess = this.at + headBytes(text.length)
    const length = this.#bytes.write(text, guess, 'utf8')
    const start = this.at + headBytes(length)
    if (start !== guess) this.#bytes.copyWithin(start, guess, guess + length)
    this.#head(3, length)
    this.at += length
    return true
  }
}

/** Of texts, which are no longer than `WRITTEN_BYTES_MAX`. */
function headBytes(length: number): number {
  return length < 24 ? 1 : length < 0x100 ? 2 : 3
}

const writer = new Writer()

class Reader {
  at = 0
  rare = false
  readonly #bytes: Buffer
  #depthLeft: number

  constructor(bytes: Uint8Array, depthMax: number) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#depthLeft = depthMax
  }

  value(): unknown {
    const first = this.#byte()
    const info = first & 0x1f
    switch (first >> 5) {
      case 0:
        return this.#argument(info)
      case 1:
        return -1 - this.#argument(info)
      case 2:
        return this.#take(this.#argument(info))
      case 3:
        return this.#text(this.#argument(info))
      case 4:
        return this.#list(this.#argument(info))
      case 5:
        return this.#map(this.#argument(info))
      default:
        return this.#simple(first)
    }
  }

  #byte(): number {
    const byte = this.#bytes[this.at]
    if (byte === undefined) throw new NotCanonical('it ends too early')
    this.at += 1
    return byte
  }

  /** In as few bytes as can hold it (RFC 8949, section 4.2.1). */
  #argument(info: number): number {
    if (info < 24) return info
    if (info > 27) throw new NotCanonical('it has a length of no known form')
    const width = 1 << (info - 24)
    const from = this.at
    this.at += width
    if (this.at > this.#bytes.length) throw new NotCanonical('it ends too early')
    if (width === 8) return this.#long(from)
    const value = this.#bytes.readUIntBE(from, width)
    if (value < (width === 1 ? 24 : 256 ** (width / 2))) throw new NotCanonical('it has a number in more bytes than needed')
    return value
  }

  #long(from: number): number {
    const high = this.#bytes.readUInt32BE(from)
    if (high === 0) throw new NotCanonical('it has a number in more bytes than needed')
    if (high >= 0x1f_ffff) this.rare = true
    return high * 2 ** 32 + this.#bytes.readUInt32BE(from + 4)
  }

  #take(length: number): Uint8Array {
    const from = this.at
    if (length > this.#bytes.length - from) throw new NotCanonical('it ends too early')
    this.at = from + length
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + from, length)
  }

  #text(length: number): string {
    const from = this.at
    const to = from + length
    if (to > this.#bytes.length) throw new NotCanonical('it ends too early')
    this.at = to
    const text = this.#bytes.toString('utf8', from, to)
    // As many characters as bytes: ASCII, or broken.
    return text.length === length && !text.includes('\ufffd') ? text : this.#unicode(from, to)
  }

  #unicode(from: number, to: number): string {
    try {
      return utf8.decode(this.#bytes.subarray(from, to))
    } catch {
      throw new NotCanonical('it has text that is not UTF-8')
    }
  }

  #list(length: number): unknown[] {
    this.#enter(length)
    const list: unknown[] = []
    for (let index = 0; index < length && !this.rare; index += 1) list.push(this.value())
    this.#depthLeft += 1
    return list
  }

  /** Keys stand in order of length, then bytes, each once (DAG-CBOR, "Strictness"). */
  #map(length: number): Record<string, unknown> {
    this.#enter(length)
    const map: Record<string, unknown> = {}
    let beforeFrom = 0
    let beforeTo = -1
    for (let index = 0; index < length && !this.rare; index += 1) {
      const first = this.#byte()
      if (first >> 5 !== 3) throw new NotCanonical('it has a key that is not text')
      const size = this.#argument(first & 0x1f)
      const from = this.at
      const key = this.#text(size)
      if (beforeTo >= 0 && !this.#isAfter(from, this.at, beforeFrom, beforeTo)) throw new NotCanonical('its keys are not in order')
      beforeFrom = from
      beforeTo = this.at
      if (key === '__proto__') this.rare = true
      else map[key] = this.value()
    }
    this.#depthLeft += 1
    return map
  }

  #isAfter(from: number, to: number, beforeFrom: number, beforeTo: number): boolean {
    const longer = to - from - (beforeTo - beforeFrom)
    if (longer !== 0) return longer > 0
    return this.#bytes.compare(this.#bytes, beforeFrom, beforeTo, from, to) > 0
  }

  /** Every element takes a byte at least: a length that cannot be true is refused before anything is made. */
  #enter(length: number): void {
    if (length > this.#bytes.length - this.at) throw new NotCanonical('it ends too early')
    if (this.#depthLeft === 0) throw new NotCanonical('it nests too deep')
    this.#depthLeft -= 1
  }

  #simple(first: number): unknown {
    if (first === 0xf4) return false
    if (first === 0xf5) return true
    if (first === 0xf6) return null
    this.rare = true
    return undefined
  }
}
