import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { homeOf, homesOf } from '../placement.ts'
import { allotmentOf, type ScaleMember, spread } from './spread.ts'

const version = fc.stringMatching(/^[0-9a-f]{64}$/)
const member: fc.Arbitrary<ScaleMember> = fc.record({
  seed: fc.nat(),
  capacity: fc.integer({ min: 1, max: 800 }),
  instances: fc.integer({ min: 0, max: 4 }),
  room: fc.integer({ min: 0, max: 6 }),
})
const members = fc.uniqueArray(member, { maxLength: 12, selector: (each) => each.seed })
const total = fc.integer({ min: 0, max: 40 })
const sum = (counts: Iterable<number>) => [...counts].reduce((all, each) => all + each, 0)
const equals = (count: number, room = 10): ScaleMember[] =>
  Array.from({ length: count }, (_, index) => ({ seed: index * 7919 + 1, capacity: 100, instances: 0, room }))
const V = 'ab'.repeat(32)

test('homesOf() begins with the home, and goes on with the home of those that are left', () => {
  const check = fc.property(version, members, (each, all) => {
    const ranked = homesOf(each, all)
    for (const [rank, one] of ranked.entries()) expect(homeOf(each, ranked.slice(rank))).toBe(one)
  })
  fc.assert(check)
})

describe('allotmentOf()', () => {
  test('gives out exactly max, evenly, whoever knows the members in whatever order', () => {
    const check = fc.property(version, members, total, (each, all, max) => {
      const given = allotmentOf(each, all, max)
      expect(sum(given.values())).toBe(all.length === 0 ? 0 : max)
      expect(Math.max(0, ...given.values()) - Math.min(...given.values(), Number.MAX_SAFE_INTEGER)).toBeLessThanOrEqual(1)
      const others = allotmentOf(each, all.toReversed(), max)
      for (const one of all) expect(others.get(one)).toBe(given.get(one))
    })
    fc.assert(check)
  })
  test('a single one belongs to the home', () => {
    const all = equals(5)
    expect([...allotmentOf(V, all, 1)].find(([, count]) => count === 1)?.[0]).toBe(homeOf(V, all))
  })
})

describe('spread()', () => {
  test('places what there is room for, and nobody gets more than it has room for', () => {
    const check = fc.property(version, total, members, (each, wanted, all) => {
      const given = spread(each, wanted, all)
      expect(sum(given.values())).toBe(Math.min(wanted, sum(all.map((one) => one.room))))
      for (const [one, count] of given) expect(count).toBeLessThanOrEqual(one.room)
    })
    fc.assert(check)
  })
  test('what it placed stays where it is', () => {
    const check = fc.property(version, total, members, (each, wanted, all) => {
      const given = spread(each, wanted, all)
      const settled = all.map((one) => ({ ...one, instances: given.get(one) ?? 0 }))
      const again = spread(each, wanted, settled)
      for (const one of settled) expect(again.get(one)).toBe(one.instances)
    })
    fc.assert(check)
  })
  test('among equals counts differ by one at most, and a newcomer gets its part', () => {
    const all = equals(3).map((one) => ({ ...one, instances: 4 }))
    const given = spread(V, 12, [...all, { seed: 99, capacity: 100, instances: 0, room: 10 }])
    expect([...given.values()]).toEqual([3, 3, 3, 3])
  })
  test('the only instance stays where it is warm, home or not', () => {
    const all = equals(5)
    const stranger = homesOf(V, all)[3] as ScaleMember
    const given = spread(V, 1, [...all.filter((one) => one !== stranger), { ...stranger, instances: 1 }])
    expect([...given].find(([, count]) => count === 1)?.[0].seed).toBe(stranger.seed)
  })
  test('twice the capacity, twice the instances', () => {
    const [small, large] = equals(2) as [ScaleMember, ScaleMember]
    const big = { ...large, capacity: 200 }
    expect(spread(V, 6, [small, big]).get(big)).toBe(4)
  })
  test('two are on two members, whatever their capacity', () => {
    const [small, large] = equals(2) as [ScaleMember, ScaleMember]
    expect([...spread(V, 2, [small, { ...large, capacity: 800 }]).values()]).toEqual([1, 1])
  })
})
