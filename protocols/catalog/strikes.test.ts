import { expect, it } from 'vitest'
import type { Clock } from '#protocols/lifecycle'
import { Strikes, STRIKES_MAX } from './strikes.ts'

it('who has too much refused within a second is not looked at until it is over; others are', () => {
  const time = { ms: 0 }
  const clock: Clock = { now: () => time.ms, monotonic: () => time.ms, after: () => () => {} }
  const strikes = new Strikes(clock)
  for (let count = 0; count < STRIKES_MAX; count += 1) {
    expect(strikes.isOut('eve')).toBe(false)
    strikes.add('eve')
  }
  expect([strikes.isOut('eve'), strikes.isOut('ada')]).toEqual([true, false])
  time.ms = 999
  expect(strikes.isOut('eve')).toBe(true)
  time.ms = 1000
  expect(strikes.isOut('eve')).toBe(false)
  strikes.add('eve')
  expect(strikes.isOut('eve')).toBe(false)
})
