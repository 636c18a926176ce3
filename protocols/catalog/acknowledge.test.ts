import { expect, it } from 'vitest'
import { systemClock } from '#protocols/lifecycle'
import { majorityOf, spread } from './acknowledge.ts'

const never = () => new Promise<never>(() => {})
const common = { clock: systemClock, restMs: 20, timeoutMs: 60, counts: () => true }

it('a majority counts at most three', () => {
  expect([1, 2, 3, 4, 9].map(majorityOf)).toEqual([1, 2, 2, 2, 2])
})

it('all who answer in time are holders', async () => {
  const push = async (peer: string) => peer !== 'refuses'
  expect(await spread({ ...common, peers: ['a', 'refuses', 'b'], needed: 1, push })).toEqual(['a', 'b'])
  expect(await spread({ ...common, peers: [], needed: 0, push })).toEqual([])
})

it('once enough have it, the rest is waited for only so long', async () => {
  const from = performance.now()
  const push = (peer: string) => (peer === 'slow' ? never() : Promise.resolve(true))
  expect(await spread({ ...common, timeoutMs: 5000, peers: ['a', 'slow'], needed: 1, push })).toEqual(['a'])
  expect(performance.now() - from).toBeLessThan(1000)
})

it('without enough it waits until the time is up', async () => {
  const from = performance.now()
  expect(await spread({ ...common, peers: ['a', 'b'], needed: 1, push: never })).toEqual([])
  expect(performance.now() - from).toBeGreaterThan(50)
})

it('a quick peer that does not count does not end the wait', async () => {
  const push = (peer: string) =>
    peer === 'keeper' ? new Promise<boolean>((resolve) => systemClock.after(40, () => resolve(true))) : Promise.resolve(true)
  const counts = (peer: string) => peer === 'keeper'
  expect(
    await spread({ ...common, restMs: 5, timeoutMs: 5000, peers: ['quick', 'keeper', 'slow'].slice(0, 2), needed: 1, counts, push }),
  ).toEqual(['quick', 'keeper'])
})
