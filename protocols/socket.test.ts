import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { closeFrame, maySend, readClose, SOCKET, SOCKET_MESSAGE_BYTES_MAX, SocketDecoder, socketFrame } from './socket.ts'

const message = fc.record({ kind: fc.constantFrom(SOCKET.text, SOCKET.binary), payload: fc.uint8Array({ maxLength: 40 }) })

function decode(chunks: Uint8Array[]): [number, number[]][] {
  const seen: [number, number[]][] = []
  const decoder = new SocketDecoder((kind, payload) => seen.push([kind, [...payload]]))
  for (const chunk of chunks) decoder.push(chunk)
  return seen
}

test('what was written is read, wherever it is cut', () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 8 }), fc.array(fc.nat(50), { maxLength: 20 }), (messages, cuts) => {
      const bytes = Buffer.concat([
        ...messages.map(({ kind, payload }) => socketFrame(kind, payload)),
        socketFrame(SOCKET.probe, new Uint8Array()),
      ])
      const chunks: Uint8Array[] = []
      let at = 0
      for (const length of [...cuts, bytes.length]) chunks.push(new Uint8Array(bytes.subarray(at, (at += length))))
      expect(decode(chunks)).toEqual([...messages.map(({ kind, payload }) => [kind, [...payload]]), [SOCKET.probe, []]])
    }),
  )
})

test('a close has its code and as much of its reason as fits', () => {
  const [[kind, payload] = [0, []]] = decode([closeFrame(4001, Buffer.from('x'.repeat(300)))])
  const { code, reason } = readClose(Uint8Array.from(payload))
  expect([kind, code, reason.length]).toEqual([SOCKET.close, 4001, 123])
})

test('what nobody writes is refused, and a length alone allocates nothing', () => {
  const header = (kind: number, length: number) =>
    Uint8Array.from([kind, length >>> 24, (length >>> 16) & 255, (length >>> 8) & 255, length & 255])
  for (const bytes of [
    header(0, 1),
    header(5, 1),
    header(SOCKET.text, SOCKET_MESSAGE_BYTES_MAX + 1),
    header(SOCKET.text, 0xffffffff),
    header(SOCKET.close, 1),
    header(SOCKET.close, 126),
    header(SOCKET.probe, 1),
  ])
    expect(() => decode([bytes])).toThrow(/^a (?:frame|close)/)
  const before = process.memoryUsage().arrayBuffers
  const decoders = Array.from({ length: 200 }, () => new SocketDecoder(() => {}))
  for (const each of decoders) each.push(header(SOCKET.binary, SOCKET_MESSAGE_BYTES_MAX))
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024)
})

test('any bytes are read or refused, never more', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      let refusal = 'a frame'
      try {
        decode([bytes])
      } catch (error) {
        refusal = (error as Error).message
      }
      expect(refusal).toMatch(/^a (?:frame|close)/)
    }),
    { numRuns: 2000 },
  )
})

test('codes for what no side says may not be sent', () => {
  expect([1000, 1001, 1011, 3000, 4999].every(maySend)).toBe(true)
  expect([0, 999, 1004, 1005, 1006, 1015, 2000, 2999, 5000, 65_536].some(maySend)).toBe(false)
})
