import { afterEach, describe, expect, test } from 'vitest'
import type { Outcome } from '#protocols/invocation'
import { systemClock } from '#protocols/lifecycle'
import { createMesh, type Mesh } from './mesh.world.ts'
import { callOf } from './router.world.ts'

describe('calls while nodes die', () => {
  let world: Mesh
  afterEach(() => world.stop())

  test('an executor killed during a call: outcome_unknown, long before the deadline', async () => {
    world = await createMesh({ routers: 1, executors: 1 })
    const [executor] = world.executors
    if (executor !== undefined) executor.behave = () => new Promise(() => {})
    const startedAt = systemClock.monotonic()
    const running = world.client.invoke(callOf('open'))
    await expect.poll(() => executor?.started).toBe(1)
    await world.mesh.kill('executor-1')
    expect(await running).toMatchObject({ error: { code: 'outcome_unknown' }, started: true })
    expect(systemClock.monotonic() - startedAt).toBeLessThan(4000)
  })
  test('a router killed during a call: outcome_unknown', async () => {
    world = await createMesh({ routers: 1, executors: 1 })
    const [executor] = world.executors
    if (executor !== undefined) executor.behave = () => new Promise(() => {})
    const running = world.client.invoke(callOf('open'))
    await expect.poll(() => executor?.started).toBe(1)
    await world.mesh.kill('router-1')
    expect(await running).toMatchObject({ error: { code: 'outcome_unknown' }, started: true })
  })
  test('a router known to be gone costs nothing but another attempt', async () => {
    world = await createMesh({ routers: 2, executors: 1 })
    const gone = world.networks.get('router-1')?.peer ?? ''
    await world.mesh.kill('router-1')
    await expect.poll(() => world.networks.get('client')?.connections()).not.toContain(gone)
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => world.client.invoke(callOf('open'))))
    expect(outcomes.map((each) => each.kind)).toEqual(Array(20).fill('value'))
  })
  test('no call is started twice while executors come to their end, and what fails says why', async () => {
    world = await createMesh({ routers: 2, executors: 3 }, { faults: { delayMs: [0, 5] } })
    const outcomes: Outcome[] = []
    const caller = async () => {
      for (let call = 0; call < 20; call++) outcomes.push(await world.client.invoke(callOf('open')))
    }
    const callers = Array.from({ length: 16 }, caller)
    for (const name of ['executor-1', 'executor-2']) {
      const before = outcomes.length
      await expect.poll(() => outcomes.length, { interval: 1 }).toBeGreaterThan(before + 60)
      await world.mesh.kill(name)
    }
    await Promise.all(callers)
    const starts = [...(world.executors[0]?.starts ?? new Map<string, number>()).values()]
    expect(starts.filter((each) => each !== 1)).toEqual([])
    const codes = new Set(outcomes.map((each) => (each.kind === 'failed' ? each.error.code : each.kind)))
    expect(['outcome_unknown', 'unavailable', 'value']).toEqual(expect.arrayContaining([...codes]))
    expect(outcomes.filter((each) => each.kind === 'value').length).toBeGreaterThanOrEqual(320 - 2 * 16)
  })
})
