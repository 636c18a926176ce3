import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createIdentity, createUniverse, universeId } from '#protocols/access'
import { decode, encode } from '#protocols/codec'
import { systemClock } from '#protocols/lifecycle'
import type { Network } from '#protocols/network'
import { until } from '#protocols/until'
import { aFunction, type CatalogNode, CatalogUniverse, flip, storageThat, untilEqual, untilMembers, written } from './catalog.fixture.ts'
import { createGenesis, type Envelope, signEntry } from './ledger/entry.ts'
import { ENCODINGS } from '#protocols/storage'
import type { CatalogLimits } from './limits.ts'
import { packHead } from './messages.ts'

let universe: CatalogUniverse
beforeEach(() => {
  universe = new CatalogUniverse()
})
afterEach(() => universe.stop())

const nodes = (...names: string[]) => universe.nodes(names)
const nodesWith = (limits: Partial<CatalogLimits>, ...names: string[]) => universe.nodes(names, { limits })

async function publish(node: CatalogNode, name: string, code = 'a', ack: 'accepted' | 'committed' = 'committed', timeoutMs = 2000) {
  const { manifest, artifact } = aFunction(name, code)
  return node.service.publish(manifest, artifact, await universe.options(ack, timeoutMs))
}

/** Two nodes with four entries by the first, which has ended in good order. */
async function stoppedAfterFour() {
  const all = await nodes('a', 'b')
  for (let at = 0; at < 4; at += 1) await publish(first(all), 'mended', String(at))
  await untilEqual(all, 4)
  const { storage, artifacts, identity } = first(all)
  const digest = first(all).service.status().viewDigest
  await first(all).stop()
  return { all, storage, artifacts, identity, digest }
}

const first = (all: CatalogNode[], at = 0) => all[at] as CatalogNode

