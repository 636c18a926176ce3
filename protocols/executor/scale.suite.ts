/** What every executor promises about orders to keep instances. */
import { describe, expect, test } from 'vitest'
import type { FunctionRecord } from '#protocols/catalog'
import { until } from '#protocols/until'
import type { Executor, InstanceCount, ScaleOrder } from './executor.ts'
import { callOf, type Define, valueOf, type World } from './executor.world.ts'

export function orderOf({ namespace, name, version }: FunctionRecord, instances: number, lapseMs = 30_000): ScaleOrder {
  return { namespace, name, version, instances, lapseMs }
}

export function scaleTests({ world, executor }: { world: World; executor: () => Pick<Executor, 'invoke' | 'scale'> }): void {
  const define = (scale: NonNullable<Define['config']>['scale'] = {}) => world.define('export default () => 1', { config: { scale } })
  const settled = async (record: FunctionRecord, instances: number): Promise<InstanceCount> => {
    let count = await executor().scale(orderOf(record, instances))
    await until(async () => {
      count = await executor().scale(orderOf(record, instances))
      return count.ready === instances && count.starting === 0
    })
    return count
  }

  describe('orders to keep instances', () => {
    test('so many are ready without a call, and the first one finds them warm', async () => {
      const record = define()
      expect(await settled(record, 3)).toMatchObject({ version: record.version, ready: 3, kept: 3, running: 0, waiting: 0 })
      const outcome = await executor().invoke(callOf(record))
      expect(valueOf(outcome)).toBe(1)
      expect(outcome.meta.timing.cold).toBe(0)
    })
    test('fewer: those that are too many go; none: all go, and a call is served all the same', async () => {
      const record = define()
      await settled(record, 3)
      expect(await settled(record, 1)).toMatchObject({ ready: 1, kept: 1 })
      expect(await settled(record, 0)).toMatchObject({ ready: 0, kept: 0 })
      expect(valueOf(await executor().invoke(callOf(record)))).toBe(1)
    })
    test('more than the function may have are refused, and as many kept as it may', async () => {
      const record = define({ max: 2 })
      await expect(executor().scale(orderOf(record, 3))).rejects.toMatchObject({ code: 'overloaded', details: { limit: 'concurrency' } })
      expect(await settled(record, 2)).toMatchObject({ ready: 2, kept: 2 })
    })
    test('of a version that nobody published none can be kept', async () => {
      const order = { ...orderOf(define(), 1), version: 'f'.repeat(64) }
      await expect(executor().scale(order)).rejects.toMatchObject({ code: 'not_found' })
    })
    test('a version goes with its own name only', async () => {
      const record = define()
      await settled(record, 1)
      await expect(executor().scale({ ...orderOf(record, 1), name: define().name })).rejects.toMatchObject({ code: 'not_found' })
    })
  })
}
