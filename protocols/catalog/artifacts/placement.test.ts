import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#protocols/lifecycle'
import { until } from '#protocols/until'
import { DirectoryArtifacts } from './artifact-directory.ts'
import { type ArtifactStore, MemoryArtifacts } from './artifacts.ts'
import {
  aFunction,
  type CatalogNode,
  CatalogUniverse,
  type NodeOptions,
  storageThat,
  untilEqual,
  untilMembers,
} from '../catalog.fixture.ts'
import { COPIES, keepersOf } from './keeping.ts'

let universe: CatalogUniverse
beforeEach(() => {
  universe = new CatalogUniverse()
})
afterEach(() => universe.stop())

const quick = { sweepMs: 100, sweepJitterMs: 5, leaveMs: 300, copyBytesPerSecond: 1e9, scrubBytesPerSecond: 1e9 }

const nodes = (names: readonly string[], options: NodeOptions = {}) =>
  universe.nodes(names, { ...options, limits: { ...quick, ...options.limits } })

async function publish(node: CatalogNode, name: string, code = 'a'): Promise<string> {
  const { manifest, artifact } = aFunction(name, code)
  await node.service.publish(manifest, artifact, await universe.options())
  return manifest.artifact.digest
}

async function holdersOf(digest: string, all: readonly CatalogNode[]): Promise<string[]> {
  const held = await Promise.all(all.map((node) => node.artifacts.has(digest)))
  return all.filter((_, at) => held[at]).map((node) => node.network.peer)
}

const untilKept = (digests: readonly string[], all: readonly CatalogNode[]) =>
  until(async () => {
    for (const digest of digests) {
      const peers = all.map((node) => node.network.peer)
      const holders = await holdersOf(digest, all)
      if (!keepersOf(digest, peers).every((peer) => holders.includes(peer))) return false
    }
    return true
  }, 10_000)

const at = (all: readonly CatalogNode[], place: number) => all[place] as CatalogNode

describe('copies', () => {
  it('are made again when holders die for good', async () => {
    const all = await nodes(['a', 'b', 'c', 'd', 'e'])
    const digests: string[] = []
    for (let each = 0; each < 8; each += 1) digests.push(await publish(at(all, each % 5), `f${each}`))
    await untilEqual(all, 8)
    await untilKept(digests, all)
    const left = all.slice(2)
    await at(all, 0).stop()
    await at(all, 1).stop()
    await untilKept(digests, left)
    for (const digest of digests) expect((await holdersOf(digest, left)).length).toBeGreaterThanOrEqual(COPIES)
  })

  it('come to a newcomer that ranks among their keepers', async () => {
    const all = await nodes(['a', 'b', 'c'])
    const digests: string[] = []
    for (let each = 0; each < 6; each += 1) digests.push(await publish(at(all, 0), `f${each}`))
    const newcomer = await universe.node('d', { limits: quick })
    await untilKept(digests, [...all, newcomer])
    expect((await newcomer.artifacts.list()).length).toBeGreaterThan(0)
  })

  it('damaged on a disk are found by the scrub, never served, and fetched again', async () => {
    const all = await nodes(['a', 'b'])
    const digest = await publish(at(all, 0), 'greet')
    await untilKept([digest], all)
    const { storage, artifacts, identity } = at(all, 1)
    await at(all, 1).stop()
    const good = (await artifacts.get(digest)) as Uint8Array
    await artifacts.put(digest, Buffer.alloc(good.length, 1))
    const again = await universe.node('b', { storage, artifacts, seed: identity.seed, limits: { ...quick, sweepMs: 1e6 } })
    await until(async () => Buffer.compare((await artifacts.read(digest, 0, 1000))?.bytes ?? new Uint8Array(), good) === 0, 10_000)
    expect(await again.service.localPiece(digest, 0, 1000)).toMatchObject({ total: good.length })
  })

  it('that a disk lost are back after the next sweep', async () => {
    const all = await nodes(['a', 'b'])
    const digest = await publish(at(all, 0), 'greet')
    await untilKept([digest], all)
    await at(all, 1).artifacts.drop(digest)
    await untilKept([digest], all)
    expect(await holdersOf(digest, all)).toHaveLength(2)
  })
})

/** Resolves when so many more sweeps have begun. */
function sweepsOf(artifacts: ArtifactStore): (count: number) => Promise<void> {
  let lists = 0
  const list = artifacts.list.bind(artifacts)
  artifacts.list = () => {
    lists += 1
    return list()
  }
  return (count) => {
    const goal = lists + count
    return until(() => lists >= goal)
  }
}

