/** The mesh over real sockets. */
import { TopicValidatorResult } from '@chainsafe/libp2p-gossipsub'
import type { Connection } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { OsirisError } from '#protocols/errors'
import type { Clock } from '#protocols/lifecycle'
import type { Host } from './libp2p-host.ts'
import { StreamPipe } from './libp2p-pipe.ts'
import { TOPIC_BYTES_MAX } from './limits.ts'
import { Monitor, type Watched } from './libp2p-monitor.ts'
import type { Peer, TopicHandler } from './network.ts'
import { whereIs } from './peer.ts'
import type { RecordTable } from './records.ts'
import type { DialOptions, MayHear, Pipe, Transport, TransportEvents } from './transport.ts'

export interface Libp2pTransportInit {
  host: Host
  /** In front of every protocol name and topic. */
  prefix: string
  dht: boolean
  clock: Clock
  /** Milliseconds between two pings of a connection. */
  pingEveryMs?: number
}

/** Pipes a peer may open to ask through: one, and one more while the first is ending. */
const PIPES_PER_PEER = 4

/** What gossipsub sends at once. */
interface Rpc {
  subscriptions: unknown[]
  messages: { topic: string }[]
  control?: unknown
}

export class Libp2pTransport implements Transport {
  readonly peer: Peer
  readonly #host: Host
  readonly #protocol: string
  readonly #prefix: string
  readonly #dht: boolean
  readonly #monitor: Monitor
  #events: TransportEvents | undefined
  #mayHear: MayHear | undefined

  constructor({ host, prefix, dht, clock, pingEveryMs }: Libp2pTransportInit) {
    this.#host = host
    this.#monitor = new Monitor({ connections: () => host.getConnections().map(watched), clock, everyMs: pingEveryMs })
    this.#prefix = prefix
    this.#dht = dht
    this.#protocol = `/${prefix}/frames/1`
    this.peer = host.peerId.toString()
  }

  bind(events: TransportEvents): void {
    this.#events = events
    this.#host.services.dht.addressesOf = (peer) => events.addressesOf(peer)
    this.#host.addEventListener('peer:connect', ({ detail }) => events.connected(detail.toString()))
    this.#host.addEventListener('peer:disconnect', ({ detail }) => events.disconnected(detail.toString()))
  }

