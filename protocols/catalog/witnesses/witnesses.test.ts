import { MemoryLevel } from 'memory-level'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createIdentity, universeId } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import type { Clock, Random } from '#protocols/lifecycle'
import { sequence } from '#protocols/network'
import { until } from '#protocols/until'
import { aFunction, type CatalogNode, CatalogUniverse, copyOf, storageThat, untilEqual, untilMembers } from '../catalog.fixture.ts'
import type { Storage } from '#protocols/storage'
import { fixedRootKeys } from '../rotating.ts'
import { proveFeed } from './feed-proof.ts'
import { Leases } from './leases.ts'
import { LEASE_HELD_MS, type Testimony, Witnesses } from './witnesses.ts'

describe('a node whose disk was set back', () => {
  let universe: CatalogUniverse
  beforeEach(() => {
    universe = new CatalogUniverse()
  })
  afterEach(() => universe.stop())

  const nodes = (...names: string[]) => universe.nodes(names)

  async function publish(node: CatalogNode, name: string, code: string, ack: 'accepted' | 'committed' = 'committed') {
    const { manifest, artifact } = aFunction(name, code)
    return node.service.publish(manifest, artifact, await universe.options(ack, 2000))
  }

  async function restored(node: CatalogNode, storage: Storage): Promise<CatalogNode> {
    await node.stop()
    return universe.node(node.name, { storage, artifacts: node.artifacts, seed: node.identity.seed, limits: { consultMs: 500 } })
  }

  it('or deleted fetches its own entries before it writes, and continues after them', async () => {
    const [a, b, c] = (await nodes('a', 'b', 'c')) as [CatalogNode, CatalogNode, CatalogNode]
    await publish(a, 'one', '1')
    const old = await copyOf(a.storage)
    for (const code of ['2', '3', '4']) await publish(a, 'one', code)
    for (const [at, storage] of [old, new MemoryLevel<string, Uint8Array>()].entries()) {
      const again = await restored(a, storage)
      await until(() => again.network.members.withRole('catalog').length === 2)
      const { receipt } = await publish(again, 'one', `after ${at}`)
      expect(receipt.seq).toBe(5 + at)
      await again.stop()
    }
    await untilEqual([b, c], 6)
    expect(b.service.status().frozen).toEqual([])
  })

  it('and that reaches nobody refuses to write and says why; reads go on', async () => {
    const [a, b] = (await nodes('a', 'b')) as [CatalogNode, CatalogNode]
    await publish(b, 'theirs', '1')
    await publish(a, 'one', '1')
    const old = await copyOf(a.storage)
    await publish(a, 'one', '2')
    await b.stop()
    const again = await restored(a, old)
    await expect(publish(again, 'one', 'x', 'accepted')).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('set back'),
    })
    expect(again.service.get({ namespace: 'demo', name: 'one' })).toMatchObject({ versions: 1 })
  })

  it('and that holds the root key admits nobody before it has heard what the root wrote, which another entry in its place would undo', async () => {
    const founder = await universe.node('founder', { isFounder: true, admitted: false })
    const admit = (node: CatalogNode, member: CatalogNode) => node.service.admit(member.identity.id, member.name, ['catalog'], [])
    await admit(founder, founder)
    const other = await universe.node('other', { founding: [], admitted: false })
    await untilMembers([founder, other], 1)
    await admit(founder, other)
    await until(() => other.service.status().entries === 3)
    universe.mesh.partition(['founder'], ['other'])
    await founder.stop()
    // Nobody heard that the first one gave its lease up: asked for longer than it runs.
    const limits = { consultMs: LEASE_HELD_MS + 500 }
    const { artifacts, identity } = founder
    const again = await universe.node('founder', { isFounder: true, admitted: false, isNew: false, seed: identity.seed, artifacts, limits })
    await expect(admit(again, again)).rejects.toMatchObject({ code: 'unavailable' })
    universe.mesh.heal()
    await until(() => again.network.members.withRole('catalog').length === 1, 20_000)
    expect(await admit(again, again)).toMatchObject({ author: universe.root.id, seq: 4 })
    await untilEqual([again, other])
    expect(other.service.status().frozen).toEqual([])
  })

  it('two machines that hold the root key, and do not hear each other, write one feed of the root: one of them waits, or is told', async () => {
    const founder = await universe.node('founder', { isFounder: true })
    const other = await universe.node('other', { rootKeys: fixedRootKeys(universe.root) })
    const third = await universe.node('third')
    const all = [founder, other, third]
    await untilMembers(all, 2)
    const admit = (node: CatalogNode, member: string) => node.service.admit(member, 'guest', ['router'], [])
    await admit(founder, createIdentity().id)
    await admit(other, createIdentity().id)
    await untilEqual(all)

    universe.mesh.partition(['founder'], ['other'])
    const guests = [createIdentity().id, createIdentity().id]
    const answers = await Promise.allSettled([admit(founder, guests[0] as string), admit(other, guests[1] as string)])
    universe.mesh.heal()
    const told = answers.flatMap((each) => (each.status === 'rejected' ? [each.reason as Error] : []))
    expect(told.filter(({ message }) => !message.includes("the root's"))).toEqual([])
    await untilEqual(all)
    expect(all.map(({ service }) => [service.status().frozen, service.refusals().fork ?? 0])).toEqual(all.map(() => [[], 0]))
    const isIn = (key: string) => third.service.authority().isMember(key, Date.now())
    expect(guests.map(isIn)).toEqual(answers.map((each) => each.status === 'fulfilled'))
  })

  // Simulator, seed 6697: the one had heard of an entry that its disk did not take, and the other, whose disk failed then, said that it could not say.
  it('two machines that hold the root key, and whose disks fail one after the other, write one feed of the root', async () => {
    const disks = { founder: new Disk(), other: new Disk() }
    const limits = { consultMs: LEASE_HELD_MS + 500 }
    const founder = await universe.node('founder', { isFounder: true, storage: disks.founder.storage, limits })
    const other = await universe.node('other', { rootKeys: fixedRootKeys(universe.root), storage: disks.other.storage, limits })
    await untilMembers([founder, other], 1)
    const admit = (node: CatalogNode) => node.service.admit(createIdentity().id, 'guest', ['router'], [])
    await admit(founder)
    await untilEqual([founder, other])
    disks.other.state = 'full'
    const { seq } = await admit(founder)
    await until(() => disks.other.failed > 0)
    disks.founder.state = 'late'
    await expect(admit(founder)).rejects.toMatchObject({ code: 'storage_full' })
    // What the founder may have written comes back with a restart: it keeps the lease, and the other keeps it for it, however its own disk does.
    await expect(admit(other)).rejects.toMatchObject({ code: 'unavailable' })
    disks.other.state = 'well'
    disks.founder.state = 'well'
    await until(async () => (await admit(other).catch(() => undefined)) !== undefined, 10_000)
    expect((await admit(founder)).seq).toBeGreaterThan(seq + 1)
    await untilEqual([founder, other])
    for (const { service } of [founder, other]) expect([service.status().frozen, service.refusals().fork ?? 0]).toEqual([[], 0])
  })

  it('nobody gets the lease of the root feed without showing its key', async () => {
    const founder = await universe.node('founder', { isFounder: true })
    const thief = createIdentity()
    const claim = { instance: 'x', leaseMs: 1000 }
    const proofs = [
      undefined,
      proveFeed({ ...thief, id: universe.root.id }, universeId(universe.universe), thief.id).proof,
      proveFeed(universe.root, universeId(universe.universe), founder.identity.id).proof,
      proveFeed(universe.root, universeId({ root: thief.id }), thief.id).proof,
    ]
    for (const proof of proofs)
      expect(() => founder.service.guard.answer({ author: universe.root.id, proof }, thief.id, claim)).toThrow('Cannot witness a feed')
    const own = proveFeed(thief, universeId(universe.universe), founder.identity.id)
    expect(() => founder.service.guard.answer(own, founder.identity.id, claim)).toThrow('Cannot witness a feed')
    const shown = proveFeed(universe.root, universeId(universe.universe), thief.id)
    expect(founder.service.guard.answer(shown, thief.id, claim)).toMatchObject({ granted: true })
  })

  it('a hundred times over signs no second entry in any place', { timeout: 120_000 }, async () => {
    const forks = await Promise.all(Array.from({ length: 4 }, (_, seed) => setBack(25, sequence(seed))))
    expect(forks).toEqual(forks.map(() => 0))
  })

  /** In a universe of its own: writes, and disks set back to one of the copies made on the way, or deleted. Returns how many places have two entries. */
  async function setBack(rounds: number, random: Random): Promise<number> {
    const own = new CatalogUniverse()
    // However busy the machine is.
    const limits = { consultMs: 60_000 }
    const others = [await own.node('b'), await own.node('c')]
    let a = await own.node('a', { limits })
    let old = await copyOf(a.storage)
    const write = async (code: string) => {
      await until(() => a.network.members.withRole('catalog').length > 0)
      const { manifest, artifact } = aFunction('f', code)
      return a.service.publish(manifest, artifact, await own.options('accepted', 2000))
    }
    for (let round = 0; round < rounds; round += 1) {
      for (let left = Math.floor(random() * 3); left > 0; left -= 1) await write(`${round} ${left}`)
      if (random() < 0.2) old = await copyOf(a.storage)
      await a.stop()
      const storage = random() < 0.1 ? new MemoryLevel<string, Uint8Array>() : await copyOf(old)
      a = await own.node('a', { storage, artifacts: a.artifacts, seed: a.identity.seed, limits })
    }
    const { receipt } = await write('last')
    await untilEqual([a, ...others], receipt.seq)
    await own.stop()
    return [a, ...others].reduce((sum, { service }) => sum + service.status().frozen.length + (service.refusals().fork ?? 0), 0)
  }
})

