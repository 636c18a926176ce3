import { expect, it } from 'vitest'
import { aFunction, CatalogUniverse, untilMembers } from './catalog.fixture.ts'
import { catalogSuite } from './catalog.suite.ts'

async function threeNodes() {
  const universe = new CatalogUniverse()
  const nodes = [await universe.node('a'), await universe.node('b'), await universe.node('c')] as const
  await untilMembers(nodes, 2)
  return { universe, nodes }
}

catalogSuite('the service, alone', async () => {
  const universe = new CatalogUniverse()
  const { service } = await universe.node('a')
  return { universe, catalog: service }
})

catalogSuite('the service, among others', async () => {
  const { universe, nodes } = await threeNodes()
  return { universe, catalog: nodes[0].service }
})

catalogSuite('the client', async () => {
  const { universe } = await threeNodes()
  return { universe, catalog: await clientOf(universe) }
})

catalogSuite('the client over a slow network that repeats itself', async () => {
  const { universe } = await threeNodes()
  const catalog = await clientOf(universe)
  universe.mesh.inject({ delayMs: [1, 12], duplicate: 0.1 })
  return { universe, catalog }
})

// Only reads: a write whose answer is lost is `outcome_unknown`, and the suite asks for outcomes.
it('the client reads on while the network loses packets', async () => {
  const { universe, nodes } = await threeNodes()
  const { manifest, artifact } = aFunction('kept')
  await nodes[0].service.publish(manifest, artifact, await universe.options())
  const client = await clientOf(universe)
  universe.mesh.inject({ delayMs: [1, 5], drop: 0.02 })
  for (let round = 0; round < 30; round++) expect((await client.list({})).map((each) => each.name)).toEqual(['kept'])
  await universe.stop()
})

async function clientOf(universe: CatalogUniverse) {
  const network = await universe.network('client', ['router'])
  await untilMembers([{ network }], 3)
  return universe.clientOn(network)
}
