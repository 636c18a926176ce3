/**
 * Who holds what, and records that prove themselves, by kad-dht: loaded and started when the node has long served, or is asked, because 60 nodes that start it at
 * boot take 14 s to settle. That this node takes part is said from the start: to say it later, every node would tell every peer once more who it is.
 */
import type { KadDHT, KadDHTComponents } from '@libp2p/kad-dht'
import type { CID } from 'multiformats/cid'
import { dropOldest } from '#protocols/bounded'
import { OsirisError } from '#protocols/errors'
import type { Clock } from '#protocols/lifecycle'
import { boundedDatastore } from './bounded-datastore.ts'
import { type Answerer, dhtParts } from './libp2p-dht-parts.ts'
import { DHT_BYTES_MAX, DHT_COPIES, DHT_ENTRIES_MAX, DHT_PATHS } from './limits.ts'
import type { Peer } from './network.ts'
import { RecordTable } from './records.ts'
import type { DialOptions } from './transport.ts'

export interface DhtInit {
  /** Otherwise it never starts. */
  enabled: boolean
  /** Own protocol name: the default would join the public IPFS network. */
  protocol: string
  /** Only asks, never answers. */
  client: boolean
  /** Milliseconds after the node: calls come first. */
  startAfterMs: number
  clock: Clock
  onError: (error: unknown) => void
}

const TELL_TIMEOUT_MS = 10_000
/** Announcements that wait; the oldest goes first, whoever made it makes it again. */
const QUEUE_MAX = 4_096
const CONCURRENT_TELLS = 4
/** Once a record is found, a later one is waited for so long. */
const LATER_MS = 400
/** The first part of every record's key: what kad-dht finds validator and selector by. */
const RECORDS = 'osiris'
/** Before this node asks who is near it. Members know each other by their beats, and tables fill by what is asked. */
const SELF_QUERY_MS = 5 * 60_000

/** As kad-dht itself has it: a peer may ask so much at once. */
const STREAMS = { maxInboundStreams: 32, maxOutboundStreams: 64 }

/** The parts of kad-dht that its types keep private. */
interface Startable {
  start(): Promise<void>
  routingTable: { add(peer: KadDHTComponents['peerId']): Promise<void> }
}

/** Something to tell the DHT. */
type Tell = (dht: KadDHT, signal: AbortSignal) => Promise<AsyncIterable<unknown>>

export class Dht {
  readonly records = new RecordTable()
  /** Where a member listens. Set before `start()`. */
  addressesOf: (peer: Peer) => readonly string[] = () => []
  readonly #components: KadDHTComponents
  readonly #init: DhtInit
  readonly #stopped = new AbortController()
  readonly #queue = new Map<string, Tell>()
  #busy = 0
  #dht: Promise<KadDHT> | undefined
  #answerBy: Answerer | undefined
  #cancelStart = (): void => {}

  constructor(components: KadDHTComponents, init: DhtInit) {
    this.#components = components
    this.#init = init
  }

  /** Called by libp2p, with the other services. */
  async start(): Promise<void> {
    const { enabled, client, protocol, clock, startAfterMs } = this.#init
    if (!enabled) return
    this.#cancelStart = clock.after(startAfterMs, () => this.#pump())
    if (!client) await this.#components.registrar.handle(protocol, (...asked) => this.#answer(...asked), STREAMS)
  }

  async stop(): Promise<void> {
    this.#cancelStart()
    this.#stopped.abort()
    const dht = await this.#dht?.catch(() => undefined)
    await (dht as { stop?: () => Promise<void> } | undefined)?.stop?.()
  }

  provide(key: string): void {
    this.#tell(key, async (dht, signal) => dht.provide(await cidOf(key), { signal }))
  }

  putRecord(kind: string, key: string, value: Uint8Array): void {
    if (!this.records.hear(kind, key, value)) return
    const path = pathOf(kind, key)
    this.#tell(path, async (dht, signal) => dht.put(Buffer.from(path), value, { signal }))
  }