describe('replication', () => {
  it('a committed publish is visible on every member when it returns', async () => {
    // Longer than usual: this is not about how fast a busy machine is.
    const all = await nodesWith({ visibleMs: 5000 }, 'a', 'b', 'c', 'd')
    const { receipt, record } = await publish(first(all), 'seen')
    expect(receipt).toMatchObject({ state: 'committed' })
    expect(receipt.holders.toSorted()).toEqual(['a', 'b', 'c', 'd'])
    for (const node of all) expect(node.service.get({ namespace: 'demo', name: 'seen' })).toEqual(record)
  })

  it('a late joiner ends with the same view digest, feeds of every author included', async () => {
    const all = await nodes('a', 'b')
    for (let at = 0; at < 20; at += 1) await publish(first(all, at % 2), `f${at % 7}`, String(at))
    const late = await universe.node('late')
    await untilEqual([...all, late], 20)
    expect(late.service.status()).toEqual(first(all).service.status())
  })

  it('two sides of a partition go on, and are equal after it heals: the later edit of one function wins', async () => {
    const all = await nodes('a', 'b', 'c')
    await publish(first(all), 'both', 'before')
    universe.mesh.partition(['a'], ['b', 'c'])
    await publish(first(all), 'both', 'left', 'accepted')
    await publish(first(all), 'left', 'a', 'accepted')
    const leftAt = Date.now()
    await until(() => Date.now() > leftAt)
    const right = await publish(first(all, 1), 'both', 'right', 'accepted')
    universe.mesh.heal()
    await until(() => all.every((node) => written(node) === 4), 10_000)
    await untilEqual(all)
    for (const node of all) {
      expect(node.service.get({ namespace: 'demo', name: 'both' })).toMatchObject({ version: right.record.version, versions: 3 })
      const { lost } = await node.service.conflicts()
      expect(lost).toMatchObject([{ name: 'both', alias: 'live', won: { hash: right.receipt.hash } }])
    }
  })

  it('two sides of a partition that took one route: the earlier keeps it on every node, the other is called by name and gets it later', async () => {
    const all = await nodes('a', 'b', 'c')
    universe.mesh.partition(['a'], ['b', 'c'])
    const take = async (node: CatalogNode, name: string, routes: string[]) => {
      const { manifest, artifact } = aFunction(name, 'a', routes)
      const before = Date.now()
      const { record } = await node.service.publish(manifest, artifact, await universe.options('accepted', 2000))
      await until(() => Date.now() > before)
      return record
    }
    await take(first(all, 1), 'early', ['GET /taken'])
    const late = await take(first(all), 'late', ['/free', 'GET /taken'])
    universe.mesh.heal()
    await until(() => all.every((node) => written(node) === 2), 10_000)
    await untilEqual(all)
    const holds = (name: string, route: string) => ({ namespace: 'demo', name, route })
    for (const { service } of all) {
      expect(service.routes()).toEqual([holds('late', '/free'), holds('early', 'GET /taken')])
      expect((await service.conflicts()).routes).toEqual([{ ...holds('late', 'GET /taken'), holder: holds('early', 'GET /taken') }])
      expect(service.get({ namespace: 'demo', name: 'late' })).toMatchObject({ version: late.version })
    }
    await first(all, 2).service.retire('demo', 'early', await universe.options('committed', 5000))
    await untilEqual(all)
    for (const { service } of all) {
      expect(service.routes()).toEqual([holds('late', '/free'), holds('late', 'GET /taken')])
      expect((await service.conflicts()).routes).toEqual([])
    }
  })

  it('a lone side of a partition accepts but cannot commit, and says so', async () => {
    const all = await nodes('a', 'b', 'c')
    await publish(first(all), 'before')
    universe.mesh.partition(['a'], ['b', 'c'])
    const refused = publish(first(all), 'alone', 'a', 'committed', 200)
    await expect(refused).rejects.toMatchObject({ code: 'not_committed', details: { receipt: { state: 'accepted', holders: ['a'] } } })
    expect(first(all).service.get({ namespace: 'demo', name: 'alone' })).toMatchObject({ ordinal: 1 })
    universe.mesh.heal()
    await untilEqual(all, 2)
  })

  it('a restart from the same storage gives the same digest, and the feed goes on', async () => {
    const [a] = await nodes('a')
    for (let at = 0; at < 5; at += 1) await publish(a as CatalogNode, 'kept', String(at))
    const before = first([a as CatalogNode]).service.status()
    await a?.stop()
    const { storage, artifacts, identity } = a as CatalogNode
    const again = await universe.node('a', { storage, artifacts, seed: identity.seed })
    expect(again.service.status()).toEqual(before)
    expect((await publish(again, 'kept', '6')).receipt).toMatchObject({ author: identity.id, seq: 6 })
  })

  it('a record damaged behind the checkpoint is detected at the start and fetched again, own ones too; nothing is written before that', async () => {
    const { all, storage, artifacts, identity, digest } = await stoppedAfterFour()
    await flip(storage, 'checkpoint/head')
    await flip(storage, `entry/${identity.id}/0000000000000002`)
    universe.mesh.partition(['a'], ['b'])
    const again = await universe.node('a', { storage, artifacts, seed: identity.seed })
    expect(written(again)).toBe(1)
    await expect(publish(again, 'mended', 'x', 'accepted')).rejects.toMatchObject({ code: 'unavailable' })
    universe.mesh.heal()
    await untilEqual([again, first(all, 1)], 4)
    expect(again.service.status().viewDigest).toBe(digest)
    expect((await publish(again, 'mended', 'x')).receipt).toMatchObject({ seq: 5 })
  })

  it('a record damaged below the checkpoint changes nothing, is not given out, and is found by the scrub and fetched again', async () => {
    const { all, storage, artifacts, identity, digest } = await stoppedAfterFour()
    const key = `entry/${identity.id}/0000000000000002`
    const [value] = await storage.getMany([key], ENCODINGS)
    await flip(storage, key)
    universe.mesh.partition(['a'], ['b'])
    const again = await universe.node('a', { storage, artifacts, seed: identity.seed })
    expect(again.service.status()).toMatchObject({ viewDigest: digest })
    expect(written(again)).toBe(4)
    expect(await again.service.entries([{ author: identity.id, from: 1 }], 1_000_000)).toHaveLength(1)
    universe.mesh.heal()
    await until(async () => Buffer.from((await storage.getMany([key], ENCODINGS))[0] ?? []).equals(value as Uint8Array))
    expect(await again.service.entries([{ author: identity.id, from: 1 }], 1_000_000)).toHaveLength(4)
    expect((await publish(first(all, 1), 'mended', 'x')).receipt).toMatchObject({ state: 'committed' })
  })

  it('over a lossy network all members end equal', async () => {
    const all = await nodes('a', 'b', 'c')
    universe.mesh.inject({ delayMs: [0, 20], drop: 0.02, duplicate: 0.3 })
    await Promise.all(all.flatMap((node) => [1, 2, 3, 4].map((code) => publish(node, `f${code % 2}`, `${node.name}${code}`, 'accepted'))))
    await untilEqual(all, 12)
    expect(new Set(all.map((node) => node.service.status().viewDigest)).size).toBe(1)
  })

  it('an edit made with a clock that lags still follows what it has seen', async () => {
    const a = await universe.node('a')
    const b = await universe.node('b', { clock: { ...systemClock, now: () => Date.now() - 300 } })
    await untilMembers([a, b], 1)
    await publish(a, 'timed', '1')
    const second = await publish(b, 'timed', '2')
    expect(a.service.get({ namespace: 'demo', name: 'timed' })).toMatchObject({ version: second.record.version, ordinal: 2 })
  })
})

