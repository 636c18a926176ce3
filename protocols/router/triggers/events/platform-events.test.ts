import { afterEach, expect, test } from 'vitest'
import type { FunctionRecord } from '#protocols/catalog'
import { OsirisError } from '#protocols/errors'
import { createEvents, type Events } from '#protocols/events'
import type { Role } from '#protocols/lifecycle'
import { type FunctionConfig, functionConfigSchema, settingsOf } from '#protocols/manifest'
import { MemoryMesh, type Network } from '#protocols/network'
import type { ItemDetail, NewItem } from '../../queue/queue.ts'
import { decodeDelivery } from '../../topics/message.ts'
import { Routers } from '../routers.ts'
import { EPOCH_MS, MapStorage, VirtualTime } from '../virtual.world.ts'
import { PlatformEvents } from './platform-events.ts'

/** One queue of the whole mesh, as the real one is: an id that is known is dropped, and so is one that was taken back. */
class OneQueue {
  readonly items = new Map<string, NewItem>()
  readonly withdrawn = new Set<string>()
  adds = 0
  refusals = 0

  async add(items: readonly NewItem[]): Promise<void> {
    if (this.refusals-- > 0) {
      for (const { id } of items) this.withdrawn.add(id)
      throw new OsirisError('storage_full', 'Cannot add: full')
    }
    if (items.some(({ id }) => this.withdrawn.has(id))) throw new OsirisError('conflict', 'Cannot add: taken back')
    for (const each of items) if (!this.items.has(each.id)) this.items.set(each.id, each)
    this.adds += items.length
  }

  async look(id: string): Promise<ItemDetail | undefined> {
    if (this.withdrawn.has(id)) return { id, state: 'cancelled', error: { code: 'not_committed', message: '' } } as ItemDetail
    return this.items.has(id) ? ({ id, state: 'waiting' } as ItemDetail) : undefined
  }

  /** `subscriber topic namespace/name` of each delivery. */
  deliveries(): string[] {
    return [...this.items.values()].map(({ payload }) => {
      const { message, subscriber } = decodeDelivery(payload)
      const { name, namespace = '' } = JSON.parse(Buffer.from(message.data).toString('utf8')) as { name: string; namespace?: string }
      return `${subscriber.id} ${message.topic} ${namespace === '' ? '' : `${namespace}/`}${name}`
    })
  }
}

interface Node {
  network: Network
  routers: Routers
  platform: PlatformEvents | undefined
  events: Events
}

class World {
  readonly time = new VirtualTime()
  readonly queue = new OneQueue()
  readonly mesh = new MemoryMesh({ clock: this.time.clock(), faults: { delayMs: [1, 5] } })
  readonly nodes = new Map<string, Node>()
  readonly #records = new Map<string, FunctionRecord>()

