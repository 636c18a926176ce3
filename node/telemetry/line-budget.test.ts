import { expect, it } from 'vitest'
import type { Clock } from '#protocols/lifecycle'
import { LINES_AT_ONCE, LINES_PER_SECOND, LineBudget } from './line-budget.ts'

function world() {
  let at = 0
  const timers = new Set<{ at: number; run: () => void }>()
  const clock: Clock = {
    now: () => at,
    monotonic: () => at,
    after(delayMs, run) {
      const timer = { at: at + delayMs, run }
      timers.add(timer)
      return () => timers.delete(timer)
    },
  }
  const told: [string, number][] = []
  const budget = new LineBudget(clock, (namespace, lines) => told.push([namespace, lines]))
  const pass = (ms: number) => {
    at += ms
    for (const timer of timers)
      if (timer.at <= at) {
        timers.delete(timer)
        timer.run()
      }
  }
  const flood = (lines: number, namespace = 'loud', characters = 10) =>
    Array.from({ length: lines }, () => budget.take(namespace, characters)).filter(Boolean).length
  return { budget, told, pass, flood, timers }
}

it('a namespace that floods is cut and counted, others are not', () => {
  const { told, pass, flood } = world()
  expect(flood(LINES_AT_ONCE + 500)).toBe(LINES_AT_ONCE)
  expect(flood(10, 'quiet')).toBe(10)
  pass(1000)
  expect(told).toEqual([['loud', 500]])
  expect(flood(LINES_PER_SECOND * 2)).toBe(LINES_PER_SECOND)
})

it('a line of 4 KiB counts as four', () => {
  const { pass, flood } = world()
  expect(flood(LINES_AT_ONCE, 'loud', 4096)).toBe(LINES_AT_ONCE / 4)
  pass(1000)
  expect(flood(LINES_PER_SECOND, 'loud', 4096)).toBe(LINES_PER_SECOND / 4)
})

it('nothing is kept of namespaces that are silent again', () => {
  const { timers, pass, flood } = world()
  flood(LINES_AT_ONCE + 1)
  for (let second = 0; second < 10; second++) pass(1000)
  expect(timers.size).toBe(0)
})
