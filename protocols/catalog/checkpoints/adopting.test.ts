import fc from 'fast-check'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type * as Access from '#protocols/access'
import { createIdentity, universeId } from '#protocols/access'
import { encode } from '#protocols/codec'
import { systemClock } from '#protocols/lifecycle'
import { until } from '#protocols/until'
import { type CatalogNode, CatalogUniverse, copyOf, type NodeOptions, untilEqual, untilMembers } from '../catalog.fixture.ts'
import { contentOf, digestOfAll, feedOf, give, type Lies, standIn } from './adopting.fixture.ts'
import { auditStorage } from '../ledger/audit/audit-source.ts'
import { type Entry, openUnsigned, signEntry } from '../ledger/entry.ts'
import { proveFork } from '../ledger/forks/forks.ts'
import { packOffer, signContent } from '../ledger/checkpoints/shared-checkpoint.ts'
import { viewDigestAt } from '../ledger/checkpoints/view-at.ts'

/** Signatures of entries that were verified, by anybody in this process. */
let checked = 0
vi.mock('#protocols/access', async (load) => {
  const access = await load<typeof Access>()
  const count = (data: Uint8Array) => {
    if (Buffer.from(data.buffer, data.byteOffset, 15).equals(Buffer.from('osiris/entry/1\0'))) checked += 1
  }
  const verifySignature: typeof access.verifySignature = (key, data, signature) => {
    count(data)
    return access.verifySignature(key, data, signature)
  }
  const verifySignatureAside: typeof access.verifySignatureAside = (key, data, signature) => {
    count(data)
    return access.verifySignatureAside(key, data, signature)
  }
  return { ...access, verifySignature, verifySignatureAside }
})

const LIMITS = { checkpointIntervalMs: 60, checkpointEntries: 100, joinBehind: 200, provePerSecond: 20_000, headsAgainMs: 600_000 }
const writer = createIdentity()
let universe: CatalogUniverse

beforeEach(() => {
  universe = new CatalogUniverse()
  checked = 0
})
afterEach(() => universe.stop())

/** A fresh node that knows the genesis and its own admission only by what it hears. */
const joiner = (options: NodeOptions = {}) =>
  universe.node('joiner', { founding: [], ...options, limits: { ...LIMITS, ...options.limits } })

async function two(entries: readonly Entry[]): Promise<[CatalogNode, CatalogNode]> {
  const nodes: [CatalogNode, CatalogNode] = [await universe.node('a', { limits: LIMITS }), await universe.node('b', { limits: LIMITS })]
  await untilMembers(nodes, 1)
  for (const node of nodes) await give(node, entries)
  await until(() => nodes.every((node) => node.service.checkpoints.set.agreed() !== undefined), 15_000)
  return nodes
}

it('a fresh node serves a long ledger after verifying a few, and verifies all of them afterwards', async () => {
  const entries = await feedOf(universe, writer, 1500)
  const [a, b] = await two(entries)
  checked = 0
  const node = await joiner({ limits: { provePerSecond: 2000 } })
  await until(() => node.service.status().viewDigest === a.service.status().viewDigest, 20_000)
  const [before, { unproven }] = [checked, node.service.status()]
  expect(unproven).toBeGreaterThan(0)
  // One for each 256 entries, those about authority, and what the prover is at.
  expect(before - (1500 - unproven)).toBeLessThan(150)
  expect(node.service.get({ namespace: 'demo', name: 'f1499' })).toMatchObject({ ordinal: 1 })
  await until(() => node.service.status().unproven === 0, 20_000)
  expect(checked).toBeGreaterThanOrEqual(1500)
  expect(node.service.status()).toEqual(b.service.status())
  const { damage, entries: audited } = await auditStorage(node.storage, universeId(universe.universe))
  expect([damage, audited]).toEqual([[], node.service.status().entries])
  await node.stop()
  checked = 0
  const again = await joiner({ storage: node.storage, seed: node.identity.seed })
  expect(again.service.status().entries).toBe(audited)
  expect(checked).toBeLessThan(20)
}, 60_000)

it('a checkpoint that a minority signed is not taken: all comes one by one', async () => {
  const entries = await feedOf(universe, writer, 400)
  await universe.node('b', { limits: { checkpointIntervalMs: 600_000 } })
  await universe.node('c', { limits: { checkpointIntervalMs: 600_000 } })
  const a = await universe.node('a', { limits: LIMITS })
  await give(a, entries)
  await until(() => a.service.checkpoints.offer() !== undefined)
  const node = await joiner()
  await until(() => node.service.status().viewDigest === a.service.status().viewDigest, 20_000)
  expect(node.service.checkpoints.ledger.adoption.content).toBeUndefined()
  expect(checked).toBeGreaterThanOrEqual(800)
}, 60_000)

