/** A member whose grant was revoked cannot fill the disks of the others with what has no effect any more. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { encode } from '#protocols/codec'
import type { Network } from '#protocols/network'
import { type CatalogNode, CatalogUniverse, untilMembers } from './catalog.fixture.ts'
import { type Entry, signEntry } from './ledger/entry.ts'
import { VOID_BYTES_MAX } from './void-bound.ts'

let universe: CatalogUniverse
let a: CatalogNode
let b: CatalogNode
beforeEach(async () => {
  universe = new CatalogUniverse()
  a = await universe.node('a')
  b = await universe.node('b')
  await untilMembers([a, b], 1)
})
afterEach(() => universe.stop())

function nextOf({ identity, service }: CatalogNode, before: Entry | undefined): Entry {
  const head = service.status().heads.find(({ author }) => author === identity.id)
  const last = before ?? head
  const hlc = { wallMs: Math.max(Date.now(), before?.hlc.wallMs ?? 0), counter: (before?.hlc.counter ?? 0) + 1 }
  const place = { seq: (last?.seq ?? 0) + 1, prev: last?.hash ?? null, hlc }
  const envelope = { format: 1 as const, universe: UNIVERSE(), author: identity.id, by: 'eve', grant: universe.grantOf(identity.id) }
  return signEntry(identity, { ...envelope, ...place, type: 'note', body: { text: 'x'.repeat(60_000) } })
}
const UNIVERSE = () => universe.founding[0]?.universe ?? ''
const push = (from: Network, entry: Entry) =>
  from.request(a.network.peer, 'catalog/1', { head: encode({ type: 'push' }), body: entry.bytes }, { timeoutMs: 2000 })

it('what has no effect is taken from its author at a rate, from others as it comes, and what has one always', async () => {
  const c = await universe.node('c')
  await untilMembers([a, b, c], 2)
  await b.service.stop()
  let last: Entry | undefined
  for (let count = 0; count * 60_000 < VOID_BYTES_MAX; count += 1) await push(b.network, (last = nextOf(b, last)))
  expect(a.service.refusals().quota).toBeUndefined()
  const seq = last?.seq ?? 0
  await universe.asRoot('revoke', { grant: universe.grantOf(b.identity.id), pins: [{ author: b.identity.id, seq }] })
  for (let count = 0; count * 60_000 < VOID_BYTES_MAX; count += 1) await push(b.network, (last = nextOf(b, last)))
  const refused = nextOf(b, last)
  await expect(push(b.network, refused)).rejects.toMatchObject({ code: 'quota_exceeded' })
  expect(a.service.refusals()).toMatchObject({ quota: 1 })
  await push(c.network, refused)
  expect(a.service.status().heads.find(({ author }) => author === b.identity.id)?.seq).toBe(refused.seq)
})
