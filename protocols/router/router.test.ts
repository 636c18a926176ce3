import { createEvents } from '#protocols/events'
import { systemClock } from '#protocols/lifecycle'
import { createMesh } from './mesh.world.ts'
import { routerSuite } from './router.suite.ts'
import { accessOf, demoCatalog, FakeExecutor, FakeMembers } from './router.world.ts'
import { RouterService } from './service.ts'

function serviceFixture(remoteCatalog: boolean) {
  const starts = new Map<string, number>()
  const executors = [1, 2, 3].map((index) => new FakeExecutor(`executor-${index}`, starts))
  const [local, ...others] = executors as [FakeExecutor, FakeExecutor, FakeExecutor]
  const members = new FakeMembers()
  members.set(...others.map((each) => ({ peer: each.name, name: each.name })))
  const catalog = demoCatalog()
  catalog.remote = remoteCatalog
  const router = new RouterService({
    catalog,
    executor: local,
    remote: { at: (peer) => others.find((each) => each.name === peer) as FakeExecutor },
    members,
    access: accessOf(),
    clock: systemClock,
    random: Math.random,
    events: createEvents(),
    peer: 'peer-here',
  })
  return Promise.resolve({ router, executors, stop: () => Promise.resolve() })
}

routerSuite('RouterService with a catalog in memory', () => serviceFixture(false))
routerSuite('RouterService with a catalog on a peer', () => serviceFixture(true))
routerSuite('RouterClient', async () => {
  const world = await createMesh({ routers: 1, executors: 2 })
  return { router: world.client, executors: world.executors, stop: () => world.stop() }
})
routerSuite('RouterClient over a slow network', async () => {
  const world = await createMesh({ routers: 2, executors: 2 }, { faults: { delayMs: [1, 15] } })
  return { router: world.client, executors: world.executors, stop: () => world.stop() }
})
