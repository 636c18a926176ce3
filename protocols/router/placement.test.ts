import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sequence as randomFrom } from '#protocols/network'
import { type Candidate, homeOf, place, seedOf } from './placement.ts'

const version = fc.stringMatching(/^[0-9a-f]{64}$/)
const peers = fc.uniqueArray(fc.stringMatching(/^12D3Koo[1-9A-Za-z]{10}$/), { minLength: 1, maxLength: 12 })
const idle = (peer: string) => ({ peer, seed: seedOf(peer), capacity: 10, inFlight: 0, latencyMs: 1, avoided: false })
const candidate = fc.record({
  seed: fc.nat(),
  capacity: fc.integer({ min: 1, max: 20 }),
  inFlight: fc.integer({ min: 0, max: 30 }),
  latencyMs: fc.double({ min: 0, max: 500, noNaN: true }),
  avoided: fc.boolean(),
})
const cold = { isWarm: () => false, hasRoom: () => true, isFull: () => false, typicalMs: () => undefined }
const sequence = (values: number[]) => {
  let at = 0
  return () => values[at++ % values.length] as number
}

describe('homeOf()', () => {
  test('is the same in whatever order the members are known', () => {
    const check = fc.property(version, peers, (each, names) => {
      const all = names.map(idle)
      expect(homeOf(each, all.toReversed())?.peer).toBe(homeOf(each, all)?.peer)
    })
    fc.assert(check)
  })
  test('moves only the versions of a member that leaves, and to a newcomer only', () => {
    const check = fc.property(version, peers, fc.nat(), (each, names, pick) => {
      const all = names.map(idle)
      const left = all.filter((_, index) => index !== pick % all.length)
      const before = homeOf(each, all)
      const after = homeOf(each, left)
      // Read backwards, the same sentence is about the member that joins.
      expect(before === all[pick % all.length] || before === after).toBe(true)
    })
    fc.assert(check, { numRuns: 500 })
  })
  test('spreads versions evenly', () => {
    const all = Array.from({ length: 8 }, (_, index) => idle(`12D3KooWnode${index}`))
    const counts = new Map<string | undefined, number>()
    for (let index = 0; index < 8000; index++) {
      const each = homeOf((index * 2654435761).toString(16).padStart(16, '0').slice(-16).padEnd(64, '0'), all)?.peer
      counts.set(each, (counts.get(each) ?? 0) + 1)
    }
    expect(counts.size).toBe(8)
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(150)
  })
})

