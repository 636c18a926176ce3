/** Entries that lost what they stood on are listed with the reason; everything else is not. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { aFunction, type CatalogNode, CatalogUniverse, untilMembers } from './catalog.fixture.ts'

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

async function publish(node: CatalogNode, name: string) {
  const { manifest, artifact } = aFunction(name)
  return (await node.service.publish(manifest, artifact, await universe.options())).receipt
}
const voidedOn = async (node: CatalogNode) => (await node.service.conflicts()).voided

it('what a revoked node wrote beyond what was kept', async () => {
  await publish(b, 'kept')
  const lost = await publish(b, 'lost')
  await publish(a, 'other')
  expect(await voidedOn(a)).toEqual([])
  await universe.asRoot('revoke', { grant: universe.grantOf(b.identity.id), pins: [{ author: b.identity.id, seq: 1 }] })
  expect(await voidedOn(a)).toMatchObject([
    { hash: lost.hash, by: 'ada (root)', reason: 'the grant it names was revoked: its author was kept up to 1' },
  ])
  expect(await voidedOn(b)).toEqual(await voidedOn(a))
  expect(() => a.service.get({ namespace: 'demo', name: 'kept' })).not.toThrow()
})

it('what a banned node wrote, all of it where nothing was kept', async () => {
  const receipt = await publish(b, 'gone')
  await universe.asRoot('ban', { member: b.identity.id, seq: 0 })
  expect(await voidedOn(a)).toMatchObject([{ hash: receipt.hash, reason: 'its author was banned: nothing it wrote counts' }])
})

it('a namespace that was taken before', async () => {
  const take = (owner: string) => universe.asRoot('namespace', { namespace: 'shop', owner, of: null, pins: [] })
  await take('c'.repeat(64))
  const second = await take('d'.repeat(64))
  const voided = await voidedOn(a)
  expect(voided).toMatchObject([{ hash: second.hash, type: 'namespace', reason: 'the namespace was taken before, or had another owner' }])
})
