import { expect, test } from 'vitest'
import { ShareRounds } from './share-rounds.ts'
import { Shares } from './shares.ts'
import type { WorkerProcess } from '../worker-process.ts'

/** A process that used what the test says. */
function workerOf(namespace: string) {
  let used = 0
  const worker = { namespace, memory: { cpuMs: () => used } } as unknown as WorkerProcess
  return { worker, use: (ms: number) => (used += ms) }
}

function world() {
  const shares = new Shares({ hostCores: 2, coresMax: 0.5, windowMs: 10_000 })
  return { shares, use: shares.use('deadly'), rounds: new ShareRounds(shares, 2, () => 0) }
}

test('workers that begin and end between two rounds are their namespace’s: whoever loses one with each call is throttled', () => {
  const { use, rounds } = world()
  for (let now = 0; now < 20_000; now += 100) {
    const { worker, use: compute } = workerOf('deadly')
    rounds.began(worker)
    compute(90)
    rounds.ended(worker, now + 50, false)
    rounds.round([], now + 99)
  }
  expect(use.throttledBy).toBe('namespaceCpu')
})

test('what a spare used before it had a namespace is nobody’s', () => {
  const { use, rounds } = world()
  const { worker, use: compute } = workerOf('deadly')
  compute(60_000)
  rounds.began(worker)
  rounds.round([worker], 1000)
  rounds.ended(worker, 1100, false)
  expect(use.slow.at(1100)).toBe(0)
})

test('whoever brings a worker down pays for its start', () => {
  const { use, rounds } = world()
  const { worker, use: compute } = workerOf('deadly')
  compute(150)
  rounds.began(worker)
  compute(50)
  rounds.ended(worker, 1000, true)
  expect(use.slow.at(1000) * 10_000).toBeCloseTo(200)
})
