/** The catalog on this node: ledger, view and artifacts. Messages of peers are handled in handlers/. */
import type { Access, Grant, Identity, Universe } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import type { Events } from '#protocols/events'
import type { FunctionRef } from '#protocols/function'
import type { Clock, MaybePromise, Random, Role, Startable } from '#protocols/lifecycle'
import type { Manifest } from '#protocols/manifest'
import { identityOf, type Network, type Peer } from '#protocols/network'
import { Admitter } from './admission/admitter.ts'
import { Allowance, COMPARING } from './allowance.ts'
import { Amender } from './powers/amender.ts'
import type { FetchOptions } from './artifacts/artifact-fetcher.ts'
import { ArtifactRoom } from './artifacts/artifact-room.ts'
import type { ArtifactStore } from './artifacts/artifacts.ts'
import { Asking } from './asking.ts'
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
  VersionRecord,
  WriteOptions,
} from './catalog.ts'
import { FeedGuard } from './witnesses/feed-guard.ts'
import { HeadAnnouncer } from './head-records/head-announcer.ts'
import { CheckpointRoom } from './checkpoints/checkpoint-room.ts'
import type { Authority } from './ledger/authority.ts'
import type { BodyOf, EntryType } from './ledger/bodies.ts'
import type { Entry, VerifyOn } from './ledger/entry.ts'
import type { FunctionState } from './ledger/fold.ts'
import { Ledger } from './ledger/ledger.ts'
import type { Refusals } from './ledger/refusals.ts'
import type { ReceiptFault } from './ledger/receipts/receipts.ts'
import { ReceiptStore, type Spot } from './ledger/receipts/receipt-store.ts'
import type { Storage } from '#protocols/storage'
import { ViewDigest } from './ledger/view-digest.ts'
import { CATALOG_LIMITS, type CatalogLimits } from './limits.ts'
import { ConflictReporter } from './conflict-report.ts'
import { ReceiptDesk } from './receipts/receipt-desk.ts'
import { ReceiptExchange } from './receipts/receipt-exchange.ts'
import { readWants, type Want } from './reading.ts'
import { recordsPage } from './records.ts'
import { Replication } from './replication.ts'
import { type SharedSet, SharedSets } from './shared-sets.ts'
import { Foundations } from './admission/foundations.ts'
import type { RootKeys } from './rotating.ts'
import { SuccessionDesk } from './succession.ts'
import { View } from './view/view.ts'
import { type RecordOptions, Writer } from './writer.ts'

export interface CatalogServiceInit {
  identity: Identity
  universe: Universe
  /** An open `Level` or `MemoryLevel` of its own, closed by whoever opened it, after `stop()`. */
  storage: Storage
  artifacts: ArtifactStore
  network: Network
  access: Access
  clock: Clock
  random: Random
  events: Events
  nodeName: string
  limits?: Partial<CatalogLimits>
  /** What else catalogs keep equal among them, beside the feeds. */
  sets?: readonly SharedSet[]
  /** Where signatures of many entries are verified; default `threads`. */
  verifyOn?: VerifyOn
  /** Where the root's keys are kept, the first and who took over, on a node that holds some: it admits nodes. */
  rootKeys?: RootKeys | undefined
  /** `false`: this node has been in its universe before, so that a ledger without anything is one that was lost. Default `true`. */
  isNew?: boolean
  /** Lets in every node that asks, without an invitation, where this node may let in any: for universes of development. Default `false`. */
  isOpen?: boolean
  /** Entries taken in at the start, where whoever made the universe hands them out: the genesis, on the node that founded it. */
  founding?: readonly Uint8Array[]
}

