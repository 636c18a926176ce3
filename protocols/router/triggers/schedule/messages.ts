/** What routers say to each other about schedules: protocol `schedule/1`, every request's head one of `requestSchema`; and gossip of rows. */
import { z } from 'zod'
import { nameSchema } from '#protocols/manifest'
import { callerSchema } from '../../wire-caller.ts'
import { firedSchema, grantSchema, lineSchema, rowSchema } from './row.ts'

export const SCHEDULE_PROTOCOL = 'schedule/1'
/** A message is one row. */
export const SCHEDULE_TOPIC = 'schedules'
/** One answer to `rows` or `list`; its body. */
export const PAGE_ROWS = 100
/** Whoever has more schedules to tell of than these pages hold is not heard any further: nobody has. */
export const PAGES_MAX = 1000
export const PAGE_BYTES_MAX = 1024 * 1024

const claimSchema = z.strictObject({
  namespace: nameSchema,
  name: nameSchema,
  line: lineSchema,
  tickAt: grantSchema.shape.tickAt,
  /** Grows with every attempt of a claimant, so that letting go of one does not let go of the next. */
  round: grantSchema.shape.round,
})
const afterSchema = z.string().max(127)

export const requestSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('claim'), ...claimSchema.shape }),
  z.strictObject({ type: z.literal('release'), ...claimSchema.shape }),
  /** For routers: rows by key, from the one after `after` on. */
  z.strictObject({ type: z.literal('rows'), after: afterSchema }),
  /** For people, judged by what the caller may read. */
  z.strictObject({ type: z.literal('list'), after: afterSchema, namespace: nameSchema.optional(), caller: callerSchema }),
])
export type ScheduleRequest = z.infer<typeof requestSchema>
export type Claim = z.infer<typeof claimSchema>

/** `row`: what the router knows of the schedule; a claimant that comes too late learns so. */
export const grantedSchema = z.strictObject({ granted: z.boolean(), row: rowSchema.nullable() })
export const rowsSchema = z.strictObject({ rows: z.array(rowSchema).max(PAGE_ROWS) })

/** One schedule as people see it. */
export const scheduleSchema = z.strictObject({
  namespace: z.string(),
  name: z.string(),
  version: z.string(),
  cron: z.string(),
  timezone: z.string(),
  missed: z.enum(['skip', 'last', 'all']),
  overlap: z.boolean(),
  /** Milliseconds since the epoch; `null` when there is none for years, or the line cannot be read (`problem`). */
  nextAt: z.number().nullable(),
  /** The router that fires it, by name; `null` when that one is cut off from most routers. */
  owner: z.string().nullable(),
  /** The last tick that was fired, and how its call ended (`null`: it runs). */
  last: firedSchema.nullable(),
  problem: z.string().nullable(),
})
export type Schedule = z.infer<typeof scheduleSchema>
export const schedulesSchema = z.strictObject({ schedules: z.array(scheduleSchema).max(PAGE_ROWS) })
