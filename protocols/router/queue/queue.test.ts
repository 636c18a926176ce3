import { describe, expect, it } from 'vitest'
import { OsirisError } from '#protocols/errors'
import { QueueWorld, trouble, waitFor } from './queue.world.ts'

async function worldOf(...names: string[]): Promise<QueueWorld> {
  const world = new QueueWorld()
  await world.start(...names)
  return world
}

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'ok',
    (error: OsirisError) => error.code,
  )

describe('add()', () => {
  it('resolves when the item is on the disk of this router and of two others', async () => {
    const world = await worldOf('a', 'b', 'c', 'd')
    world.answer = (_attempt, signal) => waitFor(signal)
    await world.end(world.node('a').queue.add([world.item('one')]))
    const holding = ['a', 'b', 'c', 'd'].filter((name) => world.disk(name).durable().has('queue/item/one'))
    expect(holding).toHaveLength(3)
    expect(holding).toContain('a')
  })

  it('drops an id it knows, waiting or done', async () => {
    const world = await worldOf('a', 'b', 'c')
    const { queue } = world.node('a')
    await world.end(queue.add([world.item('one'), world.item('one')]))
    await world.until(() => world.attempts.length > 0)
    await world.end(queue.add([world.item('one')]))
    await world.run(5000)
    expect(world.attempts).toHaveLength(1)
  })

  it('asks another router in the place of one that is full or gone, and of none where there is none', async () => {
    const world = await worldOf('a', 'b')
    await world.kill('b')
    await world.run(6000)
    await world.end(world.node('a').queue.add([world.item('alone')]))
    await world.until(() => world.attempts.length === 1)
    world.init = { bounds: { nodeItems: 0 } }
    await world.start('full')
    world.init = {}
    await world.start('c', 'd')
    world.answer = (_attempt, signal) => waitFor(signal)
    await world.end(world.node('a').queue.add([world.item('two')]))
    expect(['a', 'full', 'c', 'd'].filter((name) => world.disk(name).durable().has('queue/item/two'))).toEqual(['a', 'c', 'd'])
  })

  it('is taken back where a router that was asked does not answer and nobody else could know better', async () => {
    const world = await worldOf('a', 'b')
    world.mesh.partition(['a'], ['b'])
    expect(await world.end(codeOf(world.node('a').queue.add([world.item('one', { once: true })])))).toBe('outcome_unknown')
    expect(await world.end(world.node('a').queue.cancel('one'))).toBe('cancelled')
    world.mesh.heal()
    await world.run(30_000)
    expect(world.attempts).toEqual([])
    expect(await world.end(codeOf(world.node('a').queue.add([world.item('one')])))).toBe('conflict')
  })

  it.each([
    ['an id of other letters', { id: 'ä' }, 'invalid_argument'],
    ['a key without a namespace', { key: 'demo' }, 'invalid_argument'],
    ['a kind of other letters', { kind: 'A' }, 'invalid_argument'],
    ['a life of years', { expiresAt: 9e15 }, 'invalid_argument'],
    ['a payload that is too long', { payload: new Uint8Array(4 * 1024 * 1024 + 1) }, 'payload_too_large'],
  ])('refuses %s', async (_what, parts, code) => {
    const world = await worldOf('a')
    expect(await world.end(codeOf(world.node('a').queue.add([world.item('one', parts)])))).toBe(code)
  })

  it("refuses what is beyond the namespace's bounds or the node's, and what a full disk does not take", async () => {
    const world = new QueueWorld()
    world.init = { bounds: { namespaceItems: 2, namespaceBytes: 100, nodeItems: 3 } }
    world.answer = (_attempt, signal) => waitFor(signal)
    await world.start('a')
    const { queue } = world.node('a')
    const add = (id: string, parts = {}) => world.end(codeOf(queue.add([world.item(id, parts)])))
    expect(await add('bytes', { payload: new Uint8Array(101) })).toBe('quota_exceeded')
    expect([await add('one'), await add('two'), await add('three')]).toEqual(['ok', 'ok', 'quota_exceeded'])
    expect([await add('other', { key: 'else/x' }), await add('more', { key: 'else/x' })]).toEqual(['ok', 'overloaded'])
    world.disk('a').trouble = 'ENOSPC'
    expect(await world.end(codeOf(world.node('a').queue.cancel('one')))).toBe('ok')
    await world.run(3000)
    expect(await add('full', { key: 'third/x' })).toBe('storage_full')
  })

  it('several at a time share a sync', async () => {
    const world = await worldOf('a')
    world.answer = (_attempt, signal) => waitFor(signal)
    let writes = 0
    world.disk('a').onWrite = () => (writes += 1)
    await world.end(Promise.all(Array.from({ length: 50 }, (_, index) => world.node('a').queue.add([world.item(`i${index}`)]))))
    expect(writes).toBeLessThanOrEqual(4)
  })
})

