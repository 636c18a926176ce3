import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createIdentity, universeId } from '#protocols/access'
import { encode } from '#protocols/codec'
import { systemClock } from '#protocols/lifecycle'
import { until } from '#protocols/until'
import { aFunction, CatalogUniverse, type CatalogNode, untilEqual, untilMembers } from '../catalog.fixture.ts'
import { CHECKPOINTS } from './checkpoint-set.ts'
import {
  type Content,
  makeContent,
  openOffer,
  openStatement,
  packOffer,
  packStatement,
  signContent,
} from '../ledger/checkpoints/shared-checkpoint.ts'

/** Looks often; a checkpoint for every ten entries. */
const EAGER = { checkpointIntervalMs: 60, checkpointEntries: 10 }
const me = createIdentity()
const head = (author: string, seq: number) => ({ author, seq, hash: 'f'.repeat(64) })

function contentOf(seqs: readonly number[], frozen: { author: string; seq: number }[] = [], of = '0'.repeat(16)): Content {
  const heads = seqs.map((seq, at) => head(`${at + 1}`.repeat(64), seq))
  const hashAt = (_author: string, seq: number) => seq.toString(16).padStart(64, '0')
  return makeContent({ universe: of, view: 'a'.repeat(64), frozen, heads, hashAt }) as Content
}

async function publishAll(node: CatalogNode, universe: CatalogUniverse, names: readonly string[]): Promise<void> {
  const options = await universe.options('accepted')
  for (const name of names) {
    const { manifest, artifact } = aFunction(name)
    await node.service.publish(manifest, artifact, options)
  }
}

const names = (prefix: string, count: number) => Array.from({ length: count }, (_, at) => `${prefix}${at}`)
const agreedBy = (node: CatalogNode) => node.service.checkpoints.set.agreed()

it('a statement is taken only as it was signed: every byte of it counts', () => {
  const content = contentOf([700, 3])
  const bytes = packStatement(content, signContent(me, content, 5))
  expect(openStatement(bytes).statement).toMatchObject({ signer: me.id, content: content.digest, atMs: 5 })
  expect(openOffer(packOffer(openStatement(bytes)), 3).content).toEqual(content)
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
      const changed = Uint8Array.from(bytes)
      changed[at] = (changed[at] as number) ^ by
      expect(() => openStatement(changed)).toThrow('Cannot')
    }),
  )
})

it('contents that do not fit themselves are refused: pins, order, forks they go beyond, size', () => {
  const { universe, view, feeds } = contentOf([700, 3])
  const opened = (change: object) => {
    const content = { ...contentOf([1]), bytes: encode({ universe, view, frozen: [], feeds, ...change }) }
    return () => openStatement(packStatement(content, signContent(me, content, 5)))
  }
  expect(opened({ feeds: [] })).toThrow('feeds')
  expect(opened({ feeds: feeds.toReversed() })).toThrow('in order')
  expect(opened({ feeds: feeds.map((each) => ({ ...each, pins: new Uint8Array(32) })) })).toThrow('pins')
  expect(opened({ frozen: [{ author: '1'.repeat(64), seq: 700 }] })).toThrow('fork')
  expect(opened({ feeds: [{ ...feeds[0], seq: 256 * 10_000, pins: new Uint8Array(32 * 9_999) }] })).toThrow('at most')
  expect(opened({ more: 1 })).toThrow('Unrecognized')
  expect(opened({})).toThrow('another content')
})

it('one catalog that signs a checkpoint twice is one that signed it', async () => {
  const universe = new CatalogUniverse()
  try {
    const nodes = [await universe.node('a'), await universe.node('b'), await universe.node('c')]
    const [a, , c] = nodes as [CatalogNode, CatalogNode, CatalogNode]
    await untilMembers(nodes, 2)
    const { set } = a.service.checkpoints
    await until(() => set.signers === 3)
    const content = contentOf([7], [], universeId(universe.universe))
    for (const ageMs of [5000, 1]) await set.take(packStatement(content, signContent(c.identity, content, Date.now() - ageMs)))
    expect(set.agreed()).toBeUndefined()
    expect(set.offers()[0]?.statements).toHaveLength(1)
  } finally {
    await universe.stop()
  }
})

