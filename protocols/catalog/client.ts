/** The catalog of a node that has none: asks members that do, keeps what it heard for a moment, and hears of changes by gossip. */
import type { ArtifactName } from '#protocols/artifact'
import { type Grant, narrowed } from '#protocols/access'
import { dropOldest } from '#protocols/bounded'
import { decodeAs } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { Events } from '#protocols/events'
import { formatRef, type FunctionRef } from '#protocols/function'
import type { Caller } from '#protocols/invocation'
import type { Clock, MaybePromise, Random, Startable } from '#protocols/lifecycle'
import type { Manifest } from '#protocols/manifest'
import type { Network, Peer } from '#protocols/network'
import { ArtifactCache } from './artifacts/artifact-cache.ts'
import { ArtifactFetcher, type FetchOptions } from './artifacts/artifact-fetcher.ts'
import type { ArtifactStore } from './artifacts/artifacts.ts'
import { ArtifactServer } from './artifacts/artifact-server.ts'
import { CatalogMembers } from './catalog-members.ts'
import type {
  AliasTargets,
  AuthorityChange,
  Catalog,
  ConflictReport,
  FunctionRecord,
  LedgerLine,
  LedgerStatus,
  Powers,
  Published,
  Receipt,
  RecordsPage,
  RouteRecord,
  Setting,
  SuccessionDoor,
  VersionRecord,
  WriteOptions,
} from './catalog.ts'
import { checked, follow, unlessNobody } from './client-answers.ts'
import { type CacheLimits, ClientCache } from './client-cache.ts'
import { Follower } from './admission/follower.ts'
import { HeadFinder } from './head-records/head-finder.ts'
import { openEntry } from './ledger/entry.ts'
import { factOf } from './ledger/fold.ts'
import { PLACEMENT_LIMITS } from './artifacts/placement.ts'
import {
  conflictsSchema,
  grantsSchema,
  handedInSchema,
  logSchema,
  powersSchema,
  publishedSchema,
  receiptSchema,
  recordSchema,
  recordsPageSchema,
  recordsSchema,
  rotatedSchema,
  routesAnswerSchema,
  routesSchema,
  statusSchema,
  successionSchema,
  TOPIC,
  versionsSchema,
} from './messages.ts'
import { SettingsCache } from './settings-cache.ts'
import { within } from './within.ts'

/** Gossip may overtake the member that is asked next; what was fetched so soon after a change is fetched once more. */
const SETTLE_MS = 500
/** Catalogs that have not answered for so long are done without, where that can be. */
const PATIENCE_MS = 2000
/** Members asked what a key holds. */
const WITNESSES = 2
/** Lists of chunks kept, at most 5 KiB each; without its list an artifact is verified as a whole. */
const CHUNKED_MAX = 512
const HAND_IN_MS = 5000
export const CLIENT_LIMITS: CacheLimits = Object.freeze({ functionsMax: 10_000, versionsMax: 64, freshMs: 3000, missingMs: 500 })

export interface CatalogClientInit {
  network: Network
  clock: Clock
  random: Random
  events: Events
  /** Keeps what was fetched, over restarts too if it is a directory. */
  artifacts?: ArtifactStore
  /** How much of them; the longest unused go first. */
  artifactCacheBytes?: number
  /** Whose token reads; needed by those who are no member with a role. */
  caller?: Caller
  limits?: Partial<CacheLimits>
  /** With it, functions are found by the DHT while no catalog answers, and who is a member is followed; for members without the ledger. */
  universe?: { root: string }
}

interface RoutesCache {
  records: readonly RouteRecord[]
  digest: string
  at: number
  change: number
}

