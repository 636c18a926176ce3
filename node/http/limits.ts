import { TIMEOUT_MS_MAX } from '#protocols/manifest'

/** What one node's HTTP door takes at most. Every field has a default that fits a developer's machine and a small server. */
export interface HttpLimits {
  /** Arguments of a value function. They are held in memory until they are whole, before the function's own limit is known. */
  argumentsBytesMax: number
  /** Body of a request to a web function. It streams, so that this bounds transfer, not memory. */
  bodyBytesMax: number
  /** Body of a management request: sources may have 8 MiB, and JSON escapes them. */
  managementBytesMax: number
  /** Request line and headers. */
  headerBytesMax: number
  /** From a connection's first byte to the end of the headers. */
  headersTimeoutMs: number
  /** From the headers to the end of a body that is held in memory. */
  bodyTimeoutMs: number
  /** Without one byte of a streamed body while the function waits for it, or without one byte taken by a client that has an answer to read. */
  stallTimeoutMs: number
  /** A connection without a request. */
  keepAliveMs: number
  connectionsMax: number
  /** Of them, from one address. A proxy in front is one. */
  connectionsPerAddressMax: number
  /** A client that has an answer to read takes at least `readBytesMin` of it in this time. */
  readWindowMs: number
  readBytesMin: number
  /** A WebSocket's client is asked for a sign of life so often, and cut when there was none until the next time. */
  socketPingMs: number
  /** A WebSocket on which nobody says anything. */
  socketIdleMs: number
  /** How long `stop()` waits for requests in flight. */
  drainMs: number
  /** Bound of a call before its function's own timeout is known; the longest timeout a function may have. */
  callTimeoutMs: number
  buildTimeoutMs: number
  /** A write to the catalog, the wait for its receipts included. */
  writeTimeoutMs: number
}

const KIB = 1024
const MIB = 1024 * KIB

export const defaultLimits: HttpLimits = {
  argumentsBytesMax: 64 * MIB,
  bodyBytesMax: 1024 * MIB,
  managementBytesMax: 20 * MIB,
  headerBytesMax: 16 * KIB,
  headersTimeoutMs: 10_000,
  bodyTimeoutMs: 30_000,
  stallTimeoutMs: 30_000,
  keepAliveMs: 65_000,
  connectionsMax: 10_000,
  connectionsPerAddressMax: 4_000,
  readWindowMs: 60_000,
  readBytesMin: 64 * KIB,
  socketPingMs: 30_000,
  socketIdleMs: 600_000,
  drainMs: 5_000,
  callTimeoutMs: TIMEOUT_MS_MAX,
  buildTimeoutMs: 60_000,
  writeTimeoutMs: 10_000,
}
