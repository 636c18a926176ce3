import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ScaleSettings } from '#protocols/scale'
import { decide, DOWN_DELAY_MS, meanOf, memoryAt, PANIC_MS, type Sample, SAMPLE_MS, STABLE_MS } from './decide.ts'

const SETTINGS: ScaleSettings = { min: 0, max: 20, target: 10, idleMs: 300_000 }
/** Of a step, by hand: seconds at a concurrency. */
const steps = (...parts: [seconds: number, concurrency: number][]) => parts.flatMap(([seconds, each]) => Array<number>(seconds).fill(each))

/** Replays a series second by second; every instance that is wanted is ready at the next look. */
function replay(concurrencies: readonly number[], settings: Partial<ScaleSettings> = {}, ready = 0) {
  const all = { ...SETTINGS, ...settings }
  const series: Sample[] = []
  let memory = memoryAt(0, ready)
  let quietMs = 0
  let now = ready
  return concurrencies.map((concurrency, index) => {
    const nowMs = (index + 1) * SAMPLE_MS
    series.push({ atMs: nowMs, concurrency })
    quietMs = concurrency > 0 ? 0 : quietMs + SAMPLE_MS
    const decision = decide(all, { nowMs, series, ready: now, quietMs }, memory)
    memory = decision.memory
    now = decision.instances
    return decision
  })
}
const countsOf = (concurrencies: readonly number[], settings: Partial<ScaleSettings> = {}, ready = 0) =>
  replay(concurrencies, settings, ready).map((each) => each.instances)
const last = (counts: readonly number[]) => counts.at(-1)

describe('the mean over a window', () => {
  const series = [1, 2, 3, 4].map((concurrency, index) => ({ atMs: (index + 1) * 1000, concurrency }))
  test('takes what lies in the window, in part where the window begins inside', () => {
    expect(meanOf(series, 4000, 2000)).toBe(3.5)
    expect(meanOf(series, 4000, 1500)).toBeCloseTo((3 * 0.5 + 4) / 1.5)
    expect(meanOf(series, 4500, 1500)).toBe(4)
  })
  test('of a series younger than the window is over its age', () => {
    expect(meanOf(series, 4000, 60_000)).toBe(2.5)
    expect(meanOf(series.slice(0, 1), 1000, 60_000)).toBe(1)
    expect(meanOf([], 1000, 60_000)).toBe(0)
  })
})

describe('series', () => {
  test('constant load: as many as concurrency / target, at once and for good', () => {
    expect(new Set(countsOf(steps([300, 30.1])))).toEqual(new Set([3]))
    expect(new Set(countsOf(steps([300, 35])))).toEqual(new Set([4]))
    expect(new Set(countsOf(steps([300, 10])))).toEqual(new Set([1]))
    expect(new Set(countsOf(steps([300, 0.01])))).toEqual(new Set([1]))
  })
  test('a burst out of calm: panic within the short window, and not fewer for the long one after it', () => {
    const decisions = replay(steps([120, 5], [20, 100], [200, 5]))
    const counts = decisions.map((each) => each.instances)
    expect(counts[119]).toBe(1)
    // Two seconds of the burst are a third of the short window: 2 of 10, then more with each second.
    expect(decisions.findIndex((each) => each.isPanic)).toBeLessThan(122)
    expect(counts[126]).toBe(10)
    const rising = counts.slice(119, 140)
    expect(rising).toEqual(rising.toSorted((a, b) => a - b))
    expect(new Set(counts.slice(140, 180))).toEqual(new Set([10]))
    expect(last(counts)).toBe(1)
  })
  test('a ramp up and down is followed, without going back on the way up', () => {
    const up = Array.from({ length: 120 }, (_, second) => second)
    const counts = countsOf([...up, ...up.toReversed(), ...steps([120, 1])])
    const rising = counts.slice(0, 120)
    expect(rising).toEqual(rising.toSorted((a, b) => a - b))
    // The long window lags by half of its length: 90 of 119, or better where panic helped.
    expect(rising.at(-1)).toBeGreaterThanOrEqual(9)
    expect(last(counts)).toBe(1)
  })
  test('a sawtooth shorter than the windows gets one number, not an instance started and ended with every tooth', () => {
    const counts = countsOf(Array.from({ length: 600 }, (_, second) => (second % 20) * 2)).slice(60)
    expect(new Set(counts)).toEqual(new Set([4]))
  })
  test('one second that stands out is answered, and forgotten within two long windows', () => {
    const counts = countsOf(steps([60, 1], [1, 200], [150, 1]))
    expect(Math.max(...counts)).toBe(4)
    expect(counts[60 + (2 * STABLE_MS) / 1000]).toBe(1)
  })
  test('silence: everything stays until idle has passed, then nothing is left', () => {
    const counts = countsOf(steps([10, 35], [29, 0]), { idleMs: 30_000 })
    expect(last(counts)).toBe(4)
    expect(last(countsOf(steps([10, 35], [30, 0]), { idleMs: 30_000 }))).toBe(0)
    expect(last(countsOf(steps([10, 35], [30, 0]), { idleMs: 30_000, min: 2 }))).toBe(2)
  })
  test('always on is there without a call ever', () => {
    expect(countsOf(steps([3, 0]), { min: 3 })).toEqual([3, 3, 3])
  })
  test('calm goes down by halves once nobody wanted more for half a minute', () => {
    const counts = countsOf(steps([30, 160], [150, 1]))
    const falling = counts.slice(counts.lastIndexOf(16))
    expect(falling[0]).toBe(16)
    expect(falling.filter((count, index) => count < Math.floor((falling[index - 1] ?? 0) / 2))).toEqual([])
    expect(last(counts)).toBe(1)
  })
  test('a decider that knows nothing yet keeps what is there for a full window', () => {
    const counts = countsOf(steps([150, 5]), {}, 8)
    expect(new Set(counts.slice(0, STABLE_MS / 1000))).toEqual(new Set([8]))
    expect(last(counts)).toBe(1)
  })
})

