import { afterEach, expect, test } from 'vitest'
import { OsirisError } from '#protocols/errors'
import { sequence } from '#protocols/network'
import { MapStorage } from '../virtual.world.ts'
import { World } from './schedule.world.ts'

const MINUTE = 60_000
const NAMES = ['a', 'b', 'c', 'd', 'e']
/** Runs of the last test: `OSIRIS_SEEDS=100 npx vitest run protocols/router/triggers`. */
const SEEDS = Number(process.env['OSIRIS_SEEDS'] ?? 2)

let world: World
afterEach(() => world.stop())

async function started(count: number): Promise<World> {
  world = new World()
  for (const name of NAMES.slice(0, count)) await world.add(name)
  await world.time.pass(10_000)
  return world
}

/** The times of the day of those that were fired, with how often where it was not once. */
const fired = (key: string) =>
  Object.entries(world.ticks(key)).map(([time, count]) => (count === 1 ? time.slice(0, 5) : `${time} ×${count}`))

test('each tick is fired once, at its time, by the one router that owns the function', async () => {
  await started(5)
  const keys = Array.from({ length: 12 }, (_, at) => world.publish(`f${at}`, { schedule: '*/5 * * * *' }))
  await world.time.pass(11 * MINUTE)
  for (const key of keys) {
    expect(fired(key)).toEqual(['00:05', '00:10'])
    expect(new Set(world.fires.filter((each) => each.key === key).map((each) => each.node)).size).toBe(1)
  }
  expect(new Set(world.fires.map((each) => each.node)).size).toBeGreaterThan(2)
  for (const each of world.fires) expect(((each.atMs + 500) % (5 * MINUTE)) / 1000).toBeLessThan(0.1)
})

test('an owner that dies just before a tick is replaced: the next owner fires it, once', async () => {
  await started(3)
  const key = world.publish('f', { schedule: '*/5 * * * *' })
  await world.time.pass(5 * MINUTE - 10_000 - 1000)
  await world.kill(world.ownerOf(key))
  await world.time.pass(6 * MINUTE)
  expect(fired(key)).toEqual(['00:05', '00:10'])
})

test('an owner that dies just after it fired is replaced, and the tick is not fired again', async () => {
  await started(3)
  const key = world.publish('f', { schedule: '*/5 * * * *' })
  await world.time.pass(5 * MINUTE - 10_000 - 400)
  expect(fired(key)).toEqual(['00:05'])
  await world.kill(world.ownerOf(key))
  await world.time.pass(6 * MINUTE)
  expect(fired(key)).toEqual(['00:05', '00:10'])
})

test('while the mesh is split only the greater part fires, and after it heals nothing is made up for twice', async () => {
  await started(5)
  const keys = Array.from({ length: 8 }, (_, at) => world.publish(`f${at}`, { schedule: { cron: '* * * * *', missed: 'all' } }))
  await world.time.pass(MINUTE)
  world.mesh.partition(['a', 'b'], ['c', 'd', 'e'])
  await world.time.pass(3 * MINUTE)
  world.mesh.heal()
  await world.time.pass(2 * MINUTE)
  for (const key of keys) expect(fired(key)).toEqual(['00:01', '00:02', '00:03', '00:04', '00:05', '00:06'])
  const inside = world.fires.filter((each) => each.atMs > 80_000 && each.atMs < 240_000)
  expect(new Set(inside.map((each) => each.node))).toEqual(new Set(['c', 'd', 'e']))
})

test.each([2, 3, 5])(
  'of %i routers the last one goes on within seconds when the others are lost at once, and when it is started anew',
  async (count) => {
    await started(count)
    const key = world.publish('f', { schedule: '*/10 * * * * *' })
    await world.time.pass(MINUTE - 10_000)
    // Without the tie of the least name.
    const last = world.leastBut(1)
    const lostAt = world.time.nowMs
    await world.killAll(...NAMES.slice(0, count).filter((name) => name !== last))
    await world.time.pass(MINUTE)
    expect(world.fires.find((each) => each.atMs > lostAt)?.atMs).toBeLessThan(lostAt + 20_000)
    const [{ storage } = { storage: new MapStorage() }] = await world.killAll(last)
    await world.add(last, { storage })
    const againAt = world.time.nowMs
    await world.time.pass(MINUTE)
    expect(world.fires.find((each) => each.atMs > againAt)?.atMs).toBeLessThan(againAt + 20_000)
    expect(Object.values(world.ticks(key)).filter((fires) => fires > 1)).toEqual([])
  },
)

