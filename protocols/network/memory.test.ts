import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createEvents } from '#protocols/events'
import type { Clock } from '#protocols/lifecycle'
import { until } from '#protocols/until'
import { MemoryMesh, sequence } from './memory.ts'
import { whomToAsk } from './crowd.ts'
import { CONNECTIONS_TARGET, CROWD_ASKS, CROWD_MARGIN, MEMBER_EXPIRY_MS, STALE_FAR_MS, STALE_MS } from './limits.ts'
import type { Member, Network } from './network.ts'
import { networkSuite } from './network.suite.ts'
import { failure } from './suite-tools.fixture.ts'

networkSuite('MemoryMesh', () => {
  const mesh = new MemoryMesh()
  return {
    async add(node) {
      const network = mesh.network(node)
      await network.start()
      return network
    },
    kill: (node) => mesh.kill(node),
    stop: () => mesh.stop(),
  }
})

const HEAD = new Uint8Array([1])

describe('MemoryMesh with a virtual clock', () => {
  it('does the same for the same seed, and something else for another', async () => {
    const [first, second, other] = [await story(7), await story(7), await story(8)]
    expect(first.length).toBeGreaterThan(40)
    expect(second).toEqual(first)
    expect(other).not.toEqual(first)
  })

  it('expires silent members within 5 s, keeps both halves of a partition going, and joins them again', async () => {
    const { clock, mesh, nodes } = world(3, 5)
    const [a, b, c, d, e] = nodes as [Network, Network, Network, Network, Network]
    await start(nodes)
    await clock.run(3_000)
    expect(nodes.map((node) => node.members.list().length)).toEqual([4, 4, 4, 4, 4])
    mesh.partition([a, 'n1'], [c, d, e])
    await clock.run(5_000)
    expect(nodes.map((node) => node.members.list().length)).toEqual([1, 1, 2, 2, 2])
    expect(await soon(clock, failure(a.dial(String(c.addresses()[0]), { timeoutMs: 500 })))).toMatchObject({ code: 'unavailable' })
    mesh.heal()
    await clock.run(12_000)
    expect(nodes.map((node) => node.members.list().length)).toEqual([4, 4, 4, 4, 4])
    await mesh.kill(b)
    await clock.run(5_000)
    expect(
      a.members
        .list()
        .map((member) => member.name)
        .toSorted(),
    ).toEqual(['n2', 'n3', 'n4'])
  })

  it('a request across a new partition ends with outcome_unknown or its deadline, never later', async () => {
    const { clock, mesh, nodes } = world(5, 2)
    const [a, b] = nodes as [Network, Network]
    await start(nodes)
    await clock.run(2_000)
    b.handle('echo/1', async ({ head }) => ({ head }))
    mesh.partition([a], [b])
    const short = failure(a.request(b.peer, 'echo/1', { head: HEAD }, { timeoutMs: 1_000 }))
    const long = failure(a.request(b.peer, 'echo/1', { head: HEAD }, { timeoutMs: 60_000 }))
    expect((await soon(clock, short, 1_010)).code).toBe('deadline_exceeded')
    expect((await soon(clock, long, 1_500)).code).toBe('outcome_unknown')
  })

  it('a request that has so long for a connection fails with proof after it', async () => {
    const { clock, mesh, nodes } = world(5, 2)
    const [a, b] = nodes as [Network, Network]
    await start(nodes)
    await clock.run(2_000)
    b.handle('echo/1', async ({ head }) => ({ head }))
    mesh.partition([a], [b])
    // The connection is known to be gone, and the member not yet.
    await clock.run(2_000)
    const options = { timeoutMs: 10_000, openTimeoutMs: 300 }
    const hasty = failure(a.request(b.peer, 'echo/1', { head: HEAD }, options))
    const late = failure(a.request(b.peer, 'echo/1', { head: HEAD }, { timeoutMs: 300 }))
    expect(await soon(clock, hasty, 310)).toMatchObject({ code: 'unavailable', details: { sent: false } })
    expect(await soon(clock, late, 310)).toMatchObject({ code: 'deadline_exceeded', details: { sent: false } })
    mesh.heal()
    await clock.run(8_000)
    expect(await soon(clock, a.request(b.peer, 'echo/1', { head: HEAD }, options), 310)).toMatchObject({ head: HEAD })
  })

  it('lost topic messages and broken connections leave members standing', async () => {
    const { clock, mesh, nodes } = world(11, 4)
    mesh.inject({ drop: 0.2, duplicate: 0.2, delayMs: [1, 40] })
    await start(nodes)
    await clock.run(30_000)
    mesh.inject({ drop: 0 })
    await clock.run(4_000)
    expect(nodes.map((node) => node.members.list().length)).toEqual([3, 3, 3, 3])
  })
})

