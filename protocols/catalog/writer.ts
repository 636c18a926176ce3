/** Publish, point and retire: judged against the view, one entry each, told to the others until enough have it. */
import type { Access } from '#protocols/access'
import { nameOfArtifact } from '#protocols/artifact'
import { parse } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import { formatRef, type FunctionRef, LIVE } from '#protocols/function'
import type { Clock, MaybePromise } from '#protocols/lifecycle'
import { type Manifest, manifestSchema, versionOf } from '#protocols/manifest'
import { foreignNamespaces } from '#protocols/topic'
import { identityOf, type Network, type Peer } from '#protocols/network'
import { spread } from './receipts/acknowledge.ts'
import type { ArtifactStore } from './artifacts/artifacts.ts'
import type { AliasTargets, Catalog, FunctionRecord, Published, Receipt, WriteOptions } from './catalog.ts'
import { commitmentOf } from './receipts/commitment.ts'
import { type BodyOf, bodySchemas, type EntryType, pointSchema, retireSchema } from './ledger/bodies.ts'
import { type Requester, requesterOf } from './ledger/asker.ts'
import { deployOn } from './ledger/authority-rules.ts'
import { type Entry, type Place, placeOf } from './ledger/entry.ts'
import { keepersOf } from './artifacts/keeping.ts'
import type { Pins } from './artifacts/pins.ts'
import { artifactOf } from './artifacts/placement.ts'
import { functionKey } from './ledger/fold.ts'
import type { Ledger } from './ledger/ledger.ts'
import type { Electors, ReceiptStore } from './ledger/receipts/receipt-store.ts'
import { majorityOf, type SignedReceipt } from './ledger/receipts/receipts.ts'
import { Locks } from './locks.ts'
import type { ReceiptDesk } from './receipts/receipt-desk.ts'
import type { ReceiptExchange } from './receipts/receipt-exchange.ts'
import type { Replication } from './replication.ts'
import { assertRoutesFree } from './view/route-claims.ts'
import type { View } from './view/view.ts'

export interface WriterInit {
  ledger: Ledger
  view: View
  /** Reads that ask another member about what is unknown here. */
  reads: Pick<Catalog, 'get' | 'versions'>
  replication: Replication
  receipts: ReceiptStore
  exchange: ReceiptExchange
  desk: ReceiptDesk
  /** Returns when this node may continue its feed. Throws `unavailable`. */
  ready: () => MaybePromise<void>
  artifacts: ArtifactStore
  pins: Pins
  network: Network
  access: Access
  clock: Clock
  nodeName: string
  /** See `CatalogLimits.visibleMs`. */
  visibleMs: number
}

/** What a function's alias shall mean, and how to write that down. */
interface Change {
  namespace: string
  name: string
  alias: string
  targets: AliasTargets
  /** Routes that come alive with it. */
  routes: readonly string[]
  append: () => Promise<Entry>
}

/** With who asks for it. */
export type RecordOptions = Pick<WriteOptions, 'ack' | 'timeoutMs'> & Requester

/** How long a write of a node that just joined waits until the node is let in. */
const ADMISSION_MS_MAX = 5000

export class Writer {
  readonly #init: WriterInit
  readonly #locks = new Locks()

  constructor(init: WriterInit) {
    this.#init = init
  }

  async publish(manifest: Manifest, artifact: Uint8Array, options: WriteOptions): Promise<Published> {
    const checked = parse(manifestSchema, manifest, 'the manifest')
    const { namespace, name, settings } = checked
    const by = await this.#permit(options, namespace)
    // What is said to others is theirs to give.
    for (const each of foreignNamespaces(
      settings.subscribe.map(({ topic }) => topic),
      namespace,
    ))
      await this.#init.access.require(options.caller, 'read', each)
    assertArtifact(checked, artifact)
    const version = versionOf(checked)
    const keys = [functionKey(namespace, name), ...(settings.routes.length > 0 ? ['routes'] : [])]
    const { digest } = checked.artifact
    const publishing = async () => {
      await this.#put(digest, artifact)
      this.#init.network.provide(digest)
      const append = () => this.#init.ledger.append('publish', { manifest: checked, after: this.#after(namespace, name, LIVE) }, by)
      return this.#write({ namespace, name, alias: LIVE, targets: [{ version, weight: 100 }], routes: settings.routes, append })
    }
    const { changed, place } = await this.#init.pins.during(digest, () => this.#locks.run(keys, publishing))
    return this.#published({ namespace, name, selector: version }, place, changed, options)
  }

