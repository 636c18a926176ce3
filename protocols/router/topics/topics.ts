/**
 * Publishing to topics, and what became of deliveries. Had as a service (this node is a router) or as a client (a router is asked); the same face.
 * The promise, the order, the bounds: README.md.
 */
import type { Caller } from '#protocols/invocation'

/** What somebody publishes. */
export interface NewMessage {
  namespace: string
  topic: string
  /** JSON text of at most `DATA_BYTES_MAX`. */
  data: Uint8Array
  /** 1 to 128 of `A-Z a-z 0-9 . _ ~ : @ -`. The same one again, within an hour, is the same message. Default: a new one. */
  id?: string
  /** Messages with one key go to the same function of a group, and to the same version, while these stand. At most 256 characters. */
  key?: string
  /** W3C trace context. */
  traceparent?: string
}

/** A function that publishes, as the node knows it that runs it. */
export interface PublishingFunction {
  /** `namespace/name` */
  name: string
  /** On whose account it ran: the subject of its caller. */
  subject: string
  /** How deep its call was: a message it publishes is one deeper, and beyond 16 it is not delivered. */
  depth: number
}

export interface PublishedMessage {
  id: string
  /** How many functions and groups get it; each was noted on disk. */
  subscribers: number
}

/** Who gets messages of a namespace's topics. */
export interface SubscriptionSummary {
  /** `namespace/name` */
  function: string
  /** As written, with its namespace: `demo/orders.*`. */
  topic: string
  group: string | null
  attempts: number
  backoffMs: number
}

/** A delivery that was given up. */
export interface DeadLetter {
  /** Of the delivery: a message has one for each subscriber. */
  id: string
  message: string
  namespace: string
  topic: string
  /** `shop/bill` of a function, `shop:billing` of a group. */
  subscriber: string
  attempts: number
  /** Milliseconds since the epoch. */
  publishedAt: number
  publishedBy: string
  diedAt: number
  error: { code: string; message: string }
}

export interface DeadLetterDetail extends DeadLetter {
  key: string | null
  /** JSON text of what was published. */
  data: string
}

/**
 * Dead letters are their subscribers' namespaces'. Everything rejects with `unauthenticated` or `forbidden` where the caller may not, and `unavailable`
 * where no router, or not the one that holds it, can be asked.
 */
export interface Topics {
  /**
   * Resolves when every delivery is on the disks of three routers (as far as there are). Takes `invoke` on the namespace. Rejects with `invalid_argument`,
   * `payload_too_large`, `forbidden` (a topic of the platform's own), `quota_exceeded` (the subscribers' namespace has too much waiting), `overloaded`,
   * `storage_full`, `outcome_unknown`: published again with the same id it is one message.
   */
  publish(message: NewMessage, caller: Caller): Promise<PublishedMessage>
  /** The same for a function, which may publish to the topics of its own namespace, and to no others. */
  publishFrom(message: NewMessage, from: PublishingFunction): Promise<PublishedMessage>
  /** Who subscribes to topics of the namespace, by function; takes `read`. */
  subscriptions(namespace: string, caller: Caller): Promise<SubscriptionSummary[]>
  /** Newest first, at most `limit` (1,000); takes `read`. */
  deadLetters(namespace: string, limit: number, caller: Caller): Promise<DeadLetter[]>
  /** Takes `read`. Rejects with `not_found`. */
  deadLetter(namespace: string, id: string, caller: Caller): Promise<DeadLetterDetail>
  /** Delivers it again, with all its attempts; takes `deploy`. Rejects with `not_found`. */
  replay(namespace: string, id: string, caller: Caller): Promise<void>
  /** Forgets it; takes `deploy`. Rejects with `not_found`. */
  remove(namespace: string, id: string, caller: Caller): Promise<void>
}
