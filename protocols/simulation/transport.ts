/** One life of a node on the wire. */
import { type Identity, swarmKeyOf, type Universe } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import {
  type DialOptions,
  type MayHear,
  type Peer,
  peerOf,
  type Pipe,
  RecordTable,
  type TopicHandler,
  type Transport,
  type TransportEvents,
} from '#protocols/network'
import { VirtualConnection } from './connection.ts'
import type { Owner } from './scheduler.ts'
import type { Wire } from './wire.ts'

/** A record of the DHT that came to a node. */
export interface HeardRecord {
  kind: string
  key: string
  value: Uint8Array
  /** Whether the node's own judge let it pass. */
  taken: boolean
}

/** Before the first repetition of a connection's first packet, doubled each time (RFC 6298). */
const SYN_AGAIN_MS = 1000

export class VirtualTransport implements Transport {
  readonly name: string
  readonly peer: Peer
  readonly address: string
  readonly records = new RecordTable()
  /** Hears of every record that comes. */
  onRecord: (record: HeardRecord) => void = () => {}
  /** Hears of every record that was found when it was asked for. */
  onFound: () => void = () => {}
  /** What it tells others who ask for a record. */
  tellOf: (kind: string, key: string) => Uint8Array | undefined = (kind, key) => this.records.best(kind, key)
  readonly #key: string
  readonly #wire: Wire
  readonly #owner: Owner
  readonly #connections = new Map<Peer, VirtualConnection>()
  readonly #topics = new Map<string, TopicHandler>()
  #events: TransportEvents | undefined
  #mayHear: MayHear = () => true
  #started = false

  constructor(init: { name: string; identity: Identity; universe: Universe; wire: Wire; owner: Owner }) {
    this.name = init.name
    this.peer = peerOf(init.identity.id)
    this.address = addressOf(init.name, init.identity)
    this.#key = keyOf(init.universe)
    this.#wire = init.wire
    this.#owner = init.owner
    init.wire.plug(this)
  }

  get running(): boolean {
    return this.#started && this.#owner.alive
  }

  bind(events: TransportEvents): void {
    this.#events = events
  }

  async start(): Promise<void> {
    this.#started = true
  }