it('a hostile majority shows what an author signed wrongly only until it is verified: then that is gone, for good, and its signers are named', async () => {
  const evil = createIdentity()
  const spoilt = await feedOf(universe, writer, 900, (bytes, seq) => {
    const changed = Uint8Array.from(bytes)
    if (seq === 700) changed[changed.length - 1] = (changed.at(-1) as number) ^ 1
    return changed
  })
  const told: string[] = []
  const { asked } = await standIn(universe, evil, () => spoilt)
  const node = await joiner({ limits: { provePerSecond: 2000 } })
  node.events.on('log', ({ text }) => told.push(text))
  await until(() => node.service.status().functions === 900, 15_000)
  await until(() => node.service.status().refusedCheckpoints.length === 1, 15_000)
  await until(() => node.service.status().functions === 699 && node.service.status().unproven === 0, 15_000)
  expect(node.service.status().refusedCheckpoints).toMatchObject([{ signers: [evil.id], sentence: expect.stringContaining('entry 700') }])
  expect(told.some((text) => text.includes(evil.id) && text.includes('refused for good'))).toBe(true)
  const asks = asked.length
  await until(() => asked.length > asks + 3)
  expect(node.service.status()).toMatchObject({ functions: 699, unproven: 0 })
  const good = [...universe.founding, ...spoilt.slice(0, 699)]
  expect(node.service.status().viewDigest).toBe(digestOfAll(node.root, good))
  expect((await auditStorage(node.storage, universeId(universe.universe))).damage).toEqual([])
  await node.stop()
  const again = await joiner({ storage: node.storage, seed: node.identity.seed })
  expect(again.service.status()).toMatchObject({ functions: 699, refusedCheckpoints: [{ signers: [evil.id] }] })
}, 60_000)

it('a view that is not what the entries come to is found out, and nothing of it was ever shown', async () => {
  const evil = createIdentity()
  const entries = await feedOf(universe, writer, 400)
  const offer = () => {
    const content = contentOf(universe, [...universe.founding, ...entries], { view: 'e'.repeat(64) })
    return packOffer({ content, statements: [signContent(evil, content, 1)] })
  }
  await standIn(universe, evil, () => entries, { offer })
  const node = await joiner()
  await until(() => node.service.status().refusedCheckpoints.length === 1, 15_000)
  expect(node.service.status().refusedCheckpoints).toMatchObject([{ signers: [evil.id], sentence: 'its entries come to another view' }])
  expect(node.service.status()).toMatchObject({ functions: 400, viewDigest: digestOfAll(node.root, [...universe.founding, ...entries]) })
}, 60_000)

/** Each ends with the entries taken one by one. */
type Lie = (parts: { evil: ReturnType<typeof createIdentity>; entries: Entry[]; all: () => Entry[] }) => Promise<Lies> | Lies
const HOSTILE: Record<string, [because: string, lie: Lie]> = {
  'signed by a stranger': [
    '0 of the 1 catalogs',
    ({ all }) => ({
      offer: () => {
        const content = contentOf(universe, all())
        return packOffer({ content, statements: [signContent(createIdentity(), content, 1)] })
      },
    }),
  ],
  'of another universe': [
    'another universe',
    ({ evil, all }) => ({
      offer: () => {
        const content = contentOf(universe, all(), { universe: '0'.repeat(16) })
        return packOffer({ content, statements: [signContent(evil, content, 1)] })
      },
    }),
  ],
  'signed twice by one key': [
    'signed it twice',
    ({ evil, all }) => ({
      offer: () => {
        const content = contentOf(universe, all())
        return packOffer({ content, statements: [signContent(evil, content, 1), signContent(evil, content, 2)] })
      },
    }),
  ],
  'with more signatures than there may be': [
    'Cannot read an offered checkpoint',
    ({ all }) => ({
      offer: () => {
        const content = contentOf(universe, all())
        return packOffer({ content, statements: Array.from({ length: 20 }, () => signContent(createIdentity(), content, 1)) })
      },
    }),
  ],
  'without end': ['', () => ({ offer: () => new Uint8Array(10_000_000) })],
  'that is no checkpoint': ['Cannot read an offered checkpoint', () => ({ offer: () => encode(['what', []]) })],
  'older than what is here, or nearly': [
    'it brings little',
    ({ evil, entries }) => ({
      offer: () => {
        const content = contentOf(universe, [...universe.founding, ...entries.slice(0, 100)])
        return packOffer({ content, statements: [signContent(evil, content, 1)] })
      },
    }),
  ],
  'whose signers the ledger banned': [
    '0 of the 1 catalogs',
    async ({ evil }) => {
      await universe.admit(createIdentity().id, 'another catalog')
      await universe.asRoot('ban', { member: evil.id, seq: 0 })
      return {}
    },
  ],
  'whose author is told of nothing about authority': ['0 of the 1 catalogs', () => ({ authority: () => [] })],
  'about authority without end': [
    'nothing',
    () => ({ authority: (honest) => [...honest, ...universe.founding.map(({ bytes }) => bytes)] }),
  ],
  'with entries that another key signed': [
    'not what it names',
    ({ evil }) => {
      let lies = 0
      return {
        entries: (honest) => {
          lies += 1
          if (lies > 1) return honest
          return honest.map((bytes) => {
            const { hash: _hash, bytes: _bytes, ...envelope } = openUnsigned(bytes)
            return signEntry(evil, envelope).bytes
          })
        },
      }
    },
  ],
  'with more entries than were asked for': [
    'not what it names',
    () => {
      let lies = 0
      return { entries: (honest) => ((lies += 1) > 1 ? honest : [...honest, ...honest]) }
    },
  ],
  'a little at a time': [
    'does not have all of it',
    () => {
      let lies = 0
      return { entries: (honest) => ((lies += 1) > 1 ? honest : honest.slice(0, 1)) }
    },
  ],
}