describe('what nobody needs', () => {
  const rash = { retiredMs: 0, graceMs: 0, settleMs: 0, sweepMs: 20, sweepJitterMs: 1 }

  it('goes, on every node, when its function is retired; what another function is made of stays', async () => {
    const all = await nodes(['a', 'b'], { limits: rash })
    const gone = await publish(at(all, 0), 'gone')
    const stays = await publish(at(all, 0), 'stays')
    await untilKept([gone, stays], all)
    await at(all, 0).service.retire('demo', 'gone', await universe.options())
    await until(async () => (await holdersOf(gone, all)).length === 0, 10_000)
    expect(await holdersOf(stays, all)).toHaveLength(2)
    expect(await at(all, 1).service.artifact(stays, { timeoutMs: 2000 })).toBeDefined()
  })

  it('stays while its retired function may be asked for, and for its grace time', async () => {
    let ahead = 0
    const clock = { ...systemClock, now: () => Date.now() + ahead }
    const artifacts = new MemoryArtifacts({ clock })
    const [node] = (await nodes(['a'], { clock, artifacts, limits: { ...rash, retiredMs: 7000_000, graceMs: 1000_000 } })) as [CatalogNode]
    const retired = await publish(node, 'old')
    const stranger = aFunction('stranger').artifact
    const { manifest } = aFunction('stranger')
    await artifacts.put(manifest.artifact.digest, stranger)
    await node.service.retire('demo', 'old', await universe.options())
    const sweeps = sweepsOf(artifacts)
    await sweeps(3)
    expect((await artifacts.list()).length).toBe(2)
    ahead = 1_100_000
    await until(async () => !(await artifacts.has(manifest.artifact.digest)))
    await sweeps(3)
    expect(await artifacts.has(retired)).toBe(true)
    ahead = 7_100_000
    await until(async () => !(await artifacts.has(retired)))
  })

  it('is never what a publish under way relies on, however rash the sweeps and however slow the disk', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'osiris-keeping-'))
    const artifacts = new DirectoryArtifacts({ directory })
    const sweeps = sweepsOf(artifacts)
    let isSlow = false
    const storage = storageThat(async (write) => {
      if (isSlow) await sweeps(4)
      await write()
    })
    const [node] = (await nodes(['a'], { artifacts, storage, limits: rash })) as [CatalogNode]
    isSlow = true
    for (let each = 0; each < 3; each += 1) {
      const { manifest, artifact } = aFunction(`f${each}`)
      // Here already, known to nobody: as after a publish that failed.
      await artifacts.put(manifest.artifact.digest, artifact)
      await node.service.publish(manifest, artifact, await universe.options('accepted'))
      expect(await artifacts.get(manifest.artifact.digest)).toBeDefined()
    }
    isSlow = false
    await universe.stop()
    await rm(directory, { recursive: true })
  })
})

it('cached copies beyond their budget go, but not before all keepers say that they have theirs', async () => {
  const all = await nodes(['a', 'b', 'c', 'd'], { limits: { cacheBytesMax: 0 } })
  const digest = await publish(at(all, 0), 'greet')
  const keepers = keepersOf(
    digest,
    all.map((node) => node.network.peer),
  )
  const outsider = all.find((node) => !keepers.includes(node.network.peer)) as CatalogNode
  const keeper = all.find((node) => node.network.peer === keepers[0]) as CatalogNode
  await untilKept([digest], all)
  let asked = 0
  keeper.artifacts.has = async () => {
    asked += 1
    return false
  }
  await outsider.service.artifact(digest, { timeoutMs: 2000 })
  const before = asked
  await until(() => asked >= before + 4)
  expect(await outsider.artifacts.has(digest)).toBe(true)
  keeper.artifacts.has = async () => true
  await until(async () => !(await outsider.artifacts.has(digest)))
  await untilKept([digest], all)
})

it('a client keeps what it fetched within its budget, the last used last to go', async () => {
  const [node] = (await nodes(['a'])) as [CatalogNode]
  const network = await universe.network('client', ['executor'])
  const store = new MemoryArtifacts()
  const client = await universe.clientOn(network, { artifacts: store, artifactCacheBytes: 30 })
  await untilMembers([{ network }], 1)
  const digests: string[] = []
  for (let each = 0; each < 4; each += 1) {
    digests.push(await publish(node, `f${each}`))
    await client.artifact(digests[each] as string, { timeoutMs: 2000 })
    const from = Date.now()
    await until(() => Date.now() > from)
  }
  await until(async () => (await store.list()).reduce((sum, each) => sum + each.bytes, 0) <= 30)
  expect(await store.has(digests[3] as string)).toBe(true)
  expect(await store.has(digests[0] as string)).toBe(false)
})

describe('what nobody has', () => {
  it('is looked for now and then, makes no file, and keeps nobody from what others have', async () => {
    const [a, b] = await nodes(['a', 'b'])
    if (a === undefined || b === undefined) throw new Error('two nodes are needed')
    const gone: string[] = []
    for (let each = 0; each < 30; each += 1) gone.push(await publish(a, `f${each}`))
    const here = await publish(a, 'here')
    await untilEqual([a, b], 31)
    await untilKept([...gone, here], [a, b])
    const { storage, artifacts, identity } = b
    await b.stop()
    for (const digest of gone) for (const store of [a.artifacts, artifacts]) await store.drop(digest)
    await artifacts.drop(here)
    let received = 0
    const counting: ArtifactStore = Object.assign(Object.create(artifacts) as ArtifactStore, {
      has: (digest: string) => artifacts.has(digest),
      get: (digest: string) => artifacts.get(digest),
      read: (digest: string, from: number, length: number) => artifacts.read(digest, from, length),
      drop: (digest: string) => artifacts.drop(digest),
      touch: (digest: string) => artifacts.touch(digest),
      list: () => artifacts.list(),
      receive: (digest: string) => {
        received += 1
        return artifacts.receive(digest)
      },
    })
    const again = await universe.node('b2', { storage, artifacts: counting, seed: identity.seed, limits: quick, isNew: false })
    await until(() => artifacts.has(here), 20_000)
    await again.stop()
    // Of what it served last, the other one has the bytes in memory.
    expect(received).toBe((await artifacts.list()).length)
    expect(received).toBeLessThan(gone.length)
  })
})