  async point(namespace: string, name: string, alias: string, targets: AliasTargets, options: WriteOptions): Promise<Published> {
    const body = parse(pointSchema, { namespace, name, alias, targets, after: null }, 'the alias')
    const by = await this.#permit(options, namespace)
    const records = await this.#recordsOf(namespace, name, body.targets)
    const routes = alias === LIVE ? records.flatMap((record) => record.manifest.settings.routes) : []
    const keys = [functionKey(namespace, name), ...(routes.length > 0 ? ['routes'] : [])]
    const append = () => this.#init.ledger.append('point', { ...body, after: this.#after(namespace, name, alias) }, by)
    const { changed, place } = await this.#locks.run(keys, () => this.#write({ ...body, routes, append }))
    return this.#published({ namespace, name, selector: records[0]?.version ?? LIVE }, place, changed, options)
  }

  async retire(namespace: string, name: string, options: WriteOptions): Promise<Receipt> {
    const body = parse(retireSchema, { namespace, name, after: null }, 'the function')
    const by = await this.#permit(options, namespace)
    await this.#init.reads.versions(namespace, name)
    const entry = await this.#locks.run([functionKey(namespace, name)], async () => {
      const state = this.#init.view.state(namespace, name)
      if (state === undefined) throw this.#init.view.missing(body)
      return this.#init.ledger.append('retire', { ...body, after: state.last.hash }, by)
    })
    return this.acknowledge(entry, options)
  }

  /**
   * Writes an entry of whatever type by this node's own authority, or the root's where its key is here: whoever asks has been judged before.
   * What a `point` comes after is filled in. Throws `forbidden`, `not_committed`…
   */
  async record<T extends EntryType>(type: T, body: BodyOf<T>, options: RecordOptions): Promise<Receipt> {
    const checked = parse(bodySchemas[type], body, `the body of "${type}"`) as BodyOf<T>
    if (isPoint(type, checked)) checked.after = this.#after(checked.namespace, checked.name, checked.alias)
    return this.acknowledge(await this.#init.ledger.append(type, checked, options.by), options)
  }

  /** Tells everyone of an entry that is on disk here, and waits for the receipts that were asked for. Throws `not_committed`. */
  async acknowledge(place: Entry | Place, options: Pick<WriteOptions, 'ack' | 'timeoutMs'>): Promise<Receipt> {
    const { ledger, network, nodeName, desk } = this.#init
    const entry = 'bytes' in place ? place : await ledger.entryAt(place)
    const electors = desk.electors(placeOf(entry))
    // The entry is on disk: whatever the disk says of receipts from here on, it stands, and is told to the others.
    await desk.sign(entry).catch(() => undefined)
    const spreading = this.#spread(entry, electors, options.timeoutMs)
    // Whoever is impatient does not wait for it, nor for its trouble.
    spreading.catch(() => {})
    const holders = options.ack === 'committed' ? await spreading : []
    const counting = await this.#counting(entry, electors)
    const commitment = commitmentOf(counting, electors.members, (key) => desk.nameOf(key))
    const names = [nodeName, ...holders.map((peer) => network.members.get(peer)?.name ?? peer)]
    const receipt: Receipt = { author: entry.author, seq: entry.seq, hash: entry.hash, holders: names, ...commitment }
    if (options.ack === 'accepted' || receipt.state === 'committed') return receipt
    throw new OsirisError(
      'not_committed',
      `Cannot confirm the entry within ${options.timeoutMs} ms: ${receipt.receipts.length} of ${receipt.needed} catalog members that are needed gave their receipt (members: ${receipt.members}); it stands and will spread`,
      { details: { receipt } },
    )
  }

  /** The entry that set an alias to what it means here now. */
  #after(namespace: string, name: string, alias: string): string | null {
    return this.#init.ledger.state.function(namespace, name)?.setBy[alias]?.hash ?? null
  }

  #put(digest: string, artifact: Uint8Array): Promise<void> {
    const { artifacts, pins } = this.#init
    return pins.alone(digest, async () => {
      if ((await artifacts.get(digest)) === undefined) await artifacts.put(digest, artifact)
    })
  }

  /** Who asks, once it is known that they may. */
  async #permit(options: WriteOptions, namespace: string): Promise<Requester> {
    const principal = await this.#init.access.require(options.caller, 'deploy', namespace)
    // Before anything is judged: this may bring entries that this node once wrote and has lost.
    await this.#init.ready()
    await this.#admission(Math.min(options.timeoutMs, ADMISSION_MS_MAX))
    return requesterOf(principal, deployOn(namespace), this.#init.ledger.authority, this.#init.clock.now())
  }

  /** Resolves when this node is admitted, or when the time is up: a node that joined a moment ago is let in a moment later. */
  #admission(timeoutMs: number): Promise<void> {
    const { clock, ledger } = this.#init
    const isIn = () => ledger.authority.isMember(ledger.author, clock.now())
    if (isIn()) return Promise.resolve()
    return new Promise((resolve) => {
      const end = () => {
        cancel()
        stop()
        resolve()
      }
      const cancel = clock.after(timeoutMs, end)
      const stop = ledger.authority.onChange(() => {
        if (isIn()) end()
      })
    })
  }

  /** Appends unless the alias means these targets already. Runs under the function's lock. */
  async #write(change: Change): Promise<{ changed: boolean; place: Entry | Place }> {
    const { namespace, name, alias, targets, routes, append } = change
    const state = this.#init.view.state(namespace, name)
    if (state !== undefined && sameTargets(state.aliases[alias], targets)) return { changed: false, place: state.last }
    assertRoutesFree(routes, { namespace, name }, this.#init.view.routes())
    return { changed: true, place: await append() }
  }

  async #recordsOf(namespace: string, name: string, targets: AliasTargets): Promise<FunctionRecord[]> {
    const records: FunctionRecord[] = []
    for (const { version } of targets) records.push(await this.#init.reads.get({ namespace, name, selector: version }))
    return records
  }

  async #published(ref: FunctionRef, place: Entry | Place, changed: boolean, options: WriteOptions): Promise<Published> {
    const record = this.#init.view.find(ref)
    if (record === undefined)
      throw new OsirisError('conflict', `Cannot keep "${formatRef(ref)}": another entry took it out at the same time`)
    return { record, receipt: await this.acknowledge(place, options), changed }
  }

  /** The receipts that count and can be read. */
  async #counting(entry: Entry, electors: Electors): Promise<SignedReceipt[]> {
    const { receipts } = this.#init
    return receipts.counting(await receipts.of(entry).catch(() => []), electors)
  }

  /** Never rejects. Ends when enough receipts are here or the time is up, with the peers that have the entry. */
  async #spread(entry: Entry, electors: Electors, timeoutMs: number): Promise<Peer[]> {
    const { clock, network, replication, receipts, exchange, visibleMs } = this.#init
    const needed = majorityOf(electors.members)
    const artifact = artifactOf(entry)
    const peers = replication.others()
    const keepers = artifact === undefined ? peers : keepersOf(artifact, [network.peer, ...peers])
    const here = await this.#counting(entry, electors)
    const holders = new Set(here.map((each) => each.holder))
    void replication.gossip(entry)
    const reached = await spread({
      clock,
      peers,
      // An entry without its code is a promise nobody can keep: whoever is to count gets the artifact as well.
      others: artifact === undefined ? [] : peers.filter((peer) => !keepers.includes(peer)),
      restMs: visibleMs,
      timeoutMs,
      isEnough: () => holders.size >= needed,
      onReceipt: (look) =>
        receipts.onTaken(({ author, seq }, holder) => {
          if (author !== entry.author || seq !== entry.seq || !electors.counts(holder)) return
          holders.add(holder)
          look()
        }),
      push: async (peer, time) => {
        const { held, receipt } = await replication.push(peer, entry, timeoutMs, time === 'again' || keepers.includes(peer))
        // A false receipt is counted among the refused, and nowhere else.
        if (receipt !== undefined) await receipts.take(receipt, identityOf(peer)).catch(() => false)
        return held
      },
    })
    void exchange.gossip(await this.#counting(entry, electors))
    return reached
  }
}

function isPoint(type: EntryType, body: unknown): body is BodyOf<'point'> {
  return type === 'point' && body !== null
}

function assertArtifact(manifest: Manifest, artifact: Uint8Array): void {
  const act = `Cannot publish "${manifest.namespace}/${manifest.name}"`
  if (artifact.length !== manifest.artifact.bytes) {
    throw new OsirisError(
      'invalid_argument',
      `${act}: the artifact has ${artifact.length} bytes, its manifest says ${manifest.artifact.bytes}`,
    )
  }
  const { digest, chunks = [] } = nameOfArtifact(artifact)
  if (digest !== manifest.artifact.digest || chunks.join() !== (manifest.artifact.chunks ?? []).join()) {
    throw new OsirisError('invalid_argument', `${act}: the artifact does not match the digest in its manifest`)
  }
}

function sameTargets(a: AliasTargets | undefined, b: AliasTargets): boolean {
  return (
    a !== undefined &&
    a.length === b.length &&
    b.every((each) => a.some((other) => other.version === each.version && other.weight === each.weight))
  )
}
