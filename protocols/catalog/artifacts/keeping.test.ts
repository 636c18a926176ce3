import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { COPIES, excess, keepersOf, type KeepingFacts, Residents, verdictOn } from './keeping.ts'

const digestAt = (at: number) => at.toString(16).padStart(64, '0')
const peers = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 8 })
const time = fc.integer({ min: 0, max: 1000 })
const facts: fc.Arbitrary<KeepingFacts> = peers.chain((members) =>
  fc.record({
    self: fc.constantFrom(...members),
    members: fc.constant(members),
    nowMs: time,
    neededUntil: fc.option(fc.oneof(time, fc.constant(Number.POSITIVE_INFINITY)), { nil: undefined }),
    here: fc.option(fc.record({ digest: fc.constant(digestAt(1)), bytes: time, atMs: time }), { nil: undefined }),
    idleSinceMs: fc.option(time, { nil: undefined }),
    pinned: fc.boolean(),
    graceMs: time,
    settleMs: time,
  }),
)

describe('verdictOn()', () => {
  it('forgets only what is here, needed by nobody, unused for its grace time, known to be so for a while, and part of no publish', () => {
    fc.assert(
      fc.property(facts, (each) => {
        const isNeeded = each.neededUntil !== undefined && each.neededUntil > each.nowMs
        const isOld = each.here !== undefined && each.nowMs - each.here.atMs >= each.graceMs
        const isSettled = each.idleSinceMs !== undefined && each.nowMs - each.idleSinceMs >= each.settleMs
        const verdict = verdictOn(digestAt(1), each)
        expect(verdict === 'forget').toBe(!isNeeded && isOld && isSettled && !each.pinned)
        expect(['fetch', 'none'].includes(verdict)).toBe(each.here === undefined)
        expect(['fetch', 'keep', 'cached'].includes(verdict)).toBe(isNeeded && verdict !== 'none')
      }),
    )
  })

  it('has as many nodes keep what is needed as there are to be copies, and the same ones whoever decides', () => {
    fc.assert(
      fc.property(facts, peers, (each, members) => {
        const keepers = members.filter((self) => {
          const verdict = verdictOn(digestAt(1), { ...each, self, members: members.toReversed(), neededUntil: Number.POSITIVE_INFINITY })
          return verdict === 'keep' || verdict === 'fetch'
        })
        expect(keepers.toSorted()).toEqual(keepersOf(digestAt(1), members).toSorted())
        expect(keepers).toHaveLength(Math.min(COPIES, members.length))
      }),
    )
  })

  it('moves no copy but those of the member that went', () => {
    fc.assert(
      fc.property(peers, fc.integer({ min: 0, max: 7 }), fc.integer({ min: 0, max: 99 }), (members, gone, at) => {
        const left = members.filter((_, place) => place !== gone % members.length)
        const before = keepersOf(digestAt(at), members)
        const after = keepersOf(digestAt(at), left)
        expect(before.filter((peer) => left.includes(peer) && !after.includes(peer))).toEqual([])
      }),
    )
  })
})

it('excess() names the longest unused copies, as few as make the rest fit', () => {
  const copies = fc.array(fc.record({ bytes: fc.integer({ min: 1, max: 100 }), atMs: time }), { maxLength: 30 })
  fc.assert(
    fc.property(copies, fc.integer({ min: 0, max: 2000 }), (all, bytesMax) => {
      const cached = all.map((each, at) => ({ ...each, digest: digestAt(at) }))
      const going = excess(cached, bytesMax)
      const staying = cached.filter((each) => !going.includes(each))
      const sum = (some: typeof cached) => some.reduce((total, each) => total + each.bytes, 0)
      expect(sum(staying)).toBeLessThanOrEqual(bytesMax)
      const last = going.at(-1)
      expect(last === undefined || sum(staying) + last.bytes > bytesMax).toBe(true)
      for (const gone of going) for (const stays of staying) expect(gone.atMs).toBeLessThanOrEqual(stays.atMs)
    }),
  )
})

it('a member that went is one of the residents until it has been gone for long; one that returns stays', () => {
  const residents = new Residents({ leaveMs: 100 })
  expect(residents.look(['b', 'a'], 0)).toEqual(['a', 'b'])
  expect(residents.look(['a'], 1000)).toEqual(['a', 'b'])
  expect(residents.look(['a', 'b'], 1099)).toEqual(['a', 'b'])
  expect(residents.look(['a'], 1200)).toEqual(['a', 'b'])
  expect(residents.look(['a'], 1300)).toEqual(['a'])
})