describe('a crowd', () => {
  it('hears of everybody, gives up nobody who is here, and forgets within 5 s who is not', { timeout: 60_000 }, async () => {
    const left: string[] = []
    const { clock, mesh, nodes } = world(13, 20, left)
    await start(nodes)
    await clock.run(4_000)
    expect(nodes.map((node) => node.members.list().length)).toEqual(nodes.map(() => 19))
    let oldest = 0
    for (let rounds = 0; rounds < 12; rounds += 1) {
      await clock.run(490)
      const ages = nodes.flatMap((node) => node.members.list().map(({ seenAt }) => clock.monotonic() - seenAt))
      oldest = Math.max(oldest, ...ages)
    }
    expect(left).toEqual([])
    expect(oldest).toBeLessThan(MEMBER_EXPIRY_MS - 500)
    const [dead, ...rest] = nodes as [Network, ...Network[]]
    await mesh.kill(dead)
    await clock.run(5_000)
    expect(rest.map((node) => node.members.list().length)).toEqual(rest.map(() => 18))
    // The dead one itself gave up everybody.
    expect(left.filter((each) => each === 'n0 dead').length).toBe(19)
    expect(left.length).toBe(2 * 19)
  })

  it('whoever is not connected to a member hears from others that it is dead, and looks itself', async () => {
    const left: string[] = []
    const { clock, mesh, nodes } = world(17, 14, left)
    const [far, dead] = nodes as [Network, Network]
    await start(nodes)
    await clock.run(3_000)
    mesh.partition([far], [dead])
    await clock.run(2_500)
    expect(far.members.get(dead.peer)).toBeDefined()
    expect(far.connections()).not.toContain(dead.peer)
    expect(left).toEqual([])
    await mesh.kill(dead)
    await clock.run(2_500)
    expect(left.filter((each) => each === 'n1 dead').length).toBe(13)
  })

  it('asks a few whatever its size, and whoever is silent before it is forgotten', () => {
    const member = (peer: number, seenAt: number, connected: boolean) => ({ peer: `p${peer}`, seenAt, connected }) as unknown as Member
    const anybody = fc.record({ seenAt: fc.nat({ max: 10_000 }), connected: fc.boolean(), random: fc.double({ min: 0, max: 0.999 }) })
    fc.assert(
      fc.property(fc.array(anybody, { minLength: 1, maxLength: 200 }), (all) => {
        const members = all.map(({ seenAt, connected }, index) => member(index, seenAt, connected))
        let turn = 0
        const asked = whomToAsk(members, 10_000, () => all[turn++ % all.length]!.random)
        const stale = members.filter(({ seenAt, connected }) => 10_000 - seenAt >= (connected ? STALE_MS : STALE_FAR_MS))
        expect(asked.length).toBeLessThanOrEqual(CROWD_ASKS)
        expect(new Set(asked).size).toBe(asked.length)
        const far = asked.filter((peer) => members.find((each) => each.peer === peer)?.connected !== true)
        expect(far.every((peer) => stale.some((each) => each.peer === peer))).toBe(true)
        const isSmall = members.length <= CONNECTIONS_TARGET - CROWD_MARGIN || (stale.length === 0 && members.length <= CONNECTIONS_TARGET)
        const near = members.filter(({ connected }) => connected).length
        expect(asked.length > 0).toBe(!isSmall && stale.length + near > 0)
        expect(asked.some((peer) => stale.some((each) => each.peer === peer))).toBe(!isSmall && stale.length > 0)
        expect(stale.length > 0 || isSmall || asked.length === Math.min(CROWD_ASKS, near)).toBe(true)
      }),
    )
  })
})

