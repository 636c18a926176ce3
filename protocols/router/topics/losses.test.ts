/** Messages while routers are lost, cut off and come back, in virtual time: what was accepted reaches each function and one of each group. */
import { describe, expect, it, test } from 'vitest'
import { ownerOf } from '../triggers/owner.ts'
import { TopicsWorld } from './topics.world.ts'

const NAMES = ['a', 'b', 'c', 'd', 'e']

async function worldOf(seed: number, count: number): Promise<TopicsWorld> {
  const world = new TopicsWorld(seed)
  world.subscribe('demo/each', ['orders.*'])
  world.subscribe('demo/one', [{ topic: 'orders.**', group: 'team', attempts: 100 }])
  world.subscribe('demo/two', [{ topic: 'orders.**', group: 'team', attempts: 100 }])
  world.subscribe('demo/other', ['users.*'])
  await world.queues.start(...NAMES.slice(0, count))
  return world
}

/** `each`, and the one of the group that got it. */
const isWhole = (takers: string[]) => takers[0] === 'demo/each' && (takers[1] === 'demo/one' || takers[1] === 'demo/two')

test('while nothing is lost, each subscriber gets each message exactly once, and messages of one key the same function of the group', async () => {
  const world = await worldOf(1, 3)
  const ids: string[] = []
  for (let n = 0; n < 20; n += 1)
    ids.push((await world.publish(world.dice.pick(['a', 'b', 'c']), 'orders.created', n, { key: `key ${n % 2}` })).id)
  await world.queues.run(2000)
  expect(ids.map((id) => world.takersOf(id)).filter((takers) => takers.length !== 2 || !isWhole(takers))).toEqual([])
  for (const parity of [0, 1]) {
    const inGroup = world.taken.filter((each) => each.function !== 'demo/each' && (each.data as number) % 2 === parity)
    expect(new Set(inGroup.map((each) => each.function)).size).toBe(1)
  }
})

test('an id that comes again by any router is the same message, also when the router that knew it was lost', async () => {
  const world = await worldOf(2, 5)
  for (const name of ['a', 'b', 'b', 'c'])
    expect(await world.publish(name, 'orders.paid', name, { id: 'order-7' })).toMatchObject({ id: 'order-7' })
  await world.queues.run(2000)
  expect(world.takersOf('order-7').length).toBe(2)
  const peers = new Map(world.queues.nodes().map(({ name, network }) => [network.peer, name]))
  await world.queues.kill(peers.get(ownerOf('demo/orders.paid/order-7', peers.keys()) ?? '') ?? '')
  await world.queues.run(5000)
  for (const { name } of world.queues.nodes()) await world.publish(name, 'orders.paid', 'again', { id: 'order-7' })
  await world.queues.run(5000)
  expect(world.takersOf('order-7').length).toBe(2)
  expect((await world.publish(world.queues.nodes()[0]?.name ?? '', 'orders.paid', 1, { id: 'order-8' })).id).toBe('order-8')
})

test('a message that a full disk did not take is delivered when it is published again with its id, and then once', async () => {
  const world = await worldOf(4, 1)
  const publish = () => world.publish('a', 'orders.paid', 1, { id: 'order-9' })
  world.queues.disk('a').trouble = 'ENOSPC'
  for (let times = 0; times < 3; times += 1) await expect(publish()).rejects.toMatchObject({ code: 'storage_full' })
  const twice = await Promise.allSettled([publish(), publish()])
  expect(twice.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  world.queues.disk('a').trouble = 'none'
  for (let times = 0; times < 3; times += 1) expect(await publish()).toMatchObject({ id: 'order-9', subscribers: 2 })
  await world.queues.run(5000)
  expect(isWhole(world.takersOf('order-9'))).toBe(true)
  expect(world.takersOf('order-9').length).toBe(2)
})

test('what the router accepted that is killed at once is delivered by another', async () => {
  const world = await worldOf(3, 3)
  world.behave = async () => {
    await world.work(50)
    return undefined
  }
  const ids: string[] = []
  for (let n = 0; n < 5; n += 1) ids.push((await world.publish('a', 'orders.created', n)).id)
  await world.queues.kill('a')
  await world.queues.run(30_000)
  expect(ids.filter((id) => !isWhole([...new Set(world.takersOf(id))]))).toEqual([])
})

describe.each([21, 22, 23, 24])('seed %i of kills, restarts and partitions', (seed) => {
  it('delivers what was accepted to each function, and to one of each group, at least once', async () => {
    const world = await worldOf(seed, 5)
    const { queues, dice } = world
    world.behave = async () => {
      await world.work(dice.between(1, 600))
      if (dice.chance(0.75)) return undefined
      return dice.chance(0.5) ? { code: 'function_failed', started: true } : { code: 'overloaded', started: false }
    }
    const accepted: string[] = []
    for (let round = 0; round < 10; round += 1) {
      const up = queues.nodes()
      for (let n = 0; n < 3; n += 1) {
        const more = dice.chance(0.3) ? { id: `chosen-${round}-${n}` } : {}
        const published = world.publish(dice.pick(up).name, 'orders.created', `${round}-${n}`, more)
        await published.then(
          ({ id }) => accepted.push(id),
          () => {},
        )
      }
      await queues.run(dice.int(1500))
      const chance = dice.int(4)
      if (chance === 0 && up.length > 3) await queues.kill(dice.pick(up).name)
      if (chance === 1) await queues.start(...NAMES.filter((name) => !up.some((each) => each.name === name)))
      if (chance === 2) queues.mesh.partition(NAMES.slice(0, 2), NAMES.slice(2))
      if (chance === 3) queues.mesh.heal()
    }
    queues.mesh.heal()
    await queues.start(...NAMES.filter((name) => !queues.nodes().some((each) => each.name === name)))
    await queues.run(600_000)
    expect(accepted.length).toBeGreaterThan(10)
    expect(accepted.filter((id) => !isWhole([...new Set(world.takersOf(id))]))).toEqual([])
    expect(world.taken.filter((each) => each.function === 'demo/other')).toEqual([])
  })
})