export class CatalogService implements Catalog, Startable {
  /** For other catalogs: what is kept equal among them by reconciliation. */
  readonly sets: SharedSets
  /** For other catalogs: how long each may have this node compare, in milliseconds of work. */
  readonly comparing: Allowance
  readonly clock: Clock
  /** Who may write to which feed now. */
  readonly guard: FeedGuard
  /** Lets nodes in. */
  readonly admitter: Admitter
  /** For other catalogs: what several of them signed, by which a new one joins. */
  readonly checkpoints: CheckpointRoom
  /** Who is a member, and as what; what that rests on, for members without the ledger. */
  readonly standing: Foundations
  readonly succession: SuccessionDesk
  readonly #init: CatalogServiceInit
  readonly #limits: CatalogLimits
  readonly #ledger: Ledger
  readonly #view: View
  readonly #digest = new ViewDigest()
  readonly #replication: Replication
  readonly #asking: Asking
  readonly #receipts: ReceiptStore
  readonly #desk: ReceiptDesk
  readonly #reporter: ConflictReporter
  readonly #exchange: ReceiptExchange
  readonly #artifacts: ArtifactRoom
  readonly #writer: Writer
  readonly #amender: Amender
  readonly #heads: HeadAnnouncer
  #loaded: Promise<void> | undefined
  #running = false
  #endScrub = () => {}

