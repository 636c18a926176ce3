/** Quotas of namespaces: the arithmetic by properties, the division on a memory mesh, the refusals at a router. */
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import type { Setting } from '#protocols/catalog'
import type { OsirisError } from '#protocols/errors'
import { createEvents } from '#protocols/events'
import { type Clock, systemClock } from '#protocols/lifecycle'
import { MemoryMesh, type Network } from '#protocols/network'
import { until } from '#protocols/until'
import { accessOf, callOf, demoCatalog, FakeExecutor, FakeMembers } from '../router.world.ts'
import { RouterService } from '../service.ts'
import { Bucket } from './bucket.ts'
import { FigureBook } from './figures.ts'
import { Gate } from './gate.ts'
import { quotaOf, quotaSchema } from '#protocols/quota'
import { rateLimitsOf } from '#protocols/rate-limit'
import { Quotas } from './quotas.ts'
import { shareOf } from './shares.ts'

describe('Bucket', () => {
  it('gives out its rate and its capacity, and never more, however it is asked', () => {
    const steps = fc.array(fc.tuple(fc.nat(50), fc.nat(20)), { maxLength: 200 })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 1, max: 50 }), steps, (rate, capacity, all) => {
        const bucket = new Bucket(rate, capacity, 0)
        let now = 0
        let taken = 0
        for (const [ms, asks] of all) {
          now += ms
          for (let each = 0; each < asks; each++) if (bucket.take(now)) taken++
          expect(taken).toBeLessThanOrEqual(capacity + (rate * now) / 1000 + 1e-6)
        }
      }),
    )
  })
  it('says when to come again, and then there is one', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.1, max: 1000, noNaN: true }), fc.nat(1000), (rate, now) => {
        const bucket = new Bucket(rate, 1, 0)
        expect(bucket.take(now)).toBe(true)
        expect(bucket.take(now)).toBe(false)
        const waitMs = bucket.waitMs(1, now)
        expect(waitMs > 1 && bucket.take(now + waitMs - 1 - 1e-6)).toBe(false)
        expect(bucket.take(now + waitMs + 1e-6)).toBe(true)
      }),
    )
  })
  it('does not refill by being given another size', () => {
    const bucket = new Bucket(1, 10, 0)
    for (let each = 0; each < 10; each++) bucket.take(0)
    bucket.resize(1, 100, 0)
    expect(bucket.take(0)).toBe(false)
    bucket.resize(1, 5, 100_000)
    expect(bucket.level(100_000)).toBe(5)
  })
})

describe('shareOf()', () => {
  const demand = fc.double({ min: 0, max: 1e6, noNaN: true })
  it('divides all of it among nodes that know the same, and leaves nobody without', () => {
    fc.assert(
      fc.property(fc.array(demand, { minLength: 1, maxLength: 40 }), (all) => {
        const shares = all.map((own, at) => shareOf(own, all.toSpliced(at, 1)))
        expect(shares.reduce((sum, each) => sum + each, 0)).toBeCloseTo(1, 6)
        for (const share of shares) expect(share).toBeGreaterThanOrEqual(0.04 / all.length)
      }),
    )
  })
  it('is nearly all of it where nobody else is asked, and equal parts where nobody is', () => {
    expect(shareOf(100, [0, 0, 0, 0])).toBeGreaterThan(0.94)
    expect(shareOf(0, [0, 0, 0, 0])).toBeCloseTo(0.2)
    expect(shareOf(0, [])).toBe(1)
  })
})

