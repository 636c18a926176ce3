import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createIdentity } from '#protocols/access'
import { decode, encode } from '#protocols/codec'
import { majorityOf, openReceipt, RECEIPT_BYTES_MAX, type ReceiptRefusal, requireOf, signReceipt } from './receipts.ts'

const holder = createIdentity()
const of = { universe: '0'.repeat(16), author: 'a'.repeat(64), seq: 7, hash: 'b'.repeat(64) }
const receipt = signReceipt(holder, of, 1_700_000_000_000)

function faultOf(act: () => unknown): string {
  try {
    act()
    return 'none'
  } catch (error) {
    return (error as ReceiptRefusal).fault
  }
}

it('what was signed opens again as it was, and is small', () => {
  expect(openReceipt(receipt.bytes)).toEqual(receipt)
  expect(receipt).toMatchObject({ ...of, holder: holder.id, signature: expect.stringMatching(/^[0-9a-f]{128}$/) })
  const longest = signReceipt(holder, { ...of, seq: Number.MAX_SAFE_INTEGER }, Number.MAX_SAFE_INTEGER)
  expect(openReceipt(longest.bytes).bytes.length).toBeLessThanOrEqual(RECEIPT_BYTES_MAX)
})

it('a flipped bit anywhere is found', () => {
  fc.assert(
    fc.property(fc.nat(receipt.bytes.length * 8 - 1), (bit) => {
      const bytes = Uint8Array.from(receipt.bytes)
      bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
      expect(['malformed', 'signature']).toContain(faultOf(() => openReceipt(bytes)))
    }),
  )
})

it("another's name under an own signature is found", () => {
  const [payload, signature] = decode(receipt.bytes) as [Uint8Array, Uint8Array]
  const forged = encode({ ...(decode(payload) as object), holder: createIdentity().id })
  expect(faultOf(() => openReceipt(encode([forged, signature])))).toBe('signature')
})

it('a signature over something else is none over a receipt', () => {
  const [payload] = decode(receipt.bytes) as [Uint8Array]
  for (const domain of ['', 'osiris/entry/1\0']) {
    const signature = new Uint8Array(holder.sign(Buffer.concat([Buffer.from(domain), payload])))
    expect(faultOf(() => openReceipt(encode([payload, signature])))).toBe('signature')
  }
})

it('anything else is malformed, and nothing is fatal', () => {
  const isMalformed = (bytes: Uint8Array) => faultOf(() => openReceipt(bytes)) === 'malformed'
  fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), isMalformed))
  fc.assert(fc.property(fc.anything().map(encodeAny), isMalformed))
  const more = encode([encode({ ...(decode((decode(receipt.bytes) as [Uint8Array])[0]) as object), more: 1 }), new Uint8Array(64)])
  expect(faultOf(() => openReceipt(more))).toBe('malformed')
})

it('a number in more bytes than it needs is malformed, whoever signed it', () => {
  const [payload] = decode(receipt.bytes) as [Uint8Array]
  const at = Buffer.from(payload).indexOf('seq') + 3
  expect(payload[at]).toBe(of.seq)
  const longer = Buffer.concat([payload.subarray(0, at), Buffer.from([0x18]), payload.subarray(at)])
  const signature = new Uint8Array(holder.sign(Buffer.concat([Buffer.from('osiris/receipt/1\0'), longer])))
  expect(faultOf(() => openReceipt(encode([new Uint8Array(longer), signature])))).toBe('malformed')
})

it('a receipt is of one entry of one universe', () => {
  requireOf(receipt, of)
  for (const other of [{ universe: '1'.repeat(16) }, { author: 'c'.repeat(64) }, { seq: 8 }, { hash: 'c'.repeat(64) }])
    expect(faultOf(() => requireOf(receipt, { ...of, ...other }))).toBe('entry')
})

it('a majority counts, and three at most', () => {
  expect([1, 2, 3, 4, 5, 9].map(majorityOf)).toEqual([1, 2, 2, 3, 3, 3])
})

function encodeAny(value: unknown): Uint8Array {
  try {
    return encode(value)
  } catch {
    return new Uint8Array(0)
  }
}
