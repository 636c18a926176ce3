import { afterEach, beforeEach, expect, it } from 'vitest'
import { CatalogUniverse } from './catalog.fixture.ts'

let universe: CatalogUniverse
beforeEach(() => {
  universe = new CatalogUniverse()
})
afterEach(() => universe.stop())

it("the founder writes its universe's genesis first, and at the next start nothing again", async () => {
  const first = await universe.node('one', { isFounder: true, admitted: false })
  expect((await first.service.log({ limit: 10 })).map(({ type, seq, author }) => ({ type, seq, author }))).toEqual([
    { type: 'genesis', seq: 1, author: universe.root.id },
  ])
  await first.stop()
  const again = await universe.node('one', { isFounder: true, admitted: false, storage: first.storage })
  expect(again.service.status().entries).toBe(1)
})
