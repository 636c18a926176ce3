import { afterEach, beforeEach, expect, it } from 'vitest'
import { createIdentity, universeId } from '#protocols/access'
import { encode } from '#protocols/codec'
import { until } from '#protocols/until'
import type { Network } from '#protocols/network'
import { aFunction, type CatalogNode, CatalogUniverse, untilEqual, untilMembers, written } from './catalog.fixture.ts'
import { type Entry, type Envelope, signEntry } from './ledger/entry.ts'
import { agreeToRotation } from './ledger/authority-facts.ts'
import { openProof } from './ledger/forks/forks.ts'

let universe: CatalogUniverse
let all: CatalogNode[]
let attacker: Network
const author = createIdentity()

beforeEach(async () => {
  universe = new CatalogUniverse()
  all = []
  for (const name of ['a', 'b', 'c', 'd']) all.push(await universe.node(name))
  await universe.admit(author.id, 'attacker')
  attacker = await universe.network('attacker', ['executor'])
  await untilMembers(all, 3)
  await until(() => all.every((node) => node.network.members.get(attacker.peer) !== undefined))
})
afterEach(() => universe.stop())

function published(name: string, code: string): Pick<Envelope, 'type' | 'body'> {
  return { type: 'publish', body: { manifest: aFunction(name, code).manifest, after: null } }
}

/** One entry more, by the attacker's key. */
function next(before: Entry | undefined, part: Pick<Envelope, 'type' | 'body'>): Entry {
  const hlc = { wallMs: before?.hlc.wallMs ?? Date.now(), counter: (before?.hlc.counter ?? 0) + 1 }
  const place = { universe: universeId(universe.universe), author: author.id, seq: (before?.seq ?? 0) + 1, prev: before?.hash ?? null }
  return signEntry(author, { format: 1, ...place, hlc, by: 'eve', grant: universe.grantOf(author.id), ...part })
}

const push = (node: CatalogNode, entry: Entry) =>
  attacker.request(node.network.peer, 'catalog/1', { head: encode({ type: 'push' }), body: entry.bytes }, { timeoutMs: 2000 })

const at = (index: number) => all[index] as CatalogNode

async function untilFrozen(seq: number) {
  await until(() => all.every((node) => node.service.status().frozen.some((each) => each.author === author.id && each.seq === seq)), 10_000)
  await untilEqual(all)
  for (const node of all) {
    expect(node.service.status()).toEqual(at(0).service.status())
    const [proof] = await node.service.proofs([], 1)
    expect(openProof(proof as Uint8Array, universeId(universe.universe))).toMatchObject({ author: author.id, seq })
  }
}

it('one branch to half of the nodes and another to the others: all have the proof, neither branch has an effect, honest authors are untouched', async () => {
  const { manifest, artifact } = aFunction('honest')
  await at(0).service.publish(manifest, artifact, await universe.options())
  const one = next(undefined, published('kept', 'a'))
  await push(at(0), one)
  await untilEqual(all, 2)
  const left = next(one, published('kept', 'left'))
  const right = next(one, published('kept', 'right'))
  await Promise.all([push(at(0), left), push(at(1), left), push(at(2), right), push(at(3), right)])
  await untilFrozen(2)
  for (const node of all) {
    expect(node.service.get({ namespace: 'demo', name: 'kept' })).toMatchObject({ versions: 1 })
    expect(node.service.get({ namespace: 'demo', name: 'honest' })).toMatchObject({ versions: 1 })
    expect(node.service.status().frozen).toHaveLength(1)
    await expect(push(node, next(left, published('kept', 'more')))).rejects.toMatchObject({ code: 'invalid_argument' })
    expect(node.service.refusals().frozen ?? 0).toBeGreaterThan(0)
  }
})

it('branches that grew long apart are frozen from where they part, not from where that was noticed', async () => {
  universe.mesh.partition(['a', 'b'], ['c', 'd'])
  let left: Entry | undefined
  let right: Entry | undefined
  for (let seq = 1; seq <= 12; seq += 1) {
    const common = next(left, published('same', String(seq)))
    left = seq <= 3 ? common : next(left, published('left', String(seq)))
    right = seq <= 3 ? common : next(right, published('right', String(seq)))
    await push(at(0), left)
    if (seq <= 9) await push(at(2), right)
  }
  universe.mesh.heal()
  await untilFrozen(4)
  for (const node of all) expect(node.service.list({}).map((each) => `${each.name} ${each.versions}`)).toEqual(['same 3'])
})

