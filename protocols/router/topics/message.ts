/** A message as it is kept and handed out: what was published, and to whom one delivery of it goes. Pure. */
import { z } from 'zod'
import { decodeAs, encode, idOfCause } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import { assertName } from '#protocols/function'
import { isTraceparent } from '#protocols/invocation'
import { assertTopic, isPlatformTopic } from '#protocols/topic'
import type { NewItem } from '../queue/queue.ts'
import type { Subscriber } from './subscriptions.ts'
import type { NewMessage } from './topics.ts'

/** What brokers commonly take; larger things are stored somewhere, and their address published. */
export const DATA_BYTES_MAX = 256 * 1024
const KEY_CHARACTERS_MAX = 256
const ID_PATTERN = /^[A-Za-z0-9._~:@-]{1,128}$/
/** Deliveries that could not be made by then are dead letters, whatever kept them. */
export const LIFE_MS = 7 * 24 * 3_600_000
/** What the queue knows them by. */
export const TOPIC_KIND = 'topic'

/** A message that was accepted. */
export interface Message {
  id: string
  namespace: string
  topic: string
  data: Uint8Array
  key: string | null
  /** Wall clock of the router that took it. */
  publishedAt: number
  publishedBy: string
  /** 0 from outside; of a function one more than its call. */
  depth: number
  traceparent: string | null
}

/** One delivery: the message, and who is to get it as it was when the message was accepted. */
export interface Delivery {
  message: Message
  subscriber: Subscriber
}

/** Throws `invalid_argument`, `payload_too_large`, `forbidden`: what reaches a function is made of this text. */
export function assertMessage({ namespace, topic, data, id, key, traceparent }: NewMessage): void {
  assertName(namespace, 'a namespace')
  assertTopic(topic)
  const act = `Cannot publish to "${namespace}/${topic}"`
  if (isPlatformTopic(topic)) throw new OsirisError('forbidden', `${act}: topics below "osiris" are the platform's own`)
  if (data.length > DATA_BYTES_MAX)
    throw new OsirisError('payload_too_large', `${act}: the data has ${data.length} bytes (at most ${DATA_BYTES_MAX})`)
  if (id !== undefined && !ID_PATTERN.test(id))
    throw new OsirisError('invalid_argument', `${act}: an id is 1 to 128 of A-Z a-z 0-9 . _ ~ : @ -`)
  if (key !== undefined && key.length > KEY_CHARACTERS_MAX)
    throw new OsirisError('invalid_argument', `${act}: a key has at most ${KEY_CHARACTERS_MAX} characters`)
  if (traceparent !== undefined && !isTraceparent(traceparent))
    throw new OsirisError('invalid_argument', `${act}: the traceparent is malformed`)
  assertJson(data, act)
}

function assertJson(data: Uint8Array, act: string): void {
  try {
    JSON.parse(textOf(data))
  } catch (error) {
    throw new OsirisError('invalid_argument', `${act}: the data is not JSON (${(error as Error).message.slice(0, 200)})`, { cause: error })
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
function textOf(data: Uint8Array): string {
  return decoder.decode(data)
}

/** One item of the queue for each subscriber. Their ids come from the message's, so that one that was published twice is known. */
export function itemsFor(message: Message, subscribers: readonly Subscriber[]): NewItem[] {
  return subscribers.map((subscriber) => ({
    id: itemIdOf(message, subscriber.id),
    key: keyOf(message, subscriber),
    kind: TOPIC_KIND,
    payload: encodeDelivery({ message, subscriber }),
    about: encode(aboutOf(message, subscriber.id)),
    expiresAt: message.publishedAt + LIFE_MS,
  }))
}

export function itemIdOf({ namespace, topic, id }: Pick<Message, 'namespace' | 'topic' | 'id'>, subscriber: string): string {
  return idOfCause(encode([namespace, topic, id, subscriber]))
}

/** `shop/bill/demo/orders.created`, `shop/:billing/demo/orders.created`: it counts against whoever takes it, or does not. */
function keyOf({ namespace, topic }: Message, { id, namespace: own }: Subscriber): string {
  return `${own}/${id.startsWith(`${own}:`) ? id.slice(own.length) : id.slice(own.length + 1)}/${namespace}/${topic}`
}

/** Deliveries of one subscriber share a lane, whatever their topics. */
export function laneOf(key: string): string {
  return key.split('/', 2).join('/')
}

const nameSchema = z.string().max(63)
const messageSchema = z.strictObject({
  id: z.string().regex(ID_PATTERN),
  namespace: nameSchema,
  topic: z.string().max(255),
  data: z.instanceof(Uint8Array).refine((data) => data.length <= DATA_BYTES_MAX),
  key: z.string().max(KEY_CHARACTERS_MAX).nullable(),
  publishedAt: z.int(),
  publishedBy: z.string().max(512),
  depth: z.int().min(0).max(1000),
  traceparent: z.string().refine(isTraceparent).nullable(),
})
const deliverySchema = z.strictObject({
  message: messageSchema,
  subscriber: z.strictObject({
    id: z.string().max(127),
    namespace: nameSchema,
    members: z.array(nameSchema).min(1).max(10_000),
    attemptsMax: z.int().min(1).max(100),
    backoffMs: z.int().min(100).max(3_600_000),
  }),
})

export function encodeDelivery({ message, subscriber }: Delivery): Uint8Array {
  return encode({ message: { ...message }, subscriber: { ...subscriber } })
}

/** What comes from a disk or a peer. Throws `invalid_argument`. */
export function decodeDelivery(bytes: Uint8Array): Delivery {
  const delivery = decodeAs(deliverySchema, bytes, 'a delivery')
  assertJson(delivery.message.data, 'Cannot read a delivery')
  return delivery
}

const aboutSchema = z.strictObject({
  message: z.string().max(128),
  namespace: nameSchema,
  topic: z.string().max(255),
  subscriber: z.string().max(127),
  publishedAt: z.int(),
  publishedBy: z.string().max(512),
})
export type About = z.infer<typeof aboutSchema>

function aboutOf({ id, namespace, topic, publishedAt, publishedBy }: Message, subscriber: string): About {
  return { message: id, namespace, topic, subscriber, publishedAt, publishedBy }
}

/** Throws `invalid_argument`. */
export function decodeAbout(bytes: Uint8Array): About {
  return decodeAs(aboutSchema, bytes, 'a delivery')
}

/** What the function gets: JSON text. The data is spliced in as it was published; `assertJson` has seen it. */
export function eventOf({ message, subscriber }: Delivery, attempt: number): Uint8Array {
  const { id, namespace, topic, key, publishedAt, publishedBy, data } = message
  const group = subscriber.id.includes(':') ? { group: subscriber.id.slice(subscriber.id.indexOf(':') + 1) } : {}
  const head = JSON.stringify({ id, namespace, topic, ...group, ...(key === null ? {} : { key }), attempt, publishedAt, publishedBy })
  return Buffer.concat([Buffer.from(`${head.slice(0, -1)},"data":`), data, Buffer.from('}')])
}
