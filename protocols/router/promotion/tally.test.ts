import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type Canary, stepsFrom } from '#protocols/canary'
import { encode } from '#protocols/codec'
import type { ErrorCode } from '#protocols/errors'
import { NO_TIMING } from '#protocols/invocation'
import { Tally } from './tally.ts'

const [OLD, NEW] = ['a'.repeat(64), 'b'.repeat(64)]
const canary: Canary = {
  ...{
    id: '1'.repeat(32),
    alias: 'live',
    version: NEW,
    base: [{ version: OLD, weight: 100 }],
    steps: stepsFrom(10),
    step: 1,
    watchMs: 1000,
  },
  ...{ startedAt: 0, since: 0, state: 'running', settled: false, why: '', by: 'ada' },
}
const ended = (version: string, code: ErrorCode | null = null, status?: number) => ({
  ...{ code, meta: { version, node: '', hops: 0, timing: { ...NO_TIMING, run: 5 } } },
  ...(status === undefined ? {} : { status }),
})

it('counts calls of both sides, and as errors what was the version’s own fault', () => {
  const tally = new Tally()
  tally.count(ended(NEW))
  tally.watch([canary])
  for (const call of [
    ended(NEW),
    ended(NEW, 'function_failed'),
    ended(NEW, null, 503),
    ended(NEW, null, 404),
    ended(OLD),
    ended('c'.repeat(64)),
  ])
    tally.count(call)
  for (const code of ['overloaded', 'forbidden', 'invalid_argument', 'unavailable', 'payload_too_large'] as const)
    tally.count(ended(NEW, code))
  const { canary: own, base } = tally.sum(canary)
  expect([own.calls, own.errors, base.calls, base.errors]).toEqual([4, 2, 1, 0])
  expect(own.times.reduce((sum, each) => sum + each, 0)).toBe(2)
})

it('adds up what nodes tell, each its latest word, and begins anew with the next step', () => {
  const [one, two] = [new Tally(), new Tally()]
  for (const each of [one, two]) each.watch([canary])
  expect(one.message()).toBeUndefined()
  for (let each = 0; each < 3; each++) {
    one.count(ended(NEW))
    two.hear('one', one.message() as Uint8Array)
  }
  two.count(ended(OLD, 'function_failed'))
  const { canary: own, base } = two.sum(canary)
  expect([own.calls, base.calls, base.errors]).toEqual([3, 1, 1])
  two.watch([{ ...canary, step: 2 }])
  expect(two.sum({ ...canary, step: 2 }).canary.calls).toBe(0)
  two.hear('one', one.message() as Uint8Array)
  expect(two.sum({ ...canary, step: 2 }).canary.calls).toBe(0)
})

it('tells of every canary in turn, in messages that gossip takes', () => {
  const [one, two] = [new Tally(), new Tally()]
  const many = Array.from({ length: 100 }, (_, at): Canary => ({ ...canary, id: at.toString(16).padStart(32, '0') }))
  for (const each of [one, two]) each.watch(many)
  one.count(ended(NEW))
  for (let round = 0; round < 5; round++) {
    const message = one.message() as Uint8Array
    expect(message.length).toBeLessThan(64 * 1024)
    two.hear('one', message)
  }
  expect(many.filter((each) => two.sum(each).canary.calls !== 1)).toEqual([])
})

it('takes nothing from a member that tells nonsense', () => {
  const tally = new Tally()
  tally.watch([canary])
  const key = `${canary.id}/1`
  const wrong = [
    1,
    [1],
    [[key]],
    [[key, [1, 2], [0, 0]]],
    [[key, [-1, 0], [0, 0]]],
    [[key, [1, 0, 64, 1], [0, 0]]],
    [[key, [1, 0, 3, 9], [0, 0]]],
    [[key, ['1', 0], []]],
  ]
  for (const each of wrong) expect(() => tally.hear('liar', encode(each))).toThrow(/^not /)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      try {
        tally.hear('liar', bytes)
      } catch {
        // whatever it throws: nothing is kept
      }
      return tally.sum(canary).canary.calls === 0
    }),
  )
  tally.hear('stranger', encode([['2'.repeat(32) + '/0', [1, 0], [1, 0]]]))
  expect(tally.sum(canary).base.calls).toBe(0)
})
