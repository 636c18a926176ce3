import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sizesIn, toRetire } from './eviction.ts'

const MIB = 1024 * 1024
const slot = fc.record({
  state: fc.constantFrom('loading' as const, 'ready' as const, 'gone' as const),
  inFlight: fc.nat(1),
  lastUsedAt: fc.nat(50),
  mb: fc.integer({ min: 1, max: 9 }),
})

test('toRetire() takes idle instances, least recently used first, and not one more than is needed', () => {
  fc.assert(
    fc.property(fc.array(slot), fc.integer({ min: -5, max: 60 }), (slots, excessMb) => {
      const chosen = toRetire(slots, excessMb, (each) => each.mb)
      const idle = slots.filter((each) => each.state === 'ready' && each.inFlight === 0)
      for (const each of chosen) expect(idle).toContain(each)
      const freed = chosen.reduce((sum, each) => sum + each.mb, 0)
      expect(freed >= excessMb || chosen.length === idle.length).toBe(true)
      expect(chosen.length === 0 || freed - (chosen.at(-1)?.mb ?? 0) < excessMb).toBe(true)
      const latest = Math.max(...chosen.map((each) => each.lastUsedAt))
      for (const each of idle.filter((other) => !chosen.includes(other))) expect(each.lastUsedAt).toBeGreaterThanOrEqual(latest)
    }),
  )
})

test('sizesIn() shares what the kernel counts among the instances, a shared isolate weighing a quarter', () => {
  const worker = (mb: number, alone: number, shared: number) => ({
    restingBytes: 70 * MIB,
    slots: new Map(Array.from({ length: alone + shared }, (_, n) => [n, { isShared: n >= alone }])),
    memory: { residentBytes: () => (70 + mb) * MIB },
  })
  const sizes = (...of: [number, number, number]) => [{ isShared: false }, { isShared: true }].map(sizesIn(worker(...of)))
  expect(sizes(100, 10, 0)).toEqual([10, 2.5])
  expect(sizes(100, 5, 20)).toEqual([10, 2.5])
  expect(sizes(-5, 1, 0)).toEqual([2.5, 0.625])
  expect(sizes(0, 0, 0)).toEqual([2.5, 0.625])
  expect(sizes(1, 10, 0)).toEqual([0.25, 0.25])
})
