import { executorSuite } from './executor.suite.ts'
import { serviceIn } from './executor.world.ts'

executorSuite('the service', async (world) => {
  const executor = serviceIn(world)
  await executor.start()
  return { executor, stop: () => executor.stop() }
})
