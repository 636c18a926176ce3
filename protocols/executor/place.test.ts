import { expect, test } from 'vitest'
import { callOf, serviceIn, World } from './executor.world.ts'

test('a function that asks for more than this node is does not run here, whoever sent it', async () => {
  const world = new World()
  const record = world.define('export default () => 1', { config: { place: { labels: { gpu: true } } } })
  const plain = serviceIn(world)
  const refused = await plain.invoke(callOf(record))
  expect(refused).toMatchObject({ kind: 'failed', started: false, error: { code: 'unavailable' } })
  expect((refused as { error: Error }).error.message).toContain('it asks for')
  const labelled = serviceIn(world, { traits: { labels: { gpu: 'true' } }, spares: 0 })
  await labelled.start()
  expect(await labelled.invoke(callOf(record))).toMatchObject({ kind: 'value' })
  await labelled.stop()
})
