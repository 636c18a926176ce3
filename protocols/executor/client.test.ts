import { afterAll, beforeAll, expect, test } from 'vitest'
import { Access, createIdentity, issueToken } from '#protocols/access'
import { systemClock } from '#protocols/lifecycle'
import { MemoryMesh, type MemoryMeshInit, type Network } from '#protocols/network'
import { until } from '#protocols/until'
import { ExecutorClient } from './client.ts'
import type { Executor } from './executor.ts'
import { executorSuite } from './executor.suite.ts'
import { callOf, serviceIn, valueOf, World } from './executor.world.ts'
import { EXECUTOR_PROTOCOL } from './messages.ts'
import { orderOf } from './scale.suite.ts'
import { serveExecutor } from './serve.ts'

const root = createIdentity()

/** An executor on one node of a memory mesh, and its client on another. */
async function acrossMesh(world: World, init: MemoryMeshInit = {}) {
  const mesh = new MemoryMesh(init)
  const there = mesh.network({ name: 'there', roles: ['executor'] })
  const here = mesh.network({ name: 'here' })
  const service = serviceIn(world)
  await Promise.all([service.start(), there.start(), here.start()])
  const access = new Access({ root: root.id, clock: systemClock })
  serveExecutor(there, { executor: service, access, mayOrder: (peer) => peer === here.peer })
  await until(() => here.members.get(there.peer)?.connected === true)
  const executor = new ExecutorClient({ network: here, clock: systemClock }).at(there.peer)
  const stop = async () => {
    await service.stop()
    await mesh.stop()
  }
  return { mesh, there, here, service, executor, stop }
}

executorSuite('the client', (world) => acrossMesh(world))
executorSuite('the client over a network that delays', (world) => acrossMesh(world, { faults: { delayMs: [0, 8] } }))

const world = new World()
let parts: { mesh: MemoryMesh; there: Network; here: Network; executor: Pick<Executor, 'invoke' | 'scale'>; stop(): Promise<void> }
beforeAll(async () => {
  parts = await acrossMesh(world)
})
afterAll(() => parts.stop())

test('a function that is not public needs its caller’s own token, whoever passes the call on', async () => {
  const record = world.define('export default () => 1', { config: { access: 'token' } })
  const refused = await parts.executor.invoke(callOf(record))
  expect(refused).toMatchObject({ kind: 'failed', error: { code: 'unauthenticated' }, started: false })
  const other = await issueToken(root, 'eve', [{ can: ['invoke'], namespaces: ['other'] }], Date.now() + 60_000)
  const forbidden = await parts.executor.invoke(callOf(record, [], { caller: { subject: 'developer', token: other } }))
  expect(forbidden).toMatchObject({ kind: 'failed', error: { code: 'forbidden' }, started: false })
  const token = await issueToken(root, 'ada', [{ can: ['invoke'], namespaces: ['demo'] }], Date.now() + 60_000)
  expect(valueOf(await parts.executor.invoke(callOf(record, [], { caller: { subject: 'ada', token } })))).toBe(1)
})

test('a function of a namespace calls another of it on its own account, by the word of a member that runs functions and of no other', async () => {
  const callee = world.define('export default () => 1', { config: { access: 'token' } })
  const by = world.define('export default () => 1', { config: { calls: [`demo/${callee.name}`] } })
  const other = world.define('export default () => 1', { config: { calls: ['demo/other'] } })
  const runner = parts.mesh.network({ name: 'runner', roles: ['executor'] })
  await runner.start()
  await until(
    () => parts.there.members.get(runner.peer)?.roles.includes('executor') === true && runner.connections().includes(parts.there.peer),
  )
  const byRunner = new ExecutorClient({ network: runner, clock: systemClock }).at(parts.there.peer)
  const from = ({ name, version }: { name: string; version: string }) => ({ path: [`demo/${name}`], by: version })
  expect(valueOf(await byRunner.invoke(callOf(callee, [], from(by))))).toBe(1)
  expect(await parts.executor.invoke(callOf(callee, [], from(by)))).toMatchObject({ error: { code: 'unauthenticated' }, started: false })
  for (const lie of [from(other), { ...from(by), path: ['demo/other'] }, { ...from(by), path: ['shop/a', 'shop/b'] }])
    expect(await byRunner.invoke(callOf(callee, [], lie))).toMatchObject({ error: { code: 'forbidden' }, started: false })
})

