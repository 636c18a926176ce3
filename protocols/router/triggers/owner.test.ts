import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Fence, isMajority, LATELY_MS, ownerOf, REFUSED_MS, SETTLE_MS } from './owner.ts'

const peers = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 12 })

describe('ownerOf()', () => {
  test('is one member, the same whatever the order they are known in', () => {
    fc.assert(
      fc.property(fc.string(), peers, fc.infiniteStream(fc.nat()), (key, members, dice) => {
        const owner = ownerOf(key, members)
        expect(members).toContain(owner)
        const order = new Map(members.map((each) => [each, dice.next().value as number]))
        expect(
          ownerOf(
            key,
            members.toSorted((a, b) => (order.get(a) ?? 0) - (order.get(b) ?? 0)),
          ),
        ).toBe(owner)
      }),
    )
  })
  test('moves only what a leaver had, and to a joiner only what it takes', () => {
    fc.assert(
      fc.property(fc.string(), peers, (key, members) => {
        const owner = ownerOf(key, members)
        const others = members.filter((each) => each !== owner)
        for (const leaver of others)
          expect(
            ownerOf(
              key,
              members.filter((each) => each !== leaver),
            ),
          ).toBe(owner)
      }),
    )
  })
  test('spreads keys evenly, and nobody owns among nobody', () => {
    const members = ['a', 'b', 'c', 'd', 'e']
    const counts = new Map(members.map((each) => [each, 0]))
    for (let key = 0; key < 5000; key++) {
      const owner = ownerOf(`demo/f${key}`, members) ?? ''
      counts.set(owner, (counts.get(owner) ?? 0) + 1)
    }
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(150)
    expect(ownerOf('demo/f', [])).toBe(undefined)
  })
})

describe('isMajority()', () => {
  test('of the two parts of a whole exactly one is, and of more at most one', () => {
    fc.assert(
      fc.property(peers, fc.infiniteStream(fc.nat({ max: 2 })), fc.integer({ min: 1, max: 3 }), (all, dice, parts) => {
        const split = Array.from({ length: parts }, () => new Set<string>())
        for (const each of all) split[(dice.next().value as number) % parts]?.add(each)
        const may = split.filter((part) => isMajority(part, new Set(all))).length
        expect(may).toBeLessThanOrEqual(1)
        expect(may).toBeGreaterThanOrEqual(parts <= 2 ? 1 : 0)
      }),
    )
    expect(isMajority(new Set(), new Set())).toBe(false)
  })
})

describe('the fence', () => {
  const fenceOf = (self: string, known: string[] = []) => new Fence({ self, now: 0, known })

  test('opens when it has had time to hear of others, for one that never knew any', () => {
    const fence = fenceOf('a')
    expect(fence.mayAct(SETTLE_MS - 1)).toBe(false)
    expect(fence.mayAct(SETTLE_MS)).toBe(true)
  })
  test('is closed for a minority until those who are gone have been gone for long', () => {
    const fence = fenceOf('a')
    fence.see(['b', 'c', 'd', 'e'], 1000)
    expect(fence.mayAct(10_000)).toBe(true)
    fence.see(['b'], 20_000)
    expect(fence.mayAct(20_000)).toBe(false)
    expect(fence.mayAct(20_000 + LATELY_MS)).toBe(false)
    expect(fence.mayAct(20_001 + LATELY_MS)).toBe(true)
  })
  test('stays open for a majority, and for a member whose others said that they go', () => {
    const fence = fenceOf('b')
    fence.see(['a', 'c'], 1000)
    fence.see(['c'], 10_000)
    expect(fence.mayAct(10_000)).toBe(true)
    fence.see([], 11_000)
    expect(fence.mayAct(11_000)).toBe(false)
    fence.left('a')
    fence.left('c')
    expect(fence.mayAct(11_000)).toBe(true)
  })
  test('does not wait for those whose hosts say that they are gone, while they say so', () => {
    const fence = fenceOf('b')
    fence.see(['a', 'c'], 1000)
    fence.refused('a', 9000)
    fence.see([], 10_000)
    expect(fence.missing(10_000)).toEqual(['a', 'c'])
    fence.refused('a', 10_000)
    expect(fence.mayAct(10_000)).toBe(true)
    expect([...fence.known(10_000)]).toEqual(['b', 'c'])
    fence.refused('c', 10_000)
    fence.refused('d', 10_000)
    expect([...fence.known(10_000)]).toEqual(['b'])
    expect(fence.mayAct(10_001 + REFUSED_MS)).toBe(false)
    fence.refused('a', 20_000)
    fence.refused('c', 20_000)
    fence.see(['a'], 20_001)
    expect([...fence.known(20_001)].toSorted()).toEqual(['a', 'b'])
    expect(fence.missing(20_001)).toEqual([])
  })
  test('is closed for one that was started anew among others it cannot see', () => {
    const fence = fenceOf('b', ['a', 'c'])
    expect(fence.mayAct(SETTLE_MS)).toBe(false)
    fence.see(['c'], SETTLE_MS)
    expect(fence.mayAct(SETTLE_MS)).toBe(true)
  })
  test('while a mesh is split, at most one side acts, whatever the split', () => {
    fc.assert(
      fc.property(peers, fc.infiniteStream(fc.boolean()), (all, dice) => {
        const left = all.filter(() => dice.next().value)
        const right = all.filter((each) => !left.includes(each))
        const actsOn = (side: string[]) =>
          side.some((self) => {
            const fence = fenceOf(self)
            fence.see(all, 0)
            fence.see(side, 10_000)
            return fence.mayAct(10_000)
          })
        expect([actsOn(left), actsOn(right)].filter(Boolean).length).toBe(1)
      }),
    )
  })
})
