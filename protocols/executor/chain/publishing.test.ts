/** Functions that publish, on real workers: what leaves the node, under whose name, and what does not. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { OsirisError } from '#protocols/errors'
import type { FunctionConfig } from '#protocols/manifest'
import { callOf, serviceIn, valueOf, World } from '../executor.world.ts'
import type { PublishOut } from '../executor.ts'
import type { ExecutorService } from '../service.ts'

type Sent = { message: Parameters<PublishOut>[0]; from: Parameters<PublishOut>[1] }

const world = new World()
const sent: Sent[] = []
let refusal: OsirisError | undefined
let executor: ExecutorService
beforeAll(async () => {
  const publishOut: PublishOut = async (message, from) => {
    sent.push({ message, from })
    if (refusal !== undefined) throw refusal
    return { id: message.id ?? 'made-up' }
  }
  executor = serviceIn(world, { publishOut })
  await executor.start()
})
afterAll(() => executor.stop())

const define = (body: string, config: FunctionConfig = {}) =>
  world.define(`import { publish } from 'osiris/function'\nexport default ${body}`, { config })
/** Publishes what it is told, and says what came of it. */
const relay = define('(...args) => publish(...args).then((done) => done, (error) => [error.code ?? error.name, error.message])', {
  execution: { payload: '16MB' },
})
const run = async (args: unknown[], parts = {}) => valueOf(await executor.invoke(callOf(relay, args, parts)))

test('a message leaves under the name of the function the node runs there, with its caller, its depth and its trace', async () => {
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
  expect(await run(['orders.created', { n: [1, 'é'] }], { depth: 3, traceparent, caller: { subject: 'ada' } })).toEqual({ id: 'made-up' })
  expect(await run(['demo/orders.created', undefined, { id: 'm7', key: 'k' }])).toEqual({ id: 'm7' })
  const messages = sent.map(({ message: { data, ...message } }) => ({ ...message, data: Buffer.from(data).toString() }))
  expect(messages).toEqual([
    { namespace: 'demo', topic: 'orders.created', data: '{"n":[1,"é"]}', traceparent },
    { namespace: 'demo', topic: 'orders.created', data: 'null', id: 'm7', key: 'k' },
  ])
  expect(sent.map(({ from }) => from)).toEqual([
    { name: `demo/${relay.name}`, subject: 'ada', depth: 3 },
    { name: `demo/${relay.name}`, subject: 'test', depth: 0 },
  ])
})

test('what may not leave does not, and the function is told why', async () => {
  sent.length = 0
  const refused = async (...args: unknown[]) => ((await run(args)) as [string, string])[0]
  expect(await run(['shop/orders', 1])).toEqual([
    'forbidden',
    `Cannot publish to "shop/orders": "demo/${relay.name}" may publish to topics of its own namespace`,
  ])
  expect(await refused('a..b', 1)).toBe('invalid_argument')
  expect(await refused('x'.repeat(5_000_000), 1)).toBe('invalid_argument')
  expect(await refused('orders', 'x'.repeat(1_100_000))).toBe('payload_too_large')
  expect(await refused('orders', 1, { id: 7 })).toBe('invalid_argument')
  expect(await refused(7)).toBe('TypeError')
  const odd = define('() => Promise.all([() => {}, Symbol(), 1n].map((data) => publish("a", data).catch((e) => e.code ?? e.name)))')
  expect(valueOf(await executor.invoke(callOf(odd)))).toEqual(['invalid_argument', 'invalid_argument', 'TypeError'])
  expect(sent).toEqual([])
  await run(['orders', 1, { id: 'x'.repeat(5_000_000), key: 'y'.repeat(5_000_000) }])
  expect(sent.map(({ message }) => [message.id?.length, message.key?.length])).toEqual([[257, 257]])
})

test('a refusal of the router reaches the function, and ends its call where it is not caught', async () => {
  refusal = new OsirisError('quota_exceeded', 'Cannot publish: too much is waiting')
  expect(await run(['orders', 1])).toEqual(['quota_exceeded', 'Cannot publish: too much is waiting'])
  const careless = define('() => publish("orders", 1)')
  expect(await executor.invoke(callOf(careless))).toMatchObject({ kind: 'failed', error: { code: 'quota_exceeded' } })
  refusal = undefined
})

test('messages count among a call’s requests, with its fetches and calls', async () => {
  sent.length = 0
  const many = define(
    'async () => { let n = 0; try { for (;;) { await publish("a", n); n++ } } catch (error) { return [n, error.code] } }',
    {
      execution: { requests: 5 },
    },
  )
  expect(valueOf(await executor.invoke(callOf(many)))).toEqual([5, 'quota_exceeded'])
  expect(sent.length).toBe(5)
})

test('a getter of the options that throws rejects, and one that loops ends at the deadline', async () => {
  const throws = define('() => publish("a", 1, { get id() { throw new Error("mine") } }).catch((error) => error.message)')
  expect(valueOf(await executor.invoke(callOf(throws)))).toBe('mine')
  const loops = define('() => publish("a", 1, { get id() { for (;;); } })', { execution: { timeout: '200ms' } })
  expect(await executor.invoke(callOf(loops))).toMatchObject({ kind: 'failed', error: { code: 'deadline_exceeded' } })
})

test('names of some megabytes are refused like others that are none, and cost no worker', async () => {
  const record = world.define(
    `import { call, publish } from 'osiris/function'
    const huge = 'x'.repeat(5_000_000)
    export default () => Promise.all([call(huge + '/f'), publish(huge, 1)].map((each) => each.catch((error) => error.code)))`,
    { config: { calls: ['*'] } },
  )
  expect(valueOf(await executor.invoke(callOf(record)))).toEqual(['invalid_argument', 'invalid_argument'])
})
