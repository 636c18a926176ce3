/** Topics on real nodes: who gets what is published through any of them, and what becomes of what nobody takes. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '#protocols/until'
import { connect, type Osiris } from '#sdk'
import type { RunningNode } from '#node/universe'
import { TestMesh } from './components.fixture.ts'

/** Remembers what it was given in the memory of its one instance: `call` reads it. */
const LISTENER = `const got = []
export default (event) => { if (event === undefined) return got; got.push(event); return null }`
const RELAY = `import { publish } from 'osiris/function'
export default { fetch() { return new Response('here') },
  async message(event, env, ctx) { ctx.waitUntil(publish('relayed', { was: event.data, attempt: event.attempt, group: event.group }, { key: event.key })) } }`
const FAILING = `export default (event) => { throw new Error('not ' + event.data) }`

let mesh: TestMesh
let router: RunningNode
let executor: RunningNode
let osiris: Osiris

beforeAll(async () => {
  mesh = await TestMesh.create()
  router = await mesh.add(['router', 'catalog', 'builder'])
  executor = await mesh.add(['executor'])
  osiris = await connect(router.http)
  const deploy = (name: string, source: string, config = {}) =>
    osiris.deploy({ namespace: 'demo', name, source, language: 'javascript', config })
  const scale = { max: 1 }
  await deploy('each', LISTENER, { subscribe: ['orders.*'], scale })
  await deploy('one', LISTENER, { subscribe: [{ topic: 'orders.**', group: 'team' }], scale })
  await deploy('other', LISTENER, { subscribe: [{ topic: 'orders.**', group: 'team' }], scale })
  await deploy('relay', RELAY, { subscribe: [{ topic: 'start', group: 'relays' }] })
  await deploy('end', LISTENER, { subscribe: ['relayed'], scale })
  await deploy('loop', `import { publish } from 'osiris/function'\nexport default () => publish('again', 1)`, { subscribe: ['again'] })
  await deploy('fails', FAILING, { subscribe: [{ topic: 'doomed', attempts: 2, backoff: '100ms' }] })
})
afterAll(() => mesh.stop())

const got = async (name: string) => (await osiris.call<{ id: string; data: unknown }[]>(`demo/${name}`)) ?? []

it('a message published through any node reaches each function, and one of each group', async () => {
  const ids: string[] = []
  for (const node of [router, executor]) {
    const through = await connect(node.http)
    for (let n = 0; n < 6; n++) {
      const { id, subscribers } = await through.publish('demo/orders.created', { n })
      expect(subscribers).toBe(2)
      ids.push(id)
    }
  }
  await until(async () => (await got('each')).length >= 12 && (await got('one')).length + (await got('other')).length >= 12, 15_000, 20)
  expect((await got('each')).map(({ id }) => id).toSorted()).toEqual(ids.toSorted())
  expect([...(await got('one')), ...(await got('other'))].map(({ id }) => id).toSorted()).toEqual(ids.toSorted())
  expect((await got('each'))[0]).toMatchObject({
    ...{ namespace: 'demo', topic: 'orders.created', attempt: 1, publishedBy: 'developer', publishedAt: expect.any(Number) },
    data: { n: expect.any(Number) },
  })
})

it('an id that comes again is the same message', async () => {
  const before = (await got('each')).length
  for (const node of [router, executor, router]) await (await connect(node.http)).publish('demo/orders.paid', 1, { id: 'order-7' })
  await until(async () => (await got('each')).length > before, 15_000, 20)
  await osiris.publish('demo/orders.last', 1)
  await until(async () => (await got('each')).some(({ data }) => data === 1) && (await got('each')).length >= before + 2, 15_000, 20)
  expect((await got('each')).filter(({ id }) => id === 'order-7').length).toBe(1)
})

it('what a message handler publishes goes on, with data, key and attempt as they were', async () => {
  await osiris.publish('demo/start', ['é', { deep: 1 }], { key: 'k' })
  await until(async () => (await got('end')).length > 0, 15_000, 20)
  expect(await got('end')).toMatchObject([
    { key: 'k', publishedBy: 'demo/relay for a topic', data: { was: ['é', { deep: 1 }], attempt: 1, group: 'relays' } },
  ])
})

it('a message that is never taken is a dead letter that can be shown, replayed and removed', async () => {
  const { id } = await osiris.publish('demo/doomed', 'today')
  const letters = () => osiris.topics.deadLetters('demo')
  await until(async () => (await letters()).some(({ message }) => message === id), 15_000, 20)
  const letter = (await letters()).find(({ message }) => message === id)!
  expect(letter).toMatchObject({ subscriber: 'demo/fails', topic: 'doomed', attempts: 2, error: { code: 'function_failed' } })
  expect(letter.error.message).toContain('not today')
  const through = await connect(executor.http)
  expect(await through.topics.deadLetter('demo', letter.id)).toMatchObject({ data: 'today', key: null })
  await through.topics.replay('demo', letter.id)
  await until(async () => ((await letters()).find((each) => each.id === letter.id)?.diedAt ?? 0) > letter.diedAt, 15_000, 20)
  await osiris.topics.remove('demo', letter.id)
  expect((await letters()).filter((each) => each.id === letter.id)).toEqual([])
  await expect(osiris.topics.replay('demo', letter.id)).rejects.toMatchObject({ code: 'not_found' })
  await expect(osiris.topics.deadLetter('other', letter.id)).rejects.toMatchObject({ code: 'not_found' })
})

it('a loop of topics ends, and says so', async () => {
  await osiris.publish('demo/again', 1)
  const loops = async () => (await osiris.topics.deadLetters('demo')).filter(({ topic }) => topic === 'again')
  await until(async () => (await loops()).length > 0, 20_000, 20)
  expect(await loops()).toMatchObject([{ subscriber: 'demo/loop', attempts: 1, error: { code: 'depth_exceeded' } }])
})

it('who may not publish, read or replay is told so at every node', async () => {
  for (const node of [router, executor]) {
    const headers = { origin: 'http://evil.example' }
    const post = (path: string) => fetch(node.http + path, { method: 'POST', body: '1', headers })
    expect((await post('/v1/topics/demo/orders.created')).status).toBe(403)
    expect((await fetch(`${node.http}/v1/topics/demo`, { headers })).status).toBe(403)
    expect((await post('/v1/topics/demo/dead/x/replay')).status).toBe(403)
  }
  await expect(osiris.publish('demo/osiris.function.published')).rejects.toMatchObject({ code: 'forbidden' })
  await expect(osiris.publish('demo/Orders')).rejects.toMatchObject({ code: 'invalid_argument' })
  await expect(osiris.publish('demo/orders.created', 'x'.repeat(300_000))).rejects.toMatchObject({ code: 'payload_too_large' })
})

it('who subscribes is listed', async () => {
  expect(await osiris.topics.subscriptions('demo')).toContainEqual({
    ...{ function: 'demo/one', topic: 'demo/orders.**', group: 'team', attempts: 8, backoffMs: 1000 },
  })
})
