/**
 * The mesh as roles see it. Two implementations pass one suite: libp2p (real sockets) and memory (tests and the simulator).
 *
 * A protocol is a role's door, e.g. `/osiris/executor/1`. Requests to one peer share a few long-lived streams; a request never opens its own.
 */
import type { Body } from '#protocols/invocation'
import type { Role, Startable } from '#protocols/lifecycle'

/** Text form of a peer's public key (libp2p peer id, `12D3Koo…`). */
export type Peer = string

/** A message: a small head (CBOR of the role's own schema, at most 256 KiB) and, where there is one, a body. */
export interface Message {
  head: Uint8Array
  /**
   * Bytes at once, or over time. Bytes that fit one frame (at most 256 KiB together with the head) travel in it and arrive as bytes;
   * everything else arrives as a stream under credit-based flow control, so a slow reader slows the sender and memory stays flat.
   */
  body?: Body
}

export interface RequestOptions {
  /** Milliseconds until the response's head must be here; travels with the request, so that the peer gives up too. Bounds the body as well. */
  timeoutMs: number
  /** Milliseconds for a connection, where there is none: beyond them `unavailable`, with the proof that nothing was sent. It is opened all the same, for whoever asks next. Default: as long as the request may take. */
  openTimeoutMs?: number
  /** Aborting cancels the peer's handler (its `signal`), and both bodies. */
  signal?: AbortSignal
}

export interface IncomingRequest extends Message {
  /** Proven by the connection's handshake. */
  peer: Peer
  /** What the sender still allows, in milliseconds from arrival. */
  timeoutMs: number
  /** Aborts when the sender cancels, its deadline passes, or the connection ends. */
  signal: AbortSignal
}

/** A thrown OsirisError travels to the sender as that error; anything else as `internal`. */
export type RequestHandler = (request: IncomingRequest) => Promise<Message>

/** A message's sender is proven (signed by its key), its content is not judged. Return `false` for a message that must not be passed on. */
export type TopicHandler = (from: Peer, data: Uint8Array) => boolean | void

/** What a node tells about itself, signed by its key, every second and at once when it changes. At most 8 KiB encoded. */
export interface Beat {
  /** The node's name; for people, not for trust. */
  name: string
  roles: Role[]
  /** Multiaddrs others may dial. */
  addresses: string[]
  /** Base URL of its HTTP door, when it has one others may know. */
  http?: string
  /** What its operator says of it, at most 16 of at most 64 characters, and where it is. Absent: nothing was said. */
  labels?: Record<string, string>
  region?: string
  /** Calls it may run at once, over all functions; 0 while it starts. */
  capacity: number
  /** Calls running or queued now. */
  inFlight: number
  /** First 16 hex characters of the versions that are warm here, at most 128, most recent first. */
  warm: string[]
  /** Rows in its view (0 without the catalog role) and that view's digest, for people. */
  functions: number
  /** Wire version range, for rolling upgrades. */
  protocol: { min: number; max: number }
}

export interface Member extends Beat {
  peer: Peer
  /** As its beats say, as far as it may have them (`Network.judgeMembers`): of a stranger none. */
  roles: Role[]
  /** Local monotonic time of the last beat. */
  seenAt: number
  /** Whether a connection is open now. */
  connected: boolean
}

/** Which roles a peer may have, whatever its beats say. */
export type MemberJudge = (peer: Peer) => ReadonlySet<string>

/** Who is here: a member is known by its beats and forgotten at most 5 s after the last one. Never contains this node itself. */
export interface Members {
  list(): readonly Member[]
  get(peer: Peer): Member | undefined
  /** Members that run the role, and may; the same array until membership changes. */
  withRole(role: Role): readonly Member[]
  /** Members whose beats name the role, whether they may have it or not: to be asked for nothing but what proves itself. The same array until membership changes. */
  naming(role: Role): readonly Member[]
  /** Called after a join, leave or change of roles, addresses, labels or region; not for load alone. Returns the way to stop. */
  onChange(listener: () => void): () => void
}

/**
 * Says whether a value may stand under a key of the DHT, and how it ranks: of two good values the one with the greater text (by code unit) is the later.
 * Runs on every node that keeps the record or reads it. Throws for a value that must not be used, kept or passed on.
 */
export type RecordJudge = (key: string, value: Uint8Array) => string

export interface Network extends Startable {
  readonly peer: Peer
  readonly members: Members

  /** Multiaddrs this node listens on, with its peer id; empty before `start()`. */
  addresses(): string[]
  /**
   * Opens a connection. Throws `unavailable` with the reason (refused, wrong universe key, timeout); `details.refused` is `true` where the host answered that
   * nothing listens there.
   */
  dial(address: string, options: { timeoutMs: number; signal?: AbortSignal }): Promise<Peer>
  /** Peers with an open connection. */
  connections(): Peer[]

  /** One handler per protocol. Requests to a peer without it fail with `unavailable`. Returns the way to stop. */
  handle(protocol: string, handler: RequestHandler): () => void
  /**
   * Sends one request. Throws: the peer's own OsirisError; `unavailable` when the peer cannot be reached (the request never left: `details.sent` is `false`);
   * `outcome_unknown` when the connection ended after it left and before its response; `deadline_exceeded`.
   * With a response whose body is a stream, later trouble is thrown by the stream.
   */
  request(peer: Peer, protocol: string, message: Message, options: RequestOptions): Promise<Message>

  /** Signed by this node; best effort; at most 64 KiB. Never throws for lack of listeners. */
  publish(topic: string, data: Uint8Array): Promise<void>
  /** Returns the way to stop. */
  subscribe(topic: string, handler: TopicHandler): () => void

  /** Tells the DHT that this node holds what `key` names (64 hex characters). Best effort, off the caller's path: returns at once. */
  provide(key: string): void
  /** Peers that said so; may be empty, late or lying. Ends at the timeout. */
  providers(key: string, options: { timeoutMs: number; signal?: AbortSignal }): AsyncIterable<Peer>

  /** How records of this kind (1 to 32 letters) are judged here; without it none is kept. One judge per kind. Returns the way to stop. */
  judgeRecords(kind: string, judge: RecordJudge): () => void
  /** Puts a value (at most 72 KiB) under a key (64 hex characters) into the DHT. Best effort, off the caller's path: returns at once. */
  putRecord(kind: string, key: string, value: Uint8Array): void
  /** The latest value that was found and that this node's own judge lets pass; there may be a later one. Ends at the timeout. */
  getRecord(kind: string, key: string, options: { timeoutMs: number; signal?: AbortSignal }): Promise<Uint8Array | undefined>

  /**
   * From now on a member's roles are those of its beats that the judge allows; before, all of them. Returns the way to have everybody judged again;
   * the network does so by itself twice a second. `isClosed`: what is published, beats apart, is told and passed on only to peers to whom the judge allows a role.
   */
  judgeMembers(judge: MemberJudge, isClosed?: boolean): () => void

  /** Changes what this node's beats say; roles may set their own part only. */
  advertise(part: Partial<Beat>): void
}