/** A store whose writes fail when told to; `late`: when they are there. */
class Disk {
  state: 'well' | 'full' | 'late' = 'well'
  failed = 0
  readonly storage = storageThat(async (write) => {
    if (this.state !== 'full') await write()
    if (this.state === 'well') return
    this.failed += 1
    throw new Error('ENOSPC: no space left on device, write')
  })
}

/** Time that passes when told to. */
class Time implements Clock {
  #ms = 0
  readonly #timers = new Set<{ atMs: number; run: () => void }>()

  now = () => this.#ms
  monotonic = () => this.#ms

  after(delayMs: number, run: () => void): () => void {
    const timer = { atMs: this.#ms + delayMs, run }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  async pass(untilMs: number): Promise<void> {
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve))
      const [next] = [...this.#timers].toSorted((a, b) => a.atMs - b.atMs)
      if (next === undefined || next.atMs > untilMs) return
      this.#ms = next.atMs
      this.#timers.delete(next)
      next.run()
    }
  }
}

/** Processes with one key, each with a feed of its own, and witnesses that all of them reach. */
function clones(time: Time, random: Random, witnesses: number, areWitnesses = false) {
  const signed = new Map<number, string[]>()
  const all = Array.from({ length: witnesses }, () => ({ leases: new Leases({ clock: time }), feed: [] as string[] }))
  const travel = () => new Promise<void>((resolve) => void time.after(random() * 60, resolve))
  const clone = (name: string) => {
    const own = { leases: new Leases({ clock: time }), feed: [] as string[] }
    const { feed } = own
    const number = areWitnesses ? all.push(own) - 1 : -1
    const take = (from: readonly string[]) => feed.push(...from.slice(feed.length))
    const guard = new Witnesses({
      feed: { seq: () => feed.length, hashAt: (seq) => feed[seq - 1] },
      others: () => all.flatMap((_, at) => (at === number ? [] : [String(at)])),
      ...(areWitnesses ? { here: ({ instance, leaseMs }) => own.leases.claim('key', instance, leaseMs) } : {}),
      whose: 'this node',
      namesOthers: () => true,
      ask: async (peer, claim) => {
        const witness = all[Number(peer)] as (typeof all)[number]
        await travel()
        const answer = {
          seq: witness.feed.length,
          hash: witness.feed.at(-1) ?? null,
          doubt: null,
          ...witness.leases.claim('key', claim.instance, claim.leaseMs),
        }
        await travel()
        return answer
      },
      pull: async (peer) => {
        await travel()
        take((all[Number(peer)] as (typeof all)[number]).feed)
      },
      clock: time,
      random,
      consultMs: 4000,
    })
    const write = async () => {
      await guard.ready()
      const seq = feed.length + 1
      const hash = `${name} ${seq}`
      feed.push(hash)
      signed.set(seq, [...(signed.get(seq) ?? []), hash])
      const copy = [...feed]
      for (const witness of all) void travel().then(() => witness.feed.push(...copy.slice(witness.feed.length)))
    }
    return { guard, write }
  }
  return { signed, clone }
}

