import { setTimeout } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import type { FunctionRecord } from '#protocols/catalog'
import { until } from '#protocols/until'
import { callOf, serviceIn, valueOf, World } from './executor.world.ts'
import { wholeShare } from './keeping.ts'
import { orderOf } from './scale.suite.ts'
import type { ExecutorService } from './service.ts'

const world = new World()
const WAIT = 'export default (ms) => new Promise((resolve) => setTimeout(resolve, ms, ms))'
let executor: ExecutorService | undefined
const start = async (options: Parameters<typeof serviceIn>[1] = {}) => {
  executor = serviceIn(world, options)
  await executor.start()
  return executor
}
afterEach(() => executor?.stop())

const countOf = (service: ExecutorService, { version }: FunctionRecord) => service.instances().find((each) => each.version === version)
const readyAre = (service: ExecutorService, record: FunctionRecord, ready: number) =>
  until(() => (countOf(service, record)?.ready ?? 0) === ready)

describe('what is kept', () => {
  test('goes after its idle time once nobody orders it any more, and not while somebody does', async () => {
    const service = await start()
    const record = world.define(WAIT, { config: { scale: { idle: '1s' } } })
    await service.scale(orderOf(record, 2, 1500))
    await readyAre(service, record, 2)
    await setTimeout(1200)
    expect(countOf(service, record)).toMatchObject({ ready: 2 })
    await readyAre(service, record, 0)
  })
  test('is told of before what was only called, so that routers hear of it however much else is warm', async () => {
    const service = await start()
    const [called, kept] = [world.define(WAIT), world.define(WAIT)]
    await service.scale(orderOf(kept, 1))
    await readyAre(service, kept, 1)
    await service.invoke(callOf(called, [1]))
    expect(service.status().warm).toEqual([kept.version, called.version])
  })
  test('is started anew when its worker dies', async () => {
    const service = await start()
    const record = world.define(WAIT)
    await service.scale(orderOf(record, 1))
    await readyAre(service, record, 1)
    const { pid } = service.status().workers.find((each) => each.namespace === 'demo') as { pid: number }
    process.kill(pid, 'SIGKILL')
    await until(() => service.status().workers.every((each) => each.pid !== pid))
    await readyAre(service, record, 1)
    expect((await service.invoke(callOf(record, [1]))).meta.timing.cold).toBe(0)
  })
  test('that cannot be loaded is refused, and not tried again at once', async () => {
    const service = await start()
    const record = world.define('throw new Error("not today")\nexport default () => 1')
    await service.scale(orderOf(record, 1))
    await until(() => countOf(service, record)?.starting === 0)
    await expect(service.scale(orderOf(record, 1))).rejects.toMatchObject({ code: 'overloaded' })
    expect(countOf(service, record)).toMatchObject({ starting: 0, ready: 0 })
  })
  test('takes nobody’s memory: where there is none it is refused', async () => {
    const service = await start({ limits: { memoryMbMax: 64 }, spares: 0 })
    const record = world.define(WAIT)
    await expect(service.scale(orderOf(record, 1))).rejects.toMatchObject({ code: 'overloaded', details: { limit: 'memory' } })
  })
  test('that is too much goes with its calls, not before them', async () => {
    const service = await start()
    const record = world.define(WAIT, { config: { execution: { concurrency: 1 } } })
    await service.scale(orderOf(record, 3))
    await readyAre(service, record, 3)
    const calls = [1, 2, 3].map(() => service.invoke(callOf(record, [150])))
    await service.scale(orderOf(record, 0))
    expect((await Promise.all(calls)).map(valueOf)).toEqual([150, 150, 150])
    await service.scale(orderOf(record, 0))
    await readyAre(service, record, 0)
  })
})

describe('the part of a node', () => {
  test('bounds what runs there: beyond it calls wait, beyond the queue they are overloaded', async () => {
    const service = await start({ capacity: 10, limits: { queueMax: 4 } })
    const record = world.define(WAIT, { config: { scale: { max: 1 }, execution: { concurrency: 2 } } })
    await service.scale(orderOf(record, 1))
    await readyAre(service, record, 1)
    const calls = Array.from({ length: 5 }, () => service.invoke(callOf(record, [100])))
    const outcomes = await Promise.all(calls)
    expect(outcomes.map((each) => each.kind)).toEqual(['value', 'value', 'value', 'value', 'failed'])
    expect(outcomes[4]).toMatchObject({ started: false, error: { code: 'overloaded', details: { limit: 'concurrency' } } })
    expect(countOf(service, record)).toMatchObject({ ready: 1 })
  })
  test('may be nothing: calls are refused before they start, and what is there goes when it becomes nothing', async () => {
    let instancesMax = 2
    const service = await start({ shareOf: (record) => ({ ...wholeShare(record), instancesMax }) })
    const record = world.define(WAIT)
    expect(valueOf(await service.invoke(callOf(record, [1])))).toBe(1)
    instancesMax = 0
    service.rescale()
    await readyAre(service, record, 0)
    expect(await service.invoke(callOf(record, [1]))).toMatchObject({ started: false, error: { code: 'overloaded' } })
    instancesMax = 1
    service.rescale({ namespace: record.namespace, name: record.name })
    expect(valueOf(await service.invoke(callOf(record, [1])))).toBe(1)
  })
  test('short calls all go to one of them, calls that wait are spread over all', async () => {
    const service = await start()
    const record = world.define(
      `const me = crypto.randomUUID(); export default (ms) => (ms === 0 ? me : new Promise((resolve) => setTimeout(resolve, ms, me)))`,
    )
    await service.scale(orderOf(record, 3, 20_000))
    await readyAre(service, record, 3)
    const serving = async (ms: number) =>
      new Set((await Promise.all(Array.from({ length: 12 }, () => service.invoke(callOf(record, [ms]))))).map(valueOf)).size
    await until(async () => (await serving(0)) === 1)
    await serving(50)
    expect(await serving(50)).toBe(3)
    await until(async () => (await serving(0)) === 1)
  })
  test('says whether another call is best taken here: ready instances with fewer calls than their target', async () => {
    const service = await start()
    const record = world.define(WAIT, { config: { scale: { target: 2 } } })
    expect(service.hasRoom(record.version)).toBe(false)
    await service.scale(orderOf(record, 1))
    await readyAre(service, record, 1)
    expect(service.hasRoom(record.version)).toBe(true)
    const calls = [service.invoke(callOf(record, [100])), service.invoke(callOf(record, [100]))]
    expect(service.hasRoom(record.version)).toBe(false)
    await Promise.all(calls)
    expect(service.hasRoom(record.version)).toBe(true)
  })
})
