import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { OsirisError } from '#protocols/errors'
import { FrameDecoder } from './decoder.ts'
import {
  BodyMode,
  creditFrame,
  dataHeader,
  errorFrame,
  FrameError,
  Kind,
  readCredit,
  readError,
  readRequest,
  readResponse,
  requestFrame,
  responseFrame,
  signalFrame,
} from './frames.ts'
import { FRAME_BYTES_MAX } from './limits.ts'

type Frame = [kind: number, id: number, payload: Uint8Array]

/** `OSIRIS_FUZZ_FRAMES=1000000 vitest run protocols/network/frames.test.ts` for a long run. */
const FRAMES = Number(process.env['OSIRIS_FUZZ_FRAMES'] ?? 30_000)

const id = fc.integer({ min: 0, max: 0xffffffff })
const bytes = fc.uint8Array({ maxLength: 300 })
const frame = fc.oneof(
  fc
    .tuple(id, fc.integer({ min: 1, max: 0xffffffff }), fc.string({ maxLength: 40, unit: 'grapheme-ascii' }), bytes, bytes)
    .map(([id, timeoutMs, name, head, body]) =>
      Buffer.concat([requestFrame(id, timeoutMs, Buffer.from(name), head, BodyMode.inline, body.length), body]),
    ),
  fc.tuple(id, bytes, bytes).map(([id, head, body]) => Buffer.concat([responseFrame(id, head, BodyMode.inline, body.length), body])),
  fc.tuple(id, bytes).map(([id, body]) => Buffer.concat([dataHeader(id, body.length), body])),
  fc.tuple(id, fc.integer({ min: 0, max: 0xffffffff })).map(([id, credit]) => creditFrame(id, credit)),
  fc.tuple(id, fc.constantFrom(Kind.end, Kind.cancel, Kind.stop)).map(([id, kind]) => signalFrame(kind, id)),
  fc
    .tuple(id, fc.string())
    .map(([id, message]) => errorFrame(Kind.error, id, new OsirisError('conflict', message, { details: { message } }))),
)

describe('FrameDecoder', () => {
  it('gives the same frames however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 20 }), fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }), (frames, cuts) => {
        const whole = Buffer.concat(frames)
        expect(decodeAll(cut(whole, cuts))).toEqual(decodeAll([whole]))
        expect(decodeAll([whole]).length).toBe(frames.length)
      }),
    )
  })

  it('reads back what was written', () => {
    fc.assert(
      fc.property(id, bytes, bytes, (id, head, body) => {
        const [[kind, gotId, payload]] = decodeAll([
          Buffer.concat([requestFrame(id, 99.2, Buffer.from('a/1'), head, BodyMode.inline, body.length), body]),
        ]) as [Frame]
        expect([kind, gotId]).toEqual([Kind.request, id])
        expect(plain(readRequest(payload))).toEqual({ timeoutMs: 100, protocol: 'a/1', mode: BodyMode.inline, head, body })
        const [[, , answer]] = decodeAll([responseFrame(id, head, BodyMode.stream, 0)]) as [Frame]
        expect(plain(readResponse(answer))).toEqual({ mode: BodyMode.stream, head, body: new Uint8Array() })
      }),
    )
  })

  it.each([0, 4, FRAME_BYTES_MAX + 1, 0x7fffffff, 0xffffffff])('refuses a length of %i before it allocates', (length) => {
    const before = process.memoryUsage().arrayBuffers
    for (let round = 0; round < 1_000; round++) {
      const header = Buffer.alloc(4)
      header.writeUInt32BE(length)
      expect(() => new FrameDecoder(() => {}).push(header.subarray(0, 4))).toThrow(FrameError)
      expect(() => decodeAll([header.subarray(0, 2), header.subarray(2)])).toThrow(FrameError)
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024)
  })

  it('allocates for a slow sender only what has come', () => {
    const header = Buffer.alloc(9)
    header.writeUInt32BE(FRAME_BYTES_MAX)
    const before = process.memoryUsage().arrayBuffers
    const decoders = Array.from({ length: 1_000 }, () => new FrameDecoder(() => {}))
    for (const decoder of decoders) decoder.push(header)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024)
  })

  it(`survives ${FRAMES} mutated frames with nothing but FrameErrors`, () => {
    let refused = 0
    fc.assert(
      fc.property(frame, fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }), (frame, changes) => {
        const mutated = Buffer.from(frame)
        for (const [at, value] of changes) mutated[at % mutated.length] = value
        try {
          decodeAll([mutated]).forEach(readPayload)
        } catch (error) {
          if (!(error instanceof FrameError)) throw error
          refused++
        }
      }),
      { numRuns: FRAMES },
    )
    expect(refused).toBeGreaterThan(FRAMES / 100)
  })
})

describe('errorFrame()', () => {
  it('leaves behind details that cannot travel, never the sentence', () => {
    const circular: Record<string, unknown> = {}
    circular['self'] = circular
    for (const details of [circular, { big: 1n }, { long: 'x'.repeat(100_000) }]) {
      const [[, , payload]] = decodeAll([errorFrame(Kind.error, 1, new OsirisError('conflict', 'Cannot', { details }))]) as [Frame]
      expect(readError(payload).toShape()).toEqual({ code: 'conflict', message: 'Cannot' })
    }
  })

  it('makes a code of a newer peer internal', () => {
    const error = new OsirisError('conflict', 'Cannot')
    Object.defineProperty(error, 'code', { value: 'from_the_future' })
    const [[, , payload]] = decodeAll([errorFrame(Kind.error, 1, error)]) as [Frame]
    expect(readError(payload).code).toBe('internal')
  })
})

function readPayload([kind, , payload]: Frame): void {
  if (kind === Kind.request) readRequest(payload)
  else if (kind === Kind.response) readResponse(payload)
  else if (kind === Kind.credit) readCredit(payload)
  else if (kind === Kind.error) readError(payload)
}

function decodeAll(chunks: Uint8Array[]): Frame[] {
  const frames: Frame[] = []
  const decoder = new FrameDecoder((kind, id, payload) => frames.push([kind, id, Uint8Array.from(payload)]))
  for (const chunk of chunks) decoder.push(chunk)
  return frames
}

function cut(whole: Uint8Array, sizes: number[]): Uint8Array[] {
  const chunks: Uint8Array[] = []
  for (let at = 0, turn = 0; at < whole.length; turn++) {
    const size = sizes[turn % sizes.length] as number
    chunks.push(whole.subarray(at, at + size))
    at += size
  }
  return chunks
}

function plain<T extends { head: Uint8Array; body: Uint8Array }>(message: T): T {
  return { ...message, head: Uint8Array.from(message.head), body: Uint8Array.from(message.body) }
}