describe('attempts', () => {
  it('are made again after a pause that grows, until the handler is done, and its answer is seen on every router', async () => {
    const world = await worldOf('a', 'b', 'c', 'd')
    world.answer = ({ item }) => (item.attempts < 4 ? { kind: 'again', error: trouble() } : { kind: 'done', answer: Buffer.from('well') })
    await world.end(world.node('a').queue.add([world.item('one')]))
    await world.until(() => world.attempts.length === 4)
    const times = world.attempts.map(({ atMs }) => atMs)
    const pauses = times.slice(1).map((at, index) => at - (times[index] as number))
    for (const [index, pause] of pauses.entries()) {
      expect(pause).toBeGreaterThanOrEqual(500 * 2 ** index)
      expect(pause).toBeLessThan(1000 * 2 ** index + 50)
    }
    await world.run(100)
    for (const { queue } of world.nodes()) {
      const seen = await world.end(queue.look('one'))
      expect(seen).toMatchObject({ state: 'done', attempts: 4 })
      expect(Buffer.from(seen?.answer ?? []).toString()).toBe('well')
    }
  })

  it('end as dead letters when there are enough of them, the item expires, or the handler says so', async () => {
    const world = new QueueWorld()
    world.options = { attemptsMax: 3, leaseMs: 500 }
    await world.start('a', 'b', 'c')
    const { queue } = world.node('a')
    world.answer = ({ id }, signal) => {
      if (id === 'hopeless') return { kind: 'dead', error: new OsirisError('function_failed', 'Cannot do it: never') }
      return id === 'hangs' ? waitFor(signal) : { kind: 'again', error: trouble() }
    }
    await world.end(
      queue.add([world.item('fails'), world.item('hopeless'), world.item('hangs'), world.item('late', { expiresAt: world.now + 1200 })]),
    )
    await world.run(30_000)
    const dead = await world.end(world.node('b').queue.list({ kind: 'work', key: 'demo/', states: ['dead'] }))
    expect(Object.fromEntries(dead.map(({ id, error, attempts }) => [id, [error?.code, attempts]]))).toEqual({
      fails: ['unavailable', 3],
      hangs: ['deadline_exceeded', 3],
      hopeless: ['function_failed', 1],
      late: ['deadline_exceeded', expect.any(Number)],
    })
    expect((await world.end(world.node('c').queue.look('hopeless')))?.payload).toEqual(new Uint8Array(Buffer.from('do hopeless')))
  })

  it('that count for nothing use up none', async () => {
    const world = new QueueWorld()
    world.options = { attemptsMax: 2 }
    await world.start('a')
    world.answer = () => (world.attempts.length < 6 ? { kind: 'again', error: trouble(), afterMs: 10, counts: false } : { kind: 'done' })
    await world.end(world.node('a').queue.add([world.item('one')]))
    await world.until(() => world.attempts.length === 6)
    expect(world.attempts.map(({ item }) => item.attempts)).toEqual([1, 1, 1, 1, 1, 1])
  })

  it('of a lane that is full are in nobody else’s way', async () => {
    const world = new QueueWorld()
    world.options = { concurrency: 4, lanes: { of: (key) => key, concurrency: 1 } }
    await world.start('a')
    world.answer = ({ item }, signal) => (item.key === 'demo/slow' && world.attempts.length < 20 ? waitFor(signal) : { kind: 'done' })
    const slow = Array.from({ length: 10 }, (_, index) => world.item(`slow${index}`, { key: 'demo/slow' }))
    const fast = Array.from({ length: 10 }, (_, index) => world.item(`fast${index}`, { key: 'demo/fast' }))
    await world.end(world.node('a').queue.add([...slow, ...fast]))
    await world.until(() => world.attempts.filter(({ id }) => id.startsWith('fast')).length === 10)
    expect(world.attempts.filter(({ id }) => id.startsWith('slow'))).toHaveLength(1)
    await world.end(world.node('a').queue.cancel('slow0'))
    await world.until(() => world.attempts.filter(({ id }) => id.startsWith('slow')).length === 2)
  })

  it('of namespaces that hang leave room for the next one that comes', async () => {
    const world = new QueueWorld()
    world.options = { concurrency: 8 }
    await world.start('a')
    world.answer = ({ item }, signal) => (item.key.startsWith('hangs') ? waitFor(signal) : { kind: 'done' })
    const { queue } = world.node('a')
    for (const namespace of ['hangs-1', 'hangs-2'])
      await world.end(queue.add(Array.from({ length: 20 }, (_, index) => world.item(`${namespace}-${index}`, { key: `${namespace}/x` }))))
    await world.run(1000)
    const ofHanging = (namespace: string) => world.attempts.filter(({ item }) => item.key.startsWith(namespace)).length
    expect([ofHanging('hangs-1'), ofHanging('hangs-2')]).toEqual([4, 2])
    await world.end(queue.add(Array.from({ length: 20 }, (_, index) => world.item(`quick-${index}`, { key: 'quick/x' }))))
    await world.until(() => world.attempts.filter(({ item }) => item.key === 'quick/x').length === 20)
    await world.end(queue.cancel('hangs-1-0'))
    await world.until(() => ofHanging('hangs') === 7)
  })

  it('begin at their time and not before', async () => {
    const world = await worldOf('a')
    await world.end(world.node('a').queue.add([world.item('later', { notBeforeAt: world.now + 60_000 })]))
    const from = world.scheduler.now
    await world.until(() => world.attempts.length > 0, 120_000)
    expect((world.attempts[0]?.atMs ?? 0) - from).toBeGreaterThan(59_900)
  })
})