describe('place()', () => {
  test('names a member it was given, whenever there is one', () => {
    const check = fc.property(
      version,
      fc.array(candidate, { maxLength: 8 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (each, all, roll) => {
        const chosen = place<Candidate>(each, all, cold, () => roll)
        expect(all.length === 0 ? chosen === undefined : all.includes(chosen as Candidate)).toBe(true)
      },
    )
    fc.assert(check, { numRuns: 500 })
  })
  test('stays at home while there is room', () => {
    const check = fc.property(version, peers, (each, names) => {
      const all = names.map(idle)
      expect(place(each, all, cold, Math.random)).toBe(homeOf(each, all))
    })
    fc.assert(check)
  })
  test('an avoided home is stood in for by whoever would be home without it', () => {
    const check = fc.property(version, peers, (each, names) => {
      const all = names.map(idle)
      const home = homeOf(each, all)
      const known = all.map((one) => (one === home ? { ...one, avoided: true } : one))
      const next = homeOf(
        each,
        known.filter((one) => !one.avoided),
      )
      expect(place(each, known, cold, Math.random)?.peer).toBe((next ?? home)?.peer)
    })
    fc.assert(check)
  })
  test('a claim of capacity counts as a few times the other’s at most', () => {
    const [a, b, c] = ['a', 'b', 'c'].map(idle) as [ReturnType<typeof idle>, ReturnType<typeof idle>, ReturnType<typeof idle>]
    const each = '0'.repeat(64)
    const home = homeOf(each, [a, b, c]) as typeof a
    const [liar, honest] = [a, b, c].filter((candidate) => candidate !== home) as [typeof a, typeof a]
    const all = [
      { ...liar, capacity: 1e9, inFlight: 40 },
      { ...honest, inFlight: 2 },
      { ...home, inFlight: 10 },
    ]
    expect(place(each, all, cold, sequence([0, 0, 0.99]))?.peer).toBe(honest.peer)
  })
  test('chooses an avoided member only when all are', () => {
    const check = fc.property(
      version,
      fc.array(candidate, { minLength: 1, maxLength: 5 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (each, all, roll) => {
        const chosen = place<Candidate>(each, all, cold, () => roll)
        expect(chosen?.avoided).toBe(all.every((one) => one.avoided))
      },
    )
    fc.assert(check, { numRuns: 500 })
  })
  test('overflows to the less loaded of two, and to a warm one among equals', () => {
    const [a, b, c] = ['a', 'b', 'c'].map(idle) as [ReturnType<typeof idle>, ReturnType<typeof idle>, ReturnType<typeof idle>]
    const each = '0'.repeat(64)
    const home = homeOf(each, [a, b, c]) as typeof a
    const [one, other] = [a, b, c].filter((candidate) => candidate !== home) as [typeof a, typeof a]
    const all = [{ ...one, inFlight: 8 }, other, { ...home, inFlight: 10 }]
    const never = sequence([0, 0, 0.99])
    expect(place(each, all, cold, never)?.peer).toBe(other.peer)
    const equal = [one, other, { ...home, inFlight: 10 }]
    const warmAt = (peer: string) => ({ ...cold, isWarm: (candidate: typeof a) => candidate.peer === peer })
    expect(place(each, equal, warmAt(other.peer), never)?.peer).toBe(other.peer)
    expect(place(each, equal, warmAt(one.peer), never)?.peer).toBe(one.peer)
  })
  test('keeps to the members that have instances: the first in rank up to what one should have, then the better of two of them', () => {
    const check = fc.property(version, peers, fc.nat(), fc.double({ min: 0, max: 0.999, noNaN: true }), (each, names, pick, roll) => {
      const all = names.map(idle)
      const warm = all.filter((_, index) => (pick >> index) % 2 === 1)
      const knowing = { ...cold, isWarm: (candidate: (typeof all)[number]) => warm.includes(candidate) }
      const first = homeOf(each, warm.length > 0 ? warm : all)
      expect(place(each, all, knowing, () => roll)).toBe(first)
      const beyond = place(each, all, { ...knowing, hasRoom: () => false }, () => roll)
      expect(warm.length > 1 ? warm.includes(beyond as (typeof all)[number]) : beyond === first).toBe(true)
    })
    fc.assert(check)
  })
  test('of members with instances leaves out those that have as many calls as they may', () => {
    const all = ['a', 'b', 'c', 'd'].map(idle)
    const [full, open] = [all[0], all[1]]
    const knowing = {
      ...cold,
      isWarm: (candidate: (typeof all)[number]) => candidate === full || candidate === open,
      isFull: (candidate: (typeof all)[number]) => candidate === full,
    }
    const chosen = Array.from({ length: 50 }, (_, index) => place('0'.repeat(64), all, knowing, randomFrom(index)))
    expect(new Set(chosen)).toEqual(new Set([open]))
  })
  test('leaves a slow member its smaller share', () => {
    const all = ['a', 'b', 'c', 'd']
      .map(idle)
      .map((each, index) => ({ ...each, latencyMs: index === 3 ? 100 : 1, inFlight: index === 0 ? 10 : 2 }))
    const each = Array.from({ length: 64 }, (_, index) => index.toString(16).padEnd(64, '0')).find(
      (text) => homeOf(text, all)?.peer === 'a',
    ) as string
    let slow = 0
    const random = randomFrom(3)
    for (let call = 0; call < 1000; call++) if (place(each, all, cold, random)?.peer === 'd') slow++
    // A third of the draws name it first, and of those one in twenty is taken to measure it again.
    expect(slow).toBeGreaterThan(0)
    expect(slow).toBeLessThan(60)
  })
})