it('catalogs agree on what they have in common, and on something newer when more was written', async () => {
  const universe = new CatalogUniverse()
  try {
    const nodes = [
      await universe.node('a', { limits: EAGER }),
      await universe.node('b', { limits: EAGER }),
      await universe.node('c', { limits: EAGER }),
    ]
    const [a, b] = nodes as [CatalogNode, CatalogNode]
    await untilMembers(nodes, 2)
    await publishAll(a, universe, names('f', 12))
    await untilEqual(nodes, 12)
    await until(() => nodes.every((node) => agreedBy(node) !== undefined), 10_000)
    const first = agreedBy(a)?.content as Content
    expect(first.view).toBe(a.service.status().viewDigest)
    expect(agreedBy(a)?.statements.length).toBeGreaterThanOrEqual(2)
    await publishAll(b, universe, names('g', 12))
    await until(() => nodes.every((node) => (agreedBy(node)?.content.entries ?? 0) > first.entries), 10_000)
    await until(() => new Set(nodes.map((node) => node.service.sets.digests()[CHECKPOINTS])).size === 1)
    expect(nodes.flatMap((node) => node.service.checkpoints.set.offers()).some(({ content }) => content.digest === first.digest)).toBe(
      false,
    )
  } finally {
    await universe.stop()
  }
}, 30_000)

it('a node agrees to a view of the past only after working it out, and to no other', async () => {
  const universe = new CatalogUniverse()
  try {
    const [a, b] = [await universe.node('a'), await universe.node('b', { limits: EAGER })]
    await untilMembers([a, b], 1)
    await publishAll(a, universe, names('f', 12))
    await untilEqual([a, b], 12)
    const { heads, viewDigest } = a.service.status()
    const hashAt = (author: string) => heads.find((each) => each.author === author)?.hash
    const { universe: id } = b.service.checkpoints.ledger
    const content = (view: string) => makeContent({ universe: id, view, frozen: [], heads, hashAt }) as Content
    await publishAll(a, universe, ['later'])
    await untilEqual([a, b], 13)
    const { set } = b.service.checkpoints
    const say = (what: Content, atMs: number) => set.take(packStatement(what, signContent(a.identity, what, atMs)))
    await say(content('0'.repeat(64)), systemClock.now() - 10_000)
    await say(content(viewDigest), systemClock.now() - 5000)
    await until(() => set.agreed() !== undefined, 10_000)
    expect(set.agreed()?.content.view).toBe(viewDigest)
    expect(set.lastOf(b.identity.id)?.content.view).toBe(viewDigest)
  } finally {
    await universe.stop()
  }
}, 30_000)

it('statements of strangers, of banned and frozen keys, of the future, of other universes and in floods are refused', async () => {
  const universe = new CatalogUniverse()
  try {
    const [a, b] = [await universe.node('a'), await universe.node('b')]
    const { set, ledger } = a.service.checkpoints
    const { heads, viewDigest } = a.service.status()
    const of = (id: string, view = viewDigest) => makeContent({ universe: id, view, frozen: [], heads, hashAt: () => undefined }) as Content
    const content = of(ledger.universe)
    const take = (by = b.identity, atMs = 1, what = content) => set.take(packStatement(what, signContent(by, what, atMs)))
    await expect(take(me)).rejects.toThrow('no catalog')
    await expect(take(b.identity, systemClock.now() + 60_000)).rejects.toThrow('future')
    await expect(take(b.identity, 1, of('0'.repeat(16)))).rejects.toThrow('another universe')
    await expect(set.take(new Uint8Array(300_000))).rejects.toThrow('at most')
    await take(b.identity, 10_000)
    await take(b.identity, 10_000)
    await expect(take(b.identity, 10_001, of(ledger.universe, 'b'.repeat(64)))).rejects.toThrow('too much')
    await take(b.identity, 20_000, of(ledger.universe, 'c'.repeat(64)))
    await take(b.identity, 30_000, of(ledger.universe, 'd'.repeat(64)))
    await expect(take(b.identity, 15_000, of(ledger.universe, 'e'.repeat(64)))).rejects.toThrow('newer')
    expect(set.ids().size).toBe(2)
    await universe.asRoot('ban', { member: b.identity.id, seq: 0 })
    await expect(take(b.identity, 50_000)).rejects.toThrow('no catalog')
    expect(set.offers()).toEqual([])
  } finally {
    await universe.stop()
  }
})
