import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import type { Invocation, Outcome } from '#protocols/invocation'
import { systemClock } from '#protocols/lifecycle'
import { judge } from './admission.ts'
import { callOf, serviceIn, valueOf, World } from './executor.world.ts'
import type { ExecutorService } from './service.ts'

const world = new World()
const WAIT = 'export default (ms) => new Promise((resolve) => setTimeout(resolve, ms, ms))'
let executor: ExecutorService | undefined
const start = async (options: Parameters<typeof serviceIn>[1]) => {
  executor = serviceIn(world, options)
  await executor.start()
  return executor
}
afterEach(() => executor?.stop())

test('judge() never lets more run, or wait, than the limits say', () => {
  const count = fc.nat(20)
  fc.assert(
    fc.property(
      count,
      count,
      count,
      count,
      count,
      count,
      count,
      (capacity, queueMax, running, waiting, fnRunning, fnWaiting, runningMax) => {
        const holds = {
          run: running < capacity && fnRunning < runningMax && fnWaiting === 0,
          wait: waiting < queueMax,
          refuse: waiting >= queueMax || fnWaiting >= Math.max(1, Math.floor(queueMax / 2)),
        }
        return holds[judge({ capacity, queueMax }, running, waiting, { running: fnRunning, waiting: fnWaiting, runningMax })]
      },
    ),
  )
})

test('a full queue refuses at once, and everybody let in is answered', async () => {
  const executor = await start({ capacity: 2, limits: { queueMax: 4 } })
  const record = world.define(WAIT)
  const outcomes: Outcome[] = []
  await Promise.all(Array.from({ length: 10 }, async () => outcomes.push(await executor.invoke(callOf(record, [100])))))
  const refused = outcomes.filter((outcome) => outcome.kind === 'failed')
  expect(outcomes.length - refused.length).toBeGreaterThanOrEqual(2)
  expect(outcomes.slice(0, refused.length)).toEqual(refused)
  for (const outcome of refused) expect(outcome).toMatchObject({ error: { code: 'overloaded' }, started: false })
  expect(executor.status()).toMatchObject({ inFlight: 0, queued: 0 })
})

test('a call that waits past its deadline ends without having started', async () => {
  const executor = await start({ capacity: 1 })
  const record = world.define(WAIT)
  await executor.invoke(callOf(record, [1]))
  const long = executor.invoke(callOf(record, [400]))
  const outcome = await executor.invoke(callOf(record, [1], { deadlineAt: systemClock.monotonic() + 100 }))
  expect(outcome).toMatchObject({ kind: 'failed', error: { code: 'deadline_exceeded' }, started: false })
  expect(valueOf(await long)).toBe(400)
})

test('calls beyond an instance’s concurrency start another instance, up to its limit', async () => {
  const executor = await start({ limits: { instancesMax: 3 } })
  const record = world.define(
    `let running = 0, most = 0
    export default async (ms) => { most = Math.max(most, ++running); await new Promise((r) => setTimeout(r, ms)); running--; return most }`,
    { config: { execution: { concurrency: 2 } } },
  )
  const values = await Promise.all(Array.from({ length: 8 }, async () => valueOf(await executor.invoke(callOf(record, [60])))))
  expect(Math.max(...(values as number[]))).toBeLessThanOrEqual(2)
  expect(executor.status().workers.find((worker) => worker.namespace === 'demo')?.instances).toBe(3)
})

test('a caller that leaves the queue frees its place', async () => {
  const executor = await start({ capacity: 1 })
  const record = world.define(WAIT)
  await executor.invoke(callOf(record, [1]))
  const left = new AbortController()
  const long = executor.invoke(callOf(record, [100]))
  const waiting = executor.invoke(callOf(record, [1], { signal: left.signal }))
  expect(executor.status().queued).toBe(1)
  left.abort()
  expect(await waiting).toMatchObject({ kind: 'failed', started: false })
  expect(executor.status().queued).toBe(0)
  await long
})

test('a chain of calls is refused beyond its depth', async () => {
  const executor = await start({})
  const record = world.define('export default () => 1')
  expect(await executor.invoke(callOf(record, [], { depth: 17 }))).toMatchObject({ error: { code: 'depth_exceeded' }, started: false })
})

test('a function calls another on its caller’s account, one deeper, and only those it names', async () => {
  const seen: Invocation[] = []
  const executor = await start({
    callOut: (invocation) => {
      seen.push(invocation)
      return Promise.resolve({
        kind: 'value',
        value: Buffer.from('{"b":2}'),
        meta: { version: '', node: '', hops: 0, timing: { route: 0, queue: 0, cold: 0, run: 0, cpu: 0 } },
      })
    },
  })
  const source = `import { call } from 'osiris/function'
    export default async (ref) => { try { return await call(ref, 1, 'x') } catch (error) { return [error.name, error.code] } }`
  const record = world.define(source, { config: { calls: ['demo/*'] } })
  const caller = { subject: 'ada', token: 'hers' }
  expect(valueOf(await executor.invoke(callOf(record, ['demo/other'], { caller, depth: 3 })))).toEqual({ b: 2 })
  expect(seen[0]).toMatchObject({ target: { namespace: 'demo', name: 'other' }, caller, depth: 4 })
  expect(seen[0]?.payload).toEqual({ kind: 'call', args: Buffer.from('[1,"x"]') })
  expect(valueOf(await executor.invoke(callOf(record, ['secret/other'], { caller })))).toEqual(['OsirisError', 'forbidden'])
  expect(valueOf(await executor.invoke(callOf(record, ['demo/other'], { caller, depth: 16 })))).toEqual(['OsirisError', 'depth_exceeded'])
})

test('one instance of a function that calls others never serves two callers at once', async () => {
  const executor = await start({})
  const record = world.define(WAIT, { config: { calls: ['demo/*'] } })
  await Promise.all(
    ['ada', 'bob'].map(async (token) => valueOf(await executor.invoke(callOf(record, [50], { caller: { subject: token, token } })))),
  )
  expect(executor.status().workers.find((worker) => worker.namespace === 'demo')?.instances).toBe(2)
})

test('arguments too large for a call of another function are refused inside, and a refusal that is not caught reads as it is', async () => {
  const executor = await start({})
  const source = `import { call } from 'osiris/function'
    export default async (ref, size) => { try { return await call(ref, 'x'.repeat(size)) } catch (error) { if (size < 10) throw error; return error.code } }`
  const record = world.define(source, { config: { calls: ['demo/*'] } })
  expect(valueOf(await executor.invoke(callOf(record, ['demo/other', 4_000_000])))).toBe('payload_too_large')
  expect(await executor.invoke(callOf(record, ['secret/other', 1]))).toMatchObject({
    error: { code: 'forbidden', message: expect.stringMatching(/^Cannot call "secret\/other"/) },
  })
})
