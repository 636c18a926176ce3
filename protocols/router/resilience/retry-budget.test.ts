import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { RetryBudget } from './retry-budget.ts'

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
        for (let retry = 0; retry < step.retries; retry++) if (budget.take(now)) taken++
      }
      expect(taken).toBeLessThanOrEqual(0.1 * calls + 10 * (1 + now / 10_000))
    },
  )
  fc.assert(check, { numRuns: 300 })
})
test('a few are always free, and come back with time', () => {
  const budget = new RetryBudget()
  const taken = (now: number) => Array.from({ length: 50 }, () => budget.take(now)).filter(Boolean).length
  expect(taken(0)).toBe(10)
  expect(taken(9_999)).toBe(0)
  expect(taken(20_001)).toBe(10)
})
test('calls of an hour ago allow nothing now', () => {
  const budget = new RetryBudget()
  budget.take(0)
  for (let call = 0; call < 36_000; call++) budget.called()
  // Ten a second, on average: a hundred in a window.
  expect(Array.from({ length: 500 }, () => budget.take(3_600_000)).filter(Boolean)).toHaveLength(10)
})