describe('Gate', () => {
  const at = (quota: Parameters<typeof quotaSchema.parse>[0]) => new Gate('demo', quotaSchema.parse(quota), 0)
  it('refuses with the limit, when to come again, and what HTTP says of it', () => {
    const gate = at({ callsPerSecond: 2 })
    expect([gate.enter(0), gate.enter(0)]).toEqual([undefined, undefined])
    expect(gate.enter(0)).toMatchObject({
      code: 'rate_limited',
      message: 'Cannot take the call: namespace "demo" may have 2 calls per second',
      details: { limit: 'callsPerSecond', retryAfterMs: 500, rateLimit: [{ name: 'calls', q: 2, w: 1, r: 0, t: 1 }] },
    })
    expect(gate.enter(500)).toBeUndefined()
  })
  it('says what is left of each limit at any time, and when there is more', () => {
    const gate = at({ callsPerSecond: 10, concurrent: 3, cpuSecondsPerHour: 36 })
    const full = [
      { name: 'calls', q: 10, w: 1, r: 10 },
      { name: 'concurrent', q: 3, qu: 'concurrent-requests', r: 3 },
      { name: 'cpu', q: 36, w: 3600, qu: 'cpu-seconds', r: 36 },
    ]
    expect(gate.limits(0)).toEqual(full)
    gate.enter(0)
    expect(gate.limits(0).slice(0, 2)).toEqual([
      { ...full[0], r: 9, t: 1 },
      { ...full[1], r: 2 },
    ])
    expect(gate.used(0)).toEqual({ callsPerSecond: expect.closeTo(0.1), concurrent: expect.closeTo(1 / 3), cpuPerHour: 0 })
    gate.leave(1500, 0)
    expect(gate.limits(0).slice(1)).toEqual([full[1], { ...full[2], r: 34, t: 50 }])
    gate.set({ concurrent: 3 }, 0.34, 0)
    expect(gate.limits(0)).toEqual([{ ...full[1], r: 1 }])
  })
  it('whatever is asked of it, what it tells is whole numbers that nobody has less than, and an empty limit says when it is not', () => {
    const step = fc.tuple(fc.nat(3000), fc.boolean(), fc.double({ min: 0, max: 5000, noNaN: true }))
    const quotas = fc.record({
      callsPerSecond: fc.double({ min: 0.01, max: 50, noNaN: true }),
      concurrent: fc.integer({ min: 1, max: 5 }),
      cpuSecondsPerHour: fc.double({ min: 0.1, max: 100, noNaN: true }),
    })
    fc.assert(
      fc.property(quotas, fc.double({ min: 0.05, max: 1, noNaN: true }), fc.array(step, { maxLength: 50 }), (quota, share, steps) => {
        const gate = new Gate('demo', quota, 0)
        gate.set(quota, share, 0)
        let now = 0
        for (const [ms, isEnter, cpuMs] of steps) {
          now += ms
          if (isEnter) gate.enter(now)
          else if (gate.inFlight > 0) gate.leave(cpuMs, now)
          const limits = gate.limits(now)
          expect(rateLimitsOf(limits)).toEqual(limits)
          for (const { name, q, r, t } of limits) {
            expect(r).toBeLessThanOrEqual(q)
            expect(r > 0 || name !== 'calls' || (t ?? 0) > 0).toBe(true)
          }
        }
      }),
    )
  })
  it('counts calls under way, and one that ends makes room', () => {
    const gate = at({ concurrent: 1 })
    expect(gate.enter(0)).toBeUndefined()
    expect(gate.enter(0)).toMatchObject({ code: 'quota_exceeded', details: { limit: 'concurrent' } })
    gate.leave(0, 0)
    expect(gate.enter(0)).toBeUndefined()
  })
  it('lets in until the hour’s processor time is used, then as it comes back', () => {
    const gate = at({ cpuSecondsPerHour: 3600 })
    expect(gate.enter(0)).toBeUndefined()
    gate.leave(3_601_000, 0)
    expect(gate.enter(0)).toMatchObject({ code: 'quota_exceeded', details: { limit: 'cpuPerHour', retryAfterMs: expect.any(Number) } })
    expect(gate.enter(1002)).toBeUndefined()
  })
  it('a refused call takes nothing of what it would have been counted against', () => {
    const gate = at({ callsPerSecond: 1, concurrent: 1 })
    expect(gate.enter(0)).toBeUndefined()
    for (let each = 0; each < 5; each++) gate.enter(1000)
    gate.leave(0, 1000)
    expect(gate.enter(1000)).toBeUndefined()
  })
})

test('figures are of at most a hundred namespaces by name, whoever calls', () => {
  const book = new FigureBook()
  for (let each = 0; each < 500; each++) book.of(`n${each}`).admitted++
  const list = book.list()
  expect(list).toHaveLength(101)
  expect(list.at(-1)).toEqual(['(others)', { admitted: 400, refused: 0, cpuMs: 0 }])
  expect(book.of('n7')).toBe(list[7]?.[1])
})

test('a quota that cannot be read bounds nothing', () => {
  for (const text of ['', '{}', '{"callsPerSecond":-1}', '[1]', '{"more":1}', '{"concurrent":1.5}']) expect(quotaOf(text)).toBeUndefined()
  expect(quotaOf('{"concurrent":3}')).toEqual({ concurrent: 3 })
})

class Time implements Clock {
  at = 0
  now = () => this.at
  monotonic = () => this.at
  after = () => () => {}
}

const quota = (namespace: string, value: object): Setting => ({ namespace, key: 'quota', value: JSON.stringify(value) })
const catalogOf = (settings: readonly Setting[]) => ({ settings: () => settings })

