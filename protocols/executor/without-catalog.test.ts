/** The real DHT: a node that only executes runs a function it never heard of, after the only catalog is gone. */
import { MemoryLevel } from 'memory-level'
import { afterEach, expect, it } from 'vitest'
import { Access, createIdentity, createUniverse, issueToken, universeId } from '#protocols/access'
import { CatalogClient, CatalogService, createFounding, DirectoryArtifacts, serveArtifacts, serveCatalog } from '#protocols/catalog'
import { digestOf, encode } from '#protocols/codec'
import { createEvents } from '#protocols/events'
import { type Role, systemClock } from '#protocols/lifecycle'
import { createLibp2pNetwork, type Network } from '#protocols/network'
import { until } from '#protocols/until'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { callOf, serviceIn, valueOf, World } from './executor.world.ts'

const SOURCE = 'export default function greet(name) { return { hello: name } }'

const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop()
})

const root = createIdentity()
const universe = createUniverse('test', root.id)
const access = new Access({ root: root.id, clock: systemClock })
const shared = { clock: systemClock, random: Math.random }

async function networkOf(name: string, roles: Role[], bootstrap: string[], { seed } = createIdentity()): Promise<Network> {
  const network = await createLibp2pNetwork({
    ...{ ...shared, seed, universe, bootstrap, dht: true, dhtAfterMs: 500, events: createEvents() },
    listen: ['/ip4/127.0.0.1/tcp/0'],
    beat: { name, roles, capacity: 10 },
  })
  stops.push(() => network.stop())
  await network.start()
  return network
}

async function artifactsOf(name: string): Promise<DirectoryArtifacts> {
  const directory = await mkdtemp(join(tmpdir(), `osiris-${name}-`))
  stops.push(() => rm(directory, { recursive: true, force: true }))
  return new DirectoryArtifacts({ directory })
}

async function clientOn(network: Network): Promise<CatalogClient> {
  const artifacts = await artifactsOf('client')
  const client = new CatalogClient({ ...shared, network, universe, artifacts, events: createEvents() })
  await client.start()
  const unserve = serveArtifacts(network, client, access)
  stops.push(async () => {
    unserve()
    await client.stop()
  })
  return client
}

async function catalogOn(network: Network, identity: ReturnType<typeof createIdentity>): Promise<CatalogService> {
  const grants = [{ can: ['deploy' as const], namespaces: ['*'] }]
  const admission = { member: identity.id, name: 'catalog', roles: ['catalog'], grants, expiresAtMs: null }
  const service = new CatalogService({
    ...{ ...shared, identity, universe, network, access, events: createEvents(), nodeName: 'catalog' },
    storage: new MemoryLevel<string, Uint8Array>(),
    artifacts: await artifactsOf('catalog'),
    founding: createFounding(root, universe, [admission], Date.now() - 2000).map(({ bytes }) => bytes),
    limits: { headsAgainMs: 500 },
  })
  serveCatalog(network, service, access)
  await service.start()
  return service
}

it('finds it by the record in the DHT and its code with another node, both judged by itself', async () => {
  const identity = createIdentity()
  const catalogNet = await networkOf('catalog', ['catalog'], [], identity)
  const catalog = await catalogOn(catalogNet, identity)
  const holderNet = await networkOf('holder', ['executor'], catalogNet.addresses())
  const runnerNet = await networkOf('runner', ['executor'], catalogNet.addresses())
  const [holder, runner] = [await clientOn(holderNet), await clientOn(runnerNet)]
  await until(() => [holderNet, runnerNet].every((each) => each.members.list().length === 2), 15_000)

  const { manifest } = new World().define(SOURCE)
  const caller = { subject: 'ada', token: await issueToken(root, 'ada', [{ can: ['deploy'], namespaces: ['*'] }], Date.now() + 60_000) }
  await catalog.publish(manifest, Buffer.from(SOURCE), { caller, ack: 'accepted', timeoutMs: 5000 })
  await holder.artifact(manifest.artifact.digest, { timeoutMs: 5000 })

  const { namespace, name } = manifest
  const key = digestOf(encode(['osiris/head/1', universeId(universe), `${namespace}/${name}`]))
  await until(async () => (await runnerNet.getRecord('heads', key, { timeoutMs: 1000 })) !== undefined, 20_000)
  await catalog.stop()
  await catalogNet.stop()
  await until(() => runnerNet.members.withRole('catalog').length === 0, 10_000)

  const record = await runner.get({ namespace, name })
  const executor = serviceIn({
    record: (...of: [string, string, string]) => runner.get({ namespace: of[0], name: of[1], selector: of[2] }),
    artifact: (...of: Parameters<CatalogClient['artifact']>) => runner.artifact(...of),
  } as unknown as World)
  stops.push(() => executor.stop())
  await executor.start()
  expect(valueOf(await executor.invoke(callOf(record, ['Ada'])))).toEqual({ hello: 'Ada' })
}, 60_000)
