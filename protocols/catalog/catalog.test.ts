import type { MemoryMesh } from '#protocols/network'
import type { Catalog } from './catalog.ts'
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
  return { universe, catalog: overFaults(universe.mesh, await clientOf(universe)) }
})

/** Packets are lost while it reads, never while it writes: a write whose answer is lost is `outcome_unknown`, and the suite asks for outcomes. */
function overFaults(mesh: MemoryMesh, catalog: Catalog): Catalog {
  const writes = new Set<string | symbol>(['publish', 'point', 'retire'])
  return new Proxy(catalog, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name)
      if (typeof method !== 'function') return method
      return (...args: unknown[]): unknown => {
        mesh.inject({ delayMs: [1, 12], drop: writes.has(name) ? 0 : 0.02, duplicate: 0.1 })
        return Reflect.apply(method, target, args)
      }
    },
  })
}

async function clientOf(universe: CatalogUniverse) {
  const network = await universe.network('client', ['router'])
  await untilMembers([{ network }], 3)
  return universe.clientOn(network)
}
