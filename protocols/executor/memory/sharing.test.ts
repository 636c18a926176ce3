import fc from 'fast-check'
import { afterEach, expect, test, vi } from 'vitest'
import { systemClock } from '#protocols/lifecycle'
import type { FunctionRecord } from '#protocols/catalog'
import { until } from '#protocols/until'
import { callOf, responseOf, requestOf, serviceIn, valueOf, World } from '../executor.world.ts'
import type { InstanceSlot } from '../function-state.ts'
import type { ExecutorService } from '../service.ts'
import { DEFAULT_LIMITS } from '../limits/limits.ts'
import { toShare } from './sharing.ts'
import { confirmationMs } from '../watch.ts'

/** Who shares is looked at once a second, and a machine that is busy makes a small function look large: it is asked again. */
const SETTLED_MS = 20_000
vi.setConfig({ testTimeout: 30_000 })

const world = new World()
let executor: ExecutorService
const start = async (options: Parameters<typeof serviceIn>[1] = {}) => {
  executor = serviceIn(world, options)
  await executor.start()
}
afterEach(() => executor?.stop())

const call = async (record: FunctionRecord, ...args: unknown[]) => {
  const outcome = await executor.invoke(callOf(record, args))
  return { value: valueOf(outcome), cold: outcome.meta.timing.cold > 0 }
}
const define = (source: string, count: number) => Array.from({ length: count }, (_, n) => world.define(source.replaceAll('N', String(n))))
const demo = () => executor.status().workers.find((worker) => worker.namespace === 'demo')
/** Called, the last one last, until as many are together as are not left alone. */
const settle = async (records: FunctionRecord[], alone: number) => {
  await until(async () => {
    for (const record of records) await call(record)
    return demo()?.sharing === records.length - alone && demo()?.instances === records.length
  }, SETTLED_MS)
}

test('toShare() leaves the most recently used alone, and takes only what is idle and may share', () => {
  const slot = fc.record({
    id: fc.nat(),
    isShared: fc.boolean(),
    spoiled: fc.boolean(),
    state: fc.constantFrom('loading', 'ready', 'gone'),
    inFlight: fc.nat(1),
    lastUsedAt: fc.nat(100),
    fn: fc.record({ starting: fc.nat(1), sharesFrom: fc.constantFrom(0, 50, Number.POSITIVE_INFINITY) }),
  }) as fc.Arbitrary<unknown> as fc.Arbitrary<InstanceSlot>
  fc.assert(
    fc.property(fc.array(slot), fc.nat(100), fc.nat(5), (slots, now, aloneMax) => {
      const chosen = toShare(slots, now, aloneMax)
      const may = (each: InstanceSlot) => !each.isShared && !each.spoiled && each.state === 'ready' && each.fn.sharesFrom <= now
      const idle = slots.filter((each) => may(each) && each.inFlight === 0 && each.fn.starting === 0)
      const excess = Math.max(0, slots.filter(may).length - aloneMax)
      expect(chosen.length).toBe(Math.min(excess, idle.length))
      for (const each of chosen) expect(idle).toContain(each)
      const latest = Math.max(...chosen.map((each) => each.lastUsedAt))
      for (const each of idle.filter((other) => !chosen.includes(other))) expect(each.lastUsedAt).toBeGreaterThanOrEqual(latest)
    }),
  )
})

test('where a worker holds many functions, the least recently used share isolates; they stay warm and keep their own globals', async () => {
  await start({ limits: { aloneMax: 2, apartMs: 20 } })
  const records = define('globalThis.mine ??= []; export default (x) => { mine.push(N); return [[...new Set(mine)], x] }', 6)
  await settle(records, 2)
  for (const [n, record] of records.entries()) {
    const { value, cold } = await call(record, 'a')
    expect(cold).toBe(false)
    expect(value).toEqual([[n], 'a'])
  }
})

test('a web function, timers and what it logs work where it shares an isolate', async () => {
  await start({ limits: { aloneMax: 0, apartMs: 20 } })
  const [record] = define(
    'export default { async fetch(request) { await new Promise((r) => setTimeout(r, 5)); return new Response(await request.text(), { status: 201 }) } }',
    1,
  )
  const ask = async () =>
    responseOf(await executor.invoke(requestOf(record as FunctionRecord, { method: 'POST', body: Buffer.from('hi') })))
  expect((await ask()).text).toBe('hi')
  await until(() => demo()?.sharing === 1 && demo()?.instances === 1, SETTLED_MS)
  expect(await ask()).toMatchObject({ status: 201, text: 'hi' })
})