for (const [name, [because, lie]] of Object.entries(HOSTILE))
  it(`a checkpoint ${name} does not keep a node from what is true`, async () => {
    const evil = createIdentity()
    const entries = await feedOf(universe, writer, 300)
    await universe.admit(evil.id, 'stand-in')
    const all = () => [...universe.founding, ...entries]
    const { asked } = await standIn(universe, evil, () => entries, await lie({ evil, entries, all }))
    const node = await joiner()
    const told: string[] = []
    node.events.on('log', ({ text }) => told.push(text))
    await until(() => node.service.status().functions === 300, 15_000)
    expect(node.service.status().viewDigest).toBe(digestOfAll(node.root, all()))
    expect(asked).toContain('checkpoint')
    expect([because, told.some((text) => text.includes(because)) || because === 'nothing', told]).toEqual([because, true, told])
    await until(() => node.service.status().unproven === 0)
    expect(node.service.status().refusedCheckpoints).toEqual([])
  }, 30_000)

it('a checkpoint that goes on after a proven fork is not taken', async () => {
  const evil = createIdentity()
  const entries = await feedOf(universe, writer, 300)
  const { hash: _hash, bytes: _bytes, ...envelope } = entries[99] as Entry
  const proof = proveFork(entries[99] as Entry, signEntry(writer, { ...envelope, by: 'eve' }))
  await standIn(universe, evil, () => entries)
  const node = await joiner({ founding: universe.founding.map(({ bytes }) => bytes) })
  node.service.checkpoints.ledger.convict(proof.bytes)
  await until(() => node.service.status().functions === 99, 15_000)
  expect(node.service.checkpoints.ledger.adoption.content).toBeUndefined()
}, 30_000)

it('a node killed while it joins, or while it verifies, goes on from there and never takes for verified what is not', async () => {
  const entries = await feedOf(universe, writer, 800)
  const [a] = await two(entries)
  const slow = { provePerSecond: 200 }
  const node = await joiner({ limits: slow })
  const seed = node.identity.seed
  await until(() => node.service.status().functions > 250, 15_000, 1)
  const early = await copyOf(node.storage)
  await until(() => node.service.status().viewDigest === a.service.status().viewDigest, 20_000)
  await until(() => node.service.status().unproven < 600, 20_000)
  const late = await copyOf(node.storage)
  await node.stop()
  for (const [storage, left] of [
    [early, 800],
    [late, 799],
  ] as const) {
    const again = await joiner({ storage, seed, limits: slow })
    const { unproven, entries: here } = again.service.status()
    expect(unproven).toBeGreaterThan(Math.min(300, here - 300))
    expect(unproven).toBeLessThanOrEqual(left)
    await until(() => again.service.status().viewDigest === a.service.status().viewDigest, 20_000)
    await again.stop()
    const quick = await joiner({ storage, seed })
    await until(() => quick.service.status().unproven === 0, 20_000)
    expect((await auditStorage(storage, universeId(universe.universe))).damage).toEqual([])
    await quick.stop()
  }
}, 90_000)

it('property: the view worked out at any heads is the one of a ledger that holds exactly these', async () => {
  const other = createIdentity()
  const feeds = [await feedOf(universe, writer, 40), await feedOf(universe, other, 40)]
  const node = await universe.node('a')
  for (const feed of feeds) await give(node, feed)
  const { ledger } = node.service.checkpoints
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(40), { minLength: 2, maxLength: 2 }), async (counts) => {
      const kept = feeds.flatMap((feed, at) => feed.slice(0, counts[at]))
      const all = [...universe.founding, ...kept]
      const heads = contentOf(universe, all).feeds
      expect(await viewDigestAt(ledger, { heads, frozen: [] }, systemClock)).toBe(digestOfAll(node.root, all))
    }),
    { numRuns: 25 },
  )
  await untilEqual([node])
})