  /** What peers answered is taken as it comes: kad-dht itself gives up a search when one that has an older record does not take the newer one. */
  async getRecord(kind: string, key: string, { timeoutMs, signal }: DialOptions): Promise<Uint8Array | undefined> {
    const enough = new AbortController()
    const signals = [AbortSignal.timeout(timeoutMs), this.#stopped.signal, enough.signal, ...(signal === undefined ? [] : [signal])]
    const until = AbortSignal.any(signals)
    let cancel: (() => void) | undefined
    try {
      const dht = await this.#started()
      for await (const event of dht.get(Buffer.from(pathOf(kind, key)), { signal: until })) {
        const value = event.name === 'VALUE' ? event.value : event.name === 'PEER_RESPONSE' ? event.record?.value : undefined
        if (value === undefined || !this.records.hear(kind, key, value)) continue
        cancel ??= this.#init.clock.after(LATER_MS, () => enough.abort())
      }
    } catch (error) {
      if (!until.aborted) this.#init.onError(error)
    } finally {
      cancel?.()
    }
    return this.records.best(kind, key)
  }

  async *providers(key: string, { timeoutMs, signal }: DialOptions): AsyncGenerator<Peer> {
    const signals = [AbortSignal.timeout(timeoutMs), this.#stopped.signal, ...(signal === undefined ? [] : [signal])]
    const until = AbortSignal.any(signals)
    const seen = new Set<Peer>()
    try {
      const dht = await this.#started()
      for await (const event of dht.findProviders(await cidOf(key), { signal: until })) {
        if (event.name !== 'PROVIDER') continue
        for (const { id } of event.providers) {
          const peer = id.toString()
          if (!seen.has(peer)) yield peer
          seen.add(peer)
        }
      }
    } catch (error) {
      if (!until.aborted) this.#init.onError(error)
    }
  }

  #tell(key: string, tell: Tell): void {
    this.#queue.delete(key)
    dropOldest(this.#queue, QUEUE_MAX)
    this.#queue.set(key, tell)
    if (this.#dht !== undefined) this.#pump()
  }

  /** Throws for a value that must not be kept here. */
  #validate(path: Uint8Array, value: Uint8Array): void {
    const { kind, key } = partsOf(path)
    this.records.offer(kind, key, value)
  }

  #select(path: Uint8Array, values: Uint8Array[]): number {
    const { kind, key } = partsOf(path)
    return this.records.select(kind, key, values)
  }

  #started(): Promise<KadDHT> {
    return (this.#dht ??= this.#begin())
  }

  async #answer(...asked: Parameters<Answerer>): Promise<void> {
    await this.#started()
    if (this.#answerBy === undefined) throw new OsirisError('unavailable', 'Cannot answer for the DHT: this node stops')
    await this.#answerBy(...asked)
  }

  async #begin(): Promise<KadDHT> {
    const { kadDHT, passthroughMapper } = await import('@libp2p/kad-dht')
    const parts = dhtParts({
      components: this.#components,
      datastore: boundedDatastore(this.#components.datastore, { entriesMax: DHT_ENTRIES_MAX, bytesMax: DHT_BYTES_MAX }),
      addressesOf: (peer) => this.addressesOf(peer),
      answerBy: (answerer) => (this.#answerBy = answerer),
    })
    const dht = kadDHT({
      protocol: this.#init.protocol,
      clientMode: this.#init.client,
      // Members of a private mesh have private addresses.
      peerInfoMapper: passthroughMapper,
      // Alone, a query must end rather than wait for company.
      allowQueryWithZeroPeers: true,
      initialQuerySelfInterval: SELF_QUERY_MS,
      kBucketSize: DHT_COPIES,
      alpha: DHT_PATHS,
      // Records of other keys are refused.
      validators: { [RECORDS]: (key, value) => this.#validate(key, value) },
      selectors: { [RECORDS]: (key, values) => this.#select(key, values) },
    })(parts)
    if (this.#stopped.signal.aborted) return dht
    const begun = dht as unknown as Startable
    await begun.start()
    await this.#introduce(begun.routingTable)
    return dht
  }

  /** libp2p tells a late service only of peers to come: those already here that take part are put in by hand, before the first thing is told to them. */
  async #introduce(table: Startable['routingTable']): Promise<void> {
    const { connectionManager, peerStore } = this.#components
    for (const { remotePeer } of connectionManager.getConnections()) {
      try {
        const { protocols } = await peerStore.get(remotePeer)
        if (protocols.includes(this.#init.protocol)) await table.add(remotePeer)
      } catch {
        // It has not introduced itself yet: libp2p tells of it when it has.
      }
    }
  }

  #pump(): void {
    this.#started().catch(this.#init.onError)
    for (const [key, tell] of this.#queue) {
      if (this.#busy >= CONCURRENT_TELLS) return
      this.#queue.delete(key)
      this.#busy++
      void this.#tellNow(tell).finally(() => {
        this.#busy--
        if (!this.#stopped.signal.aborted) this.#pump()
      })
    }
  }

  async #tellNow(tell: Tell): Promise<void> {
    const signal = AbortSignal.any([AbortSignal.timeout(TELL_TIMEOUT_MS), this.#stopped.signal])
    try {
      const dht = await this.#started()
      for await (const _ of await tell(dht, signal));
    } catch (error) {
      if (!this.#stopped.signal.aborted) this.#init.onError(error)
    }
  }
}

function pathOf(kind: string, key: string): string {
  return `/${RECORDS}/${kind}/${key}`
}

/** Throws for keys of any other form. */
function partsOf(path: Uint8Array): { kind: string; key: string } {
  const [, , kind = '', key = '', ...rest] = Buffer.from(path).toString().split('/')
  if (rest.length > 0) throw new OsirisError('invalid_argument', 'Cannot judge a record: its key is none of ours')
  return { kind, key }
}

/** The key's SHA-256 as a CID of raw bytes. */
async function cidOf(key: string): Promise<CID> {
  const [{ CID: Cid }, { create }] = await Promise.all([import('multiformats/cid'), import('multiformats/hashes/digest')])
  return Cid.createV1(0x55, create(0x12, Buffer.from(key, 'hex')))
}
