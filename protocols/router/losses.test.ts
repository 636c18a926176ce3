/** Members that are killed, frozen, or just starting, under calls: on a virtual clock. */
import { describe, expect, test } from 'vitest'
import { type CallSeen, shareOf, sharesWorld } from './shares.world.ts'

const lost = (calls: readonly CallSeen[]) => calls.filter(({ outcome }) => outcome.kind === 'failed')
const attempts = (calls: readonly CallSeen[]) => calls.reduce((sum, { asked }) => sum + asked.length, 0)
const all = (ms: number) => Array.from({ length: 5 }, () => ({ ms }))

describe('a member that is killed', () => {
  test('loses no idempotent call where everything is slow and all are hedged', async () => {
    const world = sharesWorld('hedged', all(120))
    world.clock.after(8000, () => world.kill(0))
    const calls = await world.rate(50, 10)
    expect(lost(calls)).toEqual([])
    expect(attempts(calls) / calls.length).toBeLessThanOrEqual(1.1)
  })
  test('costs no call that could not reach it, however many want to at once', async () => {
    const world = sharesWorld('public', [{ ms: 1, answers: 'unreachable' }])
    const calls = await Promise.all([...Array.from({ length: 60 }, () => world.call()), world.sequence(1)])
    expect(lost(calls.flat())).toEqual([])
  })
  test('with all others costs no more than the tenth', async () => {
    const world = sharesWorld(
      'public',
      Array.from({ length: 5 }, () => ({ ms: 1, answers: 'unreachable' as const })),
    )
    const calls = await world.rate(100, 10)
    expect(attempts(calls) / calls.length).toBeLessThanOrEqual(1.11)
  })
  test('after a hedge that was refused: the call is started again', async () => {
    const world = sharesWorld('hedged', [{ ms: 300 }, { ms: 1, answers: 'overloaded' }])
    world.clock.after(200, () => world.kill(0))
    const [call] = await world.sequence(1)
    expect(call).toMatchObject({ outcome: { kind: 'value', meta: { node: world.order[2] } }, asked: world.order.slice(0, 3) })
    expect([...world.starts.values()]).toEqual([2])
  })
  test('after its hedge was started and before that one is lost too: it is not told to have never started', async () => {
    const world = sharesWorld('hedged', [{ ms: 100, answers: 'overloaded' }, ...all(300)])
    world.clock.after(200, () => {
      for (const rank of [1, 2, 3, 4]) world.kill(rank)
    })
    const [call] = await world.sequence(1)
    expect(call?.outcome).toMatchObject({ kind: 'failed', started: true, error: { code: 'outcome_unknown' } })
  })
})

describe('a hedge', () => {
  test('that there were too many for is made later', async () => {
    const world = sharesWorld('hedged', [])
    await world.rate(50, 4)
    world.manner(0).ms = 4000
    const calls = Promise.all(Array.from({ length: 16 }, () => world.call()))
    await world.clock.run(world.clock.monotonic() + 10_000)
    const late = (await calls).filter(({ tookMs }) => tookMs > 60)
    expect(late.length).toBeGreaterThan(0)
    for (const { tookMs } of late) expect(tookMs).toBeLessThan(500)
  })
})

describe('a hedge that nothing is left for', () => {
  test('is made all the same when half of the time is over', async () => {
    const world = sharesWorld('hedged', all(120))
    world.clock.after(3000, () => (world.manner(0).ms = 1e9))
    world.clock.after(3010, () => (world.manner(0).ms = 120))
    const calls = await world.rate(50, 15)
    const stuck = calls.find(({ tookMs }) => tookMs > 1000)
    expect(lost(calls)).toEqual([])
    expect(stuck?.tookMs).toBeLessThan(5200)
    expect(attempts(calls) / calls.length).toBeLessThanOrEqual(1.1)
  })
})

describe('a member that is frozen', () => {
  test('gets no more calls once its beats are missing, though nobody else was measured', async () => {
    const world = sharesWorld('public', [])
    await world.rate(2, 4)
    world.manner(0).isFrozen = true
    const calls = await world.rate(2, 4)
    expect(
      shareOf(
        world.home,
        calls.filter(({ at }) => at > (calls[0]?.at ?? 0) + 1500),
      ),
    ).toBe(0)
  })
  test('is asked again when its beats come again, and not before', async () => {
    const world = sharesWorld('public', [])
    await world.rate(20, 2)
    world.manner(0).isFrozen = true
    const calls = await world.rate(20, 20)
    expect(shareOf(world.home, calls.slice(40))).toBe(0)
    world.manner(0).isFrozen = false
    await world.rate(20, 5)
    expect(shareOf(world.home, await world.rate(20, 5))).toBe(1)
  })
  test('loses no idempotent call that is hedged', async () => {
    const world = sharesWorld('hedged', [])
    await world.rate(20, 2)
    world.manner(0).isFrozen = true
    const calls = await world.rate(20, 20)
    expect(lost(calls)).toEqual([])
    expect(Math.max(...calls.map(({ tookMs }) => tookMs))).toBeLessThan(2000)
  })
  test('loses no call when all are for a while: then it is this node that hears nothing', async () => {
    const world = sharesWorld('public', all(800))
    for (const rank of [0, 1, 2, 3, 4]) world.manner(rank).isFrozen = true
    world.clock.after(3000, () => {
      for (const rank of [0, 1, 2, 3, 4]) world.manner(rank).isFrozen = false
    })
    const calls = await world.rate(5, 4)
    expect(lost(calls)).toEqual([])
  })
})

describe('a member that starts', () => {
  test('gets no calls until it says that it takes some', async () => {
    const world = sharesWorld('public', [{ ms: 5, claims: { capacity: 0 } }])
    expect(shareOf(world.home, await world.rate(20, 2))).toBe(0)
    const home = world.members.get(world.home) as { capacity: number }
    home.capacity = 10
    expect(shareOf(world.home, await world.rate(20, 2))).toBe(1)
  })
})
