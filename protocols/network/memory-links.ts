/** What lies between the nodes of a memory mesh: who is there, what delays, what is lost, who cannot hear whom. */
import { OsirisError } from '#protocols/errors'
import { type Clock, type Random, systemClock } from '#protocols/lifecycle'
import type { MemoryConnection } from './memory-connection.ts'
import type { MemoryTransport } from './memory-transport.ts'
import type { Peer } from './network.ts'

export interface Faults {
  /** Milliseconds each way, uniform between the two; a connection keeps its order, topics do not. */
  delayMs: readonly [min: number, max: number]
  /** Chance that a topic's message is lost, per receiver; chance that a write breaks its connection, as TCP does when it gives up. */
  drop: number
  /** Chance that a topic's message comes twice, per receiver. A connection never repeats bytes. */
  duplicate: number
}

/** How long a connection across a partition seems alive before both ends give it up. */
const SEVERED_MS = 2_000

export class MemoryLinks {
  faults: Faults = { delayMs: [0, 0], drop: 0, duplicate: 0 }
  readonly clock: Clock
  readonly #random: Random
  readonly #transports = new Map<Peer, MemoryTransport>()
  readonly #connections = new Set<MemoryConnection>()
  readonly #providers = new Map<string, Set<Peer>>()
  #groups: readonly ReadonlySet<Peer>[] = []

  constructor(init: { clock: Clock; random: Random }) {
    this.clock = init.clock
    this.#random = init.random
  }

  add(transport: MemoryTransport): void {
    this.#transports.set(transport.peer, transport)
  }

  everybody(): MemoryTransport[] {
    return [...this.#transports.values()]
  }

  /** By peer, name or address; the latest of that name. */
  find(what: string): MemoryTransport {
    const found = this.everybody().findLast((each) => each.peer === what || each.name === what || each.address === what)
    if (found === undefined) throw new OsirisError('not_found', `Cannot find "${what}": the mesh has no such node`)
    return found
  }

  partition(groups: readonly (readonly Peer[])[]): void {
    this.#groups = groups.map((group) => new Set(group))
    for (const connection of this.#connections) if (this.separated(...connection.peers)) this.#sever(connection)
  }

  heal(): void {
    this.#groups = []
    for (const connection of [...this.#connections]) if (connection.severed) connection.break('the network was cut')
  }

  kill(peer: Peer): void {
    this.find(peer).kill()
  }

  /** Whoever stands in no group hears everybody. */
  separated(a: Peer, b: Peer): boolean {
    const groupOf = (peer: Peer) => this.#groups.findIndex((group) => group.has(peer))
    const [left, right] = [groupOf(a), groupOf(b)]
    return left !== right && left !== -1 && right !== -1
  }

  join(connection: MemoryConnection): void {
    this.#connections.add(connection)
  }

  part(connection: MemoryConnection): void {
    this.#connections.delete(connection)
  }

  delayMs(): number {
    const [min, max] = this.faults.delayMs
    return max === 0 ? 0 : min + this.#random() * (max - min)
  }

  happens(chance: number): boolean {
    return chance > 0 && this.#random() < chance
  }

  /** Runs after the delay; with none, at the next turn of the loop: the real one's, or the virtual clock's. */
  later(delayMs: number, run: () => void): void {
    if (delayMs <= 0 && this.clock === systemClock) setImmediate(run)
    else this.clock.after(Math.max(0, delayMs), run)
  }

  /** Everybody a topic's message from here comes to, over whatever path of live connections. */
  reachable(from: MemoryTransport): MemoryTransport[] {
    const reached = new Set([from])
    for (const each of reached) for (const next of each.neighbours()) reached.add(next)
    reached.delete(from)
    return [...reached]
  }

  provide(key: string, peer: Peer): void {
    const peers = this.#providers.get(key) ?? new Set()
    this.#providers.set(key, peers.add(peer))
  }

  providersOf(key: string): readonly Peer[] {
    return [...(this.#providers.get(key) ?? [])]
  }

  #sever(connection: MemoryConnection): void {
    connection.severed = true
    this.clock.after(SEVERED_MS, () => connection.break('the network was cut'))
  }
}