/** How many of the 400 got to write, over 200 histories without a fork. `among`: how many witnesses a history has; `areWitnesses`: whether the two are each other's, too. */
async function wroteTogether(among: (seed: number) => number, areWitnesses = false): Promise<number> {
  let wrote = 0
  for (let seed = 0; seed < 200; seed += 1) {
    const time = new Time()
    const random = sequence(seed)
    const { signed, clone } = clones(time, random, among(seed), areWitnesses)
    const both = [clone('one'), clone('two')]
    const refused: unknown[] = []
    for (const { write } of both)
      for (let count = 0; count < 12; count += 1)
        time.after(random() * 12_000, () => void write().catch((error: unknown) => refused.push(error)))
    await time.pass(40_000)
    for (const error of refused) expect(error).toMatchObject({ code: 'unavailable' })
    for (const [seq, hashes] of signed) expect([seed, seq, hashes.length]).toEqual([seed, seq, 1])
    wrote += new Set([...signed.values()].flat().map((hash) => hash.slice(0, 3))).size
  }
  return wrote
}

it(
  'a disk copied onto a second machine, both at work: 0 forks in 200 histories, and in nearly all of them both get to write',
  { timeout: 30_000 },
  async () => {
    expect(await wroteTogether((seed) => 1 + (seed % 4))).toBeGreaterThan(380)
  },
)