it('by gossip alone: two entries for one place, and every listener has made or heard the proof', async () => {
  const one = next(undefined, published('kept', 'a'))
  await attacker.publish('ledger', one.bytes)
  await untilEqual(all, 1)
  await attacker.publish('ledger', next(one, published('kept', 'left')).bytes)
  await attacker.publish('ledger', next(one, published('kept', 'right')).bytes)
  await untilFrozen(2)
  expect(written(at(3))).toBe(1)
})

it('entries too long for a proof in one message are told one by one', async () => {
  const one = next(undefined, published('kept', 'a'))
  await push(at(0), one)
  await untilEqual(all, 1)
  const padding = 'x'.repeat(60_000)
  await push(at(0), next(one, { type: 'note', body: { padding, branch: 1 } }))
  await push(at(3), next(one, { type: 'note', body: { padding, branch: 2 } })).catch(() => {})
  await untilFrozen(2)
  expect(written(at(1))).toBe(1)
})

it('who joins later learns of the fork before the entries, and a restart keeps it', async () => {
  const one = next(undefined, published('kept', 'a'))
  for (const node of all) await push(node, one)
  await push(at(0), next(one, published('kept', 'left')))
  await push(at(0), next(one, published('kept', 'right'))).catch(() => {})
  await untilFrozen(2)
  all.push(await universe.node('late'))
  await untilFrozen(2)
  const { storage, artifacts, identity } = at(0)
  await at(0).stop()
  all = [await universe.node('a', { storage, artifacts, seed: identity.seed }), ...all.slice(1)]
  expect(at(0).service.status().frozen).toEqual([{ author: author.id, seq: 2 }])
  await untilFrozen(2)
})

it('a frozen key is replaced by the root: what it held passes to the new one, which writes; the old one stays shut out', async () => {
  const one = next(undefined, published('kept', 'a'))
  for (const node of all) await push(node, one)
  await push(at(0), next(one, published('kept', 'left')))
  await push(at(0), next(one, published('kept', 'right'))).catch(() => {})
  await untilFrozen(2)
  const fresh = createIdentity()
  await universe.asRoot('rotate', { from: author.id, to: fresh.id, seq: 1, proof: null })
  await until(() => all.every((node) => node.service.authority().isMember(fresh.id, Date.now())))
  const hlc = { wallMs: Date.now(), counter: 0 }
  const place = { format: 1 as const, universe: universeId(universe.universe), author: fresh.id, seq: 1, prev: null, hlc, by: 'ada' }
  await push(at(0), signEntry(fresh, { ...place, ...published('new', 'a'), grant: universe.grantOf(author.id) }))
  await untilEqual(all)
  for (const node of all) {
    expect(node.service.get({ namespace: 'demo', name: 'new' })).toMatchObject({ author: fresh.id })
    expect(node.service.get({ namespace: 'demo', name: 'kept' })).toMatchObject({ versions: 1 })
    expect(node.service.authority().isMember(author.id, Date.now())).toBe(false)
    await expect(push(node, next(one, published('kept', 'again')))).rejects.toMatchObject({ code: 'invalid_argument' })
  }
})

it('a key gives itself on with the agreement of the new one, and not without', async () => {
  const fresh = createIdentity()
  const thief = createIdentity()
  const rotate = (to: string, proof: Uint8Array | null) => ({ type: 'rotate', body: { from: author.id, to, seq: 1, proof } })
  const agreed = agreeToRotation(fresh, universeId(universe.universe), author.id)
  // The agreement of another key counts for nothing, and does not end the feed.
  for (const node of all) await push(node, next(undefined, rotate(thief.id, agreed))).catch(() => {})
  expect(at(0).service.authority().isMember(thief.id, Date.now())).toBe(false)
  expect(at(0).service.authority().isMember(author.id, Date.now())).toBe(true)
  const other = createIdentity()
  await universe.admit(other.id, 'other')
  const hlc = { wallMs: Date.now(), counter: 0 }
  const place = { format: 1 as const, universe: universeId(universe.universe), seq: 1, prev: null, hlc, by: 'ada' }
  const proof = agreeToRotation(fresh, universeId(universe.universe), other.id)
  const body = { from: other.id, to: fresh.id, seq: 1, proof }
  await push(at(0), signEntry(other, { ...place, author: other.id, type: 'rotate', body, grant: universe.grantOf(other.id) }))
  await until(() => all.every((node) => node.service.authority().isMember(fresh.id, Date.now())))
  expect(at(3).service.authority().isMember(other.id, Date.now())).toBe(false)
})
