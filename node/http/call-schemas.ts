/** What is told of calls that nobody waits for. */
import { z } from '@hono/zod-openapi'
import { durationMs, nameSchema } from '#protocols/manifest'
import { WAIT_MS_MAX } from '#protocols/router'
import { limitSchema } from './schemas.ts'

export const callsQuerySchema = z.strictObject({ namespace: nameSchema, limit: limitSchema })
const summaryOfCallSchema = z.object({
  id: z.string(),
  function: z.string(),
  state: z.enum(['queued', 'running', 'done', 'cancelled']),
  attempts: z.int(),
  createdAt: z.number(),
  expiresAt: z.number().openapi({ description: 'From then on it does not begin any more' }),
  endedAt: z.number().nullable(),
  error: z
    .looseObject({ code: z.string(), message: z.string() })
    .optional()
    .openapi({ description: 'Of a call that failed; of one that waits, what came of its last attempt' }),
})
export const callsSchema = z.object({ calls: z.array(summaryOfCallSchema) })
export const callSchema = summaryOfCallSchema.extend({
  value: z.unknown().optional().openapi({ description: 'Of a value function that is done' }),
  response: z
    .object({ status: z.int(), headers: z.array(z.tuple([z.string(), z.string()])), body: z.string() })
    .optional()
    .openapi({ description: 'Of a web function that is done; the body in base64' }),
  version: z.string().optional(),
  node: z.string().optional(),
})
export const callQuerySchema = z.strictObject({
  wait: durationMs(0, WAIT_MS_MAX).optional().openapi({
    type: 'string',
    description: 'Answers when the call is over, and after so long at the latest: 10s, at most 30s',
  }),
})
export const callbacksSchema = z.object({
  callbacks: z.array(
    z.object({
      id: z.string().openapi({ description: 'Of the call' }),
      function: z.string(),
      url: z.string().openapi({ description: 'Without its query' }),
      attempts: z.int(),
      createdAt: z.number(),
      diedAt: z.number(),
      error: z.object({ code: z.string(), message: z.string() }),
    }),
  ),
})
export const submittedSchema = z.object({ id: z.string(), state: z.literal('queued') })
