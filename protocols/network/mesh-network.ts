/** The network as roles see it, over any transport. */
import type { Identity } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import type { Events } from '#protocols/events'
import { type Clock, every, type Random } from '#protocols/lifecycle'
import { packBeat, unpackBeat } from './beats.ts'
import { Crowd } from './crowd.ts'
import { Deadlines } from './deadlines.ts'
import { Introductions } from './introductions.ts'
import { BEAT_INTERVAL_MS, PROTOCOL_NAME_BYTES_MAX, TOPIC_BYTES_MAX } from './limits.ts'
import { Links } from './links.ts'
import { MemberTable } from './members.ts'
import { BEATS, decodeRequest, PROTOCOL } from './messages.ts'
import { type KnownPeers, Neighbours } from './neighbours.ts'
import type {
  Beat,
  IncomingRequest,
  MemberJudge,
  Message,
  Network,
  Peer,
  RecordJudge,
  RequestHandler,
  RequestOptions,
  TopicHandler,
} from './network.ts'
import type { Defer } from './outbox.ts'
import { OwnBeat } from './own-beat.ts'
import { Probes } from './probes.ts'
import { Topics } from './topics.ts'
import type { DialOptions, Transport } from './transport.ts'
import { within } from './within.ts'

/** The part of a beat that a node knows when it starts. */
export type BeatInit = Pick<Beat, 'name' | 'roles' | 'capacity' | 'http' | 'labels' | 'region'>

export interface MeshNetworkInit {
  transport: Transport
  identity: Identity
  /** The universe's id. */
  universe: string
  beat: BeatInit
  bootstrap: readonly string[]
  storage?: KnownPeers
  clock: Clock
  random: Random
  events: Events
  defer: Defer
}

/** Wire versions this build speaks. */
const PROTOCOL_VERSIONS = { min: 1, max: 1 }
const GOODBYE_TIMEOUT_MS = 250
const ROUND_MS = BEAT_INTERVAL_MS / 2

export class MeshNetwork implements Network {
  readonly #init: MeshNetworkInit
  readonly #transport: Transport
  readonly #deadlines: Deadlines
  readonly #table: MemberTable
  readonly #links: Links
  readonly #topics: Topics
  readonly #own: OwnBeat
  readonly #introductions: Introductions
  readonly #probes: Probes
  readonly #crowd: Crowd
  readonly #neighbours: Neighbours
  #running = false
  #roundAt = Infinity
  #stops: (() => void)[] = []

