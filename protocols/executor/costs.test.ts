/** What calls cost, as their outcomes tell it, and the limit on processor time. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createEvents, type EventMap } from '#protocols/events'
import type { FailedOutcome, Outcome } from '#protocols/invocation'
import { bill } from './billing.ts'
import type { Call } from './call.ts'
import { callOf, type Define, requestOf, responseOf, serviceIn, valueOf, World } from './executor.world.ts'
import type { FunctionState } from './function-state.ts'
import { ticksOf } from './memory/memory-probe.ts'
import type { ExecutorService } from './service.ts'

const world = new World()
const events = createEvents()
let executor: ExecutorService
beforeAll(async () => {
  executor = serviceIn(world, { events })
  await executor.start()
})
afterAll(() => executor.stop())

const SPIN = 'const spin = (ms) => { const end = Date.now() + ms; while (Date.now() < end); };'
const run = (source: string, args: unknown[] = [], execution: NonNullable<Define['config']>['execution'] = {}) =>
  executor.invoke(callOf(world.define(SPIN + source, { config: { execution } }), args))
const failureOf = (outcome: Outcome): FailedOutcome => {
  if (outcome.kind !== 'failed') throw new Error(`it ended with a ${outcome.kind}`)
  return outcome
}
const CPU_LIMIT = { error: { code: 'quota_exceeded', details: { limit: 'cpu' } }, started: true }

describe('processor time', () => {
  test('of a call that computes is about its run, of one that waits about nothing', async () => {
    const { timing: busy } = (await run('export default () => spin(60)')).meta
    expect(busy.cpu).toBeGreaterThan(50)
    expect(busy.cpu).toBeLessThanOrEqual(busy.run + 1)
    const { timing: idle } = (await run('export default () => new Promise((done) => setTimeout(done, 150))')).meta
    // Nothing of the wait, however long the turns took.
    expect(idle.cpu).toBeLessThan(idle.run - 140)
  })
  test('is the sum of all turns of a call, timers and the body’s head included', async () => {
    const pause = 'const pause = () => new Promise((done) => setTimeout(done, 5));'
    const { timing } = (await run(`${pause} export default async () => { for (let i = 0; i < 5; i++) { spin(10); await pause() } }`)).meta
    expect(timing.cpu).toBeGreaterThan(45)
    const record = world.define(`${SPIN}export default { fetch() { spin(30); return new Response('x') } }`)
    const answer = await executor.invoke(requestOf(record))
    expect((await responseOf(answer)).text).toBe('x')
    expect(answer.meta.timing.cpu).toBeGreaterThan(25)
  })
  test('of calls that overlap in one instance goes to the one that computed', async () => {
    const record = world.define(`${SPIN}export default (ms, wait) => { spin(ms); return new Promise((done) => setTimeout(done, wait)) }`)
    valueOf(await executor.invoke(callOf(record, [0, 0])))
    const waiting = executor.invoke(callOf(record, [0, 300]))
    const computing = executor.invoke(callOf(record, [100, 1]))
    expect((await computing).meta.timing.cpu).toBeGreaterThan(90)
    expect((await waiting).meta.timing.cpu).toBeLessThan(60)
  })
  test.each([
    ['a loop', 'for (;;);'],
    ['a loop that only a kill ends', 'Array.prototype.reverse.call({ length: 2 ** 53 - 1 })'],
  ])('of %s is the deadline, within a tenth', async (_, body) => {
    const { error, meta } = failureOf(await run(`export default () => { ${body} }`, [], { timeout: '600ms' }))
    expect(error).toMatchObject({ code: 'deadline_exceeded', details: { limit: 'timeout' } })
    expect(meta.timing.cpu).toBeGreaterThan(540)
    expect(meta.timing.cpu).toBeLessThan(660)
  })
})

describe('execution.cpu', () => {
  const tight = { cpu: '100ms', timeout: '5s' }
  test.each([
    ['one long turn', 'export default () => { for (;;); }'],
    ['an endless chain of microtasks', 'export default async () => { for (;;) await 0 }'],
    ['many short turns', 'export default async () => { for (;;) { spin(8); await new Promise((done) => setTimeout(done, 1)) } }'],
    ['a timer that loops', 'export default () => new Promise(() => setTimeout(() => { for (;;); }, 5))'],
  ])('ends a call with %s long before its deadline', async (_, source) => {
    const outcome = failureOf(await run(source, [], tight))
    expect(outcome).toMatchObject(CPU_LIMIT)
    expect(outcome.error.message).toContain('100 ms (execution.cpu)')
    expect(outcome.meta.timing.cpu).toBeGreaterThan(80)
    expect(outcome.meta.timing.cpu).toBeLessThan(400)
  })
  test('counts computing, not waiting', async () => {
    expect(valueOf(await run('export default () => new Promise((done) => setTimeout(done, 300, 1))', [], tight))).toBe(1)
  })
  test('as long as the deadline or longer leaves the deadline as the answer', async () => {
    const outcome = failureOf(await run('export default () => { for (;;); }', [], { cpu: '5s', timeout: '150ms' }))
    expect(outcome.error.code).toBe('deadline_exceeded')
  })
  test('breaks a response off that computes too much while it streams', async () => {
    const source = `${SPIN}export default { fetch: () => new Response(new ReadableStream({ async pull(c) {
      spin(8); await new Promise((done) => setTimeout(done, 1)); c.enqueue(new Uint8Array(1)) } })) }`
    const outcome = await executor.invoke(requestOf(world.define(source, { config: { execution: tight } })))
    await expect(responseOf(outcome)).rejects.toMatchObject(CPU_LIMIT.error)
  })
})

describe('a cold start', () => {
  test('tells its parts once, to the call that waited for it', async () => {
    const record = world.define(`${SPIN}spin(20); export default () => 1`)
    const { timing } = (await executor.invoke(callOf(record))).meta
    const { artifact, isolate, compile, first } = timing.coldParts ?? { artifact: -1, isolate: -1, compile: -1, first: -1 }
    expect(first).toBeGreaterThan(15)
    expect(Math.min(artifact, isolate, compile)).toBeGreaterThanOrEqual(0)
    expect(artifact + isolate + compile + first).toBeLessThanOrEqual(timing.cold + 1)
    expect((await executor.invoke(callOf(record))).meta.timing).not.toHaveProperty('coldParts')
  })
})

describe('peak memory', () => {
  test('is that of the instance, and stays when the memory is free again', async () => {
    const record = world.define('export default (n) => { let kept = new Array(n).fill(0).map((_, i) => [i]); return kept.length }')
    const small = (await executor.invoke(callOf(record, [1]))).meta.peakMemoryBytes ?? 0
    expect(small).toBeGreaterThan(200_000)
    expect(small).toBeLessThan(8e6)
    // Quick turns are looked at every 256th time.
    for (let round = 0; round < 3; round++) await executor.invoke(callOf(record, [300_000]))
    const large = (await executor.invoke(callOf(record, [1]))).meta.peakMemoryBytes ?? 0
    expect(large).toBeGreaterThan(small + 5e6)
  })
})

test('an event tells what each call cost', async () => {
  const told: EventMap['call.finished'][] = []
  const stop = events.on('call.finished', (call) => told.push(call))
  const { meta } = await run('export default () => spin(20)')
  stop()
  expect(told).toMatchObject([{ namespace: 'demo', code: null, meta }])
})

describe('bill()', () => {
  const fn = {} as FunctionState
  const other = {} as FunctionState
  const call = (parts: Partial<Call>) =>
    ({ fn, startedAt: 1000, deadlineAt: 1300, cpuUs: 0, workerCpuMs: 50, unseenMs: 20, ...parts }) as Call
  const billed = (calls: Call[], cpuMs: number | undefined) => {
    bill({ calls: new Map(calls.map((each, id) => [id, each])), memory: { cpuMs: () => cpuMs } } as never, new Set([fn]), 1520)
    return calls.map((each) => each.cpuUs / 1000)
  }
  test('is the time to the deadline, for those who are to blame', () => {
    expect(billed([call({}), call({ fn: other, cpuUs: 7000 })], 550)).toEqual([300, 7])
    expect(billed([call({}), call({})], undefined)).toEqual([300, 300])
    expect(billed([call({ workerCpuMs: -1 }), call({})], 250)).toEqual([300, 110])
  })
  test('of several is never more than the process used', () => {
    expect(billed([call({}), call({})], 350)).toEqual([160, 160])
    expect(billed([call({}), call({})], 50)).toEqual([10, 10])
    expect(billed([call({}), call({})], 5000)).toEqual([300, 300])
  })
})

test('ticksOf() finds its fields behind whatever name a process has', () => {
  expect(ticksOf('12 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 700 55 0 0')).toBe(755)
  expect(ticksOf('')).toBe(0)
})
