import fc from 'fast-check'
import { expect, it } from 'vitest'
import { compareHlc, COUNTER_MAX, drifts, type Hlc, HLC_ZERO, observe, tick } from './hlc.ts'

const time = fc.record({ wallMs: fc.nat(1000), counter: fc.nat(COUNTER_MAX) })

it('property: a tick is later than everything seen, whatever the wall clock does', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(time, fc.nat(1000)), { maxLength: 50 }), (steps) => {
      let last: Hlc = HLC_ZERO
      for (const [seen, now] of steps) {
        const next = tick(observe(last, seen), now)
        expect(compareHlc(next, last)).toBeGreaterThan(0)
        expect(compareHlc(next, seen)).toBeGreaterThan(0)
        expect(next.counter).toBeLessThanOrEqual(COUNTER_MAX)
        last = next
      }
    }),
  )
})

it('a full counter moves on to the next millisecond', () => {
  expect(tick({ wallMs: 9, counter: COUNTER_MAX }, 5)).toEqual({ wallMs: 10, counter: 0 })
})

it('a time more than the bound ahead drifts, one behind never does', () => {
  expect(drifts({ wallMs: 1501, counter: 0 }, 1000)).toBe(true)
  expect(drifts({ wallMs: 1500, counter: 0 }, 1000)).toBe(false)
  expect(drifts({ wallMs: 0, counter: 9 }, 1000)).toBe(false)
})
