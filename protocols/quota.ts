/** What an operator allows a namespace, on all nodes together: the shape of the ledger's setting `quota`. */
import { z } from 'zod'
import { parse } from './codec.ts'
import { OsirisError } from './errors.ts'
import { jsonAs } from './json.ts'

/** At least one of them; what is absent has no bound. */
export const quotaSchema = z
  .strictObject({
    /** Calls let in per second, on average; as many as that may come at once. */
    callsPerSecond: z.number().min(0.01).max(1_000_000).optional(),
    /** Calls under way. A response that streams counts until its head. */
    concurrent: z.int().min(1).max(1_000_000).optional(),
    /** Processor time, in seconds per hour: a bucket of one hour's worth that fills evenly. */
    cpuSecondsPerHour: z.number().min(0.1).max(10_000_000).optional(),
  })
  .refine(
    (quota) => Object.values(quota).some((each) => each !== undefined),
    'a quota bounds something: callsPerSecond, concurrent or cpuSecondsPerHour',
  )

export type Quota = z.infer<typeof quotaSchema>

/** For whoever writes one. Throws `invalid_argument`. */
export function assertQuota(text: string): void {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new OsirisError('invalid_argument', `Cannot set the quota: it is not JSON (${(error as Error).message.slice(0, 200)})`, {
      cause: error,
    })
  }
  parse(quotaSchema, value, 'the quota')
}

/** Of a setting's text, which may be of a newer node: what cannot be read bounds nothing. */
export function quotaOf(text: string): Quota | undefined {
  return jsonAs(quotaSchema, text)
}

/** Stands for every namespace without a quota of its own. */
export const EVERY_NAMESPACE = '*'