test('a function that becomes slow moves out, and its neighbours stay', async () => {
  await start({ limits: { aloneMax: 0, apartMs: 20 } })
  const records = define('export default (ms = 0) => { const end = Date.now() + ms; while (Date.now() < end); return N }', 3)
  await settle(records, 0)
  for (const ms of [40, 40]) expect((await call(records[0] as FunctionRecord, ms)).cold).toBe(false)
  await until(() => demo()?.instances === 2, SETTLED_MS)
  expect((await call(records[0] as FunctionRecord)).cold).toBe(true)
  expect(demo()?.sharing).toBeGreaterThanOrEqual(2)
  expect((await call(records[1] as FunctionRecord)).cold).toBe(false)
})

test('a function that keeps much moves out with those beside it, before it is too much', async () => {
  await start({ limits: { aloneMax: 0, apartMs: 20 } })
  const records = define('const kept = []; export default (mb = 0) => { kept.push(new Array(mb * 131072).fill(N)); return N }', 3)
  await settle(records, 0)
  expect((await call(records[0] as FunctionRecord, 45)).value).toBe(0)
  await until(() => demo()?.instances === 0, SETTLED_MS)
  for (const [n, record] of records.entries()) expect(await call(record)).toEqual({ value: n, cold: true })
})

test('a function that uses up the memory of a shared isolate is told so; the others start anew', async () => {
  await start({ limits: { aloneMax: 0, apartMs: 20 } })
  const records = define('const kept = []; export default (much) => { while (much) kept.push({ x: [kept.length] }); return N }', 3)
  await settle(records, 0)
  expect(await executor.invoke(callOf(records[1] as FunctionRecord, [true]))).toMatchObject({ error: { code: 'memory_exceeded' } })
  for (const [n, record] of records.entries()) expect((await call(record)).value).toBe(n)
})

test('a function that does not stop where it shares an isolate ends at its deadline, and its neighbours go on', async () => {
  await start({ limits: { aloneMax: 0, apartMs: 20 } })
  const records = define('export default (hang) => { while (hang); return N }', 3)
  await settle(records, 0)
  const deadlineAt = systemClock.monotonic() + 60
  expect(await executor.invoke(callOf(records[1] as FunctionRecord, [true], { deadlineAt }))).toMatchObject({
    error: { code: 'deadline_exceeded' },
  })
  for (const [n, record] of records.entries()) expect((await call(record)).value).toBe(n)
})

test('a worker held up by an open call is given time to confirm what was ended in it; one held up by what was ended is not', () => {
  const worker = (isHeld: boolean, calls: number, loading: number) => ({
    isHeld,
    calls: new Map(Array.from({ length: calls }, (_, n) => [n, {} as never])),
    loading,
  })
  const within = (...state: [boolean, number, number]) => confirmationMs(worker(...state), DEFAULT_LIMITS)
  expect([within(false, 1, 1), within(true, 0, 0)]).toEqual([200, 200])
  expect([within(true, 1, 0), within(true, 0, 1)]).toEqual([10_000, 10_000])
})

test('first calls that come without a pause put sharing off, not up', async () => {
  await start({ limits: { aloneMax: 0 } })
  let called = 0
  while (called < 200 && (demo()?.sharing ?? 0) === 0) await call(world.define(`export default () => ${++called}`))
  expect(called).toBeGreaterThan(1)
  expect(demo()?.sharing).toBeGreaterThan(0)
})

test('what is slow or large from the start is left alone', async () => {
  await start({ limits: { aloneMax: 0, apartMs: 20 } })
  const large = world.define('globalThis.kept = new Array(2e6).fill(1); export default () => kept.length')
  const own = world.define('export default () => 1', { config: { execution: { memory: '32MB' } } })
  const small = world.define('export default () => 2')
  for (const record of [large, own, small]) await call(record)
  await until(() => demo()?.sharing === 1 && demo()?.instances === 3, SETTLED_MS)
  for (const record of [large, own, small]) expect((await call(record)).cold).toBe(false)
})