  async add(name: string, roles: Role[] = ['router']): Promise<Node> {
    const events = createEvents()
    const network = this.mesh.network({ name, roles, events })
    const clock = this.time.clock(
      () => 0,
      () => this.nodes.has(name),
    )
    const routers = new Routers({ network, clock, events, storage: new MapStorage() })
    const get = (ref: { namespace: string; name: string }) => {
      const record = this.#records.get(`${ref.namespace}/${ref.name}`)
      if (record === undefined) throw new OsirisError('not_found', 'Cannot find it')
      return record
    }
    const platform = roles.includes('router')
      ? new PlatformEvents({
          network,
          routers,
          clock,
          events,
          queue: this.queue,
          catalog: { all: () => [...this.#records.values()], get },
        })
      : undefined
    const node = { network, routers, platform, events }
    this.nodes.set(name, node)
    await network.start()
    if (platform !== undefined) await routers.start()
    await platform?.start()
    return node
  }

  async kill(name: string): Promise<void> {
    const node = this.nodes.get(name) as Node
    this.nodes.delete(name)
    await node.routers.stop()
    await this.mesh.kill(node.network)
    await node.platform?.stop()
  }

  publish(key: string, config: FunctionConfig = {}, version = 'a'): void {
    const [namespace = '', name = ''] = key.split('/')
    const record = {
      ...{ namespace, name, version: version.repeat(64), ordinal: 1, aliases: {}, versions: 1, publishedBy: 'ada', author: '' },
      publishedAt: Math.floor(EPOCH_MS + this.time.nowMs),
      manifest: { settings: settingsOf(functionConfigSchema.parse(config)) },
    } as unknown as FunctionRecord
    this.#records.set(key, record)
    for (const { events } of this.nodes.values()) events.emit('catalog.changed', { namespace, name })
  }

  remove(key: string): void {
    const [namespace = '', name = ''] = key.split('/')
    this.#records.delete(key)
    for (const { events } of this.nodes.values()) events.emit('catalog.changed', { namespace, name })
  }

  async stop(): Promise<void> {
    for (const { platform, routers } of this.nodes.values()) {
      await platform?.stop()
      await routers.stop()
    }
    const stopping = this.mesh.stop()
    await this.time.pass(10_000)
    await stopping
  }
}

let world: World
afterEach(() => world.stop())

async function started(count: number): Promise<World> {
  world = new World()
  world.publish('demo/watch', { subscribe: ['osiris.function.*', 'osiris.member.*'] })
  world.publish('demo/one', { subscribe: [{ topic: 'osiris.function.published', group: 'all' }] })
  world.publish('demo/two', { subscribe: [{ topic: 'osiris.function.published', group: 'all' }] })
  world.publish('shop/watch', { subscribe: ['osiris.**'] })
  world.publish('shop/nosy', { subscribe: ['demo/osiris.function.*', '**', 'orders.*'] })
  for (let at = 0; at < count; at++) await world.add(`r${at}`)
  await world.time.pass(10_000)
  return world
}

test('what was there when routers began is no news', async () => {
  await started(3)
  expect(world.queue.deliveries()).toEqual([])
})

test('a publish is told once to each function and group of its own namespace that asked, and to nobody else', async () => {
  await started(4)
  world.publish('demo/greet')
  world.publish('shop/cart')
  await world.time.pass(5000)
  expect(world.queue.deliveries().toSorted()).toEqual([
    'demo/watch osiris.function.published demo/greet',
    'demo:all osiris.function.published demo/greet',
    'shop/watch osiris.function.published shop/cart',
  ])
  expect(world.queue.adds).toBe(3)
  world.publish('demo/greet', {}, 'b')
  world.remove('shop/cart')
  await world.time.pass(5000)
  expect(world.queue.deliveries().slice(3).toSorted()).toEqual([
    'demo/watch osiris.function.published demo/greet',
    'demo:all osiris.function.published demo/greet',
    'shop/watch osiris.function.removed shop/cart',
  ])
})

test('a version that is live again is no news', async () => {
  await started(2)
  world.publish('demo/greet', {}, 'a')
  await world.time.pass(1000)
  const before = world.queue.deliveries().length
  for (const { events } of world.nodes.values()) events.emit('catalog.changed', { namespace: 'demo', name: 'greet' })
  for (const { events } of world.nodes.values()) events.emit('catalog.changed', {})
  await world.time.pass(1000)
  expect(world.queue.deliveries().length).toBe(before)
})

test('a member that joins or leaves is told of once to every namespace', async () => {
  await started(3)
  await world.add('worker', ['executor'])
  await world.time.pass(5000)
  expect(world.queue.deliveries().toSorted()).toEqual(['demo/watch osiris.member.joined worker', 'shop/watch osiris.member.joined worker'])
  await world.kill('worker')
  await world.time.pass(10_000)
  expect(world.queue.deliveries().slice(2).toSorted()).toEqual([
    'demo/watch osiris.member.left worker',
    'shop/watch osiris.member.left worker',
  ])
})

test('a router that joins or is killed is told of by another one, and tells of nobody that was there', async () => {
  await started(3)
  await world.add('r3')
  await world.time.pass(15_000)
  expect(world.queue.deliveries().toSorted()).toEqual(['demo/watch osiris.member.joined r3', 'shop/watch osiris.member.joined r3'])
  await world.kill('r3')
  await world.time.pass(10_000)
  expect(world.queue.deliveries().length).toBe(4)
})

test('what a dead router should have told of is told of by the next one, once its death is known', async () => {
  await started(3)
  await world.kill('r0')
  const names = Array.from({ length: 20 }, (_, at) => `demo/f${at}`)
  for (const name of names) world.publish(name)
  const told = () => world.queue.deliveries().flatMap((each) => /^demo\/watch osiris.function.published (.*)$/.exec(each)?.[1] ?? [])
  await world.time.pass(20)
  expect(told().length).toBeLessThan(20)
  await world.time.pass(20_000)
  expect(told().toSorted()).toEqual(names.toSorted())
})

test('a queue that refuses is asked again', async () => {
  await started(1)
  world.queue.refusals = 2
  world.publish('demo/greet')
  await world.time.pass(10_000)
  expect(world.queue.deliveries().toSorted()).toEqual([
    'demo/watch osiris.function.published demo/greet',
    'demo:all osiris.function.published demo/greet',
  ])
})
