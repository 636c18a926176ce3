/** Who asks, as it travels from a node to the router that judges. */
import { z } from 'zod'
import type { Caller } from '#protocols/invocation'

export const callerSchema = z.strictObject({ subject: z.string().max(256), token: z.string().max(8192).nullable() })
export type WireCaller = z.infer<typeof callerSchema>

export function wireCaller({ subject, token }: Caller): WireCaller {
  return { subject, token: token ?? null }
}

/** A name without a token proves nothing. */
export function callerOf({ subject, token }: WireCaller): Caller {
  return token === null ? { subject: 'anonymous' } : { subject, token }
}
