/** What travels between a node that asks about asynchronous calls and a router: protocol `calls/1`. */
import { z } from 'zod'
import { collect } from '#protocols/body'
import { encode, parse } from '#protocols/codec'
import { isErrorCode, OsirisError } from '#protocols/errors'
import { CALL_ID_PATTERN } from '#protocols/function'
import { nameSchema } from '#protocols/manifest'
import type { Message } from '#protocols/network'
import { LISTED_MAX } from '../queue/queue.ts'
import { callerSchema } from '../wire-caller.ts'
import { CALLBACK_DECISIONS, WAIT_MS_MAX } from './calls.ts'

export const CALLS_PROTOCOL = 'calls/1'

const asked = { id: z.string().max(64), caller: callerSchema }

export const requestSchema = z.discriminatedUnion('type', [
  /** `invocation`: its head as in `#protocols/invocation-wire`; what goes with it is the message's body. */
  z.strictObject({
    type: z.literal('submit'),
    invocation: z.custom<Uint8Array>((value) => value instanceof Uint8Array),
    callback: z.string().max(4096).nullable(),
  }),
  z.strictObject({ type: z.literal('get'), ...asked, waitMs: z.int().min(0).max(WAIT_MS_MAX) }),
  z.strictObject({ type: z.literal('cancel'), ...asked }),
  z.strictObject({ type: z.literal('deadCallbacks'), namespace: nameSchema, limit: z.int().min(1).max(LISTED_MAX), caller: callerSchema }),
  z.strictObject({ type: z.literal('decideCallback'), ...asked, decision: z.enum(CALLBACK_DECISIONS) }),
  z.strictObject({ type: z.literal('list'), namespace: nameSchema, limit: z.int().min(1).max(LISTED_MAX), caller: callerSchema }),
])
export type CallsRequest = z.infer<typeof requestSchema>

const statusSchema = z.strictObject({
  id: z.string().max(64),
  function: z.string().max(127),
  state: z.enum(['queued', 'running', 'done', 'cancelled']),
  attempts: z.int().min(0),
  createdAt: z.number(),
  expiresAt: z.number(),
  endedAt: z.number().nullable(),
  value: z.string().optional(),
  response: z
    .strictObject({ status: z.int().min(100).max(599), headers: z.array(z.tuple([z.string(), z.string()])), body: z.string() })
    .optional(),
  error: z
    .strictObject({
      code: z.string().refine(isErrorCode),
      message: z.string().max(4096),
      stack: z.string().max(4096).optional(),
      details: z.record(z.string(), z.unknown()).optional(),
    })
    .optional(),
  version: z.string().max(64).optional(),
  node: z.string().max(256).optional(),
})

const deadCallbackSchema = z.strictObject({
  id: z.string().max(64),
  function: z.string().max(127),
  url: z.string().max(512),
  attempts: z.int().min(0),
  createdAt: z.number(),
  diedAt: z.number(),
  error: z.strictObject({ code: z.string().max(64), message: z.string().max(4096) }),
})

/** What a router answers to each; it is a peer, so it is judged. */
export const answerSchemas = {
  submit: z.strictObject({ id: z.string().regex(CALL_ID_PATTERN) }),
  get: statusSchema,
  cancel: statusSchema,
  list: z.array(statusSchema).max(LISTED_MAX),
  deadCallbacks: z.array(deadCallbackSchema).max(LISTED_MAX),
  decideCallback: z.null(),
}
type Answers = { [K in keyof typeof answerSchemas]: z.output<(typeof answerSchemas)[K]> }

/** A result in base64, and what goes around it. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024

/** As JSON text in the body: details of an error may hold anything that JSON can. */
export function encodeAnswer(answer: unknown): Message {
  return { head: encode(null), body: Buffer.from(JSON.stringify(answer)) }
}

export async function decodeAnswer<K extends keyof Answers>(type: K, { body }: Message): Promise<Answers[K]> {
  const bytes = await collect(body, ANSWER_BYTES_MAX, 'an answer about calls')
  return parse(answerSchemas[type], jsonOf(bytes), 'an answer about calls') as Answers[K]
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString())
  } catch (error) {
    throw new OsirisError('invalid_argument', 'Cannot read an answer about calls: it is not JSON', { cause: error })
  }
}
