/** Gets artifacts from other members: verified, one transfer per digest however many wait for it, kept in the store where there is one. */
import type { ArtifactName } from '#protocols/artifact'
import { OsirisError } from '#protocols/errors'
import type { Caller } from '#protocols/invocation'
import type { Clock } from '#protocols/lifecycle'
import type { Network, Peer } from '#protocols/network'
import { ArtifactTransfer } from './artifact-transfer.ts'
import { type ArtifactStore, type IncomingArtifact, MemoryArtifacts, receiveLate } from './artifacts.ts'
import { Pace } from './pace.ts'
import { rendezvous } from '../rendezvous.ts'

/** The DHT is a hint and comes last. */
const PROVIDERS_MS_MAX = 2000

export interface FetchOptions {
  timeoutMs: number
  /** Asked before anybody else: whoever is sure to have it. */
  first?: Peer
  signal?: AbortSignal
}

export interface ArtifactFetcherInit {
  network: Network
  clock: Clock
  store?: ArtifactStore | undefined
  /** For those who are no member with a role. */
  caller?: Caller | undefined
  /** Hears of each artifact that came from elsewhere and is in the store now. */
  onStored?: (digest: string) => void
  /** Its chunks, where an entry or a record names them. */
  chunksOf?: (digest: string) => ArtifactName['chunks']
  /** Hears of members that sent bytes of another digest. */
  onLie?: (digest: string, peer: Peer) => void
}

interface Transfer {
  /** Where it is now: the store or, when that takes nothing, memory. */
  kept: Promise<ArtifactStore>
  controller: AbortController
  waiting: number
}

export class ArtifactFetcher {
  readonly #init: ArtifactFetcherInit
  readonly #pace: Pace
  readonly #transfers = new Map<string, Transfer>()

  constructor(init: ArtifactFetcherInit) {
    this.#init = init
    this.#pace = new Pace(init)
  }

  /** From the store, else from whoever has it. Throws `not_found`, `unavailable`, `deadline_exceeded`. */
  async get(digest: string, options: FetchOptions): Promise<Uint8Array> {
    const here = await this.#init.store?.get(digest)
    if (here !== undefined) return here
    const bytes = await (await this.#await(digest, options)).get(digest)
    if (bytes !== undefined) return bytes
    throw new OsirisError('unavailable', `Cannot fetch artifact ${digest.slice(0, 8)}: it was damaged or dropped as soon as it was here`)
  }

  /** Sees to it that the store has it; at most one chunk of it is in memory. Throws as `get` does, and `storage_full`. */
  async keep(digest: string, options: FetchOptions): Promise<void> {
    const { store } = this.#init
    if (store === undefined || (await store.has(digest))) return
    if ((await this.#await(digest, options)) === store) return
    throw new OsirisError('storage_full', `Cannot keep artifact ${digest.slice(0, 8)}: the store of this node takes nothing`)
  }

  /** Ends all transfers. */
  stop(): void {
    for (const transfer of this.#transfers.values()) transfer.controller.abort()
  }

  async #await(digest: string, options: FetchOptions): Promise<ArtifactStore> {
    const transfer = this.#transferOf(digest, options.first)
    transfer.waiting += 1
    let cancel = () => {}
    const given = new Promise<never>((_, reject) => {
      const act = `Cannot fetch artifact ${digest.slice(0, 8)}`
      const late = () => reject(new OsirisError('deadline_exceeded', `${act}: it did not arrive within ${options.timeoutMs} ms`))
      const gone = () => reject(new OsirisError('unavailable', `${act}: the caller is gone`))
      const cancelTimer = this.#init.clock.after(options.timeoutMs, late)
      options.signal?.addEventListener('abort', gone, { once: true })
      if (options.signal?.aborted === true) gone()
      cancel = () => {
        cancelTimer()
        options.signal?.removeEventListener('abort', gone)
      }
    })
    try {
      return await Promise.race([transfer.kept, given])
    } finally {
      cancel()
      transfer.waiting -= 1
      if (transfer.waiting === 0) transfer.controller.abort()
    }
  }

  #transferOf(digest: string, first: Peer | undefined): Transfer {
    const known = this.#transfers.get(digest)
    if (known !== undefined && !known.controller.signal.aborted) return known
    const controller = new AbortController()
    const kept = this.#transfer(digest, first, controller.signal).finally(() => {
      if (this.#transfers.get(digest) === transfer) this.#transfers.delete(digest)
    })
    kept.catch(() => {})
    const transfer: Transfer = { kept, controller, waiting: 0 }
    this.#transfers.set(digest, transfer)
    return transfer
  }

  /** A list of chunks is only what a publisher said: when it leads nowhere, the digest of the whole decides. */
  async #transfer(digest: string, first: Peer | undefined, signal: AbortSignal): Promise<ArtifactStore> {
    const chunks = this.#init.chunksOf?.(digest)
    const transfer = this.#transferBy({ digest, chunks }, first, signal)
    try {
      return await this.#store(transfer, digest)
    } catch (error) {
      if (chunks === undefined || !transfer.lied || signal.aborted) throw error
      return this.#store(this.#transferBy({ digest }, first, signal), digest)
    }
  }

  /** A full disk costs the next fetch, not this one. */
  async #store(transfer: ArtifactTransfer, digest: string): Promise<ArtifactStore> {
    const { store, clock, onStored } = this.#init
    if (store !== undefined) {
      try {
        await takeIn(
          transfer,
          receiveLate(() => placeIn(store, digest)),
        )
        onStored?.(digest)
        return store
      } catch (error) {
        if (!(error instanceof OsirisError && error.code === 'storage_full')) throw error
      }
    }
    const scratch = new MemoryArtifacts({ clock })
    await takeIn(transfer, await scratch.receive(digest))
    return scratch
  }

  #transferBy(name: Pick<ArtifactName, 'digest' | 'chunks'>, first: Peer | undefined, signal: AbortSignal): ArtifactTransfer {
    const { network, clock, caller, onLie } = this.#init
    return new ArtifactTransfer({
      ...{ name, network, clock, caller, signal, pace: this.#pace },
      holders: this.#holders(name.digest, first, signal),
      onLie: (peer) => onLie?.(name.digest, peer),
    })
  }

  /** Likely holders first, then the other members with the catalog role, then whoever told the DHT. */
  async *#holders(digest: string, first: Peer | undefined, signal: AbortSignal): AsyncGenerator<Peer> {
    const members = this.#init.network.members.withRole('catalog').map((member) => member.peer)
    const asked = new Set([this.#init.network.peer, ...members])
    const isKnown = first !== undefined && members.includes(first)
    if (isKnown) yield first
    yield* rendezvous(digest, members).filter((peer) => !isKnown || peer !== first)
    for await (const peer of this.#init.network.providers(digest, { timeoutMs: PROVIDERS_MS_MAX, signal })) {
      if (asked.has(peer)) continue
      asked.add(peer)
      yield peer
    }
  }
}

/** A store that has no place for whatever reason is as good as full. Throws `storage_full`. */
async function placeIn(store: ArtifactStore, digest: string): Promise<IncomingArtifact> {
  try {
    return await store.receive(digest)
  } catch (cause) {
    throw new OsirisError('storage_full', `Cannot keep artifact ${digest.slice(0, 8)}: the store of this node takes nothing`, { cause })
  }
}

async function takeIn(transfer: ArtifactTransfer, incoming: IncomingArtifact): Promise<void> {
  try {
    await transfer.run(incoming)
    await incoming.commit()
  } finally {
    await incoming.discard()
  }
}
