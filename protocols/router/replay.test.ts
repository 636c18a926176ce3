import { expect, test } from 'vitest'
import { ReplayableBody } from './replay.ts'

function source(chunks: string[]) {
  const state = { taken: 0, cancelled: false }
  async function* run() {
    try {
      for (const chunk of chunks) {
        state.taken++
        yield Buffer.from(chunk)
      }
    } finally {
      state.cancelled = state.taken < chunks.length
    }
  }
  return { state, stream: run() }
}
async function textOf(stream: AsyncIterable<Uint8Array>, chunksMax = Infinity): Promise<string> {
  let text = ''
  let count = 0
  if (chunksMax === 0) return text
  for await (const chunk of stream) {
    text += Buffer.from(chunk).toString()
    if (++count >= chunksMax) break
  }
  return text
}

test('gives the second attempt everything from the beginning', async () => {
  const body = new ReplayableBody(source(['a', 'b', 'c']).stream)
  expect(await textOf(body.stream(), 2)).toBe('ab')
  expect(body.canReplay).toBe(true)
  expect(await textOf(body.stream())).toBe('abc')
})

test('loses no chunk that the first attempt had asked for and not taken', async () => {
  const gate = Promise.withResolvers<void>()
  const body = new ReplayableBody(
    (async function* () {
      await gate.promise
      yield Buffer.from('x')
    })(),
  )
  const first = body.stream()[Symbol.asyncIterator]().next()
  const second = textOf(body.stream())
  gate.resolve()
  expect((await first).done).toBe(true)
  expect(await second).toBe('x')
})

test('keeps 64 KiB and no more', async () => {
  const body = new ReplayableBody(source(['x'.repeat(60_000), 'y'.repeat(60_000), 'z']).stream)
  expect(await textOf(body.stream(), 1)).toHaveLength(60_000)
  expect(body.canReplay).toBe(true)
  const rest = textOf(body.stream())
  expect(await rest).toHaveLength(120_001)
  expect(body.canReplay).toBe(false)
})

test('cancels the source with its last reader, and not before', async () => {
  const { state, stream } = source(['a', 'b', 'c'])
  const body = new ReplayableBody(stream)
  await textOf(body.stream(), 1)
  expect(state.cancelled).toBe(false)
  const last = body.stream()
  body.commit()
  await textOf(last, 2)
  expect(state).toEqual({ taken: 2, cancelled: true })
})

test('cancels the source at commit when its reader has left already', async () => {
  const { state, stream } = source(['a', 'b', 'c'])
  const body = new ReplayableBody(stream)
  await textOf(body.stream(), 1)
  body.commit()
  await Promise.resolve()
  expect(state.cancelled).toBe(true)
})

test('a source that fails fails its reader, and cannot be replayed', async () => {
  const body = new ReplayableBody(
    (async function* () {
      yield Buffer.from('a')
      throw new Error('gone')
    })(),
  )
  await expect(textOf(body.stream())).rejects.toThrow('gone')
  expect(body.canReplay).toBe(false)
})