it(
  'two catalogs that both have the root key, both at work: 0 forks in 200 histories, and in nearly all of them both get to write',
  { timeout: 30_000 },
  async () => {
    expect(await wroteTogether((seed) => seed % 4, true)).toBeGreaterThan(360)
  },
)

it('a process that was killed leaves a lease behind for two seconds; one that was stopped leaves none', async () => {
  const time = new Time()
  const { clone } = clones(time, sequence(1), 3)
  const [killed, stopped, third] = [clone('killed'), clone('stopped'), clone('third')]
  const timed = async ({ write }: { write: () => Promise<void> }) => {
    const fromMs = time.now()
    let tookMs = Number.POSITIVE_INFINITY
    void write().then(() => (tookMs = time.now() - fromMs))
    await time.pass(fromMs + 4000)
    return tookMs
  }
  expect(await timed(killed)).toBeLessThan(300)
  await time.pass(time.now() + 5000)
  void killed.write()
  await time.pass(time.now() + 200)
  expect(await timed(stopped)).toBeLessThan(3000)
  void stopped.write()
  await time.pass(time.now() + 200)
  void stopped.guard.release()
  await time.pass(time.now() + 200)
  expect(await timed(third)).toBeLessThan(500)
})

it('once consulted, a node that is cut off goes on; one that never was does not', async () => {
  const time = new Time()
  let cut = false
  const make = () =>
    new Witnesses({
      feed: { seq: () => 0, hashAt: () => undefined },
      others: () => ['b'],
      whose: 'this node',
      namesOthers: () => true,
      ask: async () => {
        if (cut) throw new OsirisError('deadline_exceeded', 'no answer')
        return { seq: 0, hash: null, doubt: null, granted: true, waitMs: 0 }
      },
      pull: async () => {},
      clock: time,
      random: sequence(1),
      consultMs: 4000,
    })
  const first = make()
  await first.ready()
  await time.pass(5000)
  cut = true
  const ended: string[] = []
  void Promise.resolve(first.ready()).then(() => ended.push('first'))
  void Promise.resolve(make().ready()).catch((error: OsirisError) => ended.push(error.code))
  await time.pass(20_000)
  expect(ended).toEqual(['first', 'unavailable'])
})

it('who may have entries on its disk that are not the writer’s is no witness that nobody else writes', async () => {
  const time = new Time()
  let doubt: Testimony['doubt'] = null
  const witnesses = new Witnesses({
    feed: { seq: () => 2, hashAt: (seq) => ['one', 'two'][seq - 1] },
    others: () => ['b'],
    whose: 'the root',
    namesOthers: () => true,
    ask: async () => ({ seq: 1, hash: 'one', doubt, granted: true, waitMs: 0 }),
    here: () => ({ granted: true, waitMs: 0 }),
    pull: async () => {},
    clock: time,
    random: sequence(1),
    consultMs: 400,
  })
  const written = async () => {
    let said: unknown
    void Promise.resolve(witnesses.ready()).then(
      () => (said = witnesses.grantedBy),
      (error: OsirisError) => (said = error.code),
    )
    time.after(2000, () => {})
    await time.pass(time.now() + 2000)
    return said
  }
  const said: unknown[] = []
  for (doubt of [null, { seq: 2, hash: 'two' }, { seq: 2, hash: 'another' }, { seq: 3, hash: 'three' }, { seq: 2, hash: null }])
    said.push(await written())
  expect(said).toEqual([1, 1, 'unavailable', 'unavailable', 'unavailable'])
})