describe('cancel(), replay() and remove()', () => {
  it('on any router: what waits never begins, what runs is aborted, a second time changes nothing', async () => {
    const world = await worldOf('a', 'b', 'c', 'd')
    let aborted = 0
    world.answer = async (_attempt, signal) => {
      await waitFor(signal).catch(() => (aborted += 1))
      return { kind: 'done', answer: Buffer.from('aborted') }
    }
    await world.end(world.node('a').queue.add([world.item('waits', { notBeforeAt: world.now + 10_000, once: true }), world.item('runs')]))
    await world.run(500)
    const { queue } = world.node('d')
    expect(await world.end(queue.cancel('waits'))).toBe('cancelled')
    expect(await world.end(queue.cancel('waits'))).toBe('cancelled')
    expect(await world.end(queue.cancel('runs'))).toBe('running')
    expect(await world.end(queue.cancel('nobody'))).toBeUndefined()
    await world.run(20_000)
    expect([aborted, world.attempts.length]).toEqual([1, 1])
    expect(await world.end(queue.look('runs'))).toMatchObject({ state: 'done' })
    expect(await world.end(queue.cancel('runs'))).toBe('done')
  })

  it('a dead letter waits again with all its attempts, or is forgotten', async () => {
    const world = new QueueWorld()
    world.options = { attemptsMax: 2, backoff: { baseMs: 100, capMs: 100 } }
    await world.start('a', 'b', 'c', 'd')
    world.answer = () => ({ kind: 'again', error: trouble() })
    await world.end(world.node('a').queue.add([world.item('one'), world.item('two')]))
    await world.run(2000)
    expect(world.attempts).toHaveLength(4)
    const { queue } = world.node('d')
    expect(await world.end(queue.replay('one'))).toBe(true)
    expect(await world.end(queue.remove('two'))).toBe(true)
    expect([await world.end(queue.remove('two')), await world.end(queue.replay('nobody'))]).toEqual([false, false])
    await world.run(2000)
    expect([world.attemptsOf('one').length, world.attemptsOf('two').length]).toEqual([4, 2])
    const dead = await world.end(queue.list({ kind: 'work', key: 'demo/', states: ['dead'] }))
    expect(dead.map(({ id }) => id)).toEqual(['one'])
  })
})
