/** What counts as committed, on whole catalogs. */
import { MemoryLevel } from 'memory-level'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createIdentity, type Identity, universeId } from '#protocols/access'
import { digestOf, encode } from '#protocols/codec'
import { until } from '#protocols/until'
import { aFunction, type CatalogNode, CatalogUniverse, untilEqual, untilMembers, written } from '../catalog.fixture.ts'
import { openReceipt, type Receipted, signReceipt } from '../ledger/receipts/receipts.ts'
import { reopenEntry } from '../ledger/entry.ts'
import type { Storage } from '#protocols/storage'

let universe: CatalogUniverse
beforeEach(() => {
  universe = new CatalogUniverse()
})
afterEach(() => universe.stop())

const nodes = (...names: string[]) => universe.nodes(names)
const first = (all: CatalogNode[], at = 0) => all[at] as CatalogNode

async function publish(node: CatalogNode, name: string, ack: 'accepted' | 'committed' = 'committed', timeoutMs = 3000) {
  const { manifest, artifact } = aFunction(name)
  return node.service.publish(manifest, artifact, await universe.options(ack, timeoutMs))
}

/** What nodes wrote, without the root's. */
async function linesOn(node: CatalogNode) {
  return (await node.service.log({ limit: 1000 })).filter((line) => line.author !== node.root)
}

async function commitmentsOn(node: CatalogNode) {
  return (await linesOn(node)).map((line) => line.commitment)
}

describe('accepted', () => {
  it('stands when the disk fails between the entry and its receipt, and spreads all the same', async () => {
    const storage = new MemoryLevel<string, Uint8Array>()
    let fails = false
    const failing: Storage = {
      batch: (operations, options) => storage.batch(operations, options),
      getMany: (keys, options) => storage.getMany(keys, options),
      iterator: (range) => {
        if (fails && range.gte.startsWith('receipt/')) throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' })
        return storage.iterator(range)
      },
    }
    const a = await universe.node('a', { storage: failing })
    const b = await universe.node('b')
    await untilMembers([a, b], 1)
    fails = true
    const { receipt } = await publish(a, 'kept', 'accepted')
    expect(receipt).toMatchObject({ state: 'accepted', receipts: [] })
    await untilEqual([a, b])
    expect(await b.service.versions('demo', 'kept')).toHaveLength(1)
  })
})

describe('committed', () => {
  it('by a majority of five: each receipt is signed by its holder, who has entry and artifact', async () => {
    const all = await nodes('a', 'b', 'c', 'd', 'e')
    const { receipt, record } = await publish(first(all), 'kept')
    expect(receipt).toMatchObject({ state: 'committed', needed: 3, members: 5 })
    expect(receipt.receipts.length).toBeGreaterThanOrEqual(3)
    expect(receipt.holders.length).toBeGreaterThanOrEqual(3)
    for (const { holder, node } of receipt.receipts) {
      const giver = all.find((each) => each.identity.id === holder)
      expect(giver?.name).toBe(node)
      expect(await giver?.artifacts.has(record.manifest.artifact.digest)).toBe(true)
    }
    expect(receipt.receipts.map((each) => each.node)).toContain('a')
  })

  it('with two of five out of reach, whichever they are', async () => {
    const all = await nodes('a', 'b', 'c', 'd', 'e')
    for (const away of [
      ['b', 'c'],
      ['d', 'e'],
      ['b', 'e'],
    ]) {
      universe.mesh.partition(
        away,
        ['a', 'b', 'c', 'd', 'e'].filter((name) => !away.includes(name)),
      )
      const { receipt } = await publish(first(all), `without-${away.join('')}`)
      expect(receipt).toMatchObject({ state: 'committed', needed: 3 })
      universe.mesh.heal()
      await untilMembers(all, 4)
    }
  })

  it('not with the majority out of reach: within the bound, and with what there is; whoever is impatient has it at once', async () => {
    const all = await nodes('a', 'b', 'c', 'd', 'e')
    await publish(first(all), 'before')
    universe.mesh.partition(['a', 'b'], ['c', 'd', 'e'])
    const from = performance.now()
    const refused = publish(first(all), 'lonely', 'committed', 600)
    await expect(refused).rejects.toMatchObject({
      code: 'not_committed',
      details: { receipt: { state: 'accepted', needed: 3, members: 5 } },
    })
    const { details } = (await refused.catch((error: unknown) => error)) as { details: { receipt: { receipts: { node: string }[] } } }
    expect(new Set(details.receipt.receipts.map((each) => each.node))).toEqual(new Set(['a', 'b']))
    expect(performance.now() - from).toBeLessThan(1500)
    const { receipt } = await publish(first(all), 'impatient', 'accepted')
    expect(receipt).toMatchObject({ state: 'accepted', receipts: [{ node: 'a' }] })
  })

  it('later: what timed out is committed on every node when the others are back, and stays so over a restart', async () => {
    const all = await nodes('a', 'b', 'c')
    await publish(first(all), 'before')
    universe.mesh.partition(['a'], ['b', 'c'])
    await expect(publish(first(all), 'late', 'committed', 200)).rejects.toMatchObject({ code: 'not_committed' })
    expect(await commitmentsOn(first(all))).toMatchObject([{ state: 'committed' }, { state: 'accepted' }])
    universe.mesh.heal()
    await untilEqual(all, 2)
    await until(async () => (await Promise.all(all.map(commitmentsOn))).every(([, line]) => line?.state === 'committed'))
    await first(all).stop()
    const { storage, artifacts, identity } = first(all)
    universe.mesh.partition(['a'], ['b', 'c'])
    const again = await universe.node('a', { storage, artifacts, seed: identity.seed })
    expect((await commitmentsOn(again))[1]?.receipts.length).toBeGreaterThan(0)
  })

  it('a late joiner gets the receipts of what was committed before', async () => {
    const all = await nodes('a', 'b', 'c')
    for (const name of ['one', 'two', 'three']) await publish(first(all), name)
    const late = await universe.node('late')
    await untilEqual([...all, late], 3)
    await until(async () => (await commitmentsOn(late)).every((each) => each.receipts.length >= 3))
    expect(await commitmentsOn(late)).toMatchObject(Array.from({ length: 3 }, () => ({ state: 'committed', members: 4, needed: 3 })))
  })

  it('a write that comes while a wait is on ends it as soon as a holder returns', async () => {
    const all = await nodes('a', 'b', 'c')
    universe.mesh.partition(['a'], ['b', 'c'])
    const waiting = publish(first(all), 'patient', 'committed', 10_000)
    await until(() => written(first(all)) === 1)
    universe.mesh.heal()
    expect((await waiting).receipt.state).toBe('committed')
  })
})

