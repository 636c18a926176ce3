/** The routers of the mesh, as whoever has to act for them sees them: who owns a key, and whether this one may act. Remembered over restarts. */
import { z } from 'zod'
import { decodeAs, encode } from '#protocols/codec'
import type { Events } from '#protocols/events'
import type { Clock } from '#protocols/lifecycle'
import type { Members, Peer } from '#protocols/network'
import { ENCODINGS, readValues, type Storage } from '#protocols/storage'
import { Fence, ownerOf } from './owner.ts'

const KEY = 'triggers/routers'
const keptSchema = z.array(z.string().max(256)).max(10_000)

export interface RoutersInit {
  self: Peer
  members: Members
  clock: Clock
  events: Events
  storage: Storage
}

export class Routers {
  readonly self: Peer
  readonly #init: RoutersInit
  #fence: Fence | undefined
  readonly #stops: (() => void)[] = []

  constructor(init: RoutersInit) {
    this.#init = init
    this.self = init.self
  }

  async start(): Promise<void> {
    if (this.#fence !== undefined) return
    const { members, clock, events, storage } = this.#init
    const known = await knownIn(storage)
    this.#fence = new Fence({ self: this.self, now: clock.monotonic(), known })
    this.#stops.push(
      members.onChange(() => this.#look()),
      events.on('member.left', ({ peer, reason }) => {
        if (reason === 'left') this.#fence?.left(peer)
      }),
    )
    this.#look()
  }

  stop(): void {
    for (const stop of this.#stops.splice(0)) stop()
    this.#fence = undefined
  }

  /** Other routers that are here. */
  others(): Peer[] {
    return this.#init.members.withRole('router').map((member) => member.peer)
  }

  /** Whether it is a router, and let in as one. */
  isRouter(peer: Peer): boolean {
    return this.#init.members.get(peer)?.roles.includes('router') === true
  }

  nameOf(peer: Peer): string | undefined {
    return this.#init.members.get(peer)?.name
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
    const { clock, storage } = this.#init
    this.#fence?.see(this.others(), clock.monotonic())
    const known = [...this.known()].filter((peer) => peer !== this.self)
    // What is lost with a disk that refuses is known again with the next beat.
    storage.batch([{ type: 'put', key: KEY, value: encode(known) }], { ...ENCODINGS, sync: false }).catch(() => {})
  }
}

async function knownIn(storage: Storage): Promise<Peer[]> {
  const [value] = await readValues(storage, [KEY])
  if (value === undefined) return []
  try {
    return decodeAs(keptSchema, value, 'the routers known before')
  } catch {
    return []
  }
}
