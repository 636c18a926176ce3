import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Timeouts } from './timeouts.ts'

const LIMITS_MS = 900_000

test('a timeout is never early, and late by no more than a sixteenth, 64 ms at most', () => {
  const ms = fc.double({ min: 0.1, max: LIMITS_MS, noNaN: true })
  const now = fc.double({ min: 0, max: 1e9, noNaN: true })
  fc.assert(
    fc.property(ms, now, (each, at) => {
      const { timeout = 0 } = new Timeouts().for(each, at)
      expect(Number.isInteger(timeout)).toBe(true)
      expect(timeout).toBeGreaterThanOrEqual(each)
      expect(timeout).toBeLessThanOrEqual(each + Math.max(1, Math.min(64, each / 16)) + 1)
    }),
  )
})

test('ten thousand calls leave few moments at which the thread of timeouts has to wake', () => {
  for (const [ms, most] of [
    [10_000, 160],
    [2000, 320],
  ] as const) {
    const timeouts = new Timeouts()
    const ends = new Set<number>()
    for (let now = 0.3; now < 10_000; now++) ends.add(Math.floor(now + (timeouts.for(ms, now).timeout ?? 0)))
    expect(ends.size).toBeLessThan(most)
  }
})

test('so many are outstanding at once, fewer at one moment; when their time has come there is room again', () => {
  const timeouts = new Timeouts()
  const given = (count: number, now: (index: number) => number) =>
    Array.from({ length: count }, (_, index) => timeouts.for(1000, now(index)).timeout).filter((each) => each !== undefined).length
  expect(given(5000, () => 500)).toBe(4096)
  expect(given(30_000, (index) => 600 + index / 100)).toBe(20_000 - 4096)
  expect(timeouts.for(1000, 1000)).toEqual({})
  expect(given(1, () => 2000)).toBe(1)
})
