/** Calls with a key on a mesh in memory: three routers, two executors that count. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Invocation, Outcome } from '#protocols/invocation'
import { systemClock } from '#protocols/lifecycle'
import { createMesh, type Mesh } from '../mesh.world.ts'
import { homesOf, seedOf } from '../placement.ts'
import { callerWith, callOf, requestOf } from '../router.world.ts'
import type { RouterService } from '../service.ts'
import { idOf, scopeOf } from './request.ts'

const ORIGIN = '10.0.0.1'

describe('calls with a key', () => {
  let world: Mesh
  beforeEach(async () => {
    world = await createMesh({ routers: 3, executors: 2 })
  })
  afterEach(() => world.stop())

  const starts = () => world.executors[0]?.started ?? 0
  const keyed = (key: string, parts: Partial<Invocation> = {}) => callOf('open', { idempotencyKey: key, origin: ORIGIN, ...parts })
  const args = (text: string) => ({ payload: { kind: 'call' as const, args: Buffer.from(text) } })
  const through = (index: number, call: Invocation) => (world.routers[index] as RouterService).invoke(call)
  const slow = (gate: Promise<unknown>) => {
    for (const each of world.executors)
      each.behave = async (_, meta) => {
        await gate
        return { kind: 'value', value: Buffer.from('"slow"'), meta }
      }
  }
  /** Names of routers in the order in which they keep the answer of `open`. */
  const keepersOf = (key: string) => {
    const id = idOf('demo', 'open', scopeOf({ subject: 'anonymous' }, ORIGIN), key)
    const routers = ['router-1', 'router-2', 'router-3'].map((name) => {
      const peer = world.networks.get(name)?.peer ?? ''
      return { name, seed: seedOf(peer) }
    })
    return homesOf(id, routers).map(({ name }) => name)
  }
  const routerAt = (name: string | undefined) => Number(name?.at(-1)) - 1
  const valueIn = (outcome: Outcome) => (outcome.kind === 'value' ? Buffer.from(outcome.value).toString() : error(outcome))
  const error = (outcome: Outcome) => (outcome.kind === 'failed' ? [outcome.error.code, outcome.started] : outcome.kind)

  test('are one call, through any router, and each is told its answer', async () => {
    const outcomes = []
    for (const index of [0, 1, 2, 0]) outcomes.push(await through(index, keyed('k', args('["once"]'))))
    expect(outcomes.map(valueIn)).toEqual(Array(4).fill('["once"]'))
    expect(starts()).toBe(1)
    await through(0, keyed('another'))
    expect(starts()).toBe(2)
  })
  test('do not tell again what was left of a quota then', async () => {
    const rateLimit = [{ name: 'calls', q: 5, w: 1, r: 4 }]
    for (const each of world.executors)
      each.behave = async (_, meta) => ({ kind: 'value', value: Buffer.from('1'), meta: { ...meta, rateLimit } })
    expect(await through(0, keyed('k'))).toMatchObject({ meta: { rateLimit } })
    expect(await through(1, keyed('k'))).not.toHaveProperty('meta.rateLimit')
  })
  test('a second one waits for the first', async () => {
    const gate = Promise.withResolvers<void>()
    slow(gate.promise)
    const all = [0, 1, 2, 1].map((index) => through(index, keyed('k')))
    await expect.poll(starts).toBe(1)
    gate.resolve()
    expect((await Promise.all(all)).map(error)).toEqual(Array(4).fill('value'))
    expect(starts()).toBe(1)
  })
  test('one that waits is told at its own deadline that the first still runs', async () => {
    const gate = Promise.withResolvers<void>()
    slow(gate.promise)
    const first = through(0, keyed('k'))
    await expect.poll(starts).toBe(1)
    const second = await through(1, keyed('k', { deadlineAt: systemClock.monotonic() + 100 }))
    expect(error(second)).toEqual(['deadline_exceeded', true])
    gate.resolve()
    expect(error(await first)).toBe('value')
  })
  test('whose body does not come end at their deadline', async () => {
    async function* body() {
      yield Buffer.from('x')
      await new Promise(() => {})
    }
    const post = requestOf('POST', 'http://shop.example.org/items/1', { body: body() })
    const outcome = await through(0, keyed('k', { ...post, deadlineAt: systemClock.monotonic() + 100 }))
    expect([error(outcome), starts()]).toEqual([['deadline_exceeded', false], 0])
  })
  test('with another body are a conflict', async () => {
    await through(0, keyed('k', args('[1]')))
    expect(error(await through(1, keyed('k', args('[2]'))))).toEqual(['conflict', false])
    expect(starts()).toBe(1)
  })
  test('of other callers are other calls: by token, and without one by where they are', async () => {
    await through(0, keyed('k', args('["mine"]')))
    const elsewhere = await through(0, keyed('k', { ...args('["yours"]'), origin: '10.0.0.2' }))
    expect(valueIn(elsewhere)).toBe('["yours"]')
    const ada = await callerWith('demo')
    expect(error(await through(0, keyed('k', { ...args('["hers"]'), caller: ada })))).toBe('value')
    // A renewed token is the same caller's, wherever she is.
    const again = await through(1, keyed('k', { ...args('["hers"]'), caller: await callerWith('demo'), origin: '10.0.0.9' }))
    expect(valueIn(again)).toBe('["hers"]')
    expect(starts()).toBe(3)
  })
  test('a client without roles speaks for itself, whatever origin it names', async () => {
    await through(0, keyed('k', args('["mine"]')))
    expect(await world.client.invoke(keyed('k', args('["mine"]')))).toMatchObject({ kind: 'value' })
    expect(starts()).toBe(2)
  })
  test('go on when their caller leaves, so that who asks again gets the answer', async () => {
    const gate = Promise.withResolvers<void>()
    slow(gate.promise)
    const abort = new AbortController()
    const first = through(0, keyed('k', { signal: abort.signal }))
    await expect.poll(starts).toBe(1)
    abort.abort()
    gate.resolve()
    await first
    expect(error(await through(1, keyed('k')))).toBe('value')
    expect(world.executors.flatMap((each) => each.aborted)).toEqual([])
    expect(starts()).toBe(1)
  })
  test('that were not started may be, under the same key', async () => {
    const { OsirisError } = await import('#protocols/errors')
    for (const each of world.executors) each.refuse = () => new OsirisError('overloaded', 'Cannot run: full')
    expect(error(await through(0, keyed('k')))).toEqual(['overloaded', false])
    for (const each of world.executors) each.refuse = undefined
    expect(error(await through(1, keyed('k')))).toBe('value')
  })
  test('a keeper that is lost takes no answer along', async () => {
    const [keeper, next, other] = keepersOf('k')
    await through(routerAt(other), keyed('k', args('["kept"]')))
    await world.mesh.kill(keeper as string)
    await expect.poll(() => world.networks.get(other as string)?.members.withRole('router').length, { timeout: 8000 }).toBe(1)
    for (const name of [other, next]) expect(valueIn(await through(routerAt(name), keyed('k', args('["kept"]'))))).toBe('["kept"]')
    expect(starts()).toBe(1)
  }, 15_000)
  test('a keeper that is lost while the call runs: outcome_unknown, and no second start', async () => {
    const [keeper, next, other] = keepersOf('k')
    slow(new Promise(() => {}))
    const first = through(routerAt(other), keyed('k'))
    await expect.poll(starts).toBe(1)
    await world.mesh.kill(keeper as string)
    expect(error(await first)).toEqual(['outcome_unknown', true])
    await expect.poll(() => world.networks.get(other as string)?.members.withRole('router').length, { timeout: 8000 }).toBe(1)
    for (const name of [other, next]) expect(error(await through(routerAt(name), keyed('k')))).toEqual(['outcome_unknown', true])
    expect(starts()).toBe(1)
  }, 15_000)
  test('answers of web functions are kept whole, and large ones pass once', async () => {
    const post = (key: string, body: string) =>
      callOf('', {
        ...requestOf('POST', 'http://shop.example.org/items/1', { body: Buffer.from(body) }),
        idempotencyKey: key,
        origin: ORIGIN,
      })
    const text = async (outcome: Outcome) => {
      if (outcome.kind !== 'response') return error(outcome)
      const chunks: Uint8Array[] = []
      if (outcome.body instanceof Uint8Array) chunks.push(outcome.body)
      else for await (const chunk of outcome.body ?? []) chunks.push(chunk)
      return Buffer.concat(chunks).toString()
    }
    expect(await text(await through(0, post('small', 'hello')))).toBe('hello')
    expect(await text(await through(1, post('small', 'hello')))).toBe('hello')
    expect(starts()).toBe(1)
    const large = 'x'.repeat(1024 * 1024)
    for (const each of world.executors)
      each.behave = async (_, meta) => ({ kind: 'response', status: 200, headers: [], body: Buffer.from(`${large}y`), meta })
    expect(await text(await through(0, post('large', '')))).toBe(`${large}y`)
    expect(await text(await through(2, post('large', '')))).toEqual(['conflict', false])
    expect(starts()).toBe(2)
  })
  test('only a router has another remember anything', async () => {
    const { COPY_PROTOCOL, encodeNote } = await import('./messages.ts')
    const digest = 'a'.repeat(64)
    const note = encodeNote({ do: 'begin', id: digest, namespace: 'demo', digest, restMs: 1000 })
    const ask = (name: string) =>
      world.networks.get(name)?.request(world.networks.get('router-1')?.peer ?? '', COPY_PROTOCOL, note, { timeoutMs: 2000 })
    await expect(ask('client')).rejects.toMatchObject({ code: 'forbidden' })
    await expect(ask('executor-1')).rejects.toMatchObject({ code: 'forbidden' })
    await expect(ask('router-2')).resolves.toBeDefined()
  })
})
