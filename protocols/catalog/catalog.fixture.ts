/** Small universes of catalogs on the in-memory mesh, for the tests of this room. */
import { MemoryLevel } from 'memory-level'
import { Access, createIdentity, createUniverse, type Grant, type Identity, issueToken, type Universe, universeId } from '#protocols/access'
import { nameOfArtifact } from '#protocols/artifact'
import { digestOf } from '#protocols/codec'
import { createEvents, type Events } from '#protocols/events'
import type { Caller } from '#protocols/invocation'
import { type Clock, type Role, systemClock } from '#protocols/lifecycle'
import { functionConfigSchema, type Manifest, settingsOf } from '#protocols/manifest'
import { MemoryMesh, type Network } from '#protocols/network'
import { until } from '#protocols/until'
import { type ArtifactStore, MemoryArtifacts } from './artifacts/artifacts.ts'
import type { WriteOptions } from './catalog.ts'
import { CatalogClient, type CatalogClientInit } from './client.ts'
import type { BodyOf, EntryType } from './ledger/bodies.ts'
import { createGenesis, type Entry, openEntry, signEntry } from './ledger/entry.ts'
import type { Judge } from './ledger/rows.ts'
import { ENCODINGS, type Storage } from '#protocols/storage'
import { fixedRootKeys, type RootKeys } from './rotating.ts'
import { serveCatalog } from './serve.ts'
import type { CatalogLimits } from './limits.ts'
import { CatalogService } from './service.ts'
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
    tests: [],
    provenance: { node: 'none', tools: [], files: [] },
  }
  return { manifest, artifact }
}

export interface CatalogNode {
  name: string
  identity: Identity
  /** The root of its universe. */
  root: string
  network: Network
  service: CatalogService
  storage: Storage
  artifacts: ArtifactStore
  events: Events
  /** Ends the service and leaves storage and artifacts as they are. */
  stop(): Promise<void>
}

/** Lets everything count. */
export const LAX: Judge = {
  standing: () => ({ ways: [{ since: undefined, seq: Number.POSITIVE_INFINITY, expiresAtMs: null }], grant: undefined }),
}

/** What a node that keeps the ledger is given: it judges the tokens of all namespaces. */
const DEPLOY_ALL: Grant[] = [{ can: ['deploy'], namespaces: ['*'] }]

export interface NodeOptions {
  storage?: Storage
  artifacts?: ArtifactStore
  seed?: Uint8Array
  clock?: Clock
  limits?: Partial<CatalogLimits>
  sets?: readonly SharedSet[]
  /** Holds the root's key. */
  isFounder?: boolean
  /** Keys of the root's on a node that did not found the universe, or that shall make new ones. */
  rootKeys?: RootKeys
  /** Instead of what the root wrote so far. */
  founding?: readonly Uint8Array[]
  /** `false`: it was in its universe before. */
  isNew?: boolean
  /** `false`: nobody has let it in. */
  admitted?: boolean
}

/** What the root writes lies so far back that nodes whose clocks lag follow it. */
const ROOT_LAG_MS = 2000

/** Everything a test needs of a universe; call `stop()` at its end. */
export class CatalogUniverse {
  readonly root = createIdentity()
  readonly universe: Universe = createUniverse('test', this.root.id)
  readonly mesh = new MemoryMesh()
  readonly access = new Access({ root: this.root.id, clock: systemClock })
  /** The root's feed. */
  readonly founding: Entry[] = [openEntry(createGenesis(this.root, this.universe))]
  readonly #running = new Map<string, CatalogService>()
  readonly #stops: (() => Promise<void>)[] = []

  /** May deploy everywhere. */
  async options(ack: WriteOptions['ack'] = 'committed', timeoutMs = 2000): Promise<WriteOptions> {
    return { caller: await this.caller('ada', ['deploy'], ['*']), ack, timeoutMs }
  }

  async caller(subject: string, can: ('deploy' | 'read' | 'invoke')[], namespaces: string[]): Promise<Caller> {
    return { subject, token: await issueToken(this.root, subject, [{ can, namespaces }], Date.now() + 600_000) }
  }

