import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { promoted } from './promotion.ts'

const targets = fc
  .uniqueArray(fc.record({ version: fc.stringMatching(/^[a-f]{4}$/), weight: fc.integer({ min: 1, max: 100 }) }), {
    selector: (each) => each.version,
    minLength: 2,
    maxLength: 5,
  })
  .map((all) => all.toSorted((a, b) => b.weight - a.weight))

test('property: the weights are whole, at least 1, and add up to 100; the version has its share, and who had more has no less', () => {
  fc.assert(
    fc.property(targets, fc.integer({ min: 1, max: 95 }), (before, weight) => {
      const after = promoted(before, 'canary', weight)
      expect(after.reduce((sum, each) => sum + each.weight, 0)).toBe(100)
      expect(after.every((each) => Number.isInteger(each.weight) && each.weight >= 1)).toBe(true)
      expect(after.at(-1)).toEqual({ version: 'canary', weight })
      const others = after.slice(0, -1).map((each) => each.weight)
      expect(others).toEqual(others.toSorted((a, b) => b - a))
    }),
  )
})

test('a share grows, becomes all of it, and cannot be given where nobody has the rest', () => {
  const stable = [{ version: 'a', weight: 100 }]
  const canary = promoted(stable, 'b', 10)
  expect(canary).toEqual([
    { version: 'a', weight: 90 },
    { version: 'b', weight: 10 },
  ])
  expect(promoted(canary, 'b', 50)).toEqual([
    { version: 'a', weight: 50 },
    { version: 'b', weight: 50 },
  ])
  expect(promoted(canary, 'b', 100)).toEqual([{ version: 'b', weight: 100 }])
  expect(() => promoted(stable, 'a', 10)).toThrow(expect.objectContaining({ code: 'conflict' }))
  for (const wrong of [0, 1.5, 99.5, -1])
    expect(() => promoted(stable, 'b', wrong)).toThrow(expect.objectContaining({ code: 'invalid_argument' }))
})