  constructor(init: MeshNetworkInit) {
    const { transport, clock, random, events, universe } = init
    const onError = (error: unknown): void => this.#trouble(error)
    const request: Network['request'] = (...args) => this.#links.request(...args)
    this.#init = init
    this.#transport = transport
    this.#deadlines = new Deadlines(clock)
    this.#table = new MemberTable({
      self: transport.peer,
      clock,
      onJoin: (member) => {
        events.emit('member.joined', { peer: member.peer, name: member.name })
        this.#neighbours.joined(member)
      },
      onLeave: (member, reason) => {
        events.emit('member.left', { peer: member.peer, name: member.name, reason })
        if (reason !== 'left') this.#neighbours.lost(member)
      },
    })
    this.#links = new Links({ transport, members: this.#table, clock, deadlines: this.#deadlines, defer: init.defer })
    this.#topics = new Topics({ transport, onError })
    this.#own = new OwnBeat({
      identity: init.identity,
      universe,
      clock,
      beat: { ...init.beat, addresses: [], inFlight: 0, warm: [], functions: 0, protocol: PROTOCOL_VERSIONS },
      addresses: () => transport.addresses(),
      members: () => this.#table.list().length,
      publish: async (beat) => {
        await transport.publish(BEATS, packBeat(beat))
        if (beat.left) await this.#introductions.part(transport.connections(), beat, GOODBYE_TIMEOUT_MS)
      },
      onError,
    })
    const own = () => {
      if (this.#own.silent) return null
      const { beat, ageMs } = this.#own.show()
      return { envelope: beat.envelope, ageMs }
    }
    const doubted = (peer: Peer): void => {
      if (this.#running) void this.#probes.suspect(peer)
    }
    this.#introductions = new Introductions({ table: this.#table, universe, random, request, own, doubted })
    this.#probes = new Probes({ table: this.#table, transport, clock, random, request })
    this.#crowd = new Crowd({ members: this.#table, introductions: this.#introductions, clock, random, doubted })
    this.#neighbours = new Neighbours({
      transport,
      members: this.#table,
      clock,
      random,
      bootstrap: init.bootstrap,
      storage: init.storage,
      roleless: () => this.#own.silent,
      onError,
    })
    this.#bind()
  }

  get peer(): Peer {
    return this.#transport.peer
  }

  get members(): MemberTable {
    return this.#table
  }

  addresses(): string[] {
    return this.#transport.addresses()
  }

  async start(): Promise<void> {
    if (this.#running) return
    this.#running = true
    await this.#transport.start()
    this.#stops = [
      this.#topics.subscribe(BEATS, (from, data) => this.#heard(from, data)),
      every(
        this.#init.clock,
        ROUND_MS,
        () => this.#round(),
        (error) => this.#trouble(error),
      ),
    ]
    this.#own.start()
    void this.#neighbours.start()
  }

  async stop(): Promise<void> {
    if (!this.#running) return
    this.#running = false
    for (const stop of this.#stops) stop()
    const goodbye = Promise.all([this.#own.stop(), this.#neighbours.stop()])
    const deadlineAt = this.#init.clock.monotonic() + GOODBYE_TIMEOUT_MS
    await within(goodbye, { deadlines: this.#deadlines, deadlineAt, signal: undefined, act: 'Cannot say goodbye' }).catch(() => {})
    this.#links.close('this node stops')
    await this.#transport.stop()
    this.#deadlines.stop()
  }

  dial(address: string, options: DialOptions): Promise<Peer> {
    return this.#transport.dial(address, options)
  }

  connections(): Peer[] {
    return this.#transport.connections()
  }

  handle(protocol: string, handler: RequestHandler): () => void {
    if (!/^[\x21-\x7e]+$/.test(protocol) || protocol.length > PROTOCOL_NAME_BYTES_MAX) {
      throw new OsirisError(
        'internal',
        `Cannot handle "${protocol}": a protocol's name is 1 to ${PROTOCOL_NAME_BYTES_MAX} printable characters`,
      )
    }
    const { handlers } = this.#links
    if (handlers.has(protocol)) throw new OsirisError('internal', `Cannot handle "${protocol}": it has a handler`)
    handlers.set(protocol, handler)
    return () => {
      if (handlers.get(protocol) === handler) handlers.delete(protocol)
    }
  }

  request(peer: Peer, protocol: string, message: Message, options: RequestOptions): Promise<Message> {
    return this.#links.request(peer, protocol, message, options)
  }

  async publish(topic: string, data: Uint8Array): Promise<void> {
    if (data.length > TOPIC_BYTES_MAX) {
      throw new OsirisError('payload_too_large', `Cannot publish to "${topic}": the message is longer than ${TOPIC_BYTES_MAX} bytes`)
    }
    await this.#transport.publish(topic, data)
  }

  subscribe(topic: string, handler: TopicHandler): () => void {
    return this.#topics.subscribe(topic, handler)
  }

  provide(key: string): void {
    this.#transport.provide(key)
  }

  providers(key: string, options: DialOptions): AsyncIterable<Peer> {
    return this.#transport.providers(key, options)
  }

  judgeRecords(kind: string, judge: RecordJudge): () => void {
    return this.#transport.records.judge(kind, judge)
  }

  putRecord(kind: string, key: string, value: Uint8Array): void {
    this.#transport.putRecord(kind, key, value)
  }

  getRecord(kind: string, key: string, options: DialOptions): Promise<Uint8Array | undefined> {
    return this.#transport.getRecord(kind, key, options)
  }

  judgeMembers(judge: MemberJudge, isClosed = false): () => void {
    this.#table.judgeBy(judge)
    // Whoever is still to be let in has to know whom to ask.
    if (isClosed) this.#transport.guard((topic, peer) => topic === BEATS || judge(peer).size > 0)
    return () => this.#table.judge()
  }

  advertise(part: Partial<Beat>): void {
    this.#own.advertise(part)
  }

  #bind(): void {
    this.#links.handlers.set(PROTOCOL, (request) => this.#answer(request))
    this.#transport.bind({
      connected: (peer) => {
        this.#table.setConnected(peer, true)
        // Both begin: until a node knows the other as a member, it refuses what that one asks. Whoever cannot be greeted is heard of by its beats.
        if (this.#running) this.#introductions.greet(peer).catch(() => {})
      },
      disconnected: (peer) => {
        this.#table.setConnected(peer, false)
        if (this.#running) void this.#probes.suspect(peer)
      },
      pipe: (peer, pipe) => this.#links.accept(peer, pipe),
      addressesOf: (peer) => this.#table.get(peer)?.addresses ?? [],
    })
  }

  async #answer({ peer, head }: IncomingRequest): Promise<Message> {
    const request = decodeRequest(head)
    return request.kind === 'hello' ? this.#introductions.answer(peer, request.self, request.known) : this.#probes.answer(request.peer)
  }

  /** The topic proves who sent it; what does not read as a beat goes no further. */
  #heard(from: Peer, data: Uint8Array): boolean {
    try {
      this.#table.hear(from, unpackBeat(data, this.#init.universe))
      return true
    } catch {
      return false
    }
  }

  #round(): void {
    const now = this.#init.clock.monotonic()
    // A process that had no processor, or was stopped, first reads what waits for it (after Lifeguard, https://arxiv.org/abs/1707.00788).
    const deafMs = Math.max(0, now - this.#roundAt - ROUND_MS)
    this.#table.expire(deafMs)
    this.#roundAt = now
    this.#table.judge()
    this.#neighbours.round()
    this.#crowd.round(deafMs)
  }

  #trouble(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error)
    this.#init.events.emit('log', { level: 'warn', room: 'network', text })
  }
}
