import { expect, it } from 'vitest'
import type { Clock } from '#protocols/lifecycle'
import { Leases } from './leases.ts'

function clockAt() {
  const time = { ms: 0 }
  const clock: Clock = { now: () => time.ms, monotonic: () => time.ms, after: () => () => {} }
  return { time, clock }
}

it('one process at a time has the lease of a feed; the next one is told how long to wait', () => {
  const { time, clock } = clockAt()
  const leases = new Leases({ clock })
  expect(leases.claim('key', 'one', 1000)).toEqual({ granted: true, waitMs: 0 })
  time.ms = 400
  expect(leases.claim('key', 'two', 1000)).toEqual({ granted: false, waitMs: 600 })
  expect(leases.claim('other', 'two', 1000)).toEqual({ granted: true, waitMs: 0 })
  expect(leases.claim('key', 'one', 1000)).toEqual({ granted: true, waitMs: 0 })
  time.ms = 1399
  expect(leases.claim('key', 'two', 1000).granted).toBe(false)
  time.ms = 1400
  expect(leases.claim('key', 'two', 1000).granted).toBe(true)
})

it('a lease that is given up is free, and only its holder can give it up', () => {
  const leases = new Leases(clockAt())
  leases.claim('key', 'one', 1000)
  expect(leases.claim('key', 'two', 0).granted).toBe(false)
  expect(leases.claim('key', 'one', 0).granted).toBe(true)
  expect(leases.claim('key', 'two', 1000).granted).toBe(true)
})

it('any number of keys fills no memory', () => {
  const { time, clock } = clockAt()
  const leases = new Leases({ clock })
  for (let key = 0; key < 20_000; key += 1) expect(leases.claim(`key ${key}`, 'one', 1000).granted).toBe(true)
  expect(leases.claim('key 0', 'two', 1000).granted).toBe(false)
  time.ms = 2000
  expect(leases.claim('key 19999', 'two', 1000).granted).toBe(true)
  expect(leases.claim('key 19999', 'one', 1000).granted).toBe(false)
})