test('of three routers one that hears nothing of the other two does nothing for five minutes', async () => {
  await started(3)
  world.publish('f', { schedule: '* * * * *' })
  world.mesh.partition(['a'], ['b', 'c'])
  await world.time.pass(4.9 * MINUTE)
  expect(world.fires.filter((each) => each.atMs > 20_000 && each.node === 'a')).toEqual([])
  expect(world.fires.length).toBeGreaterThanOrEqual(4)
})

test('of two routers neither fires while they cannot hear each other, but one that has the least name', async () => {
  await started(2)
  const key = world.publish('f', { schedule: '* * * * *' })
  world.mesh.partition(['a'], ['b'])
  await world.time.pass(4 * MINUTE)
  expect(new Set(world.fires.map((each) => each.node)).size).toBe(1)
  expect(fired(key).length).toBeGreaterThanOrEqual(3)
})

test('a router that joins takes its share, and fires nothing that was fired', async () => {
  await started(2)
  const keys = Array.from({ length: 10 }, (_, at) => world.publish(`f${at}`, { schedule: { cron: '* * * * *', missed: 'all' } }))
  await world.time.pass(2 * MINUTE)
  await world.add('c')
  await world.time.pass(2 * MINUTE)
  for (const key of keys) expect(fired(key)).toEqual(['00:01', '00:02', '00:03', '00:04'])
  expect(world.fires.some((each) => each.node === 'c')).toBe(true)
})

test('what was missed while no router ran: nothing, the last tick, or all of them', async () => {
  await started(1)
  const keys = (['skip', 'last', 'all'] as const).map((missed) => world.publish(missed, { schedule: { cron: '*/5 * * * *', missed } }))
  await world.time.pass(6 * MINUTE)
  const { storage } = await world.kill('a')
  await world.time.pass(12 * MINUTE)
  await world.add('a', { storage })
  await world.time.pass(3 * MINUTE)
  expect(keys.map(fired)).toEqual([
    ['00:05', '00:20'],
    ['00:05', '00:15', '00:20'],
    ['00:05', '00:10', '00:15', '00:20'],
  ])
})

test('ticks never overlap unless that is asked for', async () => {
  await started(3)
  world.runMs = 90_000
  const config = { execution: { timeout: '5m' } }
  const one = world.publish('one', { ...config, schedule: '* * * * *' })
  const many = world.publish('many', { ...config, schedule: { cron: '* * * * *', overlap: true } })
  const last = world.publish('last', { ...config, schedule: { cron: '* * * * *', missed: 'last' } })
  await world.time.pass(5 * MINUTE)
  expect(fired(one)).toEqual(['00:01', '00:03', '00:05'])
  expect(fired(many)).toEqual(['00:01', '00:02', '00:03', '00:04', '00:05'])
  expect(fired(last)).toEqual(['00:01', '00:02', '00:04'])
})

test('a call that outlives the router that fired it is not overlapped by the next owner', async () => {
  await started(3)
  world.runMs = 10 * MINUTE
  const key = world.publish('f', { schedule: '* * * * *', execution: { timeout: '150s' } })
  await world.time.pass(MINUTE)
  await world.kill(world.ownerOf(key))
  await world.time.pass(4 * MINUTE)
  expect(fired(key)).toEqual(['00:01', '00:04'])
})

test('a retired function stops, and a new line of a new version counts at once', async () => {
  await started(3)
  const gone = world.publish('gone', { schedule: '* * * * *' })
  const changed = world.publish('changed', { schedule: '* * * * *' })
  const removed = world.publish('removed', { schedule: '* * * * *' })
  await world.time.pass(2 * MINUTE)
  world.retire('gone')
  world.publish('changed', { schedule: '*/3 * * * *' })
  world.publish('removed', {})
  await world.time.pass(5 * MINUTE)
  expect(fired(gone)).toEqual(['00:01', '00:02'])
  expect(fired(changed)).toEqual(['00:01', '00:02', '00:03', '00:06'])
  expect(fired(removed)).toEqual(['00:01', '00:02'])
})