export class CatalogClient implements Catalog, Startable {
  /** Who is a member, and as what; with `universe` only. */
  readonly standing: Follower | undefined
  readonly succession: SuccessionDoor = {
    tell: async () => decodeAs(successionSchema, (await this.#members.read({ type: 'succession' })).body, 'the keys above all others'),
    handIn: async (bytes) =>
      decodeAs(handedInSchema, (await this.#members.write({ type: 'hand-in' }, HAND_IN_MS, bytes)).head, 'the answer to a rotation'),
    give: async (giving, _sender, { ack, timeoutMs }) => {
      const { head } = await this.#members.write({ type: 'give', ...giving, ack, timeoutMs }, timeoutMs)
      return decodeAs(rotatedSchema, head, 'the answer to a rotation')
    },
    rotate: async () => {
      throw new OsirisError('forbidden', 'Cannot rotate the root key: this node does not hold it; ask the one that does, over HTTP')
    },
  }
  readonly #network: Network
  readonly #clock: Clock
  readonly #events: Events
  readonly #members: CatalogMembers
  readonly #cache: ClientCache
  readonly #fetcher: ArtifactFetcher
  readonly #artifacts: ArtifactStore | undefined
  readonly #server: ArtifactServer | undefined
  readonly #heads: HeadFinder | undefined
  readonly #kept: ArtifactCache | undefined
  /** Of the large artifacts that were heard of last. */
  readonly #chunks = new Map<string, ArtifactName['chunks']>()
  readonly #limits: CacheLimits
  readonly #caller: { caller?: Caller }
  readonly #settings: SettingsCache
  readonly #fetching = new Map<string, Promise<FunctionRecord>>()
  readonly #timers = new Set<() => void>()
  #routes: RoutesCache | undefined
  #routesFetching: { change: number; records: Promise<readonly RouteRecord[]> } | undefined
  /** Counts what was heard, so that an answer older than a change is not kept. */
  #change = 0
  #unsubscribe: (() => void) | undefined

  constructor(init: CatalogClientInit) {
    const { network, clock, random, artifacts, caller } = init
    this.#network = network
    this.#clock = clock
    this.#events = init.events
    this.#limits = { ...CLIENT_LIMITS, ...init.limits }
    this.#caller = caller === undefined ? {} : { caller }
    this.#members = new CatalogMembers({ network, clock, random })
    this.#settings = new SettingsCache({ members: this.#members, clock, caller: this.#caller, freshMs: this.#limits.freshMs })
    this.#cache = new ClientCache({ clock, random, limits: this.#limits })
    const { artifactCacheBytes = PLACEMENT_LIMITS.cacheBytesMax } = init
    this.#kept = artifacts && new ArtifactCache({ store: artifacts, clock })
    const chunksOf = (digest: string) => this.#chunks.get(digest)
    this.#fetcher = new ArtifactFetcher({
      ...{ network, clock, store: artifacts, caller },
      chunksOf,
      onStored: (digest) => {
        network.provide(digest)
        void this.#kept?.trim(artifactCacheBytes)
      },
    })
    this.#artifacts = artifacts
    this.#server = artifacts && new ArtifactServer({ store: artifacts, chunksOf, onDamage: () => {} })
    this.standing = init.universe && new Follower({ network, clock, random, universe: init.universe })
    const isNone = (key: string) => this.standing?.knowsNoCatalog(key) === true
    this.#heads = init.universe && new HeadFinder({ network, clock, random, universe: init.universe, isNone })
  }

  async start(): Promise<void> {
    if (this.#unsubscribe !== undefined) return
    this.#unsubscribe = this.#network.subscribe(TOPIC, (from, data) => this.#hear(from, data))
    this.#heads?.start()
    this.standing?.start()
    for (const { digest } of (await this.#artifacts?.list()) ?? []) this.#network.provide(digest)
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.()
    this.#unsubscribe = undefined
    this.#heads?.stop()
    this.standing?.stop()
    this.#fetcher.stop()
    for (const cancel of this.#timers) cancel()
    this.#timers.clear()
  }

  get(ref: FunctionRef): MaybePromise<FunctionRecord> {
    const found = this.#cache.find(ref)
    if (found === undefined) return this.#fetch(ref)
    // The caller has its record; a member that cannot be asked now will be asked again by the next one.
    if (found.stale) this.#fetch(ref).catch(() => {})
    return found.record
  }

  /** One member that lies can only take away. */
  async grantsOf(key: string, token?: string): Promise<readonly Grant[]> {
    const answers = await this.#members.readFrom(WITNESSES, { type: 'grants', key, ...(token === undefined ? {} : { token }) })
    const said = answers.map(({ body }) => decodeAs(grantsSchema, body, 'the grants of a key'))
    return said.reduce((agreed, each) => narrowed(agreed, each))
  }

  async list(filter: { namespace?: string }): Promise<FunctionRecord[]> {
    const { body } = await this.#members.read({ type: 'list', ...filter, ...this.#caller })
    return decodeAs(recordsSchema, body, 'the list of functions')
  }

  all(): Promise<FunctionRecord[]> {
    return this.list({})
  }

  async versions(namespace: string, name: string): Promise<VersionRecord[]> {
    const { body } = await this.#members.read({ type: 'versions', namespace, name, ...this.#caller })
    return decodeAs(versionsSchema, body, 'the list of versions')
  }

  routes(): MaybePromise<readonly RouteRecord[]> {
    const known = this.#routes
    const age = known === undefined || known.change !== this.#change ? Number.POSITIVE_INFINITY : this.#clock.monotonic() - known.at
    if (known === undefined) return this.#fetchRoutes()
    if (age > 2 * this.#limits.freshMs) return this.#fetchRoutes().catch((error: unknown) => unlessNobody(error, known.records))
    if (age > this.#limits.freshMs) this.#fetchRoutes().catch(() => {})
    return known.records
  }

  async publish(manifest: Manifest, artifact: Uint8Array, options: WriteOptions): Promise<Published> {
    const { head } = await this.#members.write({ type: 'publish', manifest, ...options }, options.timeoutMs, artifact)
    return this.#written(decodeAs(publishedSchema, head, 'the answer to publish'))
  }

  async point(namespace: string, name: string, alias: string, targets: AliasTargets, options: WriteOptions): Promise<Published> {
    const { head } = await this.#members.write({ type: 'point', namespace, name, alias, targets, ...options }, options.timeoutMs)
    return this.#written(decodeAs(publishedSchema, head, 'the answer to point'))
  }

  async retire(namespace: string, name: string, options: WriteOptions): Promise<Receipt> {
    const { head } = await this.#members.write({ type: 'retire', namespace, name, ...options }, options.timeoutMs)
    this.#forget(namespace, name)
    return decodeAs(receiptSchema, head, 'the answer to retire')
  }

  async amend(change: AuthorityChange, options: WriteOptions): Promise<Receipt> {
    const { head } = await this.#members.write({ type: 'amend', change, ...options }, options.timeoutMs)
    return decodeAs(receiptSchema, head, 'the answer to amend')
  }

  settings(): MaybePromise<readonly Setting[]> {
    return this.#settings.get()
  }

  async powers(): Promise<Powers> {
    const { body } = await this.#members.read({ type: 'powers', ...this.#caller })
    return decodeAs(powersSchema, body, 'the grants')
  }

  artifact(digest: string, options: FetchOptions): Promise<Uint8Array> {
    this.#kept?.used(digest)
    return this.#fetcher.get(digest, options)
  }

  /** For others: a piece of an artifact that this node fetched before, verified, and how long the whole is. */
  async localPiece(digest: string, from: number, length: number): Promise<{ bytes: Uint8Array; total: number } | undefined> {
    return this.#server?.piece(digest, from, length)
  }

  async status(): Promise<LedgerStatus> {
    const { head } = await this.#members.read({ type: 'status', ...this.#caller })
    return decodeAs(statusSchema, head, 'the answer to status')
  }

  async log(options: { after?: string; limit: number }): Promise<LedgerLine[]> {
    const { body } = await this.#members.read({ type: 'log', ...options, ...this.#caller })
    return decodeAs(logSchema, body, 'the log')
  }

  async records(from?: { author: string; seq: number }): Promise<RecordsPage> {
    const { body } = await this.#members.read({ type: 'records', ...(from === undefined ? {} : { from }), ...this.#caller })
    return decodeAs(recordsPageSchema, body, 'the records')
  }

  async conflicts(): Promise<ConflictReport> {
    const { body } = await this.#members.read({ type: 'conflicts', ...this.#caller })
    return decodeAs(conflictsSchema, body, 'the conflicts')
  }

  #fetch(ref: FunctionRef): Promise<FunctionRecord> {
    // What was asked before a change does not answer what is asked after it.
    const key = `${this.#change} ${formatRef(ref)}`
    let fetching = this.#fetching.get(key)
    if (fetching === undefined) {
      fetching = this.#ask(ref).finally(() => this.#fetching.delete(key))
      this.#fetching.set(key, fetching)
    }
    return fetching
  }

  /** What a catalog says counts. What is known without one is used only while none says anything. */
  async #ask(ref: FunctionRef): Promise<FunctionRecord> {
    const asked = this.#askMembers(ref)
    if (this.#heads === undefined) return asked
    const change = this.#change
    const said = follow(asked)
    await within(said.settled, this.#clock, PATIENCE_MS)
    if (said.isAnswer) return asked
    const known = this.#cache.findOld(ref) ?? (await this.#heads.find(ref))
    // Meanwhile one may have answered.
    if (known === undefined || said.isAnswer) return asked
    this.#remember(known.manifest.artifact)
    return change === this.#change ? this.#cache.put(ref, known) : known
  }

  async #askMembers(ref: FunctionRef): Promise<FunctionRecord> {
    const change = this.#change
    try {
      const { head } = await this.#members.read({ type: 'get', ref, ...this.#caller })
      const record = checked(decodeAs(recordSchema, head, 'the answer to get'), ref)
      this.#remember(record.manifest.artifact)
      return change === this.#change ? this.#cache.put(ref, record) : record
    } catch (error) {
      if (error instanceof OsirisError && error.code === 'not_found' && change === this.#change) this.#cache.putMissing(ref, error)
      throw error
    }
  }

  #remember({ digest, chunks }: ArtifactName): void {
    if (chunks === undefined) return
    dropOldest(this.#chunks, CHUNKED_MAX)
    this.#chunks.set(digest, chunks)
  }

  #fetchRoutes(): Promise<readonly RouteRecord[]> {
    if (this.#routesFetching?.change !== this.#change) this.#routesFetching = { change: this.#change, records: this.#askRoutes() }
    const fetching = this.#routesFetching
    return fetching.records.finally(() => {
      if (this.#routesFetching === fetching) this.#routesFetching = undefined
    })
  }

  async #askRoutes(): Promise<readonly RouteRecord[]> {
    const change = this.#change
    const known = this.#routes
    const { head, body } = await this.#members.read({
      type: 'routes',
      ...(known === undefined ? {} : { known: known.digest }),
      ...this.#caller,
    })
    const { digest, same } = decodeAs(routesAnswerSchema, head, 'the answer to routes')
    const records = same && known !== undefined ? known.records : decodeAs(routesSchema, body, 'the routes')
    this.#routes = { records, digest, at: this.#clock.monotonic(), change }
    return records
  }

  #written(published: Published): Published {
    this.#forget(published.record.namespace, published.record.name)
    return published
  }

  /** A fresh entry. `false`: must not be passed on. */
  #hear(from: Peer, data: Uint8Array): boolean {
    try {
      const entry = openEntry(data)
      this.#heads?.hear(entry)
      this.standing?.hear(from, entry)
      const fact = factOf(entry)
      if (fact !== undefined) this.#forgetTwice(fact.namespace, fact.name)
      return true
    } catch {
      return false
    }
  }

  #forgetTwice(namespace: string, name: string): void {
    this.#forget(namespace, name)
    const cancel = this.#clock.after(SETTLE_MS, () => {
      this.#timers.delete(cancel)
      this.#forget(namespace, name)
    })
    this.#timers.add(cancel)
  }

  #forget(namespace: string, name: string): void {
    this.#change += 1
    this.#cache.drop(namespace, name)
    this.#events.emit('catalog.changed', { namespace, name })
  }
}
