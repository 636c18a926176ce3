import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { asOf, type Grant, granted, isRowAhead, type Kept, mayGrant, mergeRows, releasedFrom, type Row } from './row.ts'

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

describe('clocks that are far ahead', () => {
  const HOUR = 3_600_000
  const NOW = 100 * HOUR
  const kept = (parts: Partial<Kept> = {}): Kept => ({
    row: { namespace: 'demo', name: 'f', line: '* * * * * UTC', since: NOW - HOUR, lastAt: NOW - 60_000, fired: null },
    ...{ grant: null, ahead: null },
    ...parts,
  })
  test('a tick far ahead that was granted is in no other tick’s way, and both are granted once', () => {
    const far = { tickAt: NOW + HOUR, to: 'a', round: 1 }
    const first = granted(kept(), far, NOW) as Kept
    expect(granted(first, { ...far, to: 'b' }, NOW)).toBeUndefined()
    expect(granted(first, { ...far, tickAt: NOW + HOUR / 2, to: 'b' }, NOW)).toBeUndefined()
    const near = { tickAt: NOW, to: 'b', round: 1 }
    const both = granted(first, near, NOW) as Kept
    expect(granted(both, { ...near, to: 'a' }, NOW)).toBeUndefined()
    // Its time has come.
    expect(granted(both, { ...far, to: 'b' }, NOW + HOUR)).toBeUndefined()
    expect(granted(both, { ...far, tickAt: NOW + HOUR + 60_000, to: 'b' }, NOW + HOUR)).toBeDefined()
  })
  test('what was noted by one counts no more when it was set back, and nothing of before is made up for', () => {
    const ahead = kept({ row: { ...kept().row, lastAt: NOW + HOUR }, grant: { tickAt: NOW + HOUR, to: 'a', round: 1 } })
    expect(isRowAhead(ahead.row, NOW)).toBe(true)
    const now = asOf(ahead, NOW)
    expect([now.row.lastAt, now.grant, now.ahead?.tickAt]).toEqual([NOW, null, NOW + HOUR])
    expect(granted(now, { tickAt: NOW + 30_000, to: 'b', round: 1 }, NOW + 30_000)).toBeDefined()
  })
  test('what is not ahead is the very same', () => {
    fc.assert(fc.property(row, (each) => Object.is(asOf(kept({ row: each }), NOW).row, each)))
    const same = kept({ grant: { tickAt: NOW, to: 'a', round: 1 } })
    expect(asOf(same, NOW)).toBe(same)
  })
  test('the longest call is none, begun by a clock as far ahead as is believed', () => {
    const fired = { tickAt: NOW + 60_000, by: 'a', untilMs: NOW + 60_000 + 900_000 + 5000, end: null }
    const under = { ...kept().row, fired }
    expect(isRowAhead(under, NOW)).toBe(false)
    expect(isRowAhead({ ...under, fired: { ...fired, untilMs: fired.untilMs + 1 } }, NOW)).toBe(true)
  })
})
