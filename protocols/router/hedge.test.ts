/** Second starts, and what they may cost: on a virtual clock. */
import { describe, expect, test } from 'vitest'
import { quantile, sharesWorld } from './shares.world.ts'

describe('a hedged call', () => {
  test('that takes long is started at one other member, and its first answer counts', async () => {
    const world = sharesWorld('hedged', [{ ms: 800 }])
    const [call] = await world.sequence(1)
    expect(call).toMatchObject({ outcome: { kind: 'value', meta: { node: world.order[1] } }, tookMs: 55 })
    expect(call?.asked).toEqual(world.order.slice(0, 2))
    expect(world.aborted).toEqual([world.home])
    expect([...world.starts.values()]).toEqual([2])
  })
  test('that is answered in time is started once', async () => {
    const world = sharesWorld('hedged', [{ ms: 49 }])
    const [call] = await world.sequence(1)
    expect(call).toMatchObject({ tookMs: 49, asked: [world.home] })
    await world.clock.run(5000)
    expect([...world.starts.values()]).toEqual([1])
  })
  test('waits for the first when the second says nothing', async () => {
    const world = sharesWorld('hedged', [{ ms: 200 }, { ms: 1, answers: 'overloaded' }])
    const [call] = await world.sequence(1)
    expect(call).toMatchObject({ outcome: { kind: 'value', meta: { node: world.home } }, tookMs: 200 })
  })
  test('is not started a third time', async () => {
    const world = sharesWorld(
      'hedged',
      Array.from({ length: 5 }, () => ({ ms: 70, answers: 'garbage' as const })),
    )
    const [call] = await world.sequence(1)
    expect(call).toMatchObject({ outcome: { kind: 'failed', started: true, error: { code: 'outcome_unknown' } } })
    expect(call?.asked).toHaveLength(2)
  })
  test('of a function that did not ask is none, idempotent or not', async () => {
    for (const name of ['idem', 'public']) {
      const [call] = await sharesWorld(name, [{ ms: 800 }]).sequence(1)
      expect(call).toMatchObject({ tookMs: 800, asked: [expect.anything()] })
    }
  })
  test('keeps p99 short while one member is slow, and a slow member loses its share all the same', async () => {
    const world = sharesWorld('hedged', [{ ms: 1000 }])
    const calls = await world.rate(50, 20)
    expect(quantile(calls, 0.99)).toBeLessThanOrEqual(60)
    expect(calls.slice(500).filter(({ asked }) => asked[0] === world.home).length).toBeLessThan(25)
  })
})

describe('a retry storm', () => {
  test.each(['overloaded', 'garbage'] as const)('all answer %s: at most 1.1 attempts a call', async (answers) => {
    const world = sharesWorld(
      'idem',
      Array.from({ length: 5 }, () => ({ ms: 1, answers })),
    )
    const calls = await world.rate(200, 10)
    const attempts = calls.reduce((sum, each) => sum + each.asked.length, 0)
    expect(attempts / calls.length).toBeLessThanOrEqual(1.1)
    expect(attempts).toBeGreaterThan(calls.length)
    expect(new Set(calls.map(({ outcome }) => outcome.kind))).toEqual(new Set(['failed']))
  })
  test('hedges count too', async () => {
    const world = sharesWorld(
      'hedged',
      Array.from({ length: 5 }, () => ({ ms: 400 })),
    )
    const calls = await world.rate(100, 10)
    const attempts = calls.reduce((sum, each) => sum + each.asked.length, 0)
    expect(attempts / calls.length).toBeLessThanOrEqual(1.1)
  })
  test('calls that failed together do not come back together', async () => {
    const world = sharesWorld('public', [{ ms: 1, answers: 'overloaded' }])
    const calls = await Promise.all([world.sequence(1), ...Array.from({ length: 7 }, () => world.call())])
    const second = new Set(calls.flat().map(({ tookMs }) => tookMs))
    expect(second.size).toBeGreaterThan(4)
    for (const ms of second) expect(ms).toBeLessThan(6 + 10)
  })
})

describe('deadlines', () => {
  test('are shorter at the next hop by what the way there costs', async () => {
    const world = sharesWorld('public', [{ ms: 30, claimsRunMs: 10 }])
    await world.sequence(30)
    const [call] = await world.sequence(1)
    expect(call?.outcome.kind).toBe('value')
    const left = world.deadlines.at(-1) as number
    expect(left).toBeLessThan(10_000 - 15)
    expect(left).toBeGreaterThan(10_000 - 25)
  })
})