describe('the door', () => {
  let node: CatalogNode
  let stranger: Network
  const author = createIdentity()

  beforeEach(async () => {
    node = await universe.node('a')
    await universe.admit(author.id, 'author', undefined, ['executor'])
    stranger = await universe.network('stranger', ['executor'])
    await until(() => node.network.members.get(stranger.peer) !== undefined)
  })

  const envelope = (part: Partial<Envelope> = {}): Envelope => ({
    ...{ format: 1, universe: universeId(universe.universe), author: author.id, seq: 1, prev: null },
    ...{ hlc: { wallMs: Date.now(), counter: 0 }, type: 'note', body: {}, by: 'eve', grant: universe.grantOf(author.id) },
    ...part,
  })
  const push = (bytes: Uint8Array) =>
    stranger.request(node.network.peer, 'catalog/1', { head: encode({ type: 'push' }), body: bytes }, { timeoutMs: 2000 })
  const refused = async (bytes: Uint8Array, reason: string) => {
    const before = (node.service.refusals() as Record<string, number>)[reason] ?? 0
    await expect(push(bytes)).rejects.toMatchObject({ code: 'invalid_argument' })
    expect(node.service.refusals()).toMatchObject({ [reason]: before + 1 })
  }

  it('refuses and counts what is forged, malformed, of another universe, of the future, or a false genesis', async () => {
    const good = signEntry(author, envelope())
    await refused(signEntry(createIdentity(), envelope()).bytes, 'signature')
    await refused(good.bytes.subarray(1), 'malformed')
    await refused(signEntry(author, envelope({ universe: 'f'.repeat(16) })).bytes, 'universe')
    await refused(signEntry(author, envelope({ hlc: { wallMs: Date.now() + 10_000, counter: 0 } })).bytes, 'drift')
    await refused(
      signEntry(author, envelope({ type: 'genesis', body: { name: 'test', root: author.id, recovery: null } })).bytes,
      'authority',
    )
    await expect(push(new Uint8Array(70_000))).rejects.toMatchObject({ code: 'payload_too_large' })
    expect(written(node)).toBe(0)
    await push(good.bytes)
    expect(written(node)).toBe(1)
  })

  it('a replayed entry changes nothing, and a second one in the same place is refused', async () => {
    const { bytes } = signEntry(author, envelope())
    for (let time = 0; time < 5; time += 1) await push(bytes)
    expect(written(node)).toBe(1)
    await refused(signEntry(author, envelope({ body: { other: 1 } })).bytes, 'fork')
  })

  it('the same through gossip: counted, not stored, not fatal', async () => {
    await stranger.publish('ledger', signEntry(createIdentity(), envelope()).bytes)
    await stranger.publish('ledger', Buffer.from('nonsense'))
    await until(() => (node.service.refusals().signature ?? 0) > 0 && (node.service.refusals().malformed ?? 0) > 0)
    await stranger.publish('ledger', signEntry(author, envelope()).bytes)
    await until(() => written(node) > 0)
    expect(written(node)).toBe(1)
  })

  it('a body that does not fit its type, or a type of tomorrow, is kept and has no effect', async () => {
    const one = signEntry(author, envelope({ type: 'publish', body: { manifest: { name: 'x' } } }))
    await push(one.bytes)
    const hlc = { wallMs: one.hlc.wallMs, counter: 1 }
    await push(signEntry(author, envelope({ seq: 2, prev: one.hash, hlc, type: 'tomorrow', body: { a: [1] } })).bytes)
    expect(node.service.status()).toMatchObject({ functions: 0 })
    expect(written(node)).toBe(2)
    expect((await node.service.log({ limit: 10 })).filter((line) => line.author === author.id)).toMatchObject([
      { type: 'publish' },
      { type: 'tomorrow', content: { a: [1] } },
    ])
  })

  it('lets no one without a role take or give entries, nor read without a token', async () => {
    const client = await universe.network('client', [])
    await untilMembers([{ network: client }], 1)
    const ask = (message: Record<string, unknown>, body?: Uint8Array) =>
      client.request(node.network.peer, 'catalog/1', { head: encode(message), ...(body && { body }) }, { timeoutMs: 2000 })
    await expect(ask({ type: 'push' }, signEntry(author, envelope()).bytes)).rejects.toMatchObject({ code: 'forbidden' })
    await expect(ask({ type: 'heads', known: '0'.repeat(64) })).rejects.toMatchObject({ code: 'forbidden' })
    await expect(ask({ type: 'entries', wants: [{ author: author.id, from: 1 }] })).rejects.toMatchObject({ code: 'forbidden' })
    await expect(ask({ type: 'get', ref: { namespace: 'demo', name: 'x' } })).rejects.toMatchObject({ code: 'unauthenticated' })
    await expect(ask({ type: 'get', ref: { namespace: 'demo', name: 'x' }, more: 1 })).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  it('a token reads its own namespaces and no others', async () => {
    await publish(node, 'mine')
    const { manifest, artifact } = aFunction('theirs', 'a', [], 'other')
    await node.service.publish(manifest, artifact, await universe.options())
    const network = await universe.network('client', [])
    await untilMembers([{ network }], 1)
    const client = await universe.clientOn(network, { caller: await universe.caller('eve', ['read'], ['demo']) })
    expect((await client.list({})).map((each) => each.name)).toEqual(['mine'])
    expect(await client.get({ namespace: 'demo', name: 'mine' })).toMatchObject({ ordinal: 1 })
    await expect((async () => client.get({ namespace: 'other', name: 'theirs' }))()).rejects.toMatchObject({ code: 'forbidden' })
    await expect(client.status()).rejects.toMatchObject({ code: 'forbidden' })
  })

  it('a member that promises entries and sends others is not asked for ever', async () => {
    const asked = { heads: 0, entries: 0 }
    const { bytes, hash } = signEntry(author, envelope())
    const liar = await universe.network('liar', ['catalog'])
    liar.handle('catalog/1', async ({ head }) => {
      const { type } = decode(head) as { type: 'heads' | 'entries' }
      asked[type] += 1
      if (type === 'entries') return { head: encode({}), body: encode([bytes, bytes]) }
      return {
        head: encode({ same: false, entries: 9, digests: {}, whole: true }),
        body: encode([packHead({ author: author.id, seq: 9, hash })]),
      }
    })
    await until(() => asked.heads >= 5)
    expect(written(node)).toBe(1)
    expect(asked.entries).toBe(2)
  })

  it('the genesis of another root stops the start', async () => {
    const other = createIdentity()
    const founding = [createGenesis(other, createUniverse('test', other.id))]
    await expect(universe.node('x', { founding })).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  it('a full disk refuses writes as storage_full; reads go on, and writes do when there is room', async () => {
    let full = false
    const failing = storageThat((write) => (full ? Promise.reject(Object.assign(new Error('write'), { code: 'ENOSPC' })) : write()))
    const other = await universe.node('full', { storage: failing })
    full = true
    await expect(publish(other, 'x', 'a', 'accepted')).rejects.toMatchObject({ code: 'storage_full' })
    expect(other.service.status()).toMatchObject({ functions: 0 })
    expect(written(other)).toBe(0)
    full = false
    expect((await publish(other, 'x', 'a', 'accepted')).receipt).toMatchObject({ seq: 1 })
  })
})
