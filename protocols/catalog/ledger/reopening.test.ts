import { MemoryLevel } from 'memory-level'
import { expect, it } from 'vitest'
import { ReopeningStorage } from './reopening.ts'
import { ENCODINGS } from '#protocols/storage'

/** A store that fails with `error` from its first failed write on until it is opened again, and counts that. */
function failing() {
  const inner = new MemoryLevel<string, Uint8Array>()
  const state = { error: undefined as Error | undefined, isBroken: false, hasRoom: true, reopened: 0 }
  const storage = new ReopeningStorage({
    getMany: (keys, options) => inner.getMany(keys, options),
    iterator: (range) => inner.iterator(range),
    batch: (operations, options) => {
      state.isBroken ||= state.error !== undefined
      return state.isBroken ? Promise.reject(state.error ?? new Error('still broken')) : inner.batch(operations, options)
    },
    hasRoom: () => Promise.resolve(state.hasRoom),
    reopen: () => {
      state.reopened += 1
      state.isBroken = false
      return Promise.resolve()
    },
  })
  const write = (key: string) => storage.batch([{ type: 'put', key, value: Buffer.from(key) }], { ...ENCODINGS, sync: true })
  const read = async (key: string) => (await storage.getMany([key], ENCODINGS))[0]?.toString()
  return { state, write, read }
}

it('a write that fails is told so; the store is opened again for the next one, and only when there is room', async () => {
  const { state, write, read } = failing()
  await write('a')
  state.error = new Error('IO error: No space left on device')
  state.hasRoom = false
  for (let at = 0; at < 3; at += 1) await expect(write('b')).rejects.toThrow('No space')
  expect([state.reopened, await read('a'), await read('b')]).toEqual([0, 'a', undefined])
  state.error = undefined
  state.hasRoom = true
  await Promise.all([write('b'), write('c')])
  expect([state.reopened, await read('a'), await read('b'), await read('c')]).toEqual([1, 'a', 'b', 'c'])
})

it('a write that meets a damaged table is made once that is mended; a disk that fails is not tried again', async () => {
  const { state, write, read } = failing()
  state.error = new Error('Corruption: block checksum mismatch')
  const writing = write('a')
  state.error = undefined
  await writing
  expect([state.reopened, await read('a')]).toEqual([1, 'a'])
  state.error = new Error('IO error: Input/output error')
  await expect(write('b')).rejects.toThrow('Input/output')
  expect([state.reopened, await read('b')]).toEqual([1, undefined])
})
