/** What lies between the nodes: who hears whom, how late, and what is lost. Directed: A may hear B while B is deaf to A. */
import type { Peer } from '#protocols/network'
import type { VirtualConnection } from './connection.ts'
import type { Dice } from './dice.ts'
import type { Owner, Scheduler } from './scheduler.ts'
import type { VirtualTransport } from './transport.ts'

export interface WireFaults {
  /** Milliseconds each way, uniform. A connection keeps its order, topics do not. */
  delayMs: readonly [min: number, max: number]
  /** Chance that a message of a topic is lost on a hop. */
  drop: number
  /** Chance that it comes twice. */
  duplicate: number
  /** Chance that a write breaks its connection, as TCP does when it gives up. */
  breaks: number
}

export const CALM: WireFaults = Object.freeze<WireFaults>({ delayMs: [0.2, 2], drop: 0, duplicate: 0, breaks: 0 })
/** How long a connection whose bytes do not arrive seems alive. */
const STALLED_MS = 2_000

export class Wire {
  faults: WireFaults = CALM
  readonly scheduler: Scheduler
  readonly dice: Dice
  /** Time that belongs to no node. */
  readonly owner: Owner = { name: 'wire', alive: true, waiting: 0 }
  readonly #transports = new Map<string, VirtualTransport>()
  readonly #connections = new Set<VirtualConnection>()
  readonly #providers = new Map<string, Set<Peer>>()
  #deaf = new Set<string>()

  constructor(scheduler: Scheduler, dice: Dice) {
    this.scheduler = scheduler
    this.dice = dice
  }

  /** The newest life of a node takes the address. */
  plug(transport: VirtualTransport): void {
    this.#transports.set(transport.address, transport)
  }

  at(address: string): VirtualTransport | undefined {
    return this.#transports.get(address)
  }

  /** Nothing sent by the first of each pair arrives at the second from now on. Replaces what was cut before. */
  cut(pairs: readonly (readonly [from: string, to: string])[]): void {
    this.#deaf = new Set(pairs.map(([from, to]) => `${from}>${to}`))
    for (const each of [...this.#connections]) each.resume()
  }

  hears(from: VirtualTransport, to: VirtualTransport): boolean {
    return !this.#deaf.has(`${from.name}>${to.name}`)
  }

  get stalledMs(): number {
    return STALLED_MS
  }

  delayMs(): number {
    return this.dice.between(...this.faults.delayMs)
  }

  later(delayMs: number, run: () => void): () => void {
    return this.scheduler.after(this.owner, delayMs, run)
  }

  join(connection: VirtualConnection): void {
    this.#connections.add(connection)
  }

  part(connection: VirtualConnection): void {
    this.#connections.delete(connection)
  }

  provide(key: string, peer: Peer): void {
    this.#providers.set(key, (this.#providers.get(key) ?? new Set()).add(peer))
  }

  providersOf(key: string): Peer[] {
    return [...(this.#providers.get(key) ?? [])]
  }

  /** A node's message on a topic: to all it is connected to, and from them to those it is not. */
  gossip(origin: VirtualTransport, topic: string, data: Uint8Array): void {
    const seen = new Set<VirtualTransport>([origin])
    this.#spread(origin, origin, seen, topic, data)
  }

  #spread(origin: VirtualTransport, from: VirtualTransport, seen: Set<VirtualTransport>, topic: string, data: Uint8Array): void {
    for (const to of from.neighbours()) {
      if (seen.has(to) || (from !== origin && origin.isConnectedTo(to.peer)) || !from.tells(topic, to.peer)) continue
      if (!this.hears(from, to) || this.dice.chance(this.faults.drop)) continue
      const copies = this.dice.chance(this.faults.duplicate) ? 2 : 1
      for (let copy = 0; copy < copies; copy++) this.later(this.delayMs(), () => this.#hop(origin, to, seen, topic, data))
    }
  }

  #hop(origin: VirtualTransport, to: VirtualTransport, seen: Set<VirtualTransport>, topic: string, data: Uint8Array): void {
    if (!to.running) return
    const known = seen.has(to)
    seen.add(to)
    if (to.hear(topic, origin.peer, data) && !known) this.#spread(origin, to, seen, topic, data)
  }
}
