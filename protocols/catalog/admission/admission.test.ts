import { afterEach, beforeEach, expect, it } from 'vitest'
import { createIdentity, type Identity, invite, present } from '#protocols/access'
import { until } from '#protocols/until'
import { aFunction, type CatalogNode, CatalogUniverse, untilEqual, untilMembers } from '../catalog.fixture.ts'
import { authorityOf, EVES, Feeds, NODES, ROOT, UNIVERSE } from '../ledger/authority.world.ts'
import { faultOfJoining } from './admitter.ts'

let universe: CatalogUniverse
beforeEach(() => {
  universe = new CatalogUniverse()
})
afterEach(() => universe.stop())

async function publish(node: CatalogNode, name: string, timeoutMs = 3000) {
  const { manifest, artifact } = aFunction(name)
  return node.service.publish(manifest, artifact, await universe.options('committed', timeoutMs))
}

it('a write through a node that has just joined waits for its admission', async () => {
  const founder = await universe.node('founder', { isFounder: true })
  const joining = await universe.node('joining', { admitted: false, founding: [] })
  await untilMembers([founder, joining], 1)
  const written = publish(joining, 'early')
  await founder.service.admit(joining.identity.id, 'joining', ['catalog'], [{ can: ['deploy'], namespaces: ['*'] }])
  expect((await written).receipt).toMatchObject({ state: 'committed', author: joining.identity.id })
  await untilEqual([founder, joining], 1)
})

it('a node that nobody lets in writes nothing, within the bound of the write, and its word counts for nothing', async () => {
  const inside = await universe.node('inside')
  const outside = await universe.node('outside', { admitted: false })
  await untilMembers([inside, outside], 1)
  await expect(publish(outside, 'refused', 200)).rejects.toMatchObject({ code: 'forbidden' })
  expect((await publish(inside, 'alone')).receipt).toMatchObject({ state: 'committed', members: 1 })
  expect(outside.service.status().entries).toBeGreaterThan(0)
})

it('a ban reaches all: what came after it is gone everywhere, and the banned node is told', async () => {
  const [a, b] = [await universe.node('a'), await universe.node('b')]
  await untilMembers([a, b], 1)
  await publish(b, 'kept')
  await publish(b, 'gone')
  await universe.asRoot('ban', { member: b.identity.id, seq: 1 })
  await until(() =>
    [a, b].every(
      (node) =>
        node.service
          .list({})
          .map((each) => each.name)
          .join() === 'kept',
    ),
  )
  await untilEqual([a, b])
  const { voided } = await a.service.conflicts()
  expect(voided).toMatchObject([
    { type: 'publish', seq: 2, author: b.identity.id, reason: 'its author was banned: what it wrote counts up to 1' },
  ])
  await expect(publish(b, 'more', 200)).rejects.toThrow(/is banned from this universe/)
})

it('a key that has ended is let in by nobody: its admission would have no effect, and it would ask for the next one', () => {
  const feeds = new Feeds()
  const [frozen, given] = NODES
  const [fresh] = EVES
  for (const each of [frozen, given]) feeds.admit(each, [])
  feeds.write(ROOT, 'rotate', { from: given.id, to: fresh.id, seq: 0, proof: null }, { grant: null })
  const authority = authorityOf(feeds.lines)
  authority.freeze(frozen.id, 1)
  authority.settle()
  const invited = invite(ROOT, UNIVERSE, { roles: ['executor'], uses: 9, expiresAtMs: 100_000 })
  const faultOf = (member: Identity) =>
    faultOfJoining(
      authority,
      { member: member.id, name: 'x', roles: ['executor'], invitation: present(invited, member.id) },
      UNIVERSE,
      1000,
    )
  expect([faultOf(frozen), faultOf(given), faultOf(createIdentity())]).toEqual(['ended', 'ended', undefined])
  expect(faultOfJoining(authority, { member: frozen.id, name: 'x', roles: [] }, UNIVERSE, 1000)).toBe('ended')
})
