import { CatalogUniverse, untilMembers } from './catalog.fixture.ts'
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

catalogSuite('the client over a faulty network', async () => {
  const { universe } = await threeNodes()
  const catalog = await clientOf(universe)
  universe.mesh.inject({ delayMs: [1, 12], drop: 0.002, duplicate: 0.1 })
  return { universe, catalog }
})

async function clientOf(universe: CatalogUniverse) {
  const network = await universe.network('client', ['router'])
  await untilMembers([{ network }], 3)
  return universe.clientOn(network)
}
