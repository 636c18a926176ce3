import { expect, it } from 'vitest'
import { createIdentity, keySchema } from './identity.ts'

const P = 2n ** 255n - 19n
/** d of RFC 8032, 5.1: -121665/121666. */
const D = (P - 121665n) * power(121666n, P - 2n)
const EIGHTH = [
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
]
const isKey = (id: string) => keySchema.safeParse(id).success

function power(base: bigint, exponent: bigint): bigint {
  let [result, at] = [1n, base]
  for (let left = exponent; left > 0n; left >>= 1n) {
    if ((left & 1n) === 1n) result = (result * at) % P
    at = (at * at) % P
  }
  return result
}

const turned = (hex: string) => Buffer.from(Buffer.from(hex, 'hex').toReversed()).toString('hex')
/** 32 bytes, little-endian, the sign of x in the highest bit. */
const encoded = (y: bigint, sign: 0 | 1) => turned((y + (BigInt(sign) << 255n)).toString(16).padStart(64, '0'))

it('a key that everybody could sign for is none, however it is written', () => {
  const eighth = EIGHTH.map((id) => BigInt(`0x${turned(id)}`))
  // Doubled, they have y = 0, which is of order 4: on the curve that is 2y² = 1 - d·y⁴.
  for (const y of eighth) expect((2n * y * y - 1n + D * power(y, 4n)) % P).toBe(0n)
  for (const y of [0n, 1n, P - 1n, P, P + 1n, ...eighth])
    expect([encoded(y, 0), encoded(y, 1)].map((id) => [id.length, isKey(id)])).toEqual([
      [64, false],
      [64, false],
    ])
})

it('a key that somebody has is one', () => {
  for (let at = 0; at < 20; at += 1) expect(isKey(createIdentity().id)).toBe(true)
  expect(isKey(encoded(2n, 0))).toBe(true)
})
