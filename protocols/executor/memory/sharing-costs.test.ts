/** What calls cost, and where their processor time ends, for functions that share an isolate. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { FunctionRecord } from '#protocols/catalog'
import { until } from '#protocols/until'
import { callOf, serviceIn, World } from '../executor.world.ts'
import type { ExecutorService } from '../service.ts'

const world = new World()
let executor: ExecutorService
let records: FunctionRecord[]
const SOURCE = `const spin = (ms) => { const end = Date.now() + ms; while (Date.now() < end); }
  export default async (turns, ms, wait) => {
    for (let turn = 0; turn < turns; turn++) { spin(ms); if (wait) await new Promise((done) => setTimeout(done, wait)) }
    return N }`
const call = (n: number, ...args: number[]) => executor.invoke(callOf(records[n] as FunctionRecord, args))
let namespaces = 0
/** New ones each time: what was slow once has to be alone for long. */
const together = async (cpu = '150ms') => {
  const namespace = `shared-${++namespaces}`
  const config = { execution: { cpu, timeout: '5s' } }
  records = [0, 1, 2].map((n) => world.define(`${SOURCE.replace('N', String(n))} // ${namespace}`, { namespace, config }))
  await until(async () => {
    for (const n of records.keys()) await call(n, 1, 0, 0)
    const worker = executor.status().workers.find((each) => each.namespace === namespace)
    return worker?.sharing === records.length && worker.instances === records.length
  }, 30_000)
}

beforeAll(async () => {
  executor = serviceIn(world, { limits: { aloneMax: 0, apartMs: 20 } })
  await executor.start()
})
afterAll(() => executor.stop())

test('processor time is that of the one who computed, not of neighbours whose calls are open meanwhile', async () => {
  await together('3s')
  const waiting = call(0, 1, 0, 200)
  const computing = call(1, 1, 800, 1)
  expect((await computing).meta.timing.cpu).toBeGreaterThan(790)
  // Half of it would be its part of what is nobody's. Its own turns are counted with what they wait for a processor.
  expect((await waiting).meta.timing.cpu).toBeLessThan(300)
}, 60_000)

test.each([
  ['one long turn', [1, 3000, 0]],
  ['many short turns', [500, 8, 1]],
])(
  'execution.cpu ends a call of %s, and no neighbour’s',
  async (_, args) => {
    await together()
    const waiting = call(0, 1, 0, 100)
    const outcome = await call(1, ...args)
    expect(outcome).toMatchObject({ error: { code: 'quota_exceeded', details: { limit: 'cpu' } } })
    expect(outcome.meta.timing.cpu).toBeGreaterThan(120)
    expect(outcome.meta.timing.cpu).toBeLessThan(2000)
    expect(await waiting).toMatchObject({ kind: 'value' })
  },
  60_000,
)

test('the peak, looked at every 256th call, is that of all in the isolate: no more than they may hold together', async () => {
  await together()
  for (let round = 0; round < 8; round++) await Promise.all(Array.from({ length: 40 }, () => call(2, 1, 0, 0)))
  const { peakMemoryBytes } = (await call(2, 1, 0, 0)).meta
  expect(peakMemoryBytes).toBeGreaterThan(200_000)
  expect(peakMemoryBytes).toBeLessThan(40 * 1024 * 1024)
}, 60_000)
