import { expect, test } from 'vitest'
import { createEvents } from '#protocols/events'
import { systemClock } from '#protocols/lifecycle'
import { createMesh } from './mesh.world.ts'
import { routerSuite } from './router.suite.ts'
import { accessOf, callOf, demoCatalog, FakeExecutor, FakeMembers } from './router.world.ts'
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

test('a trigger starts functions that asked for its kind, without anybody’s token, and no others', async () => {
  const { router, executors } = await serviceFixture(false)
  const send = (name: string, kind: 'topic' | 'schedule' | 'call', handler: 'message' | 'scheduled') =>
    router.trigger({ ...callOf(name), payload: { kind: 'event', handler, event: Buffer.from('{}') }, trigger: { kind, id: 'x' } })
  executors[0]!.behave = async (_, meta) => ({ kind: 'value', value: Buffer.from('null'), meta })
  expect(await send('listen', 'topic', 'message')).toMatchObject({ kind: 'value' })
  const refused = { kind: 'failed', error: { code: 'forbidden' }, started: false }
  expect(await send('listen', 'schedule', 'scheduled')).toMatchObject(refused)
  expect(await send('listen', 'call', 'message')).toMatchObject(refused)
  expect(await send('greet', 'topic', 'message')).toMatchObject(refused)
  expect(await send('gone', 'topic', 'message')).toMatchObject({ kind: 'failed', error: { code: 'not_found' } })
})
