import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Payload } from './invocation.ts'
import { pickTarget, steer, type Steering, stickyKeyOf } from './steering.ts'

const versions = ['a', 'b', 'c', 'd'].map((each) => each.repeat(64))
const never = () => expect.unreachable('nothing is drawn where there is a key')
const weightsOf = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 2, maxLength: 4 })
const targetsOf = (weights: readonly number[]) => weights.map((weight, at) => ({ version: versions[at] as string, weight }))

describe('pickTarget()', () => {
  test.each([
    [50, 50],
    [1, 99],
    [10, 20, 30, 40],
  ])('100,000 keys fall to their versions within 1 %% of the weights %j', (...weights) => {
    const counts = new Map<string, number>()
    for (let at = 0; at < 100_000; at++) {
      const version = pickTarget(targetsOf(weights), never, `caller ${at}`)
      counts.set(version, (counts.get(version) ?? 0) + 1)
    }
    for (const { version, weight } of targetsOf(weights)) expect(Math.abs((counts.get(version) ?? 0) / 1000 - weight)).toBeLessThan(1)
  })
  test('property: a weight that rises moves keys to its version, and no other key', () => {
    fc.assert(
      fc.property(
        weightsOf,
        fc.nat(3),
        fc.integer({ min: 1, max: 100 }),
        fc.array(fc.string(), { maxLength: 20 }),
        (weights, index, more, keys) => {
          const before = targetsOf(weights)
          const raised = before[index % before.length] as (typeof before)[number]
          const after = before.map((each) => (each === raised ? { ...each, weight: each.weight + more } : each))
          const moved = keys.filter((key) => pickTarget(before, never, key) !== pickTarget(after, never, key))
          expect(moved.filter((key) => pickTarget(after, never, key) !== raised.version)).toEqual([])
        },
      ),
    )
  })
  test('a canary that grows from 10 to 30 % takes a fifth of the keys with it, and sends none back', () => {
    const [stable, canary] = versions as [string, string]
    const share = (weight: number) => [
      { version: stable, weight: 100 - weight },
      { version: canary, weight },
    ]
    const moves = Array.from({ length: 20_000 }, (_, at) => [pickTarget(share(10), never, `${at}`), pickTarget(share(30), never, `${at}`)])
    expect(moves.filter(([was, is]) => was === canary && is !== canary)).toEqual([])
    expect(moves.filter(([was, is]) => was !== is).length / 20_000).toBeCloseTo(0.2, 1)
  })
  test('property: neither the order of the targets nor chance has a say where there is a key', () => {
    fc.assert(
      fc.property(weightsOf, fc.string(), (weights, key) => {
        const targets = targetsOf(weights)
        expect(pickTarget(targets.toReversed(), never, key)).toBe(pickTarget(targets, never, key))
      }),
    )
  })
  test('without a key each call is drawn by weight', () => {
    const drawn = [0, 0.24, 0.26, 0.99].map((draw) => pickTarget(targetsOf([25, 75]), () => draw))
    expect(drawn).toEqual([versions[0], versions[0], versions[1], versions[1]])
  })
})

describe('who says which version', () => {
  const request = (cookie: string): { payload: Payload } => ({
    payload: { kind: 'fetch', method: 'GET', url: 'http://x/', headers: [['cookie', cookie]] },
  })
  test('the key is the header, else the cookie of a web request', () => {
    expect(stickyKeyOf({ sticky: 'ada', ...request('osiris-sticky=bob') })).toBe('ada')
    expect(stickyKeyOf(request('a=1; osiris-sticky=bob; b=2'))).toBe('bob')
    for (const other of ['', 'not-osiris-sticky=bob', 'osiris-sticky=', `osiris-sticky=${'x'.repeat(257)}`])
      expect(stickyKeyOf(request(other))).toBe(undefined)
  })
  test('headers that cannot mean anything are refused with a sentence', () => {
    const read = (sticky: unknown, override: unknown): Steering => {
      const steering: Steering = {}
      steer(steering, sticky, override)
      return steering
    }
    expect(read('ada', 'v3')).toEqual({ sticky: 'ada', override: 'v3' })
    expect(read('', undefined)).toEqual({})
    expect(read(null, null)).toEqual({})
    expect(() => read('x'.repeat(257), undefined)).toThrow(/Osiris-Sticky is longer than 256/)
    for (const wrong of ['', 'V3', 'v3, v4', 'x'.repeat(65)]) expect(() => read(undefined, wrong)).toThrow(/as a version/)
  })
})
