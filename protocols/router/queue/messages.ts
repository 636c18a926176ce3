/**
 * What routers say to each other about queued items: protocol `queue/1`. Every request's head is one of `requestSchema`; payloads and answers are bodies.
 * Only routers are answered.
 */
import { z } from 'zod'
import { bytesSchema, countSchema, headSchema, idSchema, peerSchema, stateSchema } from './record.ts'
import { ANSWER_BYTES_MAX, LISTED_MAX, PAYLOAD_BYTES_MAX } from './queue.ts'

export const QUEUE_PROTOCOL = 'queue/1'

/** Items of one `add`, and of one message. */
export const ITEMS_MAX = 256
/** Their payloads, and the answers of one message, together. */
export const BATCH_BYTES_MAX = 16 * 1024 * 1024
/** Items compared by one message. */
export const COMPARED_MAX = 1024

/** A head with its payload (`put`) or its answer (`tell`); empty where it has none, or where it is not sent. */
export const partsSchema = z
  .array(z.strictObject({ head: headSchema, bytes: bytesSchema(Math.max(PAYLOAD_BYTES_MAX, ANSWER_BYTES_MAX)) }))
  .max(ITEMS_MAX)
export type Part = z.infer<typeof partsSchema>[number]

/** As it is told: what is in an attempt is `running`, which nobody writes down. */
const shownSchema = z.enum([...stateSchema.options, 'running'])

export const requestSchema = z.discriminatedUnion('type', [
  /**
   * Hold copies of these; the body is a list of parts. Answered when they are on disk. `repair`: they were added before, and what may start only once is
   * not taken by whoever forgot it.
   */
  z.strictObject({ type: z.literal('put'), repair: z.boolean() }),
  /** What the owner says of items; the body is a list of parts, with answers. */
  z.strictObject({ type: z.literal('tell') }),
  /** May I make this attempt? `release`: I did not begin it. */
  z.strictObject({ type: z.literal('claim'), id: idSchema, epoch: countSchema, attempt: z.int().min(1), release: z.boolean() }),
  /** What do you know of this item; the body is its answer, or the payload of a dead letter. */
  z.strictObject({ type: z.literal('look'), id: idSchema }),
  /** Its payload as the body. */
  z.strictObject({ type: z.literal('payload'), id: idSchema }),
  z.strictObject({
    type: z.literal('list'),
    kind: z.string().max(32),
    key: z.string().max(512),
    states: z.array(shownSchema).max(5).nullable(),
    limit: z.int().min(1).max(LISTED_MAX),
  }),
  /** To the owner. */
  z.strictObject({ type: z.literal('act'), act: z.enum(['cancel', 'replay', 'remove']), id: idSchema }),
  /** What I have of what we both hold, in the body: what do you know better, and what do you lack? */
  z.strictObject({ type: z.literal('compare') }),
])
export type Request = z.infer<typeof requestSchema>
export type Act = Extract<Request, { type: 'act' }>['act']

export const doneSchema = z.strictObject({})
export const claimAnswerSchema = z.strictObject({
  grant: z.enum(['granted', 'over', 'superseded', 'behind', 'taken', 'unknown']),
  by: peerSchema.nullable(),
  head: headSchema.nullable(),
})
export const lookAnswerSchema = z.strictObject({ head: headSchema.nullable(), running: z.boolean() })
export const payloadAnswerSchema = z.strictObject({ found: z.boolean() })
export const listAnswerSchema = z.array(z.strictObject({ head: headSchema, running: z.boolean() })).max(LISTED_MAX)
export const actAnswerSchema = z.strictObject({ state: shownSchema.nullable(), changed: z.boolean() })
export type ActAnswer = z.infer<typeof actAnswerSchema>

export const comparedSchema = z
  .array(z.strictObject({ id: idSchema, epoch: countSchema, rev: countSchema, state: stateSchema }))
  .max(COMPARED_MAX)
export type Compared = z.infer<typeof comparedSchema>
/** `later`: heads that count for more here. `wanted`: ids whose heads count for more there. */
export const compareAnswerSchema = z.strictObject({
  later: z.array(headSchema).max(COMPARED_MAX),
  wanted: z.array(idSchema).max(COMPARED_MAX),
})
