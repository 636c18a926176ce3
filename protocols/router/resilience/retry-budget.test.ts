import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Purpose, RetryBudget } from './retry-budget.ts'

test('retries are a tenth of the calls, or ten in twenty seconds, whatever is asked for', () => {
  const check = fc.property(
    fc.array(fc.record({ calls: fc.nat({ max: 200 }), retries: fc.nat({ max: 200 }), afterMs: fc.nat({ max: 3000 }) }), { maxLength: 100 }),
    (steps) => {
      const budget = new RetryBudget()
      let [now, calls, taken] = [0, 0, 0]
      for (const step of steps) {
        now += step.afterMs
        for (let call = 0; call < step.calls; call++) budget.called()
        calls += step.calls
        for (let retry = 0; retry < step.retries; retry++) if (budget.take(now, 'failure')) taken++
      }
      expect(taken).toBeLessThanOrEqual(0.1 * calls + 10 * (1 + now / 10_000))
    },
  )
  fc.assert(check, { numRuns: 300 })
})
test('a few are always free, and come back with time', () => {
  const budget = new RetryBudget()
  const taken = (now: number) => Array.from({ length: 50 }, () => budget.take(now, 'failure')).filter(Boolean).length
  expect(taken(0)).toBe(10)
  expect(taken(9_999)).toBe(0)
  expect(taken(20_001)).toBe(10)
})
test('calls of an hour ago allow nothing now', () => {
  const budget = new RetryBudget()
  budget.take(0, 'failure')
  for (let call = 0; call < 36_000; call++) budget.called()
  // Ten a second, on average: a hundred in a window.
  expect(Array.from({ length: 500 }, () => budget.take(3_600_000, 'failure')).filter(Boolean)).toHaveLength(10)
})
test('hedges leave half of it to calls that failed, whatever is asked for first', () => {
  const purpose = fc.constantFrom<Purpose>('hedge', 'hedge', 'hedge', 'failure')
  const check = fc.property(fc.nat({ max: 3000 }), fc.array(purpose, { maxLength: 600 }), (calls, asked) => {
    const budget = new RetryBudget()
    for (let call = 0; call < calls; call++) budget.called()
    const allowed = Math.max(10, calls * 0.1)
    const taken = { hedge: 0, failure: 0 }
    let isRefused = false
    for (const each of asked) {
      const before = taken.hedge + taken.failure
      if (budget.take(0, each)) taken[each]++
      else isRefused ||= each === 'failure' && before < allowed
    }
    expect(isRefused).toBe(false)
    expect(taken.hedge).toBeLessThanOrEqual(Math.ceil(allowed / 2))
    expect(taken.hedge + taken.failure).toBeLessThanOrEqual(Math.ceil(allowed))
  })
  fc.assert(check, { numRuns: 300 })
})
