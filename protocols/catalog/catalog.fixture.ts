/** Small universes of catalogs on the in-memory mesh, for the tests of this room. */
import { MemoryLevel } from 'memory-level'
import { Access, createIdentity, createUniverse, type Identity, issueToken, type Universe } from '#protocols/access'
import { nameOfArtifact } from '#protocols/artifact'
import { digestOf } from '#protocols/codec'
import { createEvents, type Events } from '#protocols/events'
import type { Caller } from '#protocols/invocation'
import { type Clock, type Role, systemClock } from '#protocols/lifecycle'
import { functionConfigSchema, type Manifest, settingsOf } from '#protocols/manifest'
import { MemoryMesh, type Network } from '#protocols/network'
import { until } from '#protocols/until'
import { type ArtifactStore, MemoryArtifacts } from './artifacts.ts'
import type { WriteOptions } from './catalog.ts'
import { CatalogClient, type CatalogClientInit } from './client.ts'
import { ENCODINGS, type Storage } from './ledger/storage.ts'
import { serveCatalog } from './serve.ts'
import { type CatalogLimits, CatalogService } from './service.ts'
import type { SharedSet } from './shared-sets.ts'

/** A function whose code is a comment; its version depends on all of it. */
export function aFunction(
  name: string,
  code = 'a',
  routes: string[] = [],
  namespace = 'demo',
): { manifest: Manifest; artifact: Uint8Array } {
  const artifact = Buffer.from(`// ${namespace}/${name} ${code}`)
  const manifest: Manifest = {
    format: 1,
    namespace,
    name,
    artifact: nameOfArtifact(artifact),
    source: { digest: digestOf(Buffer.from(code)), entry: `${name}.ts`, language: 'typescript' },
    parameters: [],
    settings: settingsOf(functionConfigSchema.parse({ routes })),
    builder: 'none 0.0.0',
  }
  return { manifest, artifact }
}

export interface CatalogNode {
  name: string
  identity: Identity
  network: Network
  service: CatalogService
  storage: Storage
  artifacts: ArtifactStore
  events: Events
  /** Ends the service and leaves storage and artifacts as they are. */
  stop(): Promise<void>
}

export interface NodeOptions {
  storage?: Storage
  artifacts?: ArtifactStore
  seed?: Uint8Array
  clock?: Clock
  limits?: Partial<CatalogLimits>
  genesis?: Uint8Array
  sets?: readonly SharedSet[]
}

/** Everything a test needs of a universe; call `stop()` at its end. */
export class CatalogUniverse {
  readonly root = createIdentity()
  readonly universe: Universe = createUniverse('test', this.root.id)
  readonly mesh = new MemoryMesh()
  readonly access = new Access({ root: this.root.id, clock: systemClock })
  readonly #stops: (() => Promise<void>)[] = []

  /** May deploy everywhere. */
  async options(ack: WriteOptions['ack'] = 'committed', timeoutMs = 2000): Promise<WriteOptions> {
    return { caller: await this.caller('ada', ['deploy'], ['*']), ack, timeoutMs }
  }

  async caller(subject: string, can: ('deploy' | 'read' | 'invoke')[], namespaces: string[]): Promise<Caller> {
    return { subject, token: await issueToken(this.root, subject, [{ can, namespaces }], Date.now() + 600_000) }
  }

  async network(name: string, roles: Role[], seed?: Uint8Array): Promise<Network> {
    const network = this.mesh.network({ name, roles, universe: this.universe, ...(seed === undefined ? {} : { seed }) })
    await network.start()
    this.#stops.push(() => network.stop())
    return network
  }

  async node(name: string, options: NodeOptions = {}): Promise<CatalogNode> {
    const identity = createIdentity(options.seed)
    const network = await this.network(name, ['catalog'], identity.seed)
    const storage = options.storage ?? new MemoryLevel<string, Uint8Array>()
    const artifacts = options.artifacts ?? new MemoryArtifacts()
    const events = createEvents()
    const { universe, access } = this
    const service = new CatalogService({
      ...{ identity, universe, storage, artifacts, network, access, events },
      clock: options.clock ?? systemClock,
      random: Math.random,
      nodeName: name,
      limits: { pullIntervalMs: 100, ...options.limits },
      ...(options.sets === undefined ? {} : { sets: options.sets }),
      ...(options.genesis === undefined ? {} : { genesis: options.genesis }),
    })
    const unserve = serveCatalog(network, service, access)
    await service.start()
    const stop = async () => {
      unserve()
      await service.stop()
      await network.stop()
    }
    this.#stops.push(stop)
    return { name, identity, network, service, storage, artifacts, events, stop }
  }

  async clientOn(network: Network, init: Partial<CatalogClientInit> = {}): Promise<CatalogClient> {
    const client = new CatalogClient({ network, clock: systemClock, random: Math.random, events: createEvents(), ...init })
    await client.start()
    this.#stops.push(() => client.stop())
    return client
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.toReversed()) await stop()
    await this.mesh.stop()
  }
}

/** A store in memory whose writes go through `guard`. */
export function storageThat(guard: (write: () => Promise<void>) => Promise<void>): Storage {
  const storage = new MemoryLevel<string, Uint8Array>()
  return {
    batch: (operations, options) => guard(() => storage.batch(operations, options)),
    getMany: (keys, options) => storage.getMany(keys, options),
    iterator: (range) => storage.iterator(range),
  }
}

/** Flips one bit in the middle of a stored value. */
export async function flip(storage: Storage, key: string): Promise<void> {
  const [value] = await storage.getMany([key], ENCODINGS)
  const changed = Uint8Array.from(value as Uint8Array)
  const at = changed.length >> 1
  changed[at] = (changed[at] as number) ^ 1
  await storage.batch([{ type: 'put', key, value: changed }], { ...ENCODINGS, sync: true })
}

/** Waits until all members see each other and hold equal views. */
export async function untilEqual(nodes: readonly CatalogNode[], entries?: number): Promise<void> {
  await until(() => {
    const all = nodes.map((node) => node.service.status())
    return all.every((each) => each.viewDigest === all[0]?.viewDigest && (entries === undefined || each.entries === entries))
  })
}

export async function untilMembers(nodes: readonly { network: Network }[], count: number): Promise<void> {
  await until(() => nodes.every(({ network }) => network.members.withRole('catalog').length === count))
}
