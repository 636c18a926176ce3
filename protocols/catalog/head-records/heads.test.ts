/** Functions found without a catalog. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createIdentity, universeId } from '#protocols/access'
import { until } from '#protocols/until'
import { MemoryArtifacts } from '../artifacts/artifacts.ts'
import { aFunction, type CatalogNode, CatalogUniverse, untilMembers } from '../catalog.fixture.ts'
import { HeadJudge, headKeyOf, headOf, HEADS, signHead } from './head-record.ts'
import { versionOf } from '#protocols/manifest'
import { agreeToRotation } from '../ledger/authority-facts.ts'
import { fixedRootKeys } from '../rotating.ts'
import { serveArtifacts } from '../serve.ts'

let universe: CatalogUniverse
beforeEach(() => {
  universe = new CatalogUniverse()
})
afterEach(() => universe.stop())

const ref = { namespace: 'demo', name: 'greet' }
const ASK = { timeoutMs: 3000 }

async function clientNamed(name: string, catalogs = 1) {
  const network = await universe.network(name, ['executor'])
  const client = await universe.clientOn(network, { universe: universe.universe, artifacts: new MemoryArtifacts() })
  serveArtifacts(network, client, universe.access)
  await untilMembers([{ network }], catalogs)
  const key = headKeyOf(universeId(universe.universe), ref.namespace, ref.name)
  const judge = new HeadJudge({ universe: universe.universe, now: () => Date.now() })
  return {
    client,
    /** How many versions the record names that is found. */
    shows: async () => {
      const value = await network.getRecord(HEADS, key, { timeoutMs: 100 })
      return value && judge.open(key, value).shown.length
    },
    get: async () => (await client.get(ref)).version,
    knows: async () => (await network.getRecord(HEADS, key, { timeoutMs: 100 })) !== undefined,
  }
}

async function publish(node: CatalogNode, code = '1') {
  const { manifest, artifact } = aFunction('greet', code)
  return (await node.service.publish(manifest, artifact, await universe.options())).record
}

it('with the catalog gone, a node finds a function it never heard of, and its code where another one ran it', async () => {
  const node = await universe.node('a')
  const [runner, newcomer] = [await clientNamed('runner'), await clientNamed('newcomer')]
  const { version, manifest } = await publish(node)
  const { digest } = manifest.artifact
  await runner.client.artifact(digest, ASK)
  await until(newcomer.knows)
  await universe.mesh.kill('a')
  expect(await newcomer.get()).toBe(version)
  expect(await newcomer.client.artifact(digest, ASK)).toHaveLength(manifest.artifact.bytes)
  await until(() => !(newcomer.client.get(ref) instanceof Promise))
  await expect((async () => newcomer.client.get({ namespace: 'demo', name: 'nothing' }))()).rejects.toMatchObject({ code: 'unavailable' })
})

it("a catalog's word goes before the DHT's, and what was asked once is used on when it is gone", async () => {
  const node = await universe.node('a')
  const asked = await clientNamed('asked')
  const { version } = await publish(node)
  await until(asked.knows)
  // Of an admitted catalog that says something else, and later.
  const other = createIdentity()
  await universe.admit(other.id, 'other')
  const liar = await universe.network('liar', ['executor'], other.seed)
  liar.judgeRecords(HEADS, () => 'z')
  await until(() => liar.connections().length > 1)
  const { manifest } = aFunction('greet', '2')
  const id = universeId(universe.universe)
  const admission = universe.founding.find(({ body }) => body['member'] === other.id)?.bytes as Uint8Array
  const last = { wallMs: Date.now(), counter: 9, author: other.id, seq: 1, hash: 'ab'.repeat(32) }
  const record = await node.service.get(ref)
  const lie = { version: 'cd'.repeat(32), ordinal: 2, publishedAt: 1, publishedBy: 'eve', author: other.id, manifest }
  const state = {
    ...ref,
    versions: [lie],
    aliases: { live: [{ version: lie.version, weight: 100 }] },
    setBy: {},
    claims: [],
    retired: false,
    last,
  }
  liar.putRecord(HEADS, headKeyOf(id, 'demo', 'greet'), signHead(other, headOf(state, other.id, id, Date.now()), [admission]))
  expect(await asked.get()).toBe(version)
  await universe.mesh.kill('a')
  expect(await asked.get()).toBe(record.version)
})

it('a function that was retired is not found by older records', async () => {
  const node = await universe.node('a')
  const { get, knows, shows } = await clientNamed('b')
  await publish(node)
  await until(knows)
  await node.service.retire('demo', 'greet', await universe.options())
  await until(async () => (await shows()) === 0)
  await universe.mesh.kill('a')
  await expect(get()).rejects.toMatchObject({ message: expect.stringContaining('Cannot') })
})

it('records of a catalog that the root banned are used no more', async () => {
  const node = await universe.node('a')
  const { get, knows } = await clientNamed('b')
  await publish(node)
  await until(knows)
  const ban = await universe.asRoot('ban', { member: node.identity.id, seq: 1 })
  await node.network.publish('ledger', ban.bytes)
  await until(async () => !(await knows()))
  await universe.mesh.kill('a')
  await expect(get()).rejects.toMatchObject({ message: expect.stringContaining('Cannot') })
})

it('a catalog that was let in by the key that took over from the root is believed too, by a node that never heard of either', async () => {
  const next = createIdentity()
  const id = universeId(universe.universe)
  const node = await universe.node('a', { rootKeys: fixedRootKeys(next) })
  const proof = agreeToRotation(next, id, universe.root.id)
  await universe.asRoot('rotate', { from: universe.root.id, to: next.id, seq: universe.founding.length + 1, proof })
  const late = await universe.node('late', { admitted: false })
  await node.service.admit(late.identity.id, 'late', ['catalog'], [{ can: ['deploy'], namespaces: ['*'] }])
  await until(() => late.service.authority().isMember(late.identity.id, Date.now()))
  const newcomer = await clientNamed('newcomer', 2)
  const options = { by: 'ada', ack: 'accepted', timeoutMs: 3000 } as const
  const { manifest } = aFunction('greet')
  await node.service.record('publish', { manifest, after: null }, options)
  await until(() => late.service.list({}).length === 1)
  await universe.mesh.kill('a')
  await until(newcomer.knows, 20_000)
  await universe.mesh.kill('late')
  expect(await newcomer.get()).toBe(versionOf(manifest))
}, 40_000)
