/** Everything about artifacts on a node that has the ledger, put together: what is needed, where it is fetched, served, kept, forgotten and verified. */
import { decodeAs, encode } from '#protocols/codec'
import type { Events } from '#protocols/events'
import type { Clock, Random } from '#protocols/lifecycle'
import type { Network, Peer } from '#protocols/network'
import { ArtifactCache } from './artifact-cache.ts'
import { ArtifactFetcher, type FetchOptions } from './artifact-fetcher.ts'
import { ArtifactIndex } from './artifact-index.ts'
import { ArtifactScrub } from './artifact-scrub.ts'
import { ArtifactServer } from './artifact-server.ts'
import type { ArtifactStore } from './artifacts.ts'
import type { Entry } from '../ledger/entry.ts'
import { holdsAnswerSchema, PROTOCOL } from '../messages.ts'
import { Pins } from './pins.ts'
import { Placement, type PlacementLimits } from './placement.ts'

const ASK_MS_MAX = 5000

export interface ArtifactLimits extends PlacementLimits {
  /** Of artifacts on disk read and verified a second: 1 GB in a quarter of an hour, at less than 1 % of a core. */
  scrubBytesPerSecond: number
}

export interface ArtifactRoomInit {
  store: ArtifactStore
  network: Network
  clock: Clock
  random: Random
  events: Events
  limits: ArtifactLimits
  others: () => readonly Peer[]
  isWhole: () => boolean
}

export class ArtifactRoom {
  readonly pins = new Pins()
  readonly index = new ArtifactIndex()
  readonly #init: ArtifactRoomInit
  readonly #fetcher: ArtifactFetcher
  readonly #server: ArtifactServer
  readonly #placement: Placement
  readonly #scrub: ArtifactScrub
  readonly #cache: ArtifactCache
  #endScrub = () => {}

  constructor(init: ArtifactRoomInit) {
    const { store, network, clock, limits } = init
    const chunksOf = (digest: string) => this.index.chunksOf(digest)
    const onDamage = (digest: string) => this.#damaged(digest)
    const onError = (error: unknown) => this.#tell('debug', error instanceof Error ? error.message : String(error))
    this.#init = init
    this.#cache = new ArtifactCache(init)
    this.#fetcher = new ArtifactFetcher({
      ...{ network, clock, store, chunksOf },
      onStored: (digest) => network.provide(digest),
      onLie: (digest, peer) =>
        this.#tell('warn', `Member ${network.members.get(peer)?.name ?? peer} sent other bytes for artifact ${digest.slice(0, 8)}`),
    })
    this.#server = new ArtifactServer({ store, chunksOf, onDamage })
    this.#placement = new Placement({
      ...init,
      ...{ index: this.index, pins: this.pins, fetcher: this.#fetcher, onError },
      ask: (peer, digests) => this.#ask(peer, digests),
    })
    this.#scrub = new ArtifactScrub({ store, clock, bytesPerSecond: limits.scrubBytesPerSecond, onDamage, onError })
  }

  start(): void {
    this.#placement.start()
    this.#endScrub = this.#scrub.start()
  }

  stop(): void {
    this.#endScrub()
    this.#fetcher.stop()
    this.#placement.stop()
  }

  get(digest: string, options: FetchOptions): Promise<Uint8Array> {
    this.#cache.used(digest)
    return this.#fetcher.get(digest, options)
  }

  /** Sees to it that it is on this disk. Throws as `get` does, and `storage_full`. */
  keep(digest: string, options: FetchOptions): Promise<void> {
    return this.#fetcher.keep(digest, options)
  }

  /** A piece of what is on this disk, verified, and how long the whole is. */
  piece(digest: string, from: number, length: number): Promise<{ bytes: Uint8Array; total: number } | undefined> {
    return this.#server.piece(digest, from, length)
  }

  /** Which of these are on this disk; those that are not and belong here are fetched. */
  async holds(digests: readonly string[]): Promise<string[]> {
    const here: string[] = []
    for (const digest of digests) {
      if (await this.#init.store.has(digest)) here.push(digest)
      else this.#placement.considerOne(digest)
    }
    return here
  }

  /** Fresh entries; returns at once. */
  consider(entries: readonly Entry[]): void {
    this.#placement.consider(entries)
  }

  async #ask(peer: Peer, digests: string[]): Promise<ReadonlySet<string>> {
    const head = encode({ type: 'holds', digests })
    const response = await this.#init.network.request(peer, PROTOCOL, { head }, { timeoutMs: ASK_MS_MAX })
    return new Set(decodeAs(holdsAnswerSchema, response.head, 'the answer to holds').here)
  }

  #damaged(digest: string): void {
    this.#tell('warn', `Artifact ${digest.slice(0, 8)} is damaged on disk: fetching it again from peers`)
    this.#placement.considerOne(digest)
  }

  #tell(level: 'debug' | 'warn', text: string): void {
    this.#init.events.emit('log', { level, room: 'catalog', text })
  }
}