test('a tick that could not begin is tried again; one that failed is not, and is told of', async () => {
  await started(1)
  const key = world.publish('f', { schedule: '*/5 * * * *' })
  const full = new OsirisError('overloaded', 'Cannot take it: full')
  world.failures.push({ error: full, started: false }, { error: full, started: false })
  world.failures.push({ error: new OsirisError('function_failed', 'Cannot run it: it threw'), started: true })
  await world.time.pass(6 * MINUTE)
  expect(fired(key)).toEqual(['00:05'])
  expect(world.ended).toEqual([{ key, code: 'function_failed' }])
  expect(world.node('a').schedules.list()).toMatchObject([
    { name: 'f', cron: '*/5 * * * *', timezone: 'UTC', owner: 'a', nextAt: Date.UTC(2026, 0, 1, 0, 10), problem: null },
  ])
  expect(world.node('a').schedules.list()[0]?.last).toMatchObject({
    by: 'a',
    end: { code: 'function_failed', message: 'Cannot run it: it threw' },
  })
})

test('clocks that differ by seconds fire no tick twice when the owner changes', async () => {
  world = new World()
  await world.add('a', { skewMs: 2000 })
  await world.add('b', { skewMs: -2000 })
  await world.add('c')
  await world.time.pass(10_000)
  const keys = Array.from({ length: 6 }, (_, at) => world.publish(`f${at}`, { schedule: '* * * * *' }))
  await world.time.pass(MINUTE - 10_500)
  await world.kill('a')
  await world.time.pass(2 * MINUTE + 10_000)
  for (const key of keys) expect(fired(key)).toEqual(['00:01', '00:02', '00:03'])
})

test.each([1, 3])(
  'of %i routers one whose clock was ten years ahead stops no schedule, neither when it is right again nor when it is started anew',
  async (count) => {
    await started(count)
    const keys = Array.from({ length: 6 }, (_, at) => world.publish(`f${at}`, { schedule: '* * * * *' }))
    await world.time.pass(MINUTE)
    const wrong = world.ownerOf(keys[0] as string)
    world.node(wrong).skewMs = 10 * 365 * 86_400_000
    await world.time.pass(3 * MINUTE)
    world.node(wrong).skewMs = 0
    await world.time.pass(MINUTE)
    const goneOn = async () => {
      const from = world.fires.length
      await world.time.pass(2 * MINUTE)
      for (const key of keys) expect(world.fires.slice(from).filter((each) => each.key === key && each.id.includes('@2026')).length).toBe(2)
    }
    await goneOn()
    world.node(wrong).skewMs = 10 * 365 * 86_400_000
    await world.time.pass(2 * MINUTE)
    const { storage } = await world.kill(wrong)
    await world.time.pass(MINUTE)
    await world.add(wrong, { storage })
    await world.time.pass(MINUTE)
    await goneOn()
  },
)

test('whatever is killed, cut off, started anew and healed by chance, no tick fires twice, and none is missing when all is calm', async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = sequence(seed)
    const draw = (most: number) => Math.floor(random() * most)
    world = new World(sequence(1000 + seed))
    for (const name of NAMES) await world.add(name, { skewMs: draw(400) - 200 })
    await world.time.pass(10_000)
    const keys = Array.from({ length: 4 }, (_, at) => world.publish(`f${at}`, { schedule: '*/30 * * * * *' }))
    const disks = new Map<string, MapStorage>()
    const end = world.time.nowMs + 4 * MINUTE
    while (world.time.nowMs < end) {
      const alive = [...world.nodes.keys()]
      const evil = draw(4)
      const victim = alive[draw(alive.length)] as string
      const dead = NAMES.filter((name) => !world.nodes.has(name))
      if (evil === 0 && alive.length > 2) disks.set(victim, (await world.kill(victim)).storage)
      else if (evil === 1 && dead[0] !== undefined) await world.add(dead[0], { storage: disks.get(dead[0]) ?? new MapStorage() })
      else if (evil === 2)
        world.mesh.partition(
          [victim],
          alive.filter((name) => name !== victim),
        )
      else world.mesh.heal()
      await world.time.pass(1000 + draw(9000))
    }
    world.mesh.heal()
    for (const name of NAMES.filter((each) => !world.nodes.has(each)))
      await world.add(name, { storage: disks.get(name) ?? new MapStorage() })
    await world.time.pass(30_000)
    const calmFrom = world.fires.length
    await world.time.pass(MINUTE)
    for (const key of keys) {
      expect([seed, key, Object.values(world.ticks(key)).filter((count) => count > 1)]).toEqual([seed, key, []])
      expect([seed, key, world.fires.slice(calmFrom).filter((each) => each.key === key).length]).toEqual([seed, key, 2])
    }
    await world.stop()
  }
  world = new World()
}, 600_000)
