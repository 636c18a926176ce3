import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { adopted, backoffMs, grant, isQuorum, released } from './lease.ts'
import { type Head, isLater, isOver, nextEpoch, overAt, type Stored } from './record.ts'

function headOf(holders: string[]): Head {
  return {
    ...{ id: 'i', key: 'demo/i', kind: 'work', about: new Uint8Array(), bytes: 0, once: true, addedAt: 0, notBeforeAt: 0, expiresAt: 9e9 },
    ...{ lifeMs: 9e9, holders, owner: holders[0] as string, epoch: 0, rev: 0, ended: 0, uncounted: 0 },
    ...{ state: 'waiting', error: null, endedAt: null, forgetAt: null, answerBytes: 0 },
  }
}

const NAMES = ['a', 'b', 'c']

describe('isQuorum', () => {
  it.each([1, 2, 3])('any two quorums of %i holders have one in common, and all together are one', (count) => {
    const holders = NAMES.slice(0, count)
    const sets = Array.from({ length: 2 ** count }, (_, bits) => new Set(holders.filter((_each, at) => (bits >> at) & 1)))
    const quorums = sets.filter((each) => isQuorum(holders, each))
    expect(isQuorum(holders, new Set(holders))).toBe(true)
    for (const one of quorums) for (const other of quorums) expect([...one].some((each) => other.has(each))).toBe(true)
  })
})

/** One router's attempt, as `Claims` and `Deliveries` make it, cut into what happens at one holder at a time. */
interface Course {
  by: string
  epoch: number
  attempt: number
  granted: Set<string>
  began: boolean
}

/** What may happen next: any router asks, any message is delivered or lost, any attempt ends, in any order. */
const step = fc.record({
  act: fc.constantFrom('takeOver', 'ask', 'deliver', 'begin', 'again', 'done', 'release', 'tell'),
  who: fc.nat(2),
  to: fc.nat(2),
})

describe('an item that may start only once', () => {
  it.each([1, 2, 3])('starts at most once between two words of "nothing started", whatever is lost or late, among %i holders', (count) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const holders = NAMES.slice(0, count)
        const disks = new Map<string, Stored>(holders.map((each) => [each, { head: headOf(holders), claim: null }]))
        const courses = new Map<string, Course>()
        /** By attempt: who began it. */
        const begun: { by: string; attempt: number }[] = []
        const disproved = new Set<number>()
        const at = (name: string) => disks.get(name) as Stored
        for (const { act, who, to } of steps) {
          const by = holders[who % count] as string
          const other = holders[to % count] as string
          const { head, claim } = at(by)
          const course = courses.get(by)
          if (act === 'takeOver' && head.owner !== by && course === undefined && !isOver(head)) {
            disks.set(by, { head: { ...head, owner: by, epoch: nextEpoch(head, holders.indexOf(by)), rev: 0 }, claim })
          } else if (act === 'ask' && course === undefined && head.owner === by && !isOver(head)) {
            const asked = { by, epoch: head.epoch, attempt: head.ended + 1 }
            // What it was granted in an earlier life it may have begun: that is never asked for again.
            if (claim?.by === by && claim.attempt === asked.attempt) continue
            const own = grant(at(by), asked)
            if (own.kind !== 'granted') continue
            disks.set(by, own.stored)
            courses.set(by, { ...asked, granted: new Set([by]), began: false })
          } else if (act === 'deliver' && course !== undefined && !course.began) {
            const answer = grant(at(other), course)
            if (answer.kind !== 'granted') continue
            disks.set(other, answer.stored)
            course.granted.add(other)
          } else if (act === 'begin' && course !== undefined && !course.began && isQuorum(holders, course.granted)) {
            course.began = true
            begun.push({ by, attempt: course.attempt })
          } else if (act === 'release' && course !== undefined && !course.began) {
            courses.delete(by)
            disks.set(by, released(at(by), course))
            disks.set(other, released(at(other), course))
          } else if (act === 'again' && course?.began === true) {
            courses.delete(by)
            disproved.add(course.attempt)
            if (head.owner === by && !isOver(head)) disks.set(by, adopted(at(by), { ...head, ended: course.attempt, rev: head.rev + 1 }))
          } else if (act === 'done' && course?.began === true) {
            courses.delete(by)
            if (!isOver(head)) disks.set(by, adopted(at(by), overAt(head, 'done', 1)))
          } else if (act === 'tell' && isLater(head, at(other).head)) disks.set(other, adopted(at(other), head))
        }
        const real = begun.filter(({ attempt }) => !disproved.has(attempt))
        expect(real.length).toBeLessThanOrEqual(1)
        expect(new Set(begun.map(({ attempt }) => attempt)).size).toBe(begun.length)
      }),
      { numRuns: 3000 },
    )
  })
})

describe('backoffMs', () => {
  it('doubles up to the cap, between a half and all of it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (ended, draw) => {
        const whole = Math.min(300_000, 1000 * 2 ** (ended - 1))
        const pause = backoffMs(ended, { baseMs: 1000, capMs: 300_000 }, () => draw)
        expect(pause).toBeGreaterThanOrEqual(Math.floor(whole / 2))
        expect(pause).toBeLessThanOrEqual(whole)
      }),
    )
  })
})
