/** crypto: getRandomValues and randomUUID, from the host's entropy, fetched 256 bytes at a time; subtle, when it is first asked for. */
import { defineGlobals, defineLazyGlobals } from './lazy.ts'
import { exceptionPiece } from './pieces.ts'
import { slice } from './primordials.ts'
import type * as late from './subtle/subtle.ts'

const BYTES_MAX = 65_536
const parseNumber = parseInt
const uint8 = Uint8Array
const isView = ArrayBuffer.isView
const { create } = Object
const hex = '0123456789abcdef'
const NOT_INTEGERS = [Float16Array, Float32Array, Float64Array, DataView]

const loadSubtle = () => require('./subtle/subtle.ts') as typeof late

export function installCrypto(global: Record<string, unknown>, random: () => string): void {
  let pool = ''
  const nextByte = () => {
    if (pool.length < 2) pool = random()
    const byte = parseNumber(slice(pool, 0, 2), 16)
    pool = slice(pool, 2)
    return byte
  }
  class Crypto {
    constructor() {
      throw new TypeError('Illegal constructor')
    }

    get subtle(): object {
      return loadSubtle().subtle
    }

    getRandomValues<T extends ArrayBufferView>(view: T): T {
      if (!isView(view)) throw new TypeError('getRandomValues needs an array of integers')
      if (NOT_INTEGERS.some((each) => view instanceof each))
        throw new (exceptionPiece().DOMException)('getRandomValues needs an array of integers', 'TypeMismatchError')
      if (view.byteLength > BYTES_MAX)
        throw new (exceptionPiece().DOMException)(`getRandomValues gives at most ${BYTES_MAX} bytes at once`, 'QuotaExceededError')
      const bytes = new uint8(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength)
      for (let index = 0; index < bytes.length; index++) bytes[index] = nextByte()
      return view
    }

    randomUUID(): string {
      let text = ''
      for (let index = 0; index < 16; index++) {
        if (index === 4 || index === 6 || index === 8 || index === 10) text += '-'
        const byte = nextByte()
        // RFC 9562: version 4 in the 7th byte, variant 10 in the 9th.
        const set = index === 6 ? (byte & 0x0f) | 0x40 : index === 8 ? (byte & 0x3f) | 0x80 : byte
        text += (hex[set >> 4] as string) + (hex[set & 15] as string)
      }
      return text
    }

    get [Symbol.toStringTag](): string {
      return 'Crypto'
    }
  }
  defineGlobals(global, { Crypto, crypto: create(Crypto.prototype) as object })
  defineLazyGlobals(global, loadSubtle, ['CryptoKey', 'SubtleCrypto'])
}
