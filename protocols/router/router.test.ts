import { expect, test } from 'vitest'
import type { Grant } from '#protocols/access'
import { createEvents } from '#protocols/events'
import type { Invocation } from '#protocols/invocation'
import { systemClock } from '#protocols/lifecycle'
import { createMesh } from './mesh.world.ts'
import { routerSuite } from './router.suite.ts'
import { accessOf, callerWith, callOf, demoCatalog, FakeExecutor, FakeMembers, versionFor } from './router.world.ts'
import { RouterService } from './service.ts'

function serviceFixture(remoteCatalog: boolean) {
  const starts = new Map<string, number>()
  const executors = [1, 2, 3].map((index) => new FakeExecutor(`executor-${index}`, starts))
  const [local, ...others] = executors as [FakeExecutor, FakeExecutor, FakeExecutor]
  const members = new FakeMembers()
  members.set(...others.map((each) => ({ peer: each.name, name: each.name })))
  const catalog = demoCatalog()
  catalog.remote = remoteCatalog
  const access = accessOf()
  const router = new RouterService({
    catalog,
    executor: local,
    remote: { at: (peer) => others.find((each) => each.name === peer) as FakeExecutor },
    members,
    access,
    clock: systemClock,
    random: Math.random,
    events: createEvents(),
    peer: 'peer-here',
  })
  return Promise.resolve({ router, executors, catalog, access, stop: () => Promise.resolve() })
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

test('what a function calls is judged by its caller’s grants, and by its own: its namespace, its settings, whoever had it published', async () => {
  const { router, executors, catalog, access } = await serviceFixture(false)
  const key = 'e'.repeat(64)
  const held: Grant[] = []
  access.follow({ grantsOf: (of) => (of === key ? held : []) })
  catalog.add('demo', 'shop', { calls: ['demo/greet', 'other/*'] }, {}, versionFor('shop'), versionFor('shop'), key).add('other', 'bill')
  const from = { path: ['demo/shop'], by: versionFor('shop') }
  const codeOf = async (name: string, parts: Partial<Invocation>) => {
    const outcome = await router.invoke(callOf(name, parts))
    return outcome.kind === 'failed' ? [outcome.error.code, outcome.started] : outcome.kind
  }
  const bill = { ...from, target: { namespace: 'other', name: 'bill' } }
  expect(await codeOf('greet', from)).toBe('value')
  expect(await codeOf('greet', { ...from, caller: await callerWith('other') })).toBe('value')
  expect(await codeOf('greet', {})).toEqual(['unauthenticated', false])
  for (const lie of [{ by: from.by }, { path: from.path }]) expect(await codeOf('greet', lie)).toEqual(['unauthenticated', false])
  for (const lie of [{ path: ['demo/open'] }, { by: versionFor('gone') }, { path: ['other/bill'] }, { path: [''] }])
    expect(await codeOf('greet', { ...from, ...lie })).toEqual(['forbidden', false])
  expect(await codeOf('again', from)).toEqual(['forbidden', false])
  expect(await codeOf('', bill)).toEqual(['forbidden', false])
  held.push({ can: ['invoke'], namespaces: ['other'] })
  access.reconsider()
  expect(await codeOf('', bill)).toBe('value')
  held.pop()
  access.reconsider()
  expect(await codeOf('', bill)).toEqual(['forbidden', false])
  expect(executors.reduce((sum, each) => sum + each.inFlight, 0)).toBe(0)
})
