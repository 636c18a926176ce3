/** Who holds what, by kad-dht: loaded and started after the node serves, because 60 nodes that start it at boot take 14 s to settle. */
import type { KadDHT, KadDHTComponents } from '@libp2p/kad-dht'
import type { CID } from 'multiformats/cid'
import type { Clock } from '#protocols/lifecycle'
import type { Peer } from './network.ts'
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

const PROVIDE_TIMEOUT_MS = 10_000
/** Announcements that wait; the oldest goes first, holders announce again. */
const QUEUE_MAX = 4_096
const CONCURRENT_PROVIDES = 4

export class Dht {
  readonly #components: KadDHTComponents
  readonly #init: DhtInit
  readonly #stopped = new AbortController()
  readonly #queue = new Set<string>()
  #busy = 0
  #dht: Promise<KadDHT> | undefined
  #cancelStart = (): void => {}

  constructor(components: KadDHTComponents, init: DhtInit) {
    this.#components = components
    this.#init = init
  }

  /** Called by libp2p, with the other services. */
  start(): void {
    if (this.#init.enabled) this.#cancelStart = this.#init.clock.after(this.#init.startAfterMs, () => this.#pump())
  }

  async stop(): Promise<void> {
    this.#cancelStart()
    this.#stopped.abort()
    const dht = await this.#dht?.catch(() => undefined)
    await (dht as { stop?: () => Promise<void> } | undefined)?.stop?.()
  }

  provide(key: string): void {
    if (this.#queue.size >= QUEUE_MAX) this.#queue.delete(this.#queue.values().next().value as string)
    this.#queue.add(key)
    if (this.#dht !== undefined) this.#pump()
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

  #started(): Promise<KadDHT> {
    return (this.#dht ??= this.#begin())
  }

  async #begin(): Promise<KadDHT> {
    const { kadDHT, passthroughMapper } = await import('@libp2p/kad-dht')
    const dht = kadDHT({
      protocol: this.#init.protocol,
      clientMode: this.#init.client,
      // Members of a private mesh have private addresses.
      peerInfoMapper: passthroughMapper,
      // Alone, a query must end rather than wait for company.
      allowQueryWithZeroPeers: true,
      // Only provider records are used: whatever else is put is refused.
      validators: {},
      selectors: {},
    })(this.#components)
    if (this.#stopped.signal.aborted) return dht
    await (dht as unknown as { start(): Promise<void> }).start()
    this.#introduce()
    return dht
  }

  /** libp2p tells a late service only of peers to come: those already here are told of by hand. */
  #introduce(): void {
    const { registrar, connectionManager } = this.#components
    for (const connection of connectionManager.getConnections()) {
      for (const topology of registrar.getTopologies(this.#init.protocol)) {
        Promise.resolve(topology.onConnect?.(connection.remotePeer, connection)).catch(this.#init.onError)
      }
    }
  }

  #pump(): void {
    this.#started().catch(this.#init.onError)
    for (const key of this.#queue) {
      if (this.#busy >= CONCURRENT_PROVIDES) return
      this.#queue.delete(key)
      this.#busy++
      void this.#provideNow(key).finally(() => {
        this.#busy--
        if (!this.#stopped.signal.aborted) this.#pump()
      })
    }
  }

  async #provideNow(key: string): Promise<void> {
    const signal = AbortSignal.any([AbortSignal.timeout(PROVIDE_TIMEOUT_MS), this.#stopped.signal])
    try {
      const dht = await this.#started()
      for await (const _ of dht.provide(await cidOf(key), { signal }));
    } catch (error) {
      if (!this.#stopped.signal.aborted) this.#init.onError(error)
    }
  }
}

/** The key's SHA-256 as a CID of raw bytes. */
async function cidOf(key: string): Promise<CID> {
  const [{ CID: Cid }, { create }] = await Promise.all([import('multiformats/cid'), import('multiformats/hashes/digest')])
  return Cid.createV1(0x55, create(0x12, Buffer.from(key, 'hex')))
}