  async stop(): Promise<void> {
    this.#started = false
    for (const connection of [...this.#connections.values()]) connection.break('the peer is gone', this)
  }

  /** The process is gone: its kernel says so to the others, or, with the power, nobody does. */
  die(silently: boolean): void {
    this.#started = false
    const connections = [...this.#connections.values()]
    const leave = () => connections.forEach((connection) => connection.break('the peer is gone', this))
    if (silently) this.#wire.later(this.#wire.stalledMs, leave)
    else leave()
  }

  addresses(): string[] {
    return this.running ? [this.address] : []
  }

  connections(): Peer[] {
    return [...this.#connections.keys()]
  }

  isConnectedTo(peer: Peer): boolean {
    return this.#connections.get(peer)?.alive === true
  }

  async dial(address: string, options: DialOptions): Promise<Peer> {
    const act = `Cannot dial ${address}`
    await this.#travel(address, act, options)
    const other = this.#wire.at(address)
    if (other === this) throw new OsirisError('unavailable', `${act}: it is this node itself`)
    if (!this.running) throw new OsirisError('unavailable', `${act}: this node is stopped`)
    if (other === undefined || !other.running) throw new OsirisError('unavailable', `${act}: the connection was refused`)
    if (other.#key !== this.#key) throw new OsirisError('unavailable', `${act}: the handshake failed (wrong universe key)`)
    if (!this.isConnectedTo(other.peer)) this.#connect(other)
    return other.peer
  }

  async connect(peer: Peer, addresses: readonly string[], options: DialOptions): Promise<void> {
    if (this.#connections.has(peer)) return
    const [address] = addresses
    if (address === undefined) throw new OsirisError('unavailable', `Cannot dial ${peer}: no address is known`)
    await this.dial(address, options)
  }

  async open(peer: Peer): Promise<Pipe> {
    const connection = this.#connections.get(peer)
    if (connection === undefined) throw new OsirisError('unavailable', `Cannot ask ${peer}: there is no connection`)
    return connection.open(this)
  }

  async publish(topic: string, data: Uint8Array): Promise<void> {
    if (this.running) this.#wire.gossip(this, topic, data)
  }

  guard(mayHear: MayHear): void {
    this.#mayHear = mayHear
  }

  /** Whether this node tells a peer what is published to a topic. */
  tells(topic: string, peer: Peer): boolean {
    return this.#mayHear(topic, peer)
  }

  subscribe(topic: string, handler: TopicHandler): () => void {
    this.#topics.set(topic, handler)
    return () => this.#topics.delete(topic)
  }

  provide(key: string): void {
    this.#wire.provide(key, this.peer)
  }

  async *providers(key: string): AsyncGenerator<Peer> {
    const near = new Set(this.neighbours().map((each) => each.peer))
    for (const peer of this.#wire.providersOf(key)) if (near.has(peer)) yield peer
  }

  putRecord(kind: string, key: string, value: Uint8Array): void {
    if (this.records.hear(kind, key, value)) this.spreadRecord(kind, key, value)
  }

  /** Tells its neighbours, whatever it is. */
  spreadRecord(kind: string, key: string, value: Uint8Array): void {
    for (const each of this.neighbours()) {
      if (this.#wire.hears(this, each) && !this.#wire.dice.chance(this.#wire.faults.drop))
        this.#wire.later(this.#wire.delayMs(), () => each.running && each.#hearRecord(kind, key, value))
    }
  }

  async getRecord(kind: string, key: string, { timeoutMs }: DialOptions): Promise<Uint8Array | undefined> {
    await new Promise<void>((resolve) => {
      const asked = this.neighbours().filter((each) => this.#wire.hears(this, each) && this.#wire.hears(each, this))
      let open = asked.length
      const after = (ms: number, run: () => void) => this.#wire.scheduler.after(this.#owner, ms, run)
      const answered = (value: Uint8Array | undefined) => {
        if (value !== undefined) this.#hearRecord(kind, key, value)
        if ((open -= 1) === 0) resolve()
      }
      // Some nodes never answer; one that knows nothing has nobody to wait for.
      after(open === 0 ? 0 : timeoutMs, resolve)
      for (const each of asked) after(this.#wire.delayMs() + this.#wire.delayMs(), () => each.running && answered(each.tellOf(kind, key)))
    })
    const found = this.records.best(kind, key)
    if (found !== undefined) this.onFound()
    return found
  }

  #hearRecord(kind: string, key: string, value: Uint8Array): void {
    this.onRecord({ kind, key, value, taken: this.records.hear(kind, key, value) })
  }

  /** Nodes at the other end of live connections. */
  neighbours(): VirtualTransport[] {
    return [...this.#connections.values()].filter((each) => each.alive).map((each) => each.other(this))
  }

  /** Whether it may be passed on. */
  hear(topic: string, from: Peer, data: Uint8Array): boolean {
    return this.#topics.get(topic)?.(from, data) !== false
  }

  accept(peer: Peer, pipe: Pipe): void {
    if (this.running) this.#events?.pipe(peer, pipe)
    else pipe.close('the peer is gone')
  }

  /** The connection has ended on this side. */
  lost(connection: VirtualConnection): void {
    const { peer } = connection.other(this)
    if (this.#connections.get(peer) !== connection) return
    this.#connections.delete(peer)
    if (this.running) this.#events?.disconnected(peer)
  }

  #connect(other: VirtualTransport): void {
    this.#connections.get(other.peer)?.break('a new connection takes its place', this)
    other.#connections.get(this.peer)?.break('a new connection takes its place', other)
    const connection = new VirtualConnection(this.#wire, this, other)
    this.#connections.set(other.peer, connection)
    other.#connections.set(this.peer, connection)
    this.#events?.connected(other.peer)
    other.#events?.connected(this.peer)
  }

  /** The handshake's way there and back; where one way is deaf it is tried again, as TCP does, until the timeout. */
  #travel(address: string, act: string, { timeoutMs, signal }: DialOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      const silence = () => reject(new OsirisError('unavailable', `${act}: no answer within ${timeoutMs} ms`))
      signal?.addEventListener('abort', () => reject(new OsirisError('unavailable', `${act}: the dial was cancelled`)), { once: true })
      const after = (ms: number, run: () => void) => this.#wire.scheduler.after(this.#owner, ms, run)
      after(timeoutMs, silence)
      const attempt = (spentMs: number, againMs: number) => {
        const travelMs = this.#wire.delayMs() + this.#wire.delayMs()
        if (spentMs + travelMs > timeoutMs) return
        after(travelMs, () => {
          if (this.#bothWays(address)) resolve()
          else after(againMs, () => attempt(spentMs + travelMs + againMs, 2 * againMs))
        })
      }
      attempt(0, SYN_AGAIN_MS)
    })
  }

  #bothWays(address: string): boolean {
    const other = this.#wire.at(address)
    return other === undefined || (this.#wire.hears(this, other) && this.#wire.hears(other, this))
  }
}

export function addressOf(name: string, identity: Identity): string {
  return `/virtual/${name}/p2p/${peerOf(identity.id)}`
}

const keys = new WeakMap<Universe, string>()
function keyOf(universe: Universe): string {
  let key = keys.get(universe)
  if (key === undefined) keys.set(universe, (key = Buffer.from(swarmKeyOf(universe)).toString('hex')))
  return key
}
