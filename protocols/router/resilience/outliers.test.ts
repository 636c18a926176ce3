import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { emptySample, isSlow, note, referenceOf, type Sample, verdictOf } from './outliers.ts'

const sampleOf = (...times: number[]): Sample => {
  const sample = emptySample()
  for (const each of times) note(sample, each, false)
  return sample
}
const failing = (calls: number, share: number): Sample => {
  const sample = emptySample()
  for (let call = 0; call < calls; call++) note(sample, 1, call / calls < share)
  return sample
}

describe('verdictOf()', () => {
  test('four slow calls in a row, against the median of the others', () => {
    const others = [sampleOf(5, 5, 5), sampleOf(6, 6, 6)]
    expect(verdictOf(sampleOf(100, 100, 100), [], others)).toBeUndefined()
    expect(verdictOf(sampleOf(100, 100, 100, 100), [], others)).toBe('slow')
    expect(verdictOf(sampleOf(100, 100, 5, 100, 100), [], others)).toBeUndefined()
  })
  test('a call that has not ended counts once it is late', () => {
    const others = [sampleOf(5), sampleOf(6)]
    expect(verdictOf(sampleOf(), [30, 30, 30, 30], others)).toBeUndefined()
    expect(verdictOf(sampleOf(), [3000, 2000, 1000, 100], others)).toBe('slow')
    expect(verdictOf(sampleOf(100, 100), [2000, 1000, 1], others)).toBe('slow')
  })
  test('nobody is slow where nobody is faster', () => {
    const check = fc.property(fc.double({ min: 0, max: 1e6, noNaN: true }), fc.integer({ min: 0, max: 8 }), (ms, count) => {
      const same = () => sampleOf(ms, ms, ms, ms, ms)
      expect(verdictOf(same(), [ms, ms, ms, ms], Array.from({ length: count }, same))).toBeUndefined()
    })
    fc.assert(check)
  })
  test('one member that answers at once makes nobody slow where there is a second opinion', () => {
    const check = fc.property(fc.double({ min: 0, max: 1e6, noNaN: true }), (ms) => {
      const honest = sampleOf(ms, ms, ms, ms, ms)
      expect(verdictOf(honest, [], [sampleOf(0, 0, 0, 0, 0), sampleOf(ms, ms)])).toBeUndefined()
    })
    fc.assert(check)
  })
  test('failing is who fails half of the time more often than the others', () => {
    expect(verdictOf(failing(10, 1), [], [failing(10, 0), failing(10, 0)])).toBe('failing')
    expect(verdictOf(failing(10, 1), [], [failing(10, 1), failing(10, 1)])).toBeUndefined()
    expect(verdictOf(failing(4, 1), [], [failing(10, 0), failing(10, 0)])).toBeUndefined()
    expect(verdictOf(failing(10, 1), [], [])).toBeUndefined()
  })
  test('of two references the slower counts, and nothing where there is none', () => {
    expect(referenceOf([sampleOf(5), sampleOf(50)])).toBe(50)
    expect(referenceOf([sampleOf(5), sampleOf(50), sampleOf(7)])).toBe(7)
    expect(referenceOf([emptySample()])).toBeUndefined()
    expect([isSlow(37, 5), isSlow(38, 5)]).toEqual([false, true])
  })
})
