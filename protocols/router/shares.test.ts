/** What share of the calls a member gets that lies, slows down or fails: on a virtual clock, the same in every run. */
import { describe, expect, test } from 'vitest'
import { type Manner, quantile, shareOf, sharesWorld } from './shares.world.ts'

const LIAR = { claims: { capacity: 1e9, inFlight: 0 } }

describe('a home that lies about its load', () => {
  const liars: [string, Manner][] = [
    ['takes five seconds, and says that its function did', { ...LIAR, ms: 5000, claimsRunMs: 5000 }],
    ['never answers', { ...LIAR, ms: 1e9 }],
    ['answers "overloaded" always', { ...LIAR, ms: 1, answers: 'overloaded' }],
    ['answers "not_found" always', { ...LIAR, ms: 1, answers: 'not_found' }],
    ['answers fast with garbage', { ...LIAR, ms: 1, answers: 'garbage' }],
    ['answers fast that the function failed', { ...LIAR, ms: 1, answers: 'function_failed' }],
  ]
  test.each(liars)('%s: at most one call in twenty after the first twenty, one after the other', async (_, manner) => {
    const world = sharesWorld('public', [manner])
    const calls = await world.sequence(220)
    expect(shareOf(world.home, calls.slice(20))).toBeLessThanOrEqual(0.05)
  })
  test.each(liars)('%s: the same at fifty a second, and nobody waits for more than its share', async (_, manner) => {
    const world = sharesWorld('public', [manner])
    const calls = await world.rate(50, 10)
    expect(shareOf(world.home, calls.slice(20))).toBeLessThanOrEqual(0.05)
    expect(calls.slice(20).filter(({ outcome }) => outcome.kind === 'value').length / (calls.length - 20)).toBeGreaterThan(0.97)
  })
})

describe('a slow executor', () => {
  test('ten times slower: its share is at most a tenth within ten seconds, and then p99 is at most twice the quiet one', async () => {
    const world = sharesWorld('public', [{ ms: 8 }])
    const quiet = await world.rate(50, 5)
    expect(shareOf(world.home, quiet)).toBe(1)
    world.manner(0).ms = 80
    const ill = await world.rate(50, 10)
    expect(shareOf(world.home, ill)).toBeLessThanOrEqual(0.1)
    const later = await world.rate(50, 20)
    expect(quantile(later, 0.99)).toBeLessThanOrEqual(2 * quantile(quiet, 0.99))
  })
  test('that is well again is found out, and is home again', async () => {
    const world = sharesWorld('public', [{ ms: 8 }])
    await world.rate(50, 2)
    world.manner(0).ms = 200
    await world.rate(50, 10)
    world.manner(0).ms = 8
    await world.rate(50, 40)
    expect(shareOf(world.home, await world.rate(50, 2))).toBeGreaterThan(0.9)
  })
  test('a function that takes long everywhere stays at its home', async () => {
    const world = sharesWorld(
      'public',
      Array.from({ length: 5 }, () => ({ ms: 300 })),
    )
    await world.rate(20, 5)
    expect(shareOf(world.home, await world.rate(20, 10))).toBeGreaterThan(0.9)
  })
  test('a cold start is no reason to warm others', async () => {
    const world = sharesWorld('public', [{ ms: 40 }])
    await world.sequence(1)
    world.manner(0).ms = 5
    expect(shareOf(world.home, await world.sequence(30))).toBe(1)
  })
  test('one slow call, or one large input, moves nothing', async () => {
    const world = sharesWorld('public', [])
    await world.rate(50, 2)
    world.manner(0).ms = 400
    await world.sequence(2)
    world.manner(0).ms = 5
    expect(shareOf(world.home, await world.rate(50, 5))).toBeGreaterThan(0.9)
  })
  test('at most half of them are passed over for it', async () => {
    const world = sharesWorld('public', [])
    await world.rate(50, 2)
    for (const rank of [0, 1, 2]) {
      world.manner(rank).ms = 200
      await world.rate(50, 5)
    }
    const calls = await world.rate(50, 5)
    expect(shareOf(world.order[2] as string, calls)).toBeGreaterThan(0.5)
  })
  test('no call is started twice by any of it', async () => {
    const world = sharesWorld('public', [{ ms: 8 }, { ms: 9 }, { ms: 1, answers: 'overloaded' }])
    await world.rate(50, 2)
    world.manner(0).ms = 300
    await world.rate(50, 5)
    expect([...world.starts.values()].every((each) => each === 1)).toBe(true)
  })
})
