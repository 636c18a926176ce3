import { afterEach, beforeEach, expect, it } from 'vitest'
import { CatalogUniverse } from './catalog.fixture.ts'
import { createGenesis } from './ledger/entry.ts'

let universe: CatalogUniverse
beforeEach(() => {
  universe = new CatalogUniverse()
})
afterEach(() => universe.stop())

it("a universe's genesis is its first entry, and taking it in at every start adds nothing", async () => {
  const genesis = createGenesis(universe.root, universe.universe)
  const first = await universe.node('one', { genesis })
  expect((await first.service.log({ limit: 10 })).map(({ type, seq, author }) => ({ type, seq, author }))).toEqual([
    { type: 'genesis', seq: 1, author: universe.root.id },
  ])
  await first.stop()
  const again = await universe.node('one', { genesis, storage: first.storage })
  expect(again.service.status().entries).toBe(1)
})
