import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Grant, mayGrant, mergeRows, releasedFrom, type Row } from './row.ts'

const time = fc.nat(5)
const end = fc.option(fc.record({ atMs: time, code: fc.constantFrom(null, 'internal'), message: fc.constantFrom('', 'x') }), { nil: null })
const fired = fc.option(fc.record({ tickAt: time, by: fc.constantFrom('a', 'b'), untilMs: time, end }), { nil: null })
const row: fc.Arbitrary<Row> = fc.record({
  ...{ namespace: fc.constant('demo'), name: fc.constant('f'), line: fc.constant('* * * * * UTC') },
  ...{ since: time, lastAt: time, fired },
})

describe('mergeRows()', () => {
  test('is the same in whatever order, and however often', () => {
    fc.assert(
      fc.property(row, row, row, (a, b, c) => {
        expect(mergeRows(a, b)).toEqual(mergeRows(b, a))
        expect(mergeRows(mergeRows(a, b), c)).toEqual(mergeRows(a, mergeRows(b, c)))
        expect(mergeRows(a, a)).toEqual(a)
      }),
    )
  })
})

describe('what a router grants', () => {
  test('goes to one claimant at a time, ticks in order, and what a claimant lets go of is free again', () => {
    const asked = fc.record({ tickAt: time, to: fc.constantFrom('a', 'b', 'c'), round: fc.nat(3) })
    fc.assert(
      fc.property(fc.array(fc.record({ asked, isRelease: fc.boolean() }), { maxLength: 40 }), (steps) => {
        let grant: Grant | null = null
        const holders = new Map<number, string>()
        const granted: { tickAt: number; isItsOnly: boolean }[] = []
        for (const { asked: each, isRelease } of steps) {
          const before: Grant | null = grant
          if (isRelease) {
            grant = releasedFrom(grant, each)
            if (before !== grant) holders.delete(each.tickAt)
          } else if (mayGrant(grant, each)) {
            granted.push({ tickAt: each.tickAt, isItsOnly: (holders.get(each.tickAt) ?? each.to) === each.to })
            holders.set(each.tickAt, each.to)
            grant = each
          }
        }
        expect(granted.every((each) => each.isItsOnly)).toBe(true)
        expect(granted.map((each) => each.tickAt)).toEqual(granted.map((each) => each.tickAt).toSorted((a, b) => a - b))
      }),
    )
  })
  test('a letting go that comes late takes nothing from the next attempt', () => {
    const second = { tickAt: 1, to: 'a', round: 2 }
    expect(releasedFrom(second, { ...second, round: 1 })).toBe(second)
    expect(mayGrant(releasedFrom(second, second), { tickAt: 1, to: 'b', round: 1 })).toBe(true)
  })
})
