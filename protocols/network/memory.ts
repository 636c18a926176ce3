/** A mesh inside one process, with faults: for tests and the simulator. Same frames, same members; only the transport is made up. */
import { createIdentity, type Universe, universeId } from '#protocols/access'
import { createEvents, type Events } from '#protocols/events'
import { type Clock, type Random, systemClock } from '#protocols/lifecycle'
import { type Faults, MemoryLinks } from './memory-links.ts'
import { MemoryTransport } from './memory-transport.ts'
import { type BeatInit, MeshNetwork } from './mesh-network.ts'
import type { KnownPeers } from './neighbours.ts'
import type { Network, Peer } from './network.ts'

export interface MemoryMeshInit {
  /** Default: the system's clock. */
  clock?: Clock
  /** Default: a fixed sequence, the same in every run. */
  random?: Random
  /** Faults from the beginning. */
  faults?: Partial<Faults>
}

export interface MemoryNetworkInit {
  /** The node's name, unique in the mesh. */
  name: string
  /** Default: none, a client. */
  roles?: BeatInit['roles']
  /** Default 10. */
  capacity?: number
  http?: string
  labels?: Record<string, string>
  region?: string
  /** Default: from the mesh's random. */
  seed?: Uint8Array
  /** Default: the mesh's own. */
  universe?: Universe
  /** Addresses to begin with; default: everybody made before in the same universe. */
  bootstrap?: string[]
  storage?: KnownPeers
  events?: Events
}

export class MemoryMesh {
  readonly universe: Universe
  readonly #clock: Clock
  readonly #random: Random
  readonly #links: MemoryLinks
  readonly #networks = new Map<Peer, MeshNetwork>()

  constructor(init: MemoryMeshInit = {}) {
    this.#clock = init.clock ?? systemClock
    this.#random = init.random ?? sequence(1)
    this.#links = new MemoryLinks({ clock: this.#clock, random: this.#random })
    this.#links.faults = { ...this.#links.faults, ...init.faults }
    this.universe = { name: 'memory', root: createIdentity(this.#bytes()).id, secret: Buffer.from(this.#bytes()).toString('hex') }
  }

  /** A node of this mesh, not started. A node that was stopped or killed is made again with its `seed`. */
  network(init: MemoryNetworkInit): Network {
    const universe = init.universe ?? this.universe
    const identity = createIdentity(init.seed ?? this.#bytes())
    const transport = new MemoryTransport({ name: init.name, identity, universe, links: this.#links })
    const bootstrap =
      init.bootstrap ??
      this.#links
        .everybody()
        .filter((each) => each.isOf(universe))
        .map((each) => each.address)
    const network = new MeshNetwork({
      transport,
      identity,
      universe: universeId(universe),
      beat: {
        name: init.name,
        roles: init.roles ?? [],
        capacity: init.capacity ?? 10,
        ...(init.http === undefined ? {} : { http: init.http }),
        ...(init.labels === undefined ? {} : { labels: init.labels }),
        ...(init.region === undefined ? {} : { region: init.region }),
      },
      bootstrap,
      ...(init.storage === undefined ? {} : { storage: init.storage }),
      clock: this.#clock,
      random: this.#random,
      events: init.events ?? createEvents(),
      defer: queueMicrotask,
    })
    this.#links.add(transport)
    this.#networks.set(transport.peer, network)
    return network
  }

  /** Changes what goes wrong from now on. */
  inject(faults: Partial<Faults>): void {
    this.#links.faults = { ...this.#links.faults, ...faults }
  }

  /** Nothing passes between the groups until `heal()`; members are named by network, peer or name. */
  partition(...groups: readonly (readonly (Network | string)[])[]): void {
    this.#links.partition(groups.map((group) => group.map((each) => this.#peerOf(each))))
  }

  heal(): void {
    this.#links.heal()
  }

  /** Ends a node as `kill -9` does: no goodbye, its connections break, nothing of it runs on. */
  async kill(node: Network | string): Promise<void> {
    const peer = this.#peerOf(node)
    this.#links.kill(peer)
    await this.#networks.get(peer)?.stop()
    this.#networks.delete(peer)
  }

  /** Stops every node. */
  async stop(): Promise<void> {
    await Promise.all([...this.#networks.values()].map((network) => network.stop()))
  }

  #peerOf(node: Network | string): Peer {
    return typeof node === 'string' ? this.#links.find(node).peer : node.peer
  }

  #bytes(): Uint8Array {
    return Uint8Array.from({ length: 32 }, () => Math.floor(this.#random() * 256))
  }
}

/** A seeded sequence in [0, 1): mulberry32 (public domain, Tommy Ettinger). */
export function sequence(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
