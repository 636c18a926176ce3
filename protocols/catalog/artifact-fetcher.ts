/** Gets artifacts from other members: verified, one transfer per digest however many wait for it, kept in the store where there is one. */
import { decodeAs, digestOf, encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { Caller } from '#protocols/invocation'
import type { Clock } from '#protocols/lifecycle'
import { collect } from '#protocols/body'
import type { Network, Peer } from '#protocols/network'
import type { ArtifactStore } from './artifacts.ts'
import { firstOf } from './hedge.ts'
import { ARTIFACT_BYTES_MAX, emptySchema, notHere, PROTOCOL } from './messages.ts'
import { rendezvous } from './rendezvous.ts'

/** One transfer of the largest artifact over a thin line (5 Mbit/s). */
const TRANSFER_MS_MAX = 30_000
const HEDGE_MS = 1000
const IN_FLIGHT_MAX = 2
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
}

interface Transfer {
  bytes: Promise<Uint8Array>
  controller: AbortController
  waiting: number
}

export class ArtifactFetcher {
  readonly #network: Network
  readonly #clock: Clock
  readonly #store: ArtifactStore | undefined
  readonly #caller: Caller | undefined
  readonly #onStored: (digest: string) => void
  readonly #transfers = new Map<string, Transfer>()

  constructor(init: ArtifactFetcherInit) {
    this.#network = init.network
    this.#clock = init.clock
    this.#store = init.store
    this.#caller = init.caller
    this.#onStored = init.onStored ?? (() => {})
  }

  /** From the store, else from whoever has it. Throws `not_found`, `unavailable`, `deadline_exceeded`. */
  async get(digest: string, options: FetchOptions): Promise<Uint8Array> {
    return (await this.#store?.get(digest)) ?? (await this.#await(digest, options))
  }

  /** Ends all transfers. */
  stop(): void {
    for (const transfer of this.#transfers.values()) transfer.controller.abort()
  }

  async #await(digest: string, options: FetchOptions): Promise<Uint8Array> {
    const transfer = this.#transferOf(digest, options.first)
    transfer.waiting += 1
    let cancel = () => {}
    const given = new Promise<never>((_, reject) => {
      const act = `Cannot fetch artifact ${digest.slice(0, 8)}`
      const late = () => reject(new OsirisError('deadline_exceeded', `${act}: it did not arrive within ${options.timeoutMs} ms`))
      const gone = () => reject(new OsirisError('unavailable', `${act}: the caller is gone`))
      const cancelTimer = this.#clock.after(options.timeoutMs, late)
      options.signal?.addEventListener('abort', gone, { once: true })
      if (options.signal?.aborted === true) gone()
      cancel = () => {
        cancelTimer()
        options.signal?.removeEventListener('abort', gone)
      }
    })
    try {
      return await Promise.race([transfer.bytes, given])
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
    const bytes = this.#transfer(digest, first, controller.signal).finally(() => {
      if (this.#transfers.get(digest) === transfer) this.#transfers.delete(digest)
    })
    bytes.catch(() => {})
    const transfer: Transfer = { bytes, controller, waiting: 0 }
    this.#transfers.set(digest, transfer)
    return transfer
  }

  async #transfer(digest: string, first: Peer | undefined, signal: AbortSignal): Promise<Uint8Array> {
    const bytes = await firstOf(this.#holders(digest, first, signal), (peer, ended) => this.#ask(peer, digest, ended), {
      clock: this.#clock,
      hedgeMs: HEDGE_MS,
      inFlightMax: IN_FLIGHT_MAX,
      signal,
      goesOn: () => !signal.aborted,
      none: () => notHere(digest),
    })
    // A full disk costs the next fetch, not this one.
    await this.#store?.put(digest, bytes).then(
      () => this.#onStored(digest),
      () => {},
    )
    return bytes
  }

  /** Likely holders first, then the other members with the catalog role, then whoever told the DHT. */
  async *#holders(digest: string, first: Peer | undefined, signal: AbortSignal): AsyncGenerator<Peer> {
    const members = this.#network.members.withRole('catalog').map((member) => member.peer)
    const asked = new Set([this.#network.peer, ...members])
    const isKnown = first !== undefined && members.includes(first)
    if (isKnown) yield first
    yield* rendezvous(digest, members).filter((peer) => !isKnown || peer !== first)
    for await (const peer of this.#network.providers(digest, { timeoutMs: PROVIDERS_MS_MAX, signal })) {
      if (asked.has(peer)) continue
      asked.add(peer)
      yield peer
    }
  }

  async #ask(peer: Peer, digest: string, signal: AbortSignal): Promise<Uint8Array> {
    const head = encode({ type: 'artifact', digest, ...(this.#caller === undefined ? {} : { caller: this.#caller }) })
    const response = await this.#network.request(peer, PROTOCOL, { head }, { timeoutMs: TRANSFER_MS_MAX, signal })
    decodeAs(emptySchema, response.head, 'the answer to artifact')
    const bytes = await collect(response.body, ARTIFACT_BYTES_MAX, `artifact ${digest.slice(0, 8)}`)
    if (digestOf(bytes) === digest) return bytes
    throw new OsirisError('unavailable', `Cannot use artifact ${digest.slice(0, 8)} from ${peer}: its digest does not match`)
  }
}