  async start(): Promise<void> {
    await this.#host.handle(
      this.#protocol,
      (stream, connection) => this.#events?.pipe(connection.remotePeer.toString(), new StreamPipe(stream, connection)),
      { maxInboundStreams: PIPES_PER_PEER, maxOutboundStreams: PIPES_PER_PEER },
    )
    try {
      await this.#host.start()
    } catch (error) {
      throw new OsirisError('unavailable', `Cannot start the network: ${listenFailure(error)}`, { cause: error })
    }
    this.#monitor.start()
  }

  async stop(): Promise<void> {
    this.#monitor.stop()
    await this.#host.stop()
  }

  addresses(): string[] {
    return this.#host.getMultiaddrs().map(String)
  }

  connections(): Peer[] {
    // The text of a peer is kept with its connection; `getPeers()` makes it anew each time.
    return [...new Set(this.#host.getConnections().map(({ remotePeer }) => remotePeer.toString()))]
  }

  async dial(address: string, options: DialOptions): Promise<Peer> {
    const connection = await this.#dial(parse(address), `Cannot dial ${address}`, options)
    return connection.remotePeer.toString()
  }

  async connect(peer: Peer, addresses: readonly string[], options: DialOptions): Promise<void> {
    if (this.#open(peer) !== undefined) return
    if (addresses.length === 0) throw new OsirisError('unavailable', `Cannot dial ${peer}: no address is known`)
    await this.#dial(whereIs(peer, addresses).map(parse), `Cannot dial ${peer}`, options)
  }

  async open(peer: Peer, { timeoutMs, signal }: DialOptions): Promise<Pipe> {
    const connection = this.#open(peer)
    if (connection === undefined) throw new OsirisError('unavailable', `Cannot open a stream to ${peer}: there is no connection`)
    try {
      return new StreamPipe(await connection.newStream(this.#protocol, { signal: within(timeoutMs, signal) }), connection)
    } catch (error) {
      throw OsirisError.from(error, `Cannot open a stream to ${peer}`, 'unavailable')
    }
  }

  async publish(topic: string, data: Uint8Array): Promise<void> {
    if (this.#host.status !== 'started') return
    await this.#host.services.pubsub.publish(this.#topic(topic), data)
  }

  /** Gossipsub asks nobody whom it may tell: all that it sends, its own messages, those it passes on and those it is asked for, goes through one method. */
  guard(mayHear: MayHear): void {
    const isGuarded = this.#mayHear !== undefined
    this.#mayHear = mayHear
    if (isGuarded) return
    const pubsub = this.#host.services.pubsub as unknown as { sendRpc: (peer: string, rpc: Rpc) => boolean }
    const send = pubsub.sendRpc.bind(pubsub)
    const start = this.#topic('').length
    pubsub.sendRpc = (peer, rpc) => {
      const messages = rpc.messages.filter(({ topic }) => this.#mayHear?.(topic.slice(start), peer) !== false)
      if (messages.length === rpc.messages.length) return send(peer, rpc)
      // The same object is sent to others.
      const rest = { ...rpc, messages }
      return messages.length > 0 || rest.subscriptions.length > 0 || rest.control !== undefined ? send(peer, rest) : false
    }
  }

  /** Handlers run as gossipsub's validators: once per message, before it goes further, with its signature proven. */
  subscribe(topic: string, handler: TopicHandler): () => void {
    const { pubsub } = this.#host.services
    const name = this.#topic(topic)
    pubsub.topicValidators.set(name, (_, message) => {
      if (message.type !== 'signed' || message.data.length > TOPIC_BYTES_MAX) return TopicValidatorResult.Reject
      return handler(message.from.toString(), message.data) === false ? TopicValidatorResult.Reject : TopicValidatorResult.Accept
    })
    pubsub.subscribe(name)
    return () => {
      pubsub.topicValidators.delete(name)
      if (this.#host.status === 'started') pubsub.unsubscribe(name)
    }
  }

  provide(key: string): void {
    if (this.#dht) this.#host.services.dht.provide(key)
  }

  async *providers(key: string, options: DialOptions): AsyncGenerator<Peer> {
    if (!this.#dht) return
    for await (const peer of this.#host.services.dht.providers(key, options)) if (peer !== this.peer) yield peer
  }

  get records(): RecordTable {
    return this.#host.services.dht.records
  }

  putRecord(kind: string, key: string, value: Uint8Array): void {
    if (this.#dht) this.#host.services.dht.putRecord(kind, key, value)
  }

  async getRecord(kind: string, key: string, options: DialOptions): Promise<Uint8Array | undefined> {
    return this.#dht ? this.#host.services.dht.getRecord(kind, key, options) : undefined
  }

  #topic(name: string): string {
    return `/${this.#prefix}/topic/${name}`
  }

  #open(peer: Peer): Connection | undefined {
    return this.#host.getConnections(peerIdFromString(peer)).find((connection) => connection.status === 'open')
  }

  async #dial(target: Multiaddr | Multiaddr[], act: string, { timeoutMs, signal }: DialOptions): Promise<Connection> {
    let reached = false
    try {
      return await this.#host.dial(target, {
        signal: within(timeoutMs, signal),
        onProgress: ({ type }: { type: string }) => {
          reached ||= type === 'upgrader:encrypt-outbound-connection'
        },
      })
    } catch (error) {
      const refused = !reached && isRefused(error) ? { details: { refused: true } } : {}
      throw new OsirisError('unavailable', `${act}: ${dialFailure(error, reached, timeoutMs, signal)}`, { cause: error, ...refused })
    }
  }
}

/** The part of js-yamux that pings; libp2p's types keep it private. */
interface Muxed {
  muxer?: { ping?(): Promise<unknown> }
}

function watched(connection: Connection): Watched {
  return {
    id: connection.id,
    ping: async () => (connection as Muxed).muxer?.ping?.(),
    abort: (error) => connection.abort(error),
  }
}

function parse(address: string): Multiaddr {
  try {
    return multiaddr(address)
  } catch (error) {
    throw new OsirisError('invalid_argument', `Cannot dial "${address}": it is no multiaddr`, { cause: error })
  }
}

function within(timeoutMs: number, signal: AbortSignal | undefined): AbortSignal {
  const timeout = AbortSignal.timeout(timeoutMs)
  return signal === undefined ? timeout : AbortSignal.any([timeout, signal])
}

/** Once the other side answered, only a key or a program that differs makes the handshake fail: garbled bytes, an early end, or silence. */
function dialFailure(error: unknown, reached: boolean, timeoutMs: number, signal: AbortSignal | undefined): string {
  if (signal?.aborted === true) return 'the dial was cancelled'
  if (reached) return 'the handshake failed (wrong universe key: the peer belongs to another universe, or is no Osiris node)'
  const text = textOf(error)
  if (/ECONNREFUSED/.test(text)) return 'the connection was refused'
  if (/abort|timeout|timed out/i.test(text)) return `no answer within ${timeoutMs} ms`
  return text
}

/** By every address that was tried. */
function isRefused(error: unknown): boolean {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.every(isRefused)
  return error instanceof Error && (error as NodeJS.ErrnoException).code === 'ECONNREFUSED'
}

function listenFailure(error: unknown): string {
  const text = textOf(error)
  if (/EADDRINUSE/.test(text)) return 'an address it is to listen on is in use'
  return text
}

/** The error with everything it wraps: libp2p gathers failures per address. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const inner = error instanceof AggregateError ? error.errors.map(textOf) : []
  return [`${(error as NodeJS.ErrnoException).code ?? error.name}: ${error.message}`, ...inner].join('; ').slice(0, 1024)
}