  /** Writes the root's next entry, which all nodes that run take in. */
  async asRoot<T extends EntryType>(type: T, body: BodyOf<T>): Promise<Entry> {
    const before = this.founding.at(-1) as Entry
    const place = { format: 1 as const, universe: universeId(this.universe), author: this.root.id, seq: before.seq + 1, prev: before.hash }
    const hlc = { wallMs: Math.max(before.hlc.wallMs, Date.now() - ROOT_LAG_MS), counter: before.hlc.counter + 1 }
    const entry = signEntry(this.root, { ...place, hlc, type, body, by: 'root', grant: null })
    this.founding.push(entry)
    await Promise.all([...this.#running.values()].map((service) => service.accept('', entry.bytes)))
    return entry
  }

  async admit(member: string, name: string, grants = DEPLOY_ALL, roles: Role[] = ['catalog']): Promise<void> {
    if (this.founding.some(({ type, body }) => type === 'admit' && body['member'] === member)) return
    await this.asRoot('admit', { member, name, roles, grants, expiresAtMs: null })
  }

  /** The entry that let a member in. */
  grantOf(member: string): string {
    return this.founding.find(({ type, body }) => type === 'admit' && body['member'] === member)?.hash ?? ''
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
    if (options.admitted !== false) await this.admit(identity.id, name)
    const service = new CatalogService({
      ...{ identity, universe, storage, artifacts, network, access, events },
      clock: options.clock ?? systemClock,
      random: Math.random,
      nodeName: name,
      limits: { pullIntervalMs: 100, ...options.limits },
      ...(options.sets === undefined ? {} : { sets: options.sets }),
      rootKeys: options.rootKeys ?? fixedRootKeys(...(options.isFounder === true ? [this.root] : [])),
      isNew: options.isNew ?? true,
      founding: options.founding ?? this.founding.slice(0, options.isFounder === true ? 1 : undefined).map(({ bytes }) => bytes),
    })
    const unserve = serveCatalog(network, service, access)
    await service.start()
    this.#running.set(identity.id, service)
    const stop = async () => {
      this.#running.delete(identity.id)
      unserve()
      await service.stop()
      await network.stop()
    }
    this.#stops.push(stop)
    return { name, identity, root: this.root.id, network, service, storage, artifacts, events, stop }
  }

  /** Nodes that know each other, one after the other. */
  async nodes(names: readonly string[], options: NodeOptions = {}): Promise<CatalogNode[]> {
    const all: CatalogNode[] = []
    for (const name of names) all.push(await this.node(name, options))
    await untilMembers(all, names.length - 1)
    return all
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

/** A disk as it is now. */
export async function copyOf(storage: Storage): Promise<Storage> {
  const copy = new MemoryLevel<string, Uint8Array>()
  const operations = []
  for await (const [key, value] of storage.iterator({ ...ENCODINGS, gte: '', lt: '~' }))
    operations.push({ type: 'put' as const, key, value })
  await copy.batch(operations, ENCODINGS)
  return copy
}

/** Flips one bit in the middle of a stored value. */
export async function flip(storage: Storage, key: string): Promise<void> {
  const [value] = await storage.getMany([key], ENCODINGS)
  const changed = Uint8Array.from(value as Uint8Array)
  const at = changed.length >> 1
  changed[at] = (changed[at] as number) ^ 1
  await storage.batch([{ type: 'put', key, value: changed }], { ...ENCODINGS, sync: true })
}

/** Entries that nodes wrote, the root's not counted. */
export function written(node: CatalogNode): number {
  const { entries, heads } = node.service.status()
  return entries - (heads.find((head) => head.author === node.root)?.seq ?? 0)
}

/** Waits until all members hold equal views, with so many entries besides the root's. */
export async function untilEqual(nodes: readonly CatalogNode[], entries?: number): Promise<void> {
  await until(() => {
    const digest = nodes[0]?.service.status().viewDigest
    return nodes.every((node) => node.service.status().viewDigest === digest && (entries === undefined || written(node) === entries))
  })
}

export async function untilMembers(nodes: readonly { network: Network }[], count: number): Promise<void> {
  await until(() => nodes.every(({ network }) => network.members.withRole('catalog').length === count))
}
