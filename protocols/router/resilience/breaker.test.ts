import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { answered, asked, type BreakerState, type Cause, CLOSED, mayAsk, opened, passedOver, undecided } from './breaker.ts'

const causes: Cause[] = ['unreachable', 'unfit', 'full', 'slow', 'failing']
const step = fc.oneof(
  fc.record({ kind: fc.constant('fail' as const), cause: fc.constantFrom(...causes), afterMs: fc.nat({ max: 5000 }) }),
  fc.record({ kind: fc.constantFrom('answer' as const, 'leave' as const, 'skip' as const), afterMs: fc.nat({ max: 5000 }) }),
)

/** Plays calls one after the other: asked where the breaker lets them, else passed over. */
function play(steps: readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[]) {
  let state: BreakerState = CLOSED
  let now = 0
  const seen: { before: BreakerState; state: BreakerState; asked: boolean; now: number }[] = []
  for (const each of steps) {
    now += each.afterMs
    const before = state
    const isAsked = mayAsk(state, now) && each.kind !== 'skip'
    if (!isAsked) state = passedOver(state)
    else {
      const isProbe = state.kind === 'open'
      state = asked(state, now)
      if (each.kind === 'fail') state = opened(state, each.cause, now, isProbe)
      if (each.kind === 'answer') state = answered(state, { startedAt: now, isProbe })
      if (each.kind === 'leave') state = undecided(state, now)
    }
    seen.push({ before, state, asked: isAsked, now })
  }
  return seen
}

describe('a circuit breaker', () => {
  test('asks nobody before its time, and never more than one to find out', () => {
    const check = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      for (const { before, state, asked: isAsked, now } of play(steps)) {
        const isFindingOut = isAsked && before.kind === 'open'
        expect(isFindingOut && (now < before.until || before.skips > 0)).toBe(false)
        // A call that is let through while it is open is the one that finds out: whoever comes before it has ended is not asked.
        expect(isFindingOut && mayAsk(asked(before, now), now)).toBe(false)
        expect(state.kind === 'open' && state.until - now > 60_000).toBe(false)
      }
    })
    fc.assert(check, { numRuns: 500 })
  })
  test('with time and calls that go elsewhere it always asks again', () => {
    const check = fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const last = play(steps).at(-1)
      let state = last?.state ?? CLOSED
      for (let skip = 0; skip < 33; skip++) state = passedOver(state)
      expect(state.kind === 'half-open' || mayAsk(state, (last?.now ?? 0) + 60_000)).toBe(true)
    })
    fc.assert(check)
  })
  test('one that fails whenever it is asked gets at most one call in twenty, from the twentieth on', () => {
    for (const cause of causes)
      for (const everyMs of [1, 50, 2000, 100_000]) {
        const calls = play(Array.from({ length: 2000 }, () => ({ kind: 'fail' as const, cause, afterMs: everyMs })))
        expect(calls.slice(20).filter((each) => each.asked).length / 1980).toBeLessThanOrEqual(0.05)
      }
  })
  test('it closes by an answer to the one that finds out, and by no other where an answer proves nothing', () => {
    const open = opened(CLOSED, 'slow', 0, false)
    expect(answered(open, { startedAt: 500, isProbe: false })).toBe(open)
    const half = asked(open, 1000)
    expect(half.kind).toBe('half-open')
    expect(answered(half, { startedAt: 500, isProbe: false })).toBe(half)
    expect(answered(half, { startedAt: 1000, isProbe: true })).toBe(CLOSED)
  })
  test('a full one is asked again as soon as a call there ends; one that could not be reached when a later call was answered', () => {
    expect(answered(opened(CLOSED, 'full', 10, false), { startedAt: 0, isProbe: false })).toBe(CLOSED)
    const gone = opened(CLOSED, 'unreachable', 10, false)
    expect(answered(gone, { startedAt: 5, isProbe: false })).toBe(gone)
    expect(answered(gone, { startedAt: 11, isProbe: false })).toBe(CLOSED)
  })
  test('calls that were under way when it opened do not open it further', () => {
    const open = opened(CLOSED, 'unreachable', 0, false)
    expect(opened(open, 'unreachable', 1, false)).toBe(open)
    const half = asked(open, 2000)
    expect(opened(half, 'unreachable', 2001, false)).toBe(half)
    expect(opened(half, 'unreachable', 2001, true)).toMatchObject({ kind: 'open', times: 2, until: 2001 + 4000, skips: 4 })
  })
})
