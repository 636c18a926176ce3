import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FrameReader, FrameWriter } from './frames.ts'

const LIMIT = 1 << 20
const frame = fc.record({
  kind: fc.integer({ min: 0, max: 255 }),
  id: fc.nat(0xffff_ffff),
  a: fc.nat(0xffff_ffff),
  b: fc.nat(0xffff_ffff),
  payload: fc.oneof(fc.uint8Array({ maxLength: 64 }), fc.uint8Array({ minLength: 16_000, maxLength: 70_000, size: 'max' })),
})

function bytesOf(write: (writer: FrameWriter) => void): Buffer {
  const parts: Uint8Array[] = []
  const writer = new FrameWriter((more) => parts.push(...more.map((part) => part.slice())) > 0)
  write(writer)
  writer.flush()
  return Buffer.concat(parts)
}

test('frames arrive as they were written, wherever the bytes are cut', () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 12 }), fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1 }), (frames, cuts) => {
      const bytes = bytesOf((writer) => {
        for (const { kind, id, a, b, payload } of frames) writer.bytes(kind, id, a, b, payload)
      })
      const seen: unknown[] = []
      const reader = new FrameReader(
        (kind, id, a, b, buffer, start, end) => seen.push({ kind, id, a, b, payload: new Uint8Array(buffer.subarray(start, end)) }),
        () => LIMIT,
      )
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const size = cuts[turn % cuts.length] as number
        reader.push(Buffer.from(bytes.subarray(at, at + size)))
        at += size
      }
      expect(seen).toEqual(frames)
    }),
    { numRuns: 60 },
  )
})

test('text is UTF-8, long and short', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme', maxLength: 40 })), (texts) => {
      const all = [...texts, 'é'.repeat(20_000)]
      const seen: string[] = []
      const reader = new FrameReader(
        (_kind, _id, _a, _b, buffer, start, end) => seen.push(buffer.toString('utf8', start, end)),
        () => LIMIT,
      )
      reader.push(
        bytesOf((writer) => {
          for (const text of all) writer.text(1, 2, 3, 4, text)
        }),
      )
      expect(seen).toEqual(all)
    }),
    { numRuns: 60 },
  )
})

test('any bytes end in frames or an error, never in a frame longer than allowed', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      let longest = 0
      const reader = new FrameReader(
        (_kind, _id, _a, _b, _buffer, start, end) => (longest = Math.max(longest, end - start)),
        () => 64,
      )
      try {
        reader.push(Buffer.from(bytes))
      } catch (error) {
        if (!/^a frame of \d+ bytes$/.test((error as Error).message)) throw error
      }
      return longest <= 64 - 13
    }),
  )
})
