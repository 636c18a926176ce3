import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ErrorCode, OsirisError } from '#protocols/errors'
import { failed, NO_TIMING, type Outcome } from '#protocols/invocation'
import type { Delivery } from './message.ts'
import { memberFor, verdictOf } from './verdict.ts'

const delivery: Delivery = {
  message: {
    id: 'm',
    namespace: 'demo',
    topic: 'x',
    data: Buffer.from('1'),
    key: null,
    publishedAt: 0,
    publishedBy: 'ada',
    depth: 0,
    traceparent: null,
  },
  subscriber: { id: 'demo/f', namespace: 'demo', members: ['f'], attemptsMax: 3, backoffMs: 1000 },
}
const failure = (code: ErrorCode, started = true) => failed(new OsirisError(code, 'Cannot run: no'), {}, started)
const verdict = (outcome: Outcome, attempts = 1) => verdictOf(outcome, delivery, attempts, () => 0)

describe('after an attempt', () => {
  test('that ended with a value it is done', () => {
    const meta = { version: '', node: '', hops: 0, timing: NO_TIMING }
    expect(verdict({ kind: 'value', value: Buffer.from('null'), meta })).toEqual({ kind: 'done' })
  })
  test('that failed it is made again, later each time, and after the last one it is dead', () => {
    expect([1, 2, 3].map((attempts) => verdict(failure('function_failed'), attempts))).toMatchObject([
      { kind: 'again', afterMs: 500 },
      { kind: 'again', afterMs: 1000 },
      { kind: 'dead', error: { code: 'function_failed' } },
    ])
    expect(verdict(failure('function_failed'))).not.toHaveProperty('counts')
  })
  test.each(['overloaded', 'unavailable', 'quota_exceeded', 'rate_limited', 'deadline_exceeded'] as const)(
    'that did not begin (%s) it was none, however many there were',
    (code) => {
      expect(verdict(failure(code, false), 99)).toMatchObject({ kind: 'again', counts: false })
      expect(verdict(failure(code, true), 3)).toMatchObject({ kind: 'dead' })
    },
  )
  test.each(['invalid_argument', 'payload_too_large', 'depth_exceeded', 'forbidden'] as const)(
    'that would end so again (%s) it is dead',
    (code) => expect(verdict(failure(code, false))).toMatchObject({ kind: 'dead', error: { code } }),
  )
  test('nobody knows how it ended: it is made again', () => {
    expect(verdict(failure('outcome_unknown'))).toMatchObject({ kind: 'again' })
    expect(verdict(failure('not_found', false))).toMatchObject({ kind: 'again' })
  })
})

test('a pause is between half and all of what it may be, and never longer than a quarter of an hour', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 100, max: 3_600_000 }),
      fc.integer({ min: 1, max: 1000 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (base, attempts, drawn) => {
        const most = Math.min(900_000, base * 2 ** (attempts - 1))
        const subscriber = { ...delivery.subscriber, backoffMs: base, attemptsMax: attempts + 1 }
        const { afterMs } = verdictOf(failure('function_failed'), { ...delivery, subscriber }, attempts, () => drawn) as { afterMs: number }
        expect(afterMs).toBeGreaterThanOrEqual(most / 2)
        expect(afterMs).toBeLessThanOrEqual(most)
      },
    ),
  )
})

describe('of a group', () => {
  const members = ['a', 'b', 'c', 'd']
  const seeds = Array.from({ length: 400 }, (_, at) => `seed ${at}`)
  test('the same function gets messages with one key; the next one gets the next attempt, until each had one', () => {
    for (const seed of seeds.slice(0, 20)) {
      const tried = [1, 2, 3, 4].map((attempt) => memberFor({ members }, seed, attempt))
      expect(tried.toSorted()).toEqual(members)
      expect(memberFor({ members: members.toReversed() }, seed, 5)).toBe(tried[0])
    }
  })
  test('each gets its share, and who leaves gives away its own only', () => {
    const before = seeds.map((seed) => memberFor({ members }, seed, 1))
    for (const each of members) expect(before.filter((name) => name === each).length).toBeGreaterThan(60)
    const after = seeds.map((seed) => memberFor({ members: ['a', 'b', 'd'] }, seed, 1))
    expect(before.filter((name, at) => name !== 'c' && name !== after[at])).toEqual([])
  })
})
