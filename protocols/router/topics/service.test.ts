/** What a router with topics promises while nothing is lost, and what it refuses, in virtual time. */
import { describe, expect, it, test } from 'vitest'
import { encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import { TopicsClient } from './client.ts'
import { TOPICS_PROTOCOL } from './messages.ts'
import { ADA, TopicsWorld } from './topics.world.ts'

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'ok',
    (error: OsirisError) => error.code,
  )

describe('attempts', () => {
  it('are made again after pauses that grow; when they are used up the delivery is a dead letter, which may be replayed', async () => {
    const world = new TopicsWorld()
    world.subscribe('demo/fails', [{ topic: 'x', attempts: 3, backoff: '1s' }])
    await world.queues.start('a', 'b')
    let broken = true
    world.behave = async () => (broken ? { code: 'function_failed', started: true } : undefined)
    const { id } = await world.publish('a', 'x', { n: 1 }, { key: 'k' })
    await world.queues.run(20_000)
    const times = world.given.map(({ atMs }) => atMs)
    const pauses = times.slice(1).map((at, index) => at - (times[index] as number))
    expect(pauses.length).toBe(2)
    for (const [index, pause] of pauses.entries())
      expect(pause).toSatisfy((ms: number) => ms >= 500 * 2 ** index && ms <= 1050 * 2 ** index)
    const [letter, ...more] = await world.queues.end(world.at('b').deadLetters('demo', 10, ADA))
    expect(more).toEqual([])
    expect(letter).toMatchObject({
      message: id,
      subscriber: 'demo/fails',
      attempts: 3,
      publishedBy: 'ada',
      error: { code: 'function_failed' },
    })
    const shown = await world.queues.end(world.at('b').deadLetter('demo', letter?.id ?? '', ADA))
    expect(shown).toMatchObject({ key: 'k', data: '{"n":1}' })
    expect(await world.queues.end(codeOf(world.at('b').deadLetter('shop', letter?.id ?? '', ADA)))).toBe('not_found')
    broken = false
    await world.queues.end(world.at('b').replay('demo', letter?.id ?? '', ADA))
    await world.queues.run(2000)
    expect(world.takersOf(id)).toEqual(['demo/fails'])
    expect(world.given.at(-1)?.attempt).toBe(1)
    expect(await world.queues.end(codeOf(world.at('a').replay('demo', letter?.id ?? '', ADA)))).toBe('not_found')
  })

  it('that nobody had room for are none: a message outlives a mesh that is full for longer than all its attempts', async () => {
    const world = new TopicsWorld()
    world.subscribe('demo/f', [{ topic: 'x', attempts: 2, backoff: '100ms' }])
    await world.queues.start('a')
    world.behave = async () => (world.given.length < 50 ? { code: 'overloaded', started: false } : undefined)
    const { id } = await world.publish('a', 'x', 1)
    await world.queues.run(30_000)
    expect(world.takersOf(id)).toEqual(['demo/f'])
    expect(new Set(world.given.map(({ attempt }) => attempt))).toEqual(new Set([1]))
  })

  it('of a group go to its next function each, so that one that fails keeps no message', async () => {
    const world = new TopicsWorld()
    for (const name of ['demo/one', 'demo/two']) world.subscribe(name, [{ topic: 'x', group: 'g', backoff: '100ms' }])
    await world.queues.start('a')
    world.behave = async ({ function: name }) => (name === 'demo/one' ? { code: 'function_failed', started: true } : undefined)
    for (let n = 0; n < 10; n += 1) await world.publish('a', 'x', n)
    await world.queues.run(5000)
    expect(new Set(world.taken.map(({ data }) => data))).toEqual(new Set([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))
    expect(world.taken.length).toBe(10)
    expect(new Set(world.taken.map((each) => each.function))).toEqual(new Set(['demo/two']))
  })
})

describe('back-pressure', () => {
  it('a subscriber that hangs holds up neither the others nor more than its own lane', async () => {
    const world = new TopicsWorld()
    world.subscribe('demo/hangs', ['x'])
    world.subscribe('demo/quick', ['x'])
    world.subscribe('other/quick', ['x'])
    await world.queues.start('a')
    let [hanging, most] = [0, 0]
    world.behave = async ({ function: name }) => {
      if (name !== 'demo/hangs') return undefined
      most = Math.max(most, ++hanging)
      await world.work(60_000)
      hanging -= 1
      return undefined
    }
    for (let n = 0; n < 40; n += 1) {
      await world.publish('a', 'x', n)
      await world.publish('a', 'x', n, { namespace: 'other' })
    }
    await world.queues.run(2000)
    expect(world.taken.filter((each) => each.function === 'demo/quick').length).toBe(40)
    expect(world.taken.filter((each) => each.function === 'other/quick').length).toBe(40)
    expect(most).toBe(16)
    await world.queues.run(200_000)
    expect(world.taken.filter((each) => each.function === 'demo/hangs').length).toBe(40)
  })

  it('a namespace with too much waiting is told so, and others are not', async () => {
    const world = new TopicsWorld()
    world.queues.init = { bounds: { namespaceItems: 10 } }
    world.subscribe('demo/f', ['x'])
    world.subscribe('other/f', ['x'])
    await world.queues.start('a')
    world.behave = async () => {
      await world.work(10_000)
      return undefined
    }
    const codes: string[] = []
    for (let n = 0; n < 12; n += 1) codes.push(await codeOf(world.publish('a', 'x', n)))
    expect(codes).toEqual([...Array<string>(10).fill('ok'), 'quota_exceeded', 'quota_exceeded'])
    expect(await codeOf(world.publish('a', 'x', 1, { namespace: 'other' }))).toBe('ok')
    await world.queues.run(30_000)
    expect(await codeOf(world.publish('a', 'x', 1))).toBe('ok')
  })
})

describe('topics of another namespace', () => {
  const read = [{ can: ['read' as const], namespaces: ['demo'] }]

  it('are heard by who holds read there, as long as that is so; by nobody else', async () => {
    const world = new TopicsWorld()
    world.grants.set('a'.repeat(64), read)
    world.grants.set('b'.repeat(64), [{ can: ['admin'], namespaces: ['shop'] }])
    world.subscribe('demo/own', ['x'])
    world.subscribe('shop/may', ['demo/x'], 'a'.repeat(64))
    world.subscribe('shop/may-not', ['demo/x'], 'b'.repeat(64))
    world.subscribe('shop/nobody', ['demo/x'])
    await world.queues.start('a')
    expect(await world.publish('a', 'x', 1)).toMatchObject({ subscribers: 2 })
    await world.queues.run(1000)
    expect(world.taken.map((each) => each.function).toSorted()).toEqual(['demo/own', 'shop/may'])
    expect((await world.queues.end(world.at('a').subscriptions('demo', ADA))).map((each) => each.function)).toEqual([
      'demo/own',
      'shop/may',
    ])
    world.grants.delete('a'.repeat(64))
    expect(await world.publish('a', 'x', 2)).toMatchObject({ subscribers: 1 })
  })

  it('are not delivered any more once the grant has ended, accepted or not', async () => {
    const world = new TopicsWorld()
    world.grants.set('a'.repeat(64), read)
    world.subscribe('shop/may', [{ topic: 'demo/x', backoff: '1s' }], 'a'.repeat(64))
    await world.queues.start('a')
    world.behave = async () => ({ code: 'function_failed', started: true })
    await world.publish('a', 'x', 1)
    await world.queues.run(100)
    world.grants.clear()
    await world.queues.run(10_000)
    expect(world.given.length).toBe(1)
    expect(await world.queues.end(world.at('a').deadLetters('shop', 10, ADA))).toMatchObject([{ error: { code: 'forbidden' } }])
  })

  it('a namespace that has too much waiting misses messages of others, and keeps them from nobody', async () => {
    const world = new TopicsWorld()
    world.queues.init = { bounds: { namespaceItems: 3 } }
    world.grants.set('a'.repeat(64), read)
    world.subscribe('demo/own', ['x'])
    world.subscribe('shop/slow', ['demo/x'], 'a'.repeat(64))
    await world.queues.start('a')
    world.behave = async ({ function: name }) => {
      if (name === 'shop/slow') await world.work(60_000)
      return undefined
    }
    const subscribers: number[] = []
    for (let n = 0; n < 6; n += 1) {
      subscribers.push((await world.publish('a', 'x', n)).subscribers)
      await world.queues.run(100)
    }
    expect(subscribers).toEqual([2, 2, 2, 1, 1, 1])
    expect(world.taken.filter((each) => each.function === 'demo/own').length).toBe(6)
    expect(world.logs.filter((text) => text.startsWith('Passing over shop/slow')).length).toBe(1)
  })
})

test('a loop ends at the sixteenth publish: its last message is a dead letter, and it is told of once', async () => {
  const world = new TopicsWorld()
  world.subscribe('demo/ping', ['ping'])
  world.subscribe('demo/pong', ['pong'])
  await world.queues.start('a', 'b')
  world.behave = async ({ function: name, depth, data }, topics) => {
    const topic = name === 'demo/ping' ? 'pong' : 'ping'
    await topics.publishFrom({ namespace: 'demo', topic, data: Buffer.from(JSON.stringify(data)) }, { name, subject: 'ada', depth })
    return undefined
  }
  for (let n = 0; n < 3; n += 1) await world.publish('a', 'ping', n)
  await world.queues.run(10_000)
  expect(world.taken.length).toBe(3 * 17)
  expect(Math.max(...world.given.map(({ depth }) => depth))).toBe(16)
  const letters = await world.queues.end(world.at('a').deadLetters('demo', 10, ADA))
  expect(letters.map(({ error, topic, attempts }) => [error.code, topic, attempts])).toEqual(
    [1, 2, 3].map(() => ['depth_exceeded', 'pong', 1]),
  )
  expect(letters[0]?.error.message).toContain('17 publishes and calls deep (at most 16), a loop')
  const told = world.logs.filter((text) => text.includes('a loop'))
  expect(told.length).toBeGreaterThan(0)
  // Once on each router that met it.
  expect(told.length).toBeLessThanOrEqual(2)
})

describe('who may not', () => {
  async function closed() {
    const world = new TopicsWorld()
    world.subscribe('demo/f', ['x'])
    await world.queues.start('a')
    world.access = { require: () => Promise.reject(new OsirisError('forbidden', 'no such grant')) }
    const stranger = world.queues.mesh.network({ name: 'stranger', roles: [] })
    await world.queues.end(stranger.start())
    await world.queues.run(3000)
    const client = new TopicsClient({ network: stranger, random: () => 0.5 })
    return { world, stranger, client }
  }
  const message = { namespace: 'demo', topic: 'x', data: Buffer.from('1') }

  it('publish, read or decide is told so, here and through a peer, and nothing is noted', async () => {
    const { world, client } = await closed()
    for (const topics of [world.at('a'), client]) {
      const asked = [
        topics.publish(message, ADA),
        topics.subscriptions('demo', ADA),
        topics.deadLetters('demo', 10, ADA),
        topics.deadLetter('demo', 'x', ADA),
        topics.replay('demo', 'x', ADA),
        topics.remove('demo', 'x', ADA),
      ]
      expect(await world.queues.end(Promise.all(asked.map(codeOf)))).toEqual(Array(6).fill('forbidden'))
    }
    expect(await world.queues.end(world.queues.node('a').queue.list({ kind: 'topic', key: '' }))).toEqual([])
  })

  it('nobody publishes for a function but who runs functions, and no function beyond its namespace', async () => {
    const { world, client } = await closed()
    const from = { name: 'demo/f', subject: 'ada', depth: 0 }
    expect(await world.queues.end(codeOf(client.publishFrom(message, from)))).toBe('forbidden')
    expect(await world.queues.end(codeOf(world.at('a').publishFrom({ ...message, namespace: 'shop' }, from)))).toBe('forbidden')
    const executor = world.queues.mesh.network({ name: 'executor', roles: ['executor'] })
    await world.queues.end(executor.start())
    await world.queues.run(3000)
    const runner = new TopicsClient({ network: executor, random: () => 0.5 })
    expect(await world.queues.end(codeOf(runner.publishFrom(message, from)))).toBe('ok')
    expect(await world.queues.end(codeOf(runner.publishFrom({ ...message, namespace: 'shop' }, from)))).toBe('forbidden')
    expect(await world.queues.end(codeOf(runner.publishFrom(message, { ...from, name: 'demo/nobody' })))).toBe('forbidden')
    await world.queues.run(1000)
    expect(world.taken.map((each) => each.function)).toEqual(['demo/f'])
  })

  it('whatever a peer sends, it is answered with one typed error', async () => {
    const { world, stranger } = await closed()
    const peer = world.queues.node('a').network.peer
    const publish = {
      type: 'publish',
      namespace: 'demo',
      topic: 'x',
      id: 'i',
      key: null,
      traceparent: null,
      chosen: false,
      forwarded: false,
    }
    const heads = [
      Buffer.from('ff', 'hex'),
      encode(null),
      encode({ type: 'nothing' }),
      encode({ ...publish, by: {} }),
      encode({ ...publish, by: { from: { name: 'demo/f', subject: 'x', depth: -1 } } }),
      encode({ ...publish, namespace: '../..', by: { caller: ADA } }),
      encode({ ...publish, topic: 'x'.repeat(100_000), by: { caller: ADA } }),
      encode({ type: 'deadLetters', namespace: 'demo', caller: ADA, limit: 1e9 }),
    ]
    for (const head of heads)
      expect(
        await world.queues.end(codeOf(stranger.request(peer, TOPICS_PROTOCOL, { head, body: Buffer.from('1') }, { timeoutMs: 1000 }))),
      ).toBe('invalid_argument')
    world.access = { require: async ({ subject }) => ({ subject, grants: [] }) }
    const client = new TopicsClient({ network: stranger, random: () => 0.5 })
    const codes = await world.queues.end(
      Promise.all(
        [
          { topic: 'a'.repeat(500) },
          { topic: 'osiris.x' },
          { data: Buffer.from('1,"id":"2"') },
          { data: Buffer.alloc(300_000, '1') },
          { id: 'ä' },
          { key: 'x'.repeat(500) },
        ].map((part) => codeOf(client.publish({ ...message, ...part }, ADA))),
      ),
    )
    expect(codes).toEqual([
      'invalid_argument',
      'forbidden',
      'invalid_argument',
      'payload_too_large',
      'invalid_argument',
      'invalid_argument',
    ])
  })
})