describe('Quotas', () => {
  it('on nodes that are asked differently let in as many as there may be in all', async () => {
    const mesh = new MemoryMesh()
    const networks: Network[] = [1, 2, 3].map((each) => mesh.network({ name: `n${each}`, roles: ['router'] }))
    await Promise.all(networks.map((each) => each.start()))
    await until(() => networks.every((each) => each.members.withRole('router').length === 2))
    const clock = new Time()
    const settings = [quota('demo', { callsPerSecond: 100 })]
    const all = networks.map((network) => new Quotas({ catalog: catalogOf(settings), network, clock, events: createEvents() }))
    await Promise.all(all.map((each) => each.start()))
    const asks = [300, 30, 0]
    const entered = [0, 0, 0]
    const refusals = new Set<string>()
    const heard = () => all.every((each, at) => asks[at] === 0 || (each.use('demo')?.share ?? 0) > 0)
    for (let round = 0; round < 12; round++) {
      if (round === 4) entered.fill(0)
      for (let step = 0; step < 10; step++) {
        clock.at += 100
        for (const [at, each] of all.entries())
          for (let ask = 0; ask < (asks[at] as number) / 10; ask++) {
            try {
              const gate = each.enter('demo')
              if (gate !== undefined) each.leave(gate, 0)
              ;(entered[at] as number)++
            } catch (error) {
              refusals.add((error as OsirisError).code)
            }
          }
      }
      for (const each of all) await each.round()
      await until(heard)
      await new Promise((resolve) => setImmediate(resolve))
    }
    const total = entered.reduce((sum, each) => sum + each, 0) / 8
    expect([...refusals]).toEqual(['rate_limited'])
    expect(total).toBeGreaterThan(80)
    expect(total).toBeLessThanOrEqual(104)
    expect(entered[0]).toBeGreaterThan(5 * (entered[1] as number))
    await Promise.all(all.map((each) => each.stop()))
    await mesh.stop()
  })

  it('a namespace without one has that of all, and what is taken out bounds nothing any more', async () => {
    const mesh = new MemoryMesh()
    const network = mesh.network({ name: 'n', roles: ['router'] })
    await network.start()
    let settings = [quota('*', { concurrent: 1 }), quota('demo', { concurrent: 2 })]
    const quotas = new Quotas({ catalog: { settings: () => settings }, network, clock: systemClock, events: createEvents() })
    await quotas.start()
    const enter = (namespace: string) => {
      try {
        return quotas.enter(namespace) !== undefined
      } catch (error) {
        return (error as OsirisError).code
      }
    }
    expect([enter('demo'), enter('demo'), enter('demo')]).toEqual([true, true, 'quota_exceeded'])
    expect([enter('other'), enter('other')]).toEqual([true, 'quota_exceeded'])
    expect(quotas.figures()).toEqual([
      { namespace: 'demo', admitted: 2, refused: 1, cpuMs: 0, used: { concurrent: 1 } },
      { namespace: 'other', admitted: 1, refused: 1, cpuMs: 0, used: { concurrent: 1 } },
    ])
    settings = [quota('demo', { concurrent: 3 })]
    await quotas.round()
    expect([enter('demo'), enter('demo'), enter('other')]).toEqual([true, 'quota_exceeded', false])
    settings = []
    await quotas.round()
    expect(enter('demo')).toBe(false)
    expect(quotas.figures().map(({ namespace, used }) => [namespace, used])).toEqual([
      ['demo', {}],
      ['other', {}],
    ])
    await quotas.stop()
    await mesh.stop()
  })

  it('at an executor’s door a namespace has all of it, and no more, whoever placed its calls', async () => {
    const mesh = new MemoryMesh()
    const [network, other] = [mesh.network({ name: 'n', roles: ['executor'] }), mesh.network({ name: 'o', roles: ['router'] })]
    await Promise.all([network.start(), other.start()])
    await until(() => network.members.withRole('router').length === 1)
    let settings = [quota('demo', { concurrent: 4 })]
    const quotas = new Quotas({ catalog: { settings: () => settings }, network, clock: systemClock, events: createEvents() })
    await quotas.start()
    const leaves = Array.from({ length: 4 }, () => quotas.door.enter('demo'))
    expect(() => quotas.door.enter('demo')).toThrow(expect.objectContaining({ code: 'quota_exceeded' }))
    expect(quotas.enter('demo')?.share).toBeLessThan(0.6)
    leaves[0]?.(0)
    expect(quotas.door.enter('demo')).toBeDefined()
    expect(quotas.door.enter('other')).toBeUndefined()
    settings = [quota('demo', { concurrent: 5 })]
    await quotas.round()
    expect(quotas.door.enter('demo')).toBeDefined()
    settings = []
    await quotas.round()
    expect(quotas.door.enter('demo')).toBeUndefined()
    await quotas.stop()
    await mesh.stop()
  })

  it('what others say of their demand moves parts, whatever they say', async () => {
    const mesh = new MemoryMesh()
    const [one, liar] = [mesh.network({ name: 'one', roles: ['router'] }), mesh.network({ name: 'liar', roles: ['router'] })]
    await Promise.all([one.start(), liar.start()])
    await until(() => one.members.withRole('router').length === 1)
    const quotas = new Quotas({
      catalog: catalogOf([quota('demo', { concurrent: 100 })]),
      network: one,
      clock: systemClock,
      events: createEvents(),
    })
    await quotas.start()
    const { encode } = await import('#protocols/codec')
    for (const said of [new Uint8Array([255]), encode('x'), encode([['demo', -1]]), encode([['demo', Number.MAX_VALUE]]), encode([[1, 2]])])
      await liar.publish('quotas', said)
    await until(() => (quotas.use('demo')?.share ?? 1) < 0.5)
    expect(quotas.use('demo')?.share).toBeGreaterThan(0.02)
    await quotas.stop()
    await mesh.stop()
  })
})

