/**
 * What carries the mesh: connections whose far end is proven, byte pipes over them, and topics. Two exist: libp2p and memory.
 * Everything above (frames, deadlines, members) is shared, so that what is proved over memory holds over sockets.
 */
import type { Startable } from '#protocols/lifecycle'
import type { Peer, TopicHandler } from './network.ts'
import type { RecordTable } from './records.ts'

/** A reliable, ordered, two-way run of bytes. Its ends are reached through `attach`, once, before anything can arrive. */
export interface Pipe {
  attach(end: PipeEnd): void
  /** Hands bytes over; never throws. `false`: full, send no more before `drained`. The bytes must not change afterwards. */
  send(bytes: Uint8Array): boolean
  /** Ends both directions at once; the other side hears `closed`. Idempotent; `closed` is called on this side too. */
  close(reason: string): void
}

export interface PipeEnd {
  received(bytes: Uint8Array): void
  drained(): void
  /** Called exactly once. */
  closed(reason: string): void
}

export interface DialOptions {
  timeoutMs: number
  signal?: AbortSignal
}

/** Whether a peer may be told what is published to a topic. Asked for each message and peer: at once, and never throws. */
export type MayHear = (topic: string, peer: Peer) => boolean

/** What a transport tells the network above it. */
export interface TransportEvents {
  connected(peer: Peer): void
  disconnected(peer: Peer): void
  /** A peer opened a pipe to ask through. */
  pipe(peer: Peer, pipe: Pipe): void
  /** Where a member listens, by its own word; empty for anybody else. */
  addressesOf(peer: Peer): readonly string[]
}

export interface Transport extends Startable {
  readonly peer: Peer
  /** Set before `start()`. */
  bind(events: TransportEvents): void
  addresses(): string[]
  /** Throws `unavailable` with the reason. */
  dial(address: string, options: DialOptions): Promise<Peer>
  connections(): Peer[]
  /** A connection to this peer, the open one or a new one to any of `addresses`. Throws `unavailable`. */
  connect(peer: Peer, addresses: readonly string[], options: DialOptions): Promise<void>
  /** A new pipe over the open connection. Throws `unavailable`. */
  open(peer: Peer, options: DialOptions): Promise<Pipe>
  publish(topic: string, data: Uint8Array): Promise<void>
  /** From now on messages of a topic leave this node, its own and those it passes on, only to peers that this allows. */
  guard(mayHear: MayHear): void
  /** At most one handler per topic: the network shares it out. Returns the way to stop. */
  subscribe(topic: string, handler: TopicHandler): () => void
  provide(key: string): void
  providers(key: string, options: DialOptions): AsyncIterable<Peer>
  /** What this node knows of the DHT's records, and how it judges them. */
  readonly records: RecordTable
  putRecord(kind: string, key: string, value: Uint8Array): void
  getRecord(kind: string, key: string, options: DialOptions): Promise<Uint8Array | undefined>
}
