/** One node's place in a memory mesh. */
import { type Identity, swarmKeyOf, type Universe } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import { MemoryConnection, type MemoryPipe } from './memory-connection.ts'
import type { MemoryLinks } from './memory-links.ts'
import type { Peer, TopicHandler } from './network.ts'
import { peerOf } from './peer.ts'
import { RecordTable } from './records.ts'
import type { DialOptions, MayHear, Pipe, Transport, TransportEvents } from './transport.ts'

export class MemoryTransport implements Transport {
  readonly name: string
  readonly peer: Peer
  readonly address: string
  readonly records = new RecordTable()
  readonly #key: string
  readonly #links: MemoryLinks
  readonly #connections = new Map<Peer, MemoryConnection>()
  readonly #topics = new Map<string, TopicHandler>()
  #mayHear: MayHear = () => true
  #events: TransportEvents | undefined
  #running = false

  constructor(init: { name: string; identity: Identity; universe: Universe; links: MemoryLinks }) {
    this.name = init.name
    this.peer = peerOf(init.identity.id)
    this.address = `/memory/${init.name}/p2p/${this.peer}`
    this.#key = keyOf(init.universe)
    this.#links = init.links
  }

  isOf(universe: Universe): boolean {
    return this.#key === keyOf(universe)
  }

  bind(events: TransportEvents): void {
    this.#events = events
  }

  async start(): Promise<void> {
    this.#running = true
  }

  async stop(): Promise<void> {
    this.kill()
  }

  /** Deaf and mute from now on; the others find out. */
  kill(): void {
    this.#running = false
    for (const connection of [...this.#connections.values()]) connection.break('the peer is gone', this)
  }

  addresses(): string[] {
    return this.#running ? [this.address] : []
  }

  connections(): Peer[] {
    return [...this.#connections.keys()]
  }

  async dial(address: string, options: DialOptions): Promise<Peer> {
    const act = `Cannot dial ${address}`
    const other = this.#links.everybody().findLast((each) => each.address === address)
    if (other === this) throw new OsirisError('unavailable', `${act}: it is this node itself`)
    await this.#travel(other, act, options)
    if (!this.#running) throw new OsirisError('unavailable', `${act}: this node is stopped`)
    if (other === undefined || !other.#running)
      throw new OsirisError('unavailable', `${act}: the connection was refused`, { details: { refused: true } })
    if (other.#key !== this.#key) {
      throw new OsirisError('unavailable', `${act}: the handshake failed (wrong universe key: the peer belongs to another universe)`)
    }
    if (this.#connections.get(other.peer)?.alive !== true) this.#connect(other)
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
    if (!this.#running) return
    const { faults } = this.#links
    for (const each of this.#links.reachable(this)) {
      if (this.#links.happens(faults.drop) || !this.#mayHear(topic, each.peer)) continue
      const copies = this.#links.happens(faults.duplicate) ? 2 : 1
      for (let copy = 0; copy < copies; copy++) this.#links.later(this.#links.delayMs(), () => each.#hear(topic, this.peer, data))
    }
  }

  guard(mayHear: MayHear): void {
    this.#mayHear = mayHear
  }

  subscribe(topic: string, handler: TopicHandler): () => void {
    this.#topics.set(topic, handler)
    return () => this.#topics.delete(topic)
  }

  provide(key: string): void {
    this.#links.provide(key, this.peer)
  }

  async *providers(key: string): AsyncGenerator<Peer> {
    const reachable = new Set(this.#links.reachable(this).map((each) => each.peer))
    for (const peer of this.#links.providersOf(key)) if (reachable.has(peer)) yield peer
  }

  putRecord(kind: string, key: string, value: Uint8Array): void {
    if (!this.records.hear(kind, key, value)) return
    for (const each of this.#links.reachable(this)) {
      if (!this.#links.happens(this.#links.faults.drop)) this.#links.later(this.#links.delayMs(), () => each.#take(kind, key, value))
    }
  }

  async getRecord(kind: string, key: string): Promise<Uint8Array | undefined> {
    for (const each of this.#links.reachable(this)) {
      const value = each.records.best(kind, key)
      if (value !== undefined) this.records.hear(kind, key, value)
    }
    return this.records.best(kind, key)
  }

  /** Nodes at the other end of live connections. */
  neighbours(): MemoryTransport[] {
    return [...this.#connections.values()].filter((each) => each.alive).map((each) => each.other(this))
  }

  accept(peer: Peer, pipe: MemoryPipe): void {
    if (this.#running) this.#events?.pipe(peer, pipe)
    else pipe.close('the peer is gone')
  }

  /** The connection has ended on this side. */
  lost(connection: MemoryConnection): void {
    const { peer } = connection.other(this)
    if (this.#connections.get(peer) !== connection) return
    this.#connections.delete(peer)
    this.#events?.disconnected(peer)
  }

  #connect(other: MemoryTransport): void {
    this.#connections.get(other.peer)?.break('a new connection takes its place', this)
    other.#connections.get(this.peer)?.break('a new connection takes its place', other)
    const connection = new MemoryConnection(this.#links, this, other)
    this.#connections.set(other.peer, connection)
    other.#connections.set(this.peer, connection)
    this.#events?.connected(other.peer)
    other.#events?.connected(this.peer)
  }

  #hear(topic: string, from: Peer, data: Uint8Array): void {
    if (this.#running) this.#topics.get(topic)?.(from, data)
  }

  #take(kind: string, key: string, value: Uint8Array): void {
    if (this.#running) this.records.hear(kind, key, value)
  }

  /** The handshake's way there; across a partition nothing comes back before the timeout. */
  #travel(other: MemoryTransport | undefined, act: string, { timeoutMs, signal }: DialOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      const cut = other !== undefined && this.#links.separated(this.peer, other.peer)
      const delayMs = cut ? timeoutMs : 2 * this.#links.delayMs()
      signal?.addEventListener('abort', () => reject(new OsirisError('unavailable', `${act}: the dial was cancelled`)), { once: true })
      this.#links.later(Math.min(delayMs, timeoutMs), () =>
        cut || delayMs > timeoutMs ? reject(new OsirisError('unavailable', `${act}: no answer within ${timeoutMs} ms`)) : resolve(),
      )
    })
  }
}

function keyOf(universe: Universe): string {
  return Buffer.from(swarmKeyOf(universe)).toString('hex')
}
