import { afterEach, beforeEach, expect, it } from 'vitest'
import { createIdentity, narrowed } from '#protocols/access'
import { nameOfArtifact } from '#protocols/artifact'
import { createEvents } from '#protocols/events'
import { until } from '#protocols/until'
import { MemoryArtifacts } from './artifacts/artifacts.ts'
import { aFunction, type CatalogNode, CatalogUniverse, untilMembers } from './catalog.fixture.ts'
import type { FunctionRecord } from './catalog.ts'
import { CATALOG_LIMITS } from './limits.ts'

let universe: CatalogUniverse
beforeEach(() => {
  universe = new CatalogUniverse()
})
afterEach(() => universe.stop())

async function publish(node: CatalogNode, name: string, code = 'a', routes: string[] = []): Promise<FunctionRecord> {
  const { manifest, artifact } = aFunction(name, code, routes)
  return (await node.service.publish(manifest, artifact, await universe.options())).record
}

async function nodesAndClient(names: string[], init: Parameters<CatalogUniverse['clientOn']>[1] = {}) {
  const nodes: CatalogNode[] = []
  for (const name of names) nodes.push(await universe.node(name))
  const network = await universe.network('client', ['executor'])
  await untilMembers([{ network }], names.length)
  await untilMembers(nodes, names.length - 1)
  await until(() => nodes.every((node) => node.network.members.get(network.peer) !== undefined))
  return { nodes, network, client: await universe.clientOn(network, init) }
}

const ref = { namespace: 'demo', name: 'greet' }
const first = (nodes: CatalogNode[]) => nodes[0] as CatalogNode

it('a warm record is dropped when a fresh entry touches its function, and only then', async () => {
  const events = createEvents()
  const changed: unknown[] = []
  events.on('catalog.changed', (value) => changed.push(value))
  const { nodes, client } = await nodesAndClient(['a', 'b'], { events })
  await publish(first(nodes), 'greet', '1')
  await until(async () => (await client.get(ref)) === client.get(ref))
  await publish(first(nodes), 'other')
  const other = client.get(ref)
  expect(other).not.toBeInstanceOf(Promise)
  const { version } = await publish(first(nodes), 'greet', '2')
  await until(async () => (await client.get(ref)).version === version)
  expect(changed).toContainEqual({ namespace: 'demo', name: 'greet' })
})

it('"not found" is believed when a second member says so, and forgotten when the function appears', async () => {
  const { nodes, client } = await nodesAndClient(['a', 'b'])
  await expect((async () => client.get(ref))()).rejects.toMatchObject({ code: 'not_found' })
  const { version } = await publish(first(nodes), 'greet')
  await until(() =>
    Promise.resolve(client.get(ref)).then(
      (record) => record.version === version,
      () => false,
    ),
  )
})

it('a member that is gone is passed over', async () => {
  const { nodes, client } = await nodesAndClient(['a', 'b'])
  await publish(first(nodes), 'greet')
  await universe.mesh.kill('a')
  expect(await client.list({})).toHaveLength(1)
})

it('without any member the error says so', async () => {
  const client = await universe.clientOn(await universe.network('client', ['executor']))
  await expect(client.list({})).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('no member runs catalog') })
})

it('unchanged routes are the same array, changed ones are heard of', async () => {
  const { nodes, client } = await nodesAndClient(['a'])
  await publish(first(nodes), 'greet', '1', ['GET /greet'])
  await until(async () => (await client.routes()).length === 1)
  const before = await client.routes()
  await publish(first(nodes), 'plain')
  expect(await client.routes()).toBe(before)
  await publish(first(nodes), 'greet', '2', ['GET /hello'])
  await until(async () => (await client.routes())[0]?.route === 'GET /hello')
})

it('an artifact is fetched once, however many ask, and kept', async () => {
  const store = new MemoryArtifacts()
  const { nodes, network, client } = await nodesAndClient(['a', 'b', 'c'], { artifacts: store })
  const { manifest } = await publish(first(nodes), 'greet')
  const { digest } = manifest.artifact
  let requests = 0
  const request = network.request.bind(network)
  network.request = (...words) => {
    requests += 1
    return request(...words)
  }
  await Promise.all([1, 2, 3].map(() => client.artifact(digest, { timeoutMs: 2000 })))
  expect(requests).toBeLessThanOrEqual(3)
  expect(await store.has(digest)).toBe(true)
  requests = 0
  await client.artifact(digest, { timeoutMs: 2000 })
  expect(requests).toBe(0)
})

it('artifacts come to the members that rank first for them, and a damaged one is fetched again', async () => {
  const nodes = [await universe.node('a'), await universe.node('b'), await universe.node('c')]
  await untilMembers(nodes, 2)
  const { manifest } = await publish(first(nodes), 'greet')
  const { digest, bytes } = manifest.artifact
  await until(async () => (await Promise.all(nodes.map((node) => node.artifacts.has(digest)))).every(Boolean))
  const other = nodes[1] as CatalogNode
  await other.artifacts.put(digest, Buffer.alloc(bytes))
  expect(await other.service.artifact(digest, { timeoutMs: 2000 })).toHaveLength(bytes)
})

it('a flood of unknown names asks the mesh a bounded number of times', async () => {
  const { nodes } = await nodesAndClient(['a', 'b'])
  const { network, service } = first(nodes)
  let requests = 0
  const request = network.request.bind(network)
  network.request = (...words) => {
    requests += 1
    return request(...words)
  }
  const from = performance.now()
  const answers = await Promise.allSettled(
    Array.from({ length: 500 }, async (_, at) => service.get({ namespace: 'demo', name: `unknown${at}` })),
  )
  for (let at = 0; at < 500; at += 1) await Promise.allSettled([(async () => service.get({ namespace: 'demo', name: `more${at}` }))()])
  expect(answers.every((answer) => answer.status === 'rejected')).toBe(true)
  // Heads and entries per question, and the periodic rounds of 75 ms at least in this fixture.
  const elapsedMs = performance.now() - from
  expect(requests).toBeLessThanOrEqual(2 * (2 + elapsedMs / CATALOG_LIMITS.askAgainMs) + 2 * (1 + elapsedMs / 75))
})

it('a large artifact arrives whole, and a caller with little time gets deadline_exceeded', async () => {
  const { nodes, client } = await nodesAndClient(['a'])
  const { manifest } = aFunction('large')
  const artifact = Buffer.alloc(3_000_000, 7)
  const large = { ...manifest, artifact: nameOfArtifact(artifact) }
  const { digest } = large.artifact
  await first(nodes).service.publish(large, artifact, await universe.options())
  expect(Buffer.compare(await client.artifact(digest, { timeoutMs: 5000 }), artifact)).toBe(0)
  universe.mesh.inject({ delayMs: [200, 200] })
  await expect(client.artifact(digest, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'deadline_exceeded' })
})

it('what a key holds is what the ledger says, on the service and on the client, until it is revoked', async () => {
  const { nodes, client } = await nodesAndClient(['a', 'b'])
  const subject = createIdentity().id
  const scope = { can: ['deploy' as const], namespaces: ['demo'] }
  expect(await client.grantsOf(subject)).toEqual([])
  const entry = await universe.asRoot('grant', { subject, ...scope, expiresAtMs: null })
  expect(first(nodes).service.grantsOf(subject)).toEqual([scope])
  expect(await client.grantsOf(subject)).toEqual(narrowed([scope], [scope]))
  await universe.asRoot('revoke', { grant: entry.hash, pins: [] })
  expect(first(nodes).service.grantsOf(subject)).toEqual([])
  expect(await client.grantsOf(subject)).toEqual([])
})
