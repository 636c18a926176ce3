/** The routers of the mesh, as whoever has to act for them sees them: who owns a key, and whether this one may act. Remembered over restarts. */
import { z } from 'zod'
import { decodeAs, encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { Events } from '#protocols/events'
import { type Clock, every, type Startable } from '#protocols/lifecycle'
import type { Network, Peer } from '#protocols/network'
import { ENCODINGS, readValues, type Storage } from '#protocols/storage'
import { Fence, ownerOf } from './owner.ts'

const KEY = 'triggers/routers'
const ADDRESSES_MAX = 16
const keptSchema = z.array(z.tuple([z.string().max(256), z.array(z.string().max(512)).max(ADDRESSES_MAX)])).max(10_000)
/** While too few are here to act, how often the hosts of the others are asked; how many at once, and how long. */
const KNOCK_MS = 2000
const KNOCKED_MAX = 64
const KNOCK_TIMEOUT_MS = 1000

export interface RoutersInit {
  network: Pick<Network, 'peer' | 'members' | 'dial'>
  clock: Clock
  events: Events
  storage: Storage
}

export class Routers implements Startable {
  readonly self: Peer
  readonly #init: RoutersInit
  #fence: Fence | undefined
  /** Where those that were seen listened. */
  readonly #addresses = new Map<Peer, readonly string[]>()
  /** Routers that were here at the last look. */
  #seen: readonly Peer[] = []
  #stops: (() => void)[] = []

  constructor(init: RoutersInit) {
    this.#init = init
    this.self = init.network.peer
  }

  async start(): Promise<void> {
    if (this.#fence !== undefined) return
    const { network, clock, events, storage } = this.#init
    for (const [peer, addresses] of await knownIn(storage)) this.#addresses.set(peer, addresses)
    this.#fence = new Fence({ self: this.self, now: clock.monotonic(), known: this.#addresses.keys() })
    this.#stops = [
      network.members.onChange(() => this.#look()),
      events.on('member.left', ({ peer, reason }) => {
        if (reason === 'left') this.#fence?.left(peer)
      }),
      every(
        clock,
        KNOCK_MS,
        () => this.#knock(),
        () => {},
      ),
    ]
    this.#look()
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0)) stop()
    this.#fence = undefined
  }

  /** Other routers that are here. */
  others(): Peer[] {
    return this.#init.network.members.withRole('router').map((member) => member.peer)
  }

  /** Whether it is a router, and let in as one. */
  isRouter(peer: Peer): boolean {
    return this.#init.network.members.get(peer)?.roles.includes('router') === true
  }

  nameOf(peer: Peer): string | undefined {
    return this.#init.network.members.get(peer)?.name
  }

  ownerOf(key: string): Peer {
    return ownerOf(key, [this.self, ...this.others()]) ?? this.self
  }

  isOwner(key: string): boolean {
    return this.ownerOf(key) === this.self
  }

  /** Whether this router may act for what it owns: `owner.ts`. */
  mayAct(): boolean {
    return this.#fence?.mayAct(this.#init.clock.monotonic()) === true
  }

  /** Routers of which a majority has to agree, this one included. */
  known(): ReadonlySet<Peer> {
    return this.#fence?.known(this.#init.clock.monotonic()) ?? new Set([this.self])
  }

  #look(): void {
    const { network, clock, storage } = this.#init
    const now = clock.monotonic()
    const others = this.others()
    // It is here and no router any more: banned, or started anew without the role.
    for (const peer of this.#seen) if (!others.includes(peer) && network.members.get(peer) !== undefined) this.#fence?.left(peer)
    this.#seen = others
    this.#fence?.see(others, now)
    for (const { peer, addresses } of network.members.withRole('router')) this.#addresses.set(peer, addresses.slice(0, ADDRESSES_MAX))
    const known = this.#fence?.lately(now)
    for (const peer of this.#addresses.keys()) if (known?.has(peer) === false) this.#addresses.delete(peer)
    const kept = [...(known ?? [])].filter((peer) => peer !== this.self).map((peer) => [peer, this.#addresses.get(peer) ?? []])
    // What is lost with a disk that refuses is known again with the next beat.
    storage.batch([{ type: 'put', key: KEY, value: encode(kept) }], { ...ENCODINGS, sync: false }).catch(() => {})
  }

  /** Asks the hosts of those without whom this one may not act whether they are gone. */
  async #knock(): Promise<void> {
    const { clock } = this.#init
    const missing = this.#fence?.missing(clock.monotonic()) ?? []
    const asked = missing.slice(0, KNOCKED_MAX).map(async (peer) => {
      if (await this.#isGone(peer)) this.#fence?.refused(peer, clock.monotonic())
    })
    await Promise.all(asked)
  }

  /** Nothing listens at any of its addresses, by the word of each host. Silence says nothing. */
  async #isGone(peer: Peer): Promise<boolean> {
    const addresses = this.#addresses.get(peer) ?? []
    const refused = await Promise.all(addresses.map((address) => this.#isRefused(address)))
    return addresses.length > 0 && refused.every(Boolean)
  }

  async #isRefused(address: string): Promise<boolean> {
    try {
      await this.#init.network.dial(address, { timeoutMs: KNOCK_TIMEOUT_MS })
      return false
    } catch (error) {
      return error instanceof OsirisError && error.details?.['refused'] === true
    }
  }
}

async function knownIn(storage: Storage): Promise<z.infer<typeof keptSchema>> {
  const [value] = await readValues(storage, [KEY])
  if (value === undefined) return []
  try {
    return decodeAs(keptSchema, value, 'the routers known before')
  } catch {
    return []
  }
}