describe('MemoryMesh faults', () => {
  it('duplicate delivers a topic message twice', async () => {
    const mesh = new MemoryMesh({ faults: { duplicate: 1 } })
    const [a, b] = [mesh.network({ name: 'a' }), mesh.network({ name: 'b' })]
    await start([a, b])
    await until(() => a.connections().length === 1)
    let heard = 0
    b.subscribe('news', () => void heard++)
    await a.publish('news', HEAD)
    await until(() => heard >= 2)
    expect(heard).toBe(2)
    await mesh.stop()
  })

  it('drop breaks the connection that loses a write; the next request opens another', async () => {
    const mesh = new MemoryMesh()
    const [a, b] = [mesh.network({ name: 'a' }), mesh.network({ name: 'b', roles: ['router'] })]
    await start([a, b])
    b.handle('echo/1', async ({ head }) => ({ head }))
    await until(() => a.members.list().length === 1)
    mesh.inject({ drop: 1 })
    expect(await failure(a.request(b.peer, 'echo/1', { head: HEAD }, { timeoutMs: 500 }))).toMatchObject({ code: 'outcome_unknown' })
    mesh.inject({ drop: 0 })
    expect((await a.request(b.peer, 'echo/1', { head: HEAD }, { timeoutMs: 500 })).head).toEqual(HEAD)
    await mesh.stop()
  })

  it('a client finds the mesh again through the addresses it remembered', async () => {
    const mesh = new MemoryMesh()
    const a = mesh.network({ name: 'a', roles: ['router'] })
    let saved: string[] = []
    const storage = { load: async () => saved, save: async (addresses: string[]) => void (saved = addresses) }
    const b = mesh.network({ name: 'b', roles: ['executor'], storage })
    await start([a, b])
    await until(() => b.members.list().length === 1)
    await b.stop()
    expect(saved).toEqual(a.addresses())
    const again = mesh.network({ name: 'b', roles: ['executor'], bootstrap: [], storage })
    await start([again])
    await until(() => a.members.list().length === 1)
    await mesh.stop()
  })

  it('who starts later and knows nobody is found by those that remember it, who have found each other', async () => {
    const mesh = new MemoryMesh()
    const a = mesh.network({ name: 'a', roles: ['router'] })
    const late = mesh.network({ name: 'late', roles: ['router'], bootstrap: [] })
    const storage = { load: async () => [`/memory/late/p2p/${late.peer}`], save: async () => {} }
    await start([a])
    const remembers = mesh.network({ name: 'b', roles: ['router'], bootstrap: a.addresses(), storage })
    await start([remembers])
    await until(() => remembers.members.list().length === 1)
    await start([late])
    await until(() => late.members.list().length === 2)
    expect(remembers.connections()).toContain(late.peer)
    await mesh.stop()
  })
})

async function start(nodes: readonly Network[]): Promise<void> {
  await Promise.all(nodes.map((node) => node.start()))
}

/** `left`: who was given up by anybody, and why. */
function world(seed: number, size: number, left: string[] = []) {
  const clock = new VirtualClock()
  const mesh = new MemoryMesh({ clock, random: sequence(seed), faults: { delayMs: [1, 20] } })
  const events = createEvents()
  events.on('member.left', ({ name, reason }) => void left.push(`${name} ${reason}`))
  const nodes = Array.from({ length: size }, (_, index) => mesh.network({ name: `n${index}`, roles: ['executor'], events }))
  return { clock, mesh, nodes }
}

/** Twenty virtual seconds of requests under faults, as a list of what happened when. */
async function story(seed: number): Promise<string[]> {
  const { clock, mesh, nodes } = world(seed, 3)
  const log: string[] = []
  await start(nodes)
  const [a, b] = nodes as [Network, Network]
  b.handle('echo/1', async ({ head }) => ({ head }))
  a.members.onChange(() =>
    log.push(
      `${clock.monotonic().toFixed(3)} members ${a.members
        .list()
        .map((member) => member.name)
        .join(',')}`,
    ),
  )
  await clock.run(1_000)
  mesh.inject({ drop: 0.1, duplicate: 0.1 })
  for (let round = 0; round < 40; round++) {
    a.request(b.peer, 'echo/1', { head: HEAD }, { timeoutMs: 300 }).then(
      () => log.push(`${clock.monotonic().toFixed(3)} ok`),
      (error: { code: string }) => log.push(`${clock.monotonic().toFixed(3)} ${error.code}`),
    )
    await clock.run(500)
  }
  await mesh.kill(b)
  return log
}

async function soon<T>(clock: VirtualClock, promise: Promise<T>, withinMs = 1_000): Promise<T> {
  let settled = false
  void promise.finally(() => (settled = true)).catch(() => {})
  await clock.run(withinMs)
  expect(settled).toBe(true)
  return promise
}

/** Time that passes only in `run`: timers in order, and everything a timer sets going before the next. */
class VirtualClock implements Clock {
  #time = 0
  #timers: { at: number; run: () => void }[] = []

  now(): number {
    return 1_800_000_000_000 + Math.floor(this.#time)
  }

  monotonic(): number {
    return this.#time
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { at: this.#time + delayMs, run }
    const index = this.#timers.findIndex((each) => each.at > timer.at)
    this.#timers.splice(index === -1 ? this.#timers.length : index, 0, timer)
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer)
    }
  }

  async run(ms: number): Promise<void> {
    const end = this.#time + ms
    await new Promise((resolve) => setImmediate(resolve))
    while (this.#timers[0] !== undefined && this.#timers[0].at <= end) {
      const timer = this.#timers.shift() as { at: number; run: () => void }
      this.#time = timer.at
      timer.run()
      await new Promise((resolve) => setImmediate(resolve))
    }
    this.#time = end
  }
}
