import { expect, it } from 'vitest'
import { boundedDatastore } from './bounded-datastore.ts'

type Store = Parameters<typeof boundedDatastore>[0]

it('the oldest goes when there are too many entries, or too many bytes', async () => {
  const kept = new Map<string, Uint8Array>()
  const inner = {
    put: async (key: string, value: Uint8Array) => void kept.set(key, value),
    delete: async (key: string) => void kept.delete(key),
    get: async (key: string) => kept.get(key),
  }
  const store = boundedDatastore(inner as unknown as Store, { entriesMax: 3, bytesMax: 100 }) as unknown as typeof inner
  for (const key of ['a', 'b', 'c', 'd']) await store.put(key, new Uint8Array(1))
  expect([...kept.keys()]).toEqual(['b', 'c', 'd'])
  await store.put('b', new Uint8Array(2))
  await store.put('e', new Uint8Array(90))
  expect([...kept.keys()].toSorted()).toEqual(['b', 'd', 'e'])
  await store.put('f', new Uint8Array(95))
  expect([...kept.keys()]).toEqual(['f'])
  await store.delete('f')
  expect(await store.get('f')).toBeUndefined()
})
