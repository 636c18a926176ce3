/** What no witness can prevent, as the README's "Not promised" tells it. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { until } from '#protocols/until'
import { aFunction, type CatalogNode, CatalogUniverse, copyOf, untilEqual, untilMembers } from '../catalog.fixture.ts'
import { LEASE_HELD_MS } from './witnesses.ts'

let universe: CatalogUniverse
beforeEach(() => {
  universe = new CatalogUniverse()
})
afterEach(() => universe.stop())

async function publish(node: CatalogNode, name: string, ack: 'accepted' | 'committed', code = '1') {
  const { manifest, artifact } = aFunction(name, code)
  return node.service.publish(manifest, artifact, await universe.options(ack, 3000))
}

const exists = (node: CatalogNode, name: string) =>
  node.service.status().viewDigest !== '' && node.service.list({}).some((each) => each.name === name)

it('a disk set back while all who know what was on it are away: the key ends before the fork, for everybody, and another one takes its place', async () => {
  const [a, before, c] = [await universe.node('a'), await universe.node('b'), await universe.node('c')]
  await untilMembers([a, before, c], 2)
  await publish(a, 'kept', 'committed')
  await publish(before, 'theirs', 'committed')
  await untilEqual([a, before, c], 2)
  const old = await copyOf(a.storage)
  universe.mesh.partition(['c'], ['a', 'b'])
  expect((await publish(a, 'lost', 'committed')).receipt).toMatchObject({ state: 'committed', needed: 2 })
  await a.stop()
  await before.stop()
  universe.mesh.heal()
  const restored = await universe.node('a', {
    storage: old,
    artifacts: a.artifacts,
    seed: a.identity.seed,
    limits: { consultMs: LEASE_HELD_MS + 500 },
  })
  await until(() => restored.network.members.withRole('catalog').length === 1)
  await publish(restored, 'instead', 'accepted')
  const b = await universe.node('b', { storage: before.storage, artifacts: before.artifacts, seed: before.identity.seed })
  const all = [restored, b, c]
  await until(() => all.every(({ service }) => service.status().frozen.length === 1), 20_000)
  for (const { service } of all) expect(service.status().frozen).toEqual([{ author: a.identity.id, seq: 2 }])
  await untilEqual(all)
  for (const node of all)
    for (const [name, is] of [
      ['kept', true],
      ['theirs', true],
      ['lost', false],
      ['instead', false],
    ] as const)
      expect([name, exists(node, name)]).toEqual([name, is])
  await expect(publish(restored, 'more', 'accepted')).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining("this node's key"),
  })
  await restored.stop()
  const anew = await universe.node('a')
  await untilMembers([anew, b, c], 2)
  expect((await publish(anew, 'lost', 'committed')).receipt).toMatchObject({ state: 'committed' })
  await untilEqual([anew, b, c])
})
