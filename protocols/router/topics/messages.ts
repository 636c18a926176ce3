/** What travels between a node that asks about topics and a router. */
import { z } from 'zod'
import { collect } from '#protocols/body'
import { decodeAs, encode } from '#protocols/codec'
import type { Caller } from '#protocols/invocation'
import { nameSchema } from '#protocols/manifest'
import type { Message as WireMessage } from '#protocols/network'
import { LISTED_MAX } from '../queue/queue.ts'
import { callerSchema, wireCaller } from '../wire-caller.ts'
import { DATA_BYTES_MAX } from './message.ts'
import type { NewMessage, PublishingFunction } from './topics.ts'

export const TOPICS_PROTOCOL = 'topics/1'

const common = { namespace: nameSchema, caller: callerSchema }
const letter = { ...common, id: z.string().max(128) }

/** The data is the body. What names of topics, ids and keys may be is judged where the message is taken. */
const publishSchema = z.object({
  type: z.literal('publish'),
  namespace: nameSchema,
  topic: z.string().max(512),
  id: z.string().max(256),
  key: z.string().max(512).nullable(),
  traceparent: z.string().max(256).nullable(),
  /** Who publishes: by token, or a function by the word of a member that runs them. */
  by: z.union([
    z.object({ caller: callerSchema }),
    z.object({ from: z.object({ name: z.string().max(127), subject: z.string().max(256), depth: z.int().min(0).max(1000) }) }),
  ]),
  /** Whoever published chose the id, so that the same one may come again by another router. */
  chosen: z.boolean(),
  /** A router passed it on to the one that knows the id: that is the receiver, whatever it thinks of the members. */
  forwarded: z.boolean(),
})
const requestSchema = z.discriminatedUnion('type', [
  publishSchema,
  z.object({ type: z.literal('subscriptions'), ...common }),
  z.object({ type: z.literal('deadLetters'), ...common, limit: z.int().min(1).max(LISTED_MAX) }),
  z.object({ type: z.literal('deadLetter'), ...letter }),
  z.object({ type: z.literal('replay'), ...letter }),
  z.object({ type: z.literal('remove'), ...letter }),
])
export type TopicsRequest = z.infer<typeof requestSchema>
export type PublishRequest = z.infer<typeof publishSchema>

export function encodeRequest(request: TopicsRequest): WireMessage {
  return { head: encode(request) }
}

/** Throws `invalid_argument`. */
export function decodeRequest(head: Uint8Array): TopicsRequest {
  return decodeAs(requestSchema, head, 'a request about topics')
}

/** Who is behind a message, and whether its id was chosen. */
export type Publisher = { caller: Caller } | { from: PublishingFunction }

export function encodePublish(
  message: NewMessage & { id: string },
  by: Publisher,
  { chosen, forwarded }: Pick<PublishRequest, 'chosen' | 'forwarded'>,
): WireMessage {
  const { namespace, topic, data, id, key = null, traceparent = null } = message
  const who = 'from' in by ? { from: { ...by.from } } : { caller: wireCaller(by.caller) }
  return { head: encode({ type: 'publish', namespace, topic, id, key, traceparent, by: who, chosen, forwarded }), body: data }
}

/** The message of a request. Throws `payload_too_large`. */
export async function messageOf(request: PublishRequest, body: WireMessage['body']): Promise<NewMessage & { id: string }> {
  const { namespace, topic, id, key, traceparent } = request
  const data = await collect(body, DATA_BYTES_MAX, 'the message')
  return { namespace, topic, data, id, ...(key === null ? {} : { key }), ...(traceparent === null ? {} : { traceparent }) }
}

const deadLetterSchema = z.object({
  id: z.string().max(128),
  message: z.string().max(128),
  namespace: z.string().max(63),
  topic: z.string().max(255),
  subscriber: z.string().max(127),
  attempts: z.int(),
  publishedAt: z.number(),
  publishedBy: z.string().max(512),
  diedAt: z.number(),
  error: z.object({ code: z.string().max(64), message: z.string().max(4096) }),
})
/** What a router answers to each; it is a peer, so it is judged. */
export const answerSchemas = {
  publish: z.object({ id: z.string().max(128), subscribers: z.int() }),
  subscriptions: z.object({
    subscriptions: z.array(
      z.object({
        function: z.string().max(127),
        topic: z.string().max(320),
        group: z.string().max(63).nullable(),
        attempts: z.int(),
        backoffMs: z.int(),
      }),
    ),
  }),
  deadLetters: z.object({ letters: z.array(deadLetterSchema).max(LISTED_MAX) }),
  deadLetter: deadLetterSchema.extend({ key: z.string().max(256).nullable(), data: z.string() }),
  replay: z.object({}),
  remove: z.object({}),
}
type Answers = { [K in keyof typeof answerSchemas]: z.infer<(typeof answerSchemas)[K]> }

/** In the body, which may be longer than a head. */
export function encodeAnswer(answer: Answers[keyof Answers]): WireMessage {
  return { head: encode(null), body: encode(answer) }
}

const ANSWER_BYTES_MAX = 16 * 1024 * 1024

export async function decodeAnswer<K extends keyof Answers>(type: K, { body }: WireMessage): Promise<Answers[K]> {
  const bytes = await collect(body, ANSWER_BYTES_MAX, 'the answer')
  return decodeAs(answerSchemas[type], bytes, 'an answer about topics') as Answers[K]
}
