import { expect, test } from 'vitest'
import { callOf, serviceIn, valueOf, World } from './executor.world.ts'

test('results that a function may return cost it no worker, however many it returns', async () => {
  const world = new World()
  const executor = serviceIn(world, { spares: 0, walls: 'auto' })
  await executor.start()
  const record = world.define('export default () => "x".repeat(3_500_000)', {
    config: { execution: { memory: '64MB', payload: '4MB', timeout: '10s' } },
  })
  const pids = new Set<number>()
  const caller = async () => {
    for (let i = 0; i < 15; i++) {
      expect((valueOf(await executor.invoke(callOf(record))) as string).length).toBe(3_500_000)
      for (const worker of executor.status().workers) pids.add(worker.pid)
    }
  }
  await Promise.all([caller(), caller(), caller(), caller()])
  expect(pids.size).toBe(1)
  await executor.stop()
})