  constructor(init: CatalogServiceInit) {
    const { clock, random, events, network, artifacts } = init
    this.#init = init
    this.clock = clock
    this.comparing = new Allowance({ clock, ...COMPARING })
    this.#limits = { ...CATALOG_LIMITS, ...init.limits }
    this.#view = new View({ random })
    this.#ledger = new Ledger({
      ...init,
      rootKeys: init.rootKeys?.held ?? [],
      onChange: (states, entries) => this.#changed(states, entries),
      onFork: (proof) => this.#replication.tell(proof),
      mayWrite: (author) => this.guard.ready(author),
    })
    this.checkpoints = new CheckpointRoom({
      ...{ ...init, ledger: this.#ledger, limits: this.#limits },
      viewDigest: () => this.#digest.settled(clock).then(() => this.status().viewDigest),
    })
    this.standing = new Foundations({ ledger: this.#ledger, clock, pull: (peer) => this.#replication.pull(peer) })
    this.sets = new SharedSets(this.#ledger, [this.checkpoints.set, ...(init.sets ?? [])])
    this.#replication = new Replication({ ...this.#limits, ledger: this.#ledger, sets: this.sets, network, clock, random, events })
    this.#asking = new Asking({ ...this.#limits, replication: this.#replication, clock, random })
    this.#receipts = new ReceiptStore({
      ...init,
      universe: this.#ledger.universe,
      hashAt: (author, seq) => this.#ledger.hashAt(author, seq),
      electors: () => this.#desk.electors(),
    })
    this.#reporter = new ConflictReporter(this.#ledger)
    this.#desk = new ReceiptDesk({ ...init, ledger: this.#ledger, receipts: this.#receipts })
    this.#exchange = new ReceiptExchange({
      ...{ network, clock, random, events },
      receipts: this.#receipts,
      others: () => this.#replication.others(),
      prepare: () => this.#receipts.index(this.#ledger.heads()),
      intervalMs: this.#limits.pullIntervalMs,
    })
    this.guard = new FeedGuard({
      ...{ ledger: this.#ledger, replication: this.#replication, members: network.members, clock, random },
      consultMs: this.#limits.consultMs,
    })
    this.#artifacts = new ArtifactRoom({
      ...{ store: artifacts, network, clock, random, events },
      limits: this.#limits,
      others: () => this.#replication.others().filter((peer) => this.#ledger.authority.isMember(identityOf(peer) ?? '', clock.now())),
      isWhole: () => this.#ledger.entries > 0 && this.#ledger.wants([]).length === 0,
    })
    this.#writer = new Writer({
      ...init,
      pins: this.#artifacts.pins,
      ledger: this.#ledger,
      view: this.#view,
      reads: this,
      replication: this.#replication,
      receipts: this.#receipts,
      exchange: this.#exchange,
      desk: this.#desk,
      ready: () => this.guard.ready(this.#ledger.author),
      visibleMs: this.#limits.visibleMs,
    })
    const writing = { ledger: this.#ledger, writer: this.#writer, replication: this.#replication }
    this.succession = new SuccessionDesk({ ...init, ...writing, guard: this.guard })
    this.#amender = new Amender({ ...init, ...writing })
    this.admitter = new Admitter({ ledger: this.#ledger, writer: this.#writer, clock, isOpen: init.isOpen ?? false })
    this.#heads = new HeadAnnouncer({ ...init, ledger: this.#ledger, view: this.#view, againMs: this.#limits.headsAgainMs })
  }

  async start(): Promise<void> {
    if (this.#running) return
    await (this.#loaded ??= this.#load())
    this.#running = true
    this.#replication.start()
    this.#exchange.start()
    this.#artifacts.start()
    this.#endScrub = this.#ledger.scrub(this.#limits.scrubPerSecond)
    this.guard.start()
    this.checkpoints.start()
    this.#heads.start()
    this.#init.events.emit('catalog.changed', {})
  }

  async stop(): Promise<void> {
    if (!this.#running) return
    this.#running = false
    this.#endScrub()
    this.#heads.stop()
    this.checkpoints.stop()
    await this.guard.stop()
    this.#artifacts.stop()
    await this.#exchange.stop()
    await this.#replication.stop()
    await this.#ledger.settled()
  }

  get(ref: FunctionRef): MaybePromise<FunctionRecord> {
    return this.#view.find(ref) ?? this.#getAfterAsking(ref)
  }

  list(filter: { namespace?: string }): FunctionRecord[] {
    return this.#view.list(filter)
  }
  all(): Iterable<FunctionRecord> {
    return this.#view.all()
  }

  versions(namespace: string, name: string): MaybePromise<VersionRecord[]> {
    return this.#view.versions(namespace, name) ?? this.#versionsAfterAsking(namespace, name)
  }

  routes(): readonly RouteRecord[] {
    return this.#view.routes()
  }

  publish(manifest: Manifest, artifact: Uint8Array, options: WriteOptions): Promise<Published> {
    return this.#writer.publish(manifest, artifact, options)
  }

  point(namespace: string, name: string, alias: string, targets: AliasTargets, options: WriteOptions): Promise<Published> {
    return this.#writer.point(namespace, name, alias, targets, options)
  }

  retire(namespace: string, name: string, options: WriteOptions): Promise<Receipt> {
    return this.#writer.retire(namespace, name, options)
  }

  amend(change: AuthorityChange, options: WriteOptions, passOn = true): Promise<Receipt> {
    return this.#amender.amend(change, options, passOn)
  }

  powers(): Powers {
    return this.#amender.powers()
  }

  settings(): readonly Setting[] {
    return this.#ledger.state.settings()
  }

  artifact(digest: string, options: FetchOptions): Promise<Uint8Array> {
    return this.#artifacts.get(digest, options)
  }

  status(): LedgerStatus {
    const { entries } = this.#ledger
    return {
      viewDigest: this.#digest.value(this.#ledger.state.digest()),
      functions: this.#view.size,
      entries,
      heads: this.#ledger.heads(),
      frozen: this.#ledger.frozen(),
      ...this.checkpoints.status(),
    }
  }

  /** As `Writer.record`. */
  record<T extends EntryType>(type: T, body: BodyOf<T>, options: RecordOptions): Promise<Receipt> {
    return this.#writer.record(type, body, options)
  }

  /** Lets a node in, by the root or by a holder of `admin` on `*`. Resolves when the entry is on disk here. Throws as `record` does. */
  admit(member: string, name: string, roles: Role[], grants: Grant[], expiresAtMs: number | null = null): Promise<Receipt> {
    return this.#writer.record('admit', { member, name, roles, grants, expiresAtMs }, { by: name, ack: 'accepted', timeoutMs: ADMIT_MS })
  }

  grantsOf(key: string, token?: string): readonly Grant[] {
    return this.#ledger.authority.givenBy(key, token, this.#init.clock.now())
  }

  authority(): Authority {
    return this.#ledger.authority
  }

  async log(options: { after?: string; limit: number }): Promise<LedgerLine[]> {
    if (!(options.limit >= 1 && options.limit <= LOG_MAX)) {
      throw new OsirisError('invalid_argument', `Cannot read ${options.limit} entries of the log: 1 to ${LOG_MAX} at a time`)
    }
    return this.#desk.judged(await this.#ledger.log(options))
  }

  records(from?: Spot): Promise<RecordsPage> {
    return recordsPage(this.#ledger, this.#receipts, from)
  }

  conflicts(): Promise<ConflictReport> {
    return this.#reporter.report(this.#view.lostRoutes())
  }

  /** Entries refused at this node's door since the start, by reason; receipts by fault. */
  refusals(): Refusals {
    return this.#ledger.refusals()
  }

  receiptRefusals(): Partial<Record<ReceiptFault, number>> {
    return this.#receipts.refused()
  }

  /** For others: a piece of an artifact that is on this node's disk, verified, and how long the whole is. */
  localPiece(digest: string, from: number, length: number): Promise<{ bytes: Uint8Array; total: number } | undefined> {
    return this.#artifacts.piece(digest, from, length)
  }

  /** For other catalogs: which of these artifacts are on this node's disk. */
  holds(digests: readonly string[]): Promise<string[]> {
    return this.#artifacts.holds(digests)
  }

  /** For other catalogs: stored entries of these feeds from those places on, at most `bytesMax` (one at least). */
  entries(wants: readonly Want[], bytesMax: number): Promise<Uint8Array[]> {
    return readWants(this.#ledger, wants, bytesMax)
  }

  /** Proofs of equivocation that whoever knows `known` lacks, as bytes (`openProof` verifies them), at most `bytesMax` (one at least). */
  proofs(known: readonly { author: string; seq: number }[], bytesMax: number): Promise<Uint8Array[]> {
    return this.#ledger.proofs(known, bytesMax)
  }

  /** Counts an entry that was too long to be received. */
  tooLong(): void {
    this.#ledger.refused('oversized')
  }

  /** For other catalogs: takes in one entry; `true` when it is on disk here. Throws `invalid_argument`, `storage_full`, `unavailable`. */
  accept(peer: Peer, bytes: Uint8Array): Promise<boolean> {
    return this.#replication.accept(peer, bytes)
  }

  /** For other catalogs: this node's receipt of an entry that it took in, if the artifact it publishes is here too; with `keep` it is fetched before, from `first` first. Throws as `artifact` does. */
  receiptOf(bytes: Uint8Array, { keep, ...from }: { keep: boolean; timeoutMs: number; first: Peer }): Promise<Uint8Array | undefined> {
    return this.#desk.receiptOf(bytes, keep ? { ...from, keep: (digest, options) => this.#artifacts.keep(digest, options) } : undefined)
  }

  /** For other catalogs: receipts of these entries that are here, and this node's own where more are needed. */
  receipts(of: readonly Spot[]): Promise<Uint8Array[]> {
    return this.#desk.receipts(of)
  }

  async #load(): Promise<void> {
    await this.#ledger.load()
    await this.checkpoints.load()
    const { founding = [] } = this.#init
    const isLost = this.#init.isNew === false && this.#ledger.entries === 0
    try {
      for (const bytes of founding) await this.#ledger.take(this.#ledger.open(bytes), true)
    } catch (error) {
      throw OsirisError.from(error, 'Cannot start the catalog with what founds its universe', 'invalid_argument')
    }
    if (isLost || this.#ledger.entries === 0) this.guard.mustHear()
    await this.succession.settle()
  }

  async #getAfterAsking(ref: FunctionRef): Promise<FunctionRecord> {
    if (this.#running) await this.#asking.askAnother()
    return this.#view.get(ref)
  }

  async #versionsAfterAsking(namespace: string, name: string): Promise<VersionRecord[]> {
    if (this.#running) await this.#asking.askAnother()
    return this.#view.versions(namespace, name) ?? Promise.reject(this.#view.missing({ namespace, name }))
  }

  #changed(states: FunctionState[], entries: Entry[]): void {
    this.sets.heads.changed()
    for (const state of states) {
      this.#digest.set(state)
      this.#artifacts.index.set(state)
      this.#view.set(state)
    }
    if (states.length > 0) this.#init.network.advertise({ functions: this.#view.size })
    // What was on disk already is told by the start itself.
    if (!this.#running) return
    for (const { namespace, name } of states) this.#init.events.emit('catalog.changed', { namespace, name })
    this.#receipts.expect(entries)
    this.#artifacts.consider(entries)
    this.#heads.changed(states)
  }
}

const LOG_MAX = 1000
/** How long an admission is told to the others in the background. */
const ADMIT_MS = 2000
