import { expect, test } from 'vitest'
import { ShareRounds } from './share-rounds.ts'
import { Shares } from './shares.ts'
import type { WorkerProcess } from '../worker-process.ts'

/** A process that used what the test says. */
function workerOf(namespace: string | null) {
  let used = 0
  const weights: string[] = []
  const weigh = (weight: string) => weights.at(-1) === weight || weights.push(weight)
  const worker = { namespace, memory: { cpuMs: () => used }, weigh } as unknown as WorkerProcess
  return { worker, weights, use: (ms: number) => (used += ms) }
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

test('all workers of a namespace that computes go behind the others, its new ones when they are taken, and come back', () => {
  const { shares, rounds } = world()
  shares.use('calm')
  const [first, second, calm] = [workerOf('deadly'), workerOf('deadly'), workerOf('calm')]
  for (const { worker } of [first, second, calm]) rounds.began(worker)
  const workers = [first, second, calm].map((each) => each.worker)
  let now = 0
  const pass = (ms: number, cores: number) => {
    for (const end = now + ms; now < end; now += 100) {
      first.use(100 * cores)
      calm.use(2)
      rounds.round(workers, now)
    }
  }
  pass(1000, 1)
  const late = workerOf('deadly')
  rounds.began(late.worker)
  const spare = workerOf(null)
  rounds.round([...workers, spare.worker], (now += 100))
  expect([first, second, late, calm, spare].map((each) => each.weights)).toEqual([
    ['equal', 'behind'],
    ['equal', 'behind'],
    ['behind'],
    ['equal'],
    [],
  ])
  pass(60_000, 0)
  expect(first.weights).toEqual(['equal', 'behind', 'equal'])
})