describe('a router', () => {
  const routerWith = (quotas?: Pick<Quotas, 'enter' | 'leave'>) => {
    const executor = new FakeExecutor('here')
    const router = new RouterService({
      ...{ catalog: demoCatalog(), access: accessOf(), clock: systemClock, random: Math.random, events: createEvents() },
      ...{ peer: 'p', members: new FakeMembers(), executor, remote: { at: () => executor } },
      ...(quotas === undefined ? {} : { quotas }),
    })
    return { executor, router }
  }

  it('asks after it knows that the caller may, refuses before anything starts, and leaves when the call ends', async () => {
    const gate = new Gate('demo', { concurrent: 1 }, 0)
    const left: number[] = []
    const { router, executor } = routerWith({
      enter: () => {
        const refusal = gate.enter(0)
        if (refusal !== undefined) throw refusal
        return gate
      },
      leave: (_, cpuMs) => {
        left.push(cpuMs)
        gate.leave(cpuMs, 0)
        return gate.limits(0)
      },
    })
    expect(await router.invoke(callOf('greet'))).toMatchObject({ error: { code: 'unauthenticated' } })
    expect(gate.asked).toBe(0)
    const outcomes = await Promise.all([router.invoke(callOf('open')), router.invoke(callOf('open'))])
    expect(outcomes[0]).toMatchObject({ kind: 'value', meta: { rateLimit: [{ name: 'concurrent', q: 1, r: 1 }] } })
    expect(outcomes[1]).toMatchObject({ kind: 'failed', started: false, error: { code: 'quota_exceeded' } })
    expect(executor.started).toBe(1)
    expect(left).toEqual([1])
    expect(await router.invoke(callOf('open'))).toMatchObject({ kind: 'value' })
  })

  it('without a quota says nothing of one', async () => {
    const { router } = routerWith({ enter: () => undefined, leave: () => [] })
    const { meta } = await router.invoke(callOf('open'))
    expect('rateLimit' in meta).toBe(false)
  })

  it('at five times what a namespace may have answers those it refuses at once, lets in what it may, and is itself again at once', async () => {
    const clock = new Time()
    const gate = new Gate('demo', { callsPerSecond: 200 }, 0)
    const { router } = routerWith({
      enter: () => {
        const refusal = gate.enter(clock.at)
        if (refusal !== undefined) throw refusal
        return gate
      },
      leave: (_, cpuMs) => {
        gate.leave(cpuMs, clock.at)
        return gate.limits(clock.at)
      },
    })
    const second = async (perSecond: number) => {
      let served = 0
      for (let ms = 0; ms < 1000; ms += 10, clock.at += 10) {
        const batch = await Promise.all(Array.from({ length: perSecond / 100 }, () => router.invoke(callOf('open'))))
        served += batch.filter((each) => each.kind === 'value').length
      }
      return served
    }
    const peak = await second(200)
    await second(1000)
    const goodput = await second(1000)
    expect(goodput).toBeGreaterThanOrEqual(0.8 * peak)
    expect(goodput).toBeLessThanOrEqual(1.05 * peak)
    expect(await second(200)).toBeGreaterThanOrEqual(0.95 * peak)
    expect(gate.inFlight).toBe(0)
  })
})
