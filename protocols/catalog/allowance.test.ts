import { expect, it } from 'vitest'
import { systemClock } from '#protocols/lifecycle'
import { Allowance } from './allowance.ts'

it('is spent, refilled as time passes, never beyond the burst, and each key has its own', () => {
  let nowMs = 0
  const allowance = new Allowance({ clock: { ...systemClock, monotonic: () => nowMs }, perSecond: 10, burst: 20 })
  expect(allowance.has('a')).toBe(true)
  allowance.spend('a', 30)
  expect([allowance.has('a'), allowance.has('b')]).toEqual([false, true])
  nowMs = 1000
  expect(allowance.has('a')).toBe(false)
  nowMs = 1001
  expect(allowance.has('a')).toBe(true)
  nowMs = 1_000_000
  allowance.spend('a', 19)
  expect(allowance.has('a')).toBe(true)
  allowance.spend('a', 1)
  expect(allowance.has('a')).toBe(false)
})