describe('whatever the series', () => {
  const settings = fc.record({
    min: fc.integer({ min: 0, max: 5 }),
    max: fc.integer({ min: 5, max: 30 }),
    target: fc.integer({ min: 1, max: 50 }),
    idleMs: fc.integer({ min: 1000, max: 600_000 }),
  })
  const concurrencies = fc.array(
    fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 2000, noNaN: true })),
    { minLength: 1, maxLength: 150 },
  )
  const start = fc.integer({ min: 0, max: 30 })

  test('never under min, never over max, whole numbers only', () => {
    const check = fc.property(concurrencies, settings, start, (series, each, ready) => {
      for (const count of countsOf(series, each, ready))
        expect(Number.isInteger(count) && count >= each.min && count <= each.max).toBe(true)
    })
    fc.assert(check)
  })
  test('constant load ends at concurrency / target, and stays', () => {
    const check = fc.property(fc.double({ min: 0.001, max: 300, noNaN: true }), settings, start, (load, each, ready) => {
      const counts = countsOf(steps([260, load]), each, ready)
      const right = Math.min(each.max, Math.max(each.min, 1, Math.ceil(load / each.target - 0.05)))
      // Means of equal numbers differ from them in the last bit: on the boundary, either side of it is right.
      for (const count of counts.slice(-100))
        expect(Math.abs(count - right)).toBeLessThanOrEqual(isOnBoundary(load / each.target - 0.05) ? 1 : 0)
    })
    fc.assert(check, { numRuns: 50 })
  })
  test('no fall follows a rise within the delay, unless everything falls silent', () => {
    const check = fc.property(concurrencies, settings, (series, each) => {
      const counts = countsOf(series, each)
      const early = counts.filter((count, second) => {
        const recent = counts.slice(Math.max(0, second - DOWN_DELAY_MS / SAMPLE_MS + 1), second)
        const silence =
          series
            .slice(0, second + 1)
            .toReversed()
            .findIndex((one) => one > 0) * SAMPLE_MS
        const isSilent = silence < 0 || silence >= each.idleMs
        const rose = recent.findLastIndex((one, at) => at > 0 && one > (recent[at - 1] as number))
        return !isSilent && rose >= 0 && count < (counts[second - 1] as number)
      })
      expect(early).toEqual([])
    })
    fc.assert(check)
  })
  test('to min after idle, and never to nothing before', () => {
    const check = fc.property(concurrencies, settings, (series, each) => {
      const silence = Math.ceil(each.idleMs / SAMPLE_MS)
      expect(last(countsOf([...series, ...steps([silence, 0])], each))).toBe(each.min)
      expect(last(countsOf([...series, 1, ...steps([silence - 1, 0])], each))).toBeGreaterThan(0)
    })
    fc.assert(check, { numRuns: 30 })
  })
  test('in panic nothing falls', () => {
    const check = fc.property(concurrencies, settings, (series, each) => {
      const decisions = replay(series, { ...each, idleMs: 3_600_000 })
      const fallen = decisions.filter(({ instances, isPanic }, second) => {
        const before = decisions[second - 1]
        return isPanic && before?.isPanic === true && instances < before.instances
      })
      expect(fallen).toEqual([])
    })
    fc.assert(check)
  })
  test('a load that the short window shows twice over is met within it', () => {
    const check = fc.property(fc.integer({ min: 2, max: 20 }), (times) => {
      const counts = countsOf(steps([60, 9], [PANIC_MS / 1000, times * 10]))
      expect(last(counts)).toBe(times)
    })
    fc.assert(check)
  })
})

function isOnBoundary(instances: number): boolean {
  return Math.abs(instances - Math.round(instances)) < 1e-6
}
