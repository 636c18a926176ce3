import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { until as within } from '#protocols/until'
import { encodeReport, SCALING_PROTOCOL } from './messages.ts'
import { ScalingWorld } from './scaling.world.ts'

/** The host may have other work for a while; what is judged is where it ends. */
const PATIENCE_MS = 25_000
vi.setConfig({ testTimeout: 60_000 })
const until = (holds: () => boolean | Promise<boolean>) => within(holds, PATIENCE_MS)

let world: ScalingWorld
beforeEach(() => {
  world = new ScalingWorld()
})
afterEach(() => world.stop())

const executors = (count: number): [string, ['executor']][] => Array.from({ length: count }, (_, index) => [`e${index + 1}`, ['executor']])
const nodeNamed = (name: string) => {
  const node = world.nodes.find((each) => each.name === name)
  if (node === undefined) throw new Error(`no node ${name}`)
  return node
}
const decidersOf = (version: string) => world.nodes.filter((each) => each.scaling.wanted().some((wanted) => wanted.version === version))

describe('always on', () => {
  test('is started without a call, on as many members as it has instances, and restored when one dies', async () => {
    const version = world.publish('steady', { min: 2 })
    await world.joinAll(['r1', ['router']], ['r2', ['router']], ...executors(4))
    await until(() => world.total(version) === 2)
    const holders = Object.entries(world.kept(version)).filter(([, count]) => count > 0)
    expect(holders.map(([, count]) => count)).toEqual([1, 1])
    const [gone] = holders[0] as [string, number]
    await world.kill(gone)
    await until(() => world.total(version) === 2 && Math.max(...Object.values(world.kept(version))) === 1)
    expect(Object.keys(world.kept(version))).not.toContain(gone)
  })
  test('goes on under another decider when its own dies', async () => {
    const version = world.publish('steady', { min: 3 })
    await world.joinAll(['r1', ['router']], ['r2', ['router']], ...executors(3))
    await until(() => world.total(version) === 3 && decidersOf(version).length === 1)
    const [decider] = decidersOf(version)
    await world.kill(decider?.name ?? '')
    await until(() => decidersOf(version).length === 1)
    await setTimeout(1000)
    expect(world.kept(version)).toMatchObject({ e1: 1, e2: 1, e3: 1 })
  })
  test('that one member has no room for is kept on another', async () => {
    const version = world.publish('steady', { min: 2, max: 20 })
    await world.join('e1', ['executor'])
    nodeNamed('e1').executor.room = 0
    await world.joinAll(['r1', ['router']], ['e2', ['executor']], ['e3', ['executor']])
    await until(() => world.total(version) === 2)
    expect(world.kept(version)).toMatchObject({ e1: 0, e2: 1, e3: 1 })
  })
})

describe('load', () => {
  test('on one executor is spread over all, to its mean over the target', async () => {
    const version = world.publish('busy', { target: 10 })
    await world.joinAll(['r1', ['router']], ...executors(4))
    nodeNamed('e2').executor.use('demo', 'busy', version, 75)
    await until(() => Object.values(world.kept(version)).join() === '0,2,2,2,2')
    const scaling = decidersOf(version)[0]?.scaling
    expect(scaling?.wanted()).toMatchObject([{ name: 'busy', instances: 8, isPanic: true }])
    expect(scaling?.figures()).toMatchObject({ wanted: 8, panics: 1 })
  })
  test('that ended leaves nothing after idle', async () => {
    const version = world.publish('busy', { target: 10, idle: '4s' })
    await world.joinAll(['r1', ['router']], ...executors(2))
    const { executor } = nodeNamed('e1')
    executor.use('demo', 'busy', version, 30)
    await until(() => world.total(version) === 3)
    executor.load.set(version, 0)
    await until(() => world.total(version) === 0)
    await until(() => decidersOf(version).length === 0)
    expect(world.total(version)).toBe(0)
  })
  test('never gets more than max, however many deciders there were', async () => {
    const version = world.publish('busy', { target: 1, max: 5 })
    await world.joinAll(['r1', ['router']], ['r2', ['router']], ...executors(3))
    nodeNamed('e1').executor.use('demo', 'busy', version, 100)
    await until(() => world.total(version) === 5)
    expect(Math.max(...Object.values(world.kept(version)))).toBe(2)
  })
  test('reaches an executor that joins: it gets its part of what there is', async () => {
    const version = world.publish('busy', { target: 10 })
    await world.joinAll(['r1', ['router']], ...executors(2))
    nodeNamed('e1').executor.use('demo', 'busy', version, 60)
    await until(() => world.total(version) === 6)
    const e9 = await world.join('e9', ['executor'])
    const router = nodeNamed('r1').network
    await until(() => router.members.get(e9.network.peer)?.connected === true)
    await until(() => Object.values(world.kept(version)).join() === '0,2,2,2')
    expect(world.total(version)).toBe(6)
  })
  test('without any router is left to the executors', async () => {
    const version = world.publish('busy', { target: 10, min: 2 })
    await world.joinAll(...executors(2))
    nodeNamed('e1').executor.use('demo', 'busy', version, 60)
    await setTimeout(600)
    expect(world.total(version)).toBe(0)
  })
})

describe('what people set', () => {
  test('takes effect without a new version, and goes when it is taken back', async () => {
    const version = world.publish('calm', {})
    await world.joinAll(['r1', ['router']], ...executors(3))
    world.settings = [{ namespace: 'demo', key: 'scale/calm', value: '{"min":2}' }]
    await until(() => world.total(version) === 2)
    world.settings = [{ namespace: 'demo', key: 'scale/calm', value: '{"min":3}' }]
    await until(() => world.total(version) === 3)
    const state = await nodeNamed('e1').scaling.stateOf('demo', 'calm')
    expect(state).toMatchObject({ decider: nodeNamed('r1').network.peer, versions: [{ version, instances: 3 }] })
    world.settings = [{ namespace: 'demo', key: 'scale/calm', value: '{"min":0,"idle":1000}' }]
    await until(() => world.total(version) === 0)
  })
  test('that cannot be read sets nothing', async () => {
    const version = world.publish('calm', { min: 1 })
    world.settings = [
      { namespace: 'demo', key: 'scale/calm', value: '{"min":"many"' },
      { namespace: 'demo', key: 'quota', value: '{}' },
    ]
    await world.joinAll(['r1', ['router']], ...executors(1))
    await until(() => world.total(version) === 1)
    expect(world.total(version)).toBe(1)
  })
})

describe('what peers say', () => {
  test('counts as a report from executors only', async () => {
    await world.joinAll(['r1', ['router']], ['r2', ['router']])
    const [one, other] = world.nodes
    const report = one?.network.request(other?.network.peer ?? '', SCALING_PROTOCOL, encodeReport([]), { timeoutMs: 5000 })
    await expect(report).rejects.toMatchObject({ code: 'forbidden' })
  })
  test('of functions that do not exist comes to nothing', async () => {
    await world.joinAll(['r1', ['router']], ...executors(1))
    nodeNamed('e1').executor.use('demo', 'made-up', 'e'.repeat(64), 1000)
    await setTimeout(500)
    expect(world.total('e'.repeat(64))).toBe(0)
    await until(() => decidersOf('e'.repeat(64)).length === 0)
  })
})
