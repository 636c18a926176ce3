import { expect, test } from 'vitest'
import type { FunctionRecord } from '#protocols/catalog'
import { OsirisError } from '#protocols/errors'
import type { Clock } from '#protocols/lifecycle'
import { FakeCatalog } from '../router.world.ts'
import { AlwaysOn } from './always-on.ts'

/** A catalog with one function that is always on, on a peer that may be out of reach. */
function following() {
  const record = new FakeCatalog().add('demo', 'kept', { scale: { min: 1 } }).get({ namespace: 'demo', name: 'kept' }) as FunctionRecord
  const world = { now: 1_000_000, isAway: false, asked: 0 }
  const answer = async <T>(value: T): Promise<T> => {
    world.asked++
    if (world.isAway) throw new OsirisError('unavailable', 'Cannot ask: no member runs catalog')
    return value
  }
  const clock: Clock = { now: () => world.now, monotonic: () => world.now, after: (_, run) => (setImmediate(run), () => {}) }
  const catalog = { all: () => answer([record]), get: () => answer(record) }
  const alwaysOn = new AlwaysOn({ clock, catalog, scaleOf: ({ manifest }) => manifest.settings.scale })
  /** One round, and what it asked for. */
  const names = async (): Promise<string[]> => {
    alwaysOn.versions()
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    return alwaysOn.versions().map(({ name }) => name)
  }
  return { world, alwaysOn, names }
}

test('a catalog that cannot be asked is asked again five seconds later, and not before', async () => {
  const { world, names } = following()
  world.isAway = true
  expect([await names(), await names(), world.asked]).toEqual([[], [], 1])
  world.isAway = false
  world.now += 4999
  expect(await names()).toEqual([])
  world.now += 1
  expect(await names()).toEqual(['kept'])
})

test('a change that could not be asked about is found by listing again', async () => {
  const { world, alwaysOn, names } = following()
  expect(await names()).toEqual(['kept'])
  world.isAway = true
  alwaysOn.changed({ namespace: 'demo', name: 'kept' })
  await names()
  world.isAway = false
  const { asked } = world
  world.now += 5000
  await names()
  expect(world.asked).toBe(asked + 1)
})