test('who runs no functions names none above its call', async () => {
  const who = world.define(`import { caller } from 'osiris/function'\nexport default () => caller() ?? null`, {
    config: { access: 'public' },
  })
  expect(valueOf(await parts.executor.invoke(callOf(who, [], { path: ['demo/admin'] })))).toBeNull()
})

test('a call that nobody’s token stands behind takes a router’s word, and a function that asked for it', async () => {
  const asked = world.define('export default () => 1', { config: { access: 'token', subscribe: ['orders.*'] } })
  const silent = world.define('export default () => 1', { config: { access: 'token' } })
  const router = parts.mesh.network({ name: 'router', roles: ['router'] })
  await router.start()
  await until(
    () => parts.there.members.get(router.peer)?.roles.includes('router') === true && router.connections().includes(parts.there.peer),
  )
  const byRouter = new ExecutorClient({ network: router, clock: systemClock }).at(parts.there.peer)
  const message = { payload: { kind: 'event', handler: 'message', event: Buffer.from('{}') }, trigger: { kind: 'topic', id: 'x' } } as const
  expect(valueOf(await byRouter.invoke(callOf(asked, [], message)))).toBe(1)
  const refused = { kind: 'failed', error: { code: 'unauthenticated' }, started: false }
  expect(await parts.executor.invoke(callOf(asked, [], message))).toMatchObject(refused)
  for (const other of [
    {},
    { trigger: message.trigger },
    { payload: message.payload },
    { ...message, trigger: { kind: 'call', id: 'x' } },
  ] as const)
    expect(await byRouter.invoke(callOf(asked, [], other))).toMatchObject(refused)
  expect(await byRouter.invoke(callOf(asked, [], { ...message, payload: { ...message.payload, handler: 'scheduled' } }))).toMatchObject(
    refused,
  )
  expect(await byRouter.invoke(callOf(silent, [], message))).toMatchObject(refused)
})

test('a hop is counted', async () => {
  const outcome = await parts.executor.invoke(callOf(world.define('export default () => 1'), [], { hops: 1 }))
  expect(outcome.meta.hops).toBe(2)
})

test('orders are taken from whoever decides about the function, and from nobody else', async () => {
  const record = world.define('export default () => 1')
  const stranger = parts.mesh.network({ name: 'stranger', roles: ['router'] })
  await stranger.start()
  await until(() => stranger.connections().includes(parts.there.peer))
  const order = new ExecutorClient({ network: stranger, clock: systemClock }).at(parts.there.peer).scale(orderOf(record, 1))
  await expect(order).rejects.toMatchObject({ code: 'forbidden' })
})

test('a peer that cannot be reached has started nothing', async () => {
  const nobody = new ExecutorClient({ network: parts.here, clock: systemClock }).at('12D3KooWnobody')
  const outcome = await nobody.invoke(callOf(world.define('export default () => 1')))
  expect(outcome).toMatchObject({ kind: 'failed', error: { code: 'unavailable' }, started: false })
})

test('a peer that answers with garbage may have run it', async () => {
  const liar = parts.mesh.network({ name: 'liar' })
  await liar.start()
  liar.handle(EXECUTOR_PROTOCOL, async () => ({ head: new Uint8Array([1, 2, 3]) }))
  await until(() => parts.here.connections().includes(liar.peer))
  const outcome = await new ExecutorClient({ network: parts.here, clock: systemClock })
    .at(liar.peer)
    .invoke(callOf(world.define('export default () => 1')))
  expect(outcome).toMatchObject({ kind: 'failed', error: { code: 'outcome_unknown' }, started: true })
})

test('a peer that dies during the call leaves outcome_unknown', async () => {
  const record = world.define('export default () => new Promise(() => {})')
  const outcome = parts.executor.invoke(callOf(record))
  await new Promise((resolve) => setTimeout(resolve, 100))
  await parts.mesh.kill(parts.there)
  expect(await outcome).toMatchObject({ kind: 'failed', error: { code: 'outcome_unknown' }, started: true })
})
