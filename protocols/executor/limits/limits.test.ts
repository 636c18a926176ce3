/** The limits of a function: what it asks for, what it gets, and what a call that meets one is told. */
import { afterEach, describe, expect, test } from 'vitest'
import { createEvents } from '#protocols/events'
import type { LimitName, Outcome } from '#protocols/invocation'
import { functionConfigSchema, settingsOf } from '#protocols/manifest'
import { callOf, serviceIn, valueOf, World } from '../executor.world.ts'
import { limitsOf } from './function-limits.ts'
import { DEFAULT_LIMITS, type ExecutorLimits } from './limits.ts'
import type { ExecutorService } from '../service.ts'

const world = new World()
let executor: ExecutorService | undefined
afterEach(() => executor?.stop())

async function start(limits: Partial<ExecutorLimits> = {}) {
  const events = createEvents()
  const met: LimitName[] = []
  events.on('limit.hit', ({ limit }) => met.push(limit))
  const lines: string[] = []
  events.on('function.log', ({ text }) => lines.push(text))
  const callOut = async (): Promise<Outcome> => ({
    kind: 'value',
    value: Buffer.from('1'),
    meta: { version: '', node: '', hops: 0, timing: { route: 0, queue: 0, cold: 0, run: 0, cpu: 0 } },
  })
  executor = serviceIn(world, { events, limits, callOut })
  await executor.start()
  const run = (source: string, execution: object, args: unknown[] = []) =>
    (executor as ExecutorService).invoke(callOf(world.define(source, { config: { execution, calls: ['demo/*'] } }), args))
  return { run, met, lines }
}
const asked = (execution: object) => settingsOf(functionConfigSchema.parse({ execution })).execution

describe('limitsOf()', () => {
  test('is what a function asks for, else a default', () => {
    const limits = limitsOf(asked({ requests: 7, timers: 8, logs: '1KB', result: '2KB' }), DEFAULT_LIMITS)
    expect(limits).toMatchObject({ requestsMax: 7, timersMax: 8, logBytesMax: 1024, resultBytesMax: 2048, clamped: new Set() })
    const defaults = limitsOf(asked({ payload: '3KB' }), DEFAULT_LIMITS)
    expect(defaults).toMatchObject({
      requestsMax: 50,
      timersMax: 1000,
      logBytesMax: 262_144,
      resultBytesMax: 3072,
      timeoutMs: 10_000,
      cpuMs: 10_000,
    })
  })
  test('never exceeds what the operator allows, and knows where it was less than asked for', () => {
    const node = { ...DEFAULT_LIMITS, timeoutMsMax: 500, instanceMemoryMbMax: 32, requestsMax: 50 }
    const limits = limitsOf(asked({ timeout: '2s', memory: '64MB', requests: 50 }), node)
    expect(limits).toMatchObject({ timeoutMs: 500, memoryMbMax: 32, requestsMax: 50, clamped: new Set(['timeout', 'memory']) })
  })
})

test('settings that name none of the newer limits are what they were: a version keeps its digest', () => {
  expect(Object.keys(asked({}))).toEqual(['engine', 'timeoutMs', 'cpuMs', 'memoryMbMax', 'concurrencyMax', 'payloadBytesMax'])
})

describe('a call that meets', () => {
  const cases: [LimitName, string, object, unknown[], string][] = [
    ['timeout', 'export default () => { for (;;); }', { timeout: '60ms' }, [], 'deadline_exceeded'],
    ['cpu', 'export default () => { for (;;); }', { cpu: '40ms' }, [], 'quota_exceeded'],
    ['memory', 'export default () => { const a = []; for (;;) a.push({ a: a.length }) }', { memory: '16MB' }, [], 'memory_exceeded'],
    ['payload', 'export default () => 1', { payload: '10B' }, ['x'.repeat(20)], 'payload_too_large'],
    ['result', 'export default () => "x".repeat(20)', { result: '10B' }, [], 'result_too_large'],
    ['timers', 'export default () => { for (;;) setTimeout(() => {}, 1e6) }', { timers: 5 }, [], 'quota_exceeded'],
    [
      'requests',
      `import { call } from 'osiris/function'; export default async () => { for (;;) await call('demo/x') }`,
      { requests: 3 },
      [],
      'quota_exceeded',
    ],
  ]
  test.each(cases)('%s is told its code and the limit, and is counted once', async (limit, source, execution, args, code) => {
    const { run, met } = await start()
    expect(await run(source, execution, args)).toMatchObject({ kind: 'failed', error: { code, details: { limit } } })
    expect(met).toEqual([limit])
  })
  test('the operator’s maximum hears that it is the node that allows no more', async () => {
    const { run } = await start({ cpuMsMax: 40, requestsMax: 1 })
    const outcome = await run('export default () => { for (;;); }', { cpu: '5s' })
    expect(outcome).toMatchObject({ error: { message: expect.stringMatching(/40 ms \(execution\.cpu\).*more than this node allows/) } })
    const asks = `import { call } from 'osiris/function'; export default async () => { for (;;) await call('demo/x') }`
    const { error } = (await run(asks, { requests: 9 })) as { error: Error }
    expect(error.message.split('more than this node allows')).toHaveLength(2)
  })
  test('result names the limit it is', async () => {
    const { run } = await start()
    const outcome = await run('export default () => "x".repeat(20)', { result: '10B', payload: '1KB' })
    expect(outcome).toMatchObject({ error: { message: expect.stringContaining('longer than 10 bytes (execution.result)') } })
  })
  test('logs loses lines, no more, and the loss is told and counted', async () => {
    const { run, met, lines } = await start()
    const source = 'export default () => { for (let i = 0; i < 20; i++) console.log("é".repeat(50)); console.log(); return 1 }'
    expect(valueOf(await run(source, { logs: '1KB' }))).toBe(1)
    expect(met).toEqual(['logs'])
    const kept = lines.slice(0, -1)
    expect(Buffer.byteLength(kept.join(''))).toBeLessThanOrEqual(1024)
    expect(Buffer.byteLength(kept.join(''))).toBeGreaterThan(900)
    expect(lines.at(-1)).toBe(`${21 - kept.length} more lines were dropped`)
  })
  test('its own concurrency is refused at once, when its queue is full', async () => {
    const { run: _, met } = await start({ queueMax: 2, instancesMax: 1 })
    const wait = world.define('export default () => new Promise((done) => setTimeout(done, 60))', {
      config: { execution: { concurrency: 1 } },
    })
    const outcomes = await Promise.all(Array.from({ length: 4 }, () => (executor as ExecutorService).invoke(callOf(wait))))
    expect(outcomes.filter((each) => each.kind === 'failed').length).toBeGreaterThan(0)
    expect(new Set(met).size).toBe(1)
  })
})

test('a request is charged to the call that makes it, whoever else is open', async () => {
  const { run: _ } = await start()
  const record = world.define(
    `import { call } from 'osiris/function'
    export default async (n) => { let made = 0; try { for (; made < n; made++) await call('demo/x') } catch (error) { return [made, error.code, error.details.limit] } return made }`,
    { config: { execution: { requests: 4 }, calls: ['demo/*'] } },
  )
  const call = async (n: number) => valueOf(await (executor as ExecutorService).invoke(callOf(record, [n])))
  expect(await call(4)).toBe(4)
  expect(await call(5)).toEqual([4, 'quota_exceeded', 'requests'])
  expect(await Promise.all([call(3), call(3), call(2)])).toEqual([3, 3, 2])
})