describe('a receipt that lies', () => {
  /** A catalog member that says of every push that it has the entry, with whatever receipt. */
  async function liar(name: string, receiptFor: (of: Receipted, own: Identity) => Uint8Array) {
    const own = createIdentity()
    await universe.admit(own.id, name)
    const network = await universe.network(name, ['catalog'], own.seed)
    network.handle('catalog/1', async ({ body }) => {
      const bytes = body instanceof Uint8Array ? body : new Uint8Array(0)
      if (bytes.length === 0) return { head: encode({ same: true }) }
      const { author, seq, hash } = reopenEntry(bytes, digestOf(bytes))
      return { head: encode({ held: true, receipt: receiptFor({ universe: universeId(universe.universe), author, seq, hash }, own) }) }
    })
    return { network, own }
  }

  const never: [string, (of: Receipted, own: Identity) => Uint8Array][] = [
    [
      'with a wrong signature',
      (of, own) => signReceipt(own, of, 1).bytes.map((byte, at, all) => (at === all.length - 1 ? byte ^ 1 : byte)),
    ],
    ['of another hash', (of, own) => signReceipt(own, { ...of, hash: 'f'.repeat(64) }, 1).bytes],
    ['of another place', (of, own) => signReceipt(own, { ...of, seq: of.seq + 1 }, 1).bytes],
    ['of another universe', (of, own) => signReceipt(own, { ...of, universe: 'f'.repeat(16) }, 1).bytes],
    ['in the name of another holder', (of) => signReceipt(createIdentity(), of, 1).bytes],
    ['that is none', () => new Uint8Array(40)],
  ]
  it.each(never)('%s never counts', async (_what, receiptFor) => {
    const node = await universe.node('honest')
    const { network } = await liar('liar', receiptFor)
    await untilMembers([node], 1)
    await until(() => network.members.list().length === 1)
    const refused = publish(node, 'wanted', 'committed', 300)
    await expect(refused).rejects.toMatchObject({
      code: 'not_committed',
      details: { receipt: { receipts: [{ node: 'honest' }], needed: 2 } },
    })
    expect(await commitmentsOn(node)).toMatchObject([{ state: 'accepted', receipts: [{ node: 'honest' }] }])
  })

  it('the very same liar counts once it tells the truth', async () => {
    const node = await universe.node('honest')
    await liar('liar', (of, own) => signReceipt(own, of, 1).bytes)
    await untilMembers([node], 1)
    const { receipts } = (await publish(node, 'wanted')).receipt
    expect(new Set(receipts.map((each) => each.node))).toEqual(new Set(['honest', 'liar']))
  })

  it('of who is no catalog never counts, by gossip either; that of a member does', async () => {
    const node = await universe.node('honest')
    const executor = createIdentity()
    const speaker = await universe.network('executor', ['executor'], executor.seed)
    const silent = await liar('catalog', () => new Uint8Array(0))
    await untilMembers([node], 1)
    await until(() => node.network.members.list().length === 2)
    await expect(publish(node, 'wanted', 'committed', 200)).rejects.toMatchObject({ code: 'not_committed' })
    const [line] = await linesOn(node)
    const of = { universe: universeId(universe.universe), author: line?.author ?? '', seq: 1, hash: line?.hash ?? '' }
    const tell = (identity: Identity) => speaker.publish('receipts', encode([signReceipt(identity, of, 1).bytes]))
    await tell(executor)
    await tell(createIdentity())
    await until(() => (node.service.receiptRefusals().holder ?? 0) >= 2)
    expect(await commitmentsOn(node)).toMatchObject([{ state: 'accepted', receipts: [{ node: 'honest' }] }])
    await tell(silent.own)
    await until(async () => (await commitmentsOn(node))[0]?.state === 'committed')
  })
})

it('a peer without a role is given no receipts', async () => {
  const node = await universe.node('a')
  const client = await universe.network('client', [])
  await untilMembers([{ network: client }], 1)
  const head = encode({ type: 'receipts', of: [{ author: node.identity.id, seq: 1 }] })
  await expect(client.request(node.network.peer, 'catalog/1', { head }, { timeoutMs: 2000 })).rejects.toMatchObject({ code: 'forbidden' })
})

it('an entry without its artifact gets no receipt of whoever is asked for one', async () => {
  const [a, b] = await nodes('a', 'b')
  const { receipt, record } = await publish(a as CatalogNode, 'code')
  const [bytes] = (await a?.service.receipts([receipt])) ?? []
  expect(openReceipt(bytes as Uint8Array).hash).toBe(receipt.hash)
  expect(await b?.artifacts.has(record.manifest.artifact.digest)).toBe(true)
  const bare = await universe.node('bare')
  universe.mesh.partition(['bare'], ['a', 'b'])
  expect(await bare.service.receipts([receipt])).toEqual([])
})
