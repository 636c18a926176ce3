import fc from 'fast-check'
import { expect, it } from 'vitest'
import { RARE, readCanonical, writeCanonical } from './canonical.ts'
import { decode, decodeCanonical, encode, encodeList } from './codec.ts'

const DEPTH = 8

/** What the codec itself says: decodable, and the same bytes when encoded again. */
function isCanonical(bytes: Uint8Array): boolean {
  try {
    return Buffer.compare(encode(decode(bytes)), bytes) === 0
  } catch {
    return false
  }
}

function taken(bytes: Uint8Array): { value: unknown } | undefined {
  try {
    return { value: decodeCanonical(bytes, DEPTH) }
  } catch {
    return undefined
  }
}

const leaf = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n - 1n }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.string({ unit: 'grapheme' }),
  fc.uint8Array(),
  fc.constantFrom(true, false, null, 0, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER),
)
const key = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('__proto__', 'constructor', 'a', 'b', 'aa'))
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(key, tie('value'), { maxKeys: 4 }),
  ),
}))

it('property: what the codec encodes is taken, and read as the codec reads it', () => {
  fc.assert(
    fc.property(value, (each) => {
      const bytes = encode(each)
      fc.pre(depthOf(decode(bytes)) <= DEPTH && isCanonical(bytes))
      expect(taken(bytes)).toEqual({ value: decode(bytes) })
    }),
    { numRuns: 500 },
  )
})

it('property: bytes with a mistake are taken only where the codec would have made the very same', () => {
  fc.assert(
    fc.property(value, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 }), fc.boolean(), (each, changes, cut) => {
      const bytes = Buffer.from(encode(each))
      for (const [at, byte] of changes) bytes[at % bytes.length] = byte
      const changed = cut ? bytes.subarray(0, bytes.length - 1) : bytes
      const good = isCanonical(changed) && depthOf(decode(changed)) <= DEPTH
      expect(taken(changed)).toEqual(good ? { value: decode(changed) } : undefined)
    }),
    { numRuns: 2000 },
  )
})

it('property: short bytes at random are judged as the codec judges them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 6 }), (bytes) => {
      expect(taken(bytes) !== undefined).toBe(isCanonical(bytes))
    }),
    { numRuns: 5000 },
  )
})

it('what nests deeper than the bound is refused, whatever it holds', () => {
  const nested = (depth: number, inner: unknown) => encode(Array.from({ length: depth }).reduce<unknown>((each) => [each], inner))
  expect(taken(nested(DEPTH, 1))).toBeDefined()
  expect(taken(nested(DEPTH + 1, 1))).toBeUndefined()
  expect(taken(nested(DEPTH, 1.5))).toBeDefined()
  expect(taken(nested(DEPTH + 1, 1.5))).toBeUndefined()
  expect(taken(Buffer.alloc(60_000, 0x81))).toBeUndefined()
})

it('a length that cannot be true is refused before anything is made for it', () => {
  for (const hex of ['9b001fffffffffffff', 'bb001fffffffffffff', '5b001fffffffffffff', '7a7fffffff', '9affffffff']) {
    expect(() => readCanonical(Buffer.from(hex, 'hex'), DEPTH)).toThrow('ends too early')
    expect(taken(Buffer.from(hex, 'hex'))).toBeUndefined()
  }
})

it('floats, links and long integers are left to the codec', () => {
  expect(readCanonical(encode(1.5), DEPTH)).toBe(RARE)
  expect(readCanonical(encode([2n ** 60n]), DEPTH)).toBe(RARE)
  expect(taken(encode([1.5, 2n ** 60n]))).toEqual({ value: [1.5, 2n ** 60n] })
})

it('property: what is written is what the codec writes, whatever it holds', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: 'grapheme', maxLength: 300 }),
    fc.string({ minLength: 15, maxLength: 30 }),
  )
  fc.assert(
    fc.property(fc.array(fc.oneof(value, text, fc.array(text, { maxLength: 40 })), { maxLength: 30 }), (list) => {
      expect(Buffer.from(encodeList(list))).toEqual(Buffer.from(encode(list)))
    }),
    { numRuns: 500 },
  )
})

it('what is written is its own: the next does not change it; what is long, or of another kind, is left to the codec', () => {
  const [one, other] = [writeCanonical(['one', 256, -1, [null, true]]), writeCanonical(['other'])]
  expect([one, other].map((each) => decode(each as Uint8Array))).toEqual([['one', 256, -1, [null, true]], ['other']])
  for (const each of [
    [1.5],
    [{}],
    [new Uint8Array(1)],
    [undefined],
    [Number.NaN],
    [2 ** 53],
    ['x'.repeat(6000)],
    Array.from({ length: 20_000 }, () => 0),
  ])
    expect(writeCanonical(each)).toBe(RARE)
  for (const each of [
    '\ud800',
    'é'.repeat(12),
    'é'.repeat(23),
    'é'.repeat(128),
    '€'.repeat(255),
    'a'.repeat(23),
    'a'.repeat(24),
    'a'.repeat(256),
  ])
    expect(Buffer.from(encodeList([each, 'b']))).toEqual(Buffer.from(encode([each, 'b'])))
})

function depthOf(each: unknown): number {
  if (typeof each !== 'object' || each === null || each instanceof Uint8Array) return 0
  return 1 + Math.max(0, ...Object.values(each).map(depthOf))
}
