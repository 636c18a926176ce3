/** Every bound of the mesh in one place; README.md says what each one costs. */

/** Head and inline body of one message together. */
export const MESSAGE_BYTES_MAX = 256 * 1024
/** Whole frame after its length: a message and the header with its protocol name. A longer one ends the pipe before anything is allocated. */
export const FRAME_BYTES_MAX = MESSAGE_BYTES_MAX + 1024
/** One piece of a streamed body: small enough that small calls on the same pipe wait less than a millisecond behind it. */
export const CHUNK_BYTES_MAX = 64 * 1024
/** Bytes of one body that may be on their way or unread. */
export const WINDOW_BYTES = 256 * 1024
/** Charged per chunk beside its bytes, so that one-byte chunks cannot cost a receiver a hundred times their window. */
export const CHUNK_OVERHEAD_BYTES = 64
/** Calls in flight per pipe, so that one peer's backlog is bounded on both sides. */
export const CALLS_MAX = 1024
/** Streamed request bodies a peer may have open here: with the window, at most 32 MiB of memory per peer. */
export const INCOMING_BODIES_MAX = 128
/** Unsent bytes after which senders of bodies and of answers wait. */
export const OUTBOX_BYTES_HIGH = 1024 * 1024
/** A peer that takes nothing for this long while bytes wait for it is given up. */
export const STALL_MS = 10_000
export const PROTOCOL_NAME_BYTES_MAX = 128
/** CBOR of an error. */
export const ERROR_BYTES_MAX = 32 * 1024
/** One message of a topic. */
export const TOPIC_BYTES_MAX = 64 * 1024

/** One record of the DHT: an entry of the ledger and what proves it. */
export const RECORD_BYTES_MAX = 72 * 1024
/** Records a node remembers, so that nobody can take a key back to an older one; the oldest goes. */
export const RECORDS_MAX = 10_000
export const RECORDS_BYTES_MAX = 16 * 1024 * 1024
/** What the DHT of a node keeps for others, who has what included; the oldest goes. */
export const DHT_ENTRIES_MAX = 65_536
export const DHT_BYTES_MAX = 32 * 1024 * 1024
/** Nodes that keep what is told to the DHT, the nearest to its key, and that are asked for it first; whoever says something or asks opens connections to those. */
export const DHT_COPIES = 8
/** Ways a question takes at once, so that one liar on one of them does not end it. */
export const DHT_PATHS = 3

/** CBOR of a beat. */
export const BEAT_BYTES_MAX = 8 * 1024
export const BEAT_INTERVAL_MS = 1_000
/** Beats that answer a change keep this distance. */
export const BEAT_GAP_MS = 100
/** Below the 5 s of the contract by the sweep's own interval. */
export const MEMBER_EXPIRY_MS = 4_500
export const MEMBERS_MAX = 1_000
/** Of them, those that have not been let in: room for many that join at once, and never in the way of those that are in. */
export const STRANGERS_MAX = 256
/**
 * Connections a node opens by itself: the full mesh up to here; beyond, members hand each other's beats on and a request opens what it needs. One costs both
 * sides together about 40 ms of processor (README).
 */
export const CONNECTIONS_TARGET = 10
/** Among more members than it connects to, a node tells its beats to nobody unasked but those that change something: it asks so many a round, and is asked. */
export const CROWD_ASKS = 2
/** A beat is handed out again until it is this old. With two askings every half second the oldest beat anybody has of 40 members is 3.4 s old, of 300 about the same. */
export const CROWD_SIGN_MS = 1_500
/** How often a node hears of each of so many members, most of the time. */
export function beatEveryMs(members: number): number {
  return members > CONNECTIONS_TARGET ? 2 * BEAT_INTERVAL_MS : BEAT_INTERVAL_MS
}
/** A member whose last beat is this old is asked itself, before it would be forgotten. */
export const STALE_MS = 2_500
/** One that this node is not connected to: it costs a connection, and mostly somebody else tells of it before. */
export const STALE_FAR_MS = 3_250
/** Who counts a few members less than the others do, and hears nothing from those that count more, asks too. */
export const CROWD_MARGIN = 3
/** Opened as fast as members are heard of: all of a universe of five, and what gossip needs. With eight, universes of twenty nodes that start together opened most of their 190 pairs at once. */
export const CONNECTIONS_EAGER = 4
/** Between two of the rest. */
export const CONNECTIONS_PACE_MS = 2_000
/** Peers without a role keep fewer: nobody places work on them. */
export const CONNECTIONS_TARGET_ROLELESS = 3
