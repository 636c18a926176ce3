import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '#protocols/lifecycle'
import { until } from '#protocols/until'
import { connect } from '#sdk'
import { TestMesh } from './components.fixture.ts'
import { Draining } from './draining.ts'

describe('a node that drains', () => {
  let mesh: TestMesh
  beforeAll(async () => {
    mesh = await TestMesh.create()
  })
  afterAll(() => mesh.stop())

  const apiOf = (node: { http: string; developerToken: string }) => connect({ url: node.http, token: node.developerToken })

  test('ends what it runs, is sent nothing more, and what it kept is kept elsewhere; then it stops without an error', async () => {
    const first = await mesh.add(['router', 'catalog', 'builder'])
    const workers = [await mesh.add(['executor']), await mesh.add(['executor'])]
    const osiris = await apiOf(first)
    const source = 'export default (ms: number) => new Promise((resolve) => setTimeout(resolve, ms, ms))'
    await osiris.deploy({ namespace: 'demo', name: 'wait', source, config: { scale: { min: 1 } } })
    const holders = async () => {
      const counts = await Promise.all(
        workers.map(async (each) => (await (await apiOf(each)).nodes()).find((one) => one.self)?.instances?.[0]?.ready ?? 0),
      )
      return workers.filter((_, index) => (counts[index] as number) > 0)
    }
    await until(async () => (await holders()).length === 1, 15_000, 50)
    const [holder] = await holders()
    const other = workers.find((each) => each !== holder)
    const running = osiris.call<number>('demo/wait', 1500)
    await until(async () => (await (await apiOf(holder as typeof first)).nodes()).some((each) => each.self && each.inFlight > 0), 5000, 20)
    const draining = (await apiOf(holder as typeof first)).drain({ timeoutMs: 20_000 })
    await until(async () => (await holders()).includes(other as typeof first), 10_000, 50)
    expect(await running).toBe(1500)
    expect(await draining).toEqual({ calls: 0 })
    const answers = await Promise.all(Array.from({ length: 5 }, () => osiris.call<number>('demo/wait', 1)))
    expect(answers).toEqual([1, 1, 1, 1, 1])
    const inside = (await (await apiOf(other as typeof first)).nodes()).find((each) => each.self)
    expect(inside?.roles).toContain('executor')
    // Without a role left it is nobody's member any more.
    expect((await osiris.nodes()).flatMap((each) => (each.peer === holder?.peer ? each.roles : []))).toEqual([])
    await holder?.stop()
  }, 60_000)
})

describe('draining', () => {
  const init = (parts: { others: number; kept?: number; calls?: () => number }) => {
    const told: object[] = []
    const count = () => ({
      ...{ namespace: 'demo', name: 'f', version: 'a'.repeat(64), ready: 1, starting: 0, waiting: 0, quietMs: 0, callMs: 0 },
      kept: parts.kept ?? 0,
      running: parts.calls?.() ?? 0,
    })
    let drained = 0
    const draining = new Draining({
      roles: ['router', 'catalog', 'executor'],
      network: {
        advertise: (part) => void told.push(part),
        members: { withRole: () => Array.from({ length: parts.others }) } as never,
      },
      executor: { drain: () => void drained++, instances: () => [count()] },
      clock: systemClock,
      onBegin: () => {},
    })
    return { draining, told, drained: () => drained }
  }

  test('keeps the roles that serve data, and is over at once where nobody is to be told and nothing runs', async () => {
    const { draining, told, drained } = init({ others: 0, kept: 2 })
    expect(draining.has('executor')).toBe(true)
    const startedAt = systemClock.monotonic()
    expect(await draining.drain(10_000)).toEqual({ calls: 0 })
    expect(systemClock.monotonic() - startedAt).toBeLessThan(1000)
    expect(told).toEqual([{ roles: ['catalog'] }])
    expect([draining.has('executor'), draining.has('router'), draining.has('catalog'), drained()]).toEqual([false, false, true, 1])
  })
  test('says how many calls were left when the time was up, and begins once', async () => {
    const { draining, told, drained } = init({ others: 1, calls: () => 3 })
    expect(await draining.drain(100)).toEqual({ calls: 3 })
    expect(await draining.drain(50)).toEqual({ calls: 3 })
    expect([told.length, drained()]).toEqual([1, 1])
  })
})
