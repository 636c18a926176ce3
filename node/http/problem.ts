/** An error as HTTP carries it: RFC 9457 problem documents. The one place where errors become HTTP. */
import { z } from 'zod'
import { type ErrorCode, errorStatus, OsirisError } from '#protocols/errors'

export interface Problem {
  status: number
  /** Flat `[name, value, …]`, content-length included. */
  headers: string[]
  body: Buffer
}

/** What to call an error whose sentence says nothing about when to come again. */
const RETRY_AFTER_S = 1
const RETRYABLE: ReadonlySet<ErrorCode> = new Set(['overloaded', 'rate_limited'])

/** A request that did not come in time is `deadline_exceeded` like every wait that ended, but to HTTP it is the client that was late (RFC 9110 section 15.5.9). */
export const REQUEST_TIMEOUT = 408

/** Anything thrown → the answer. What is not an OsirisError becomes `internal` without its text: that is for the log. `as`: another status than that of its code. */
export function problemOf(thrown: unknown, as?: number): Problem {
  const error =
    thrown instanceof OsirisError ? thrown : new OsirisError('internal', 'Cannot answer: an unexpected error, see the log of the node')
  const status = as ?? errorStatus[error.code]
  const body = Buffer.from(JSON.stringify(documentOf(error, status)))
  return { status, headers: headersOf(error, body.length), body }
}

function documentOf(error: OsirisError, status: number): Record<string, unknown> {
  return {
    ...error.details,
    type: `urn:osiris:error:${error.code}`,
    title: titleOf(error.code),
    status,
    detail: error.message,
    code: error.code,
    ...(error.functionStack === undefined ? {} : { stack: error.functionStack }),
  }
}

/** `osiris-error` cannot come from a function (its `osiris-*` headers are taken off): it tells clients that the document is the platform's. */
function headersOf(error: OsirisError, length: number): string[] {
  const headers = ['content-type', 'application/problem+json', 'content-length', String(length), 'osiris-error', error.code]
  const allow = error.details?.['allow']
  if (error.code === 'method_not_allowed' && Array.isArray(allow)) headers.push('allow', allow.join(', '))
  if (error.code === 'unauthenticated') headers.push('www-authenticate', 'Bearer realm="osiris"')
  if (RETRYABLE.has(error.code) || error.details?.['retryAfterMs'] !== undefined) headers.push('retry-after', String(retryAfterOf(error)))
  pushRateLimits(headers, error.details?.['rateLimit'])
  return headers
}

/** https://www.ietf.org/archive/id/draft-ietf-httpapi-ratelimit-headers-10.txt: which policy was met, and what is left of it. */
function pushRateLimits(headers: string[], limits: unknown): void {
  const items = rateLimitsSchema.safeParse(limits).data
  if (items === undefined) return
  const policies = items.map(
    ({ name, q, w, qu }) => `"${name}";q=${q}${w === undefined ? '' : `;w=${w}`}${qu === undefined ? '' : `;qu="${qu}"`}`,
  )
  const states = items.map(({ name, r, t }) => `"${name}";r=${r}${t === undefined ? '' : `;t=${t}`}`)
  headers.push('ratelimit-policy', policies.join(', '), 'ratelimit', states.join(', '))
}

const countSchema = z.int().min(0).max(999_999_999_999_999)
const wordSchema = z.string().regex(/^[a-z-]{1,32}$/)
/** Details come from other nodes: what would not fit the fields is left out. */
const rateLimitsSchema = z
  .array(
    z.object({
      name: wordSchema,
      q: countSchema,
      w: countSchema.optional(),
      qu: wordSchema.optional(),
      r: countSchema,
      t: countSchema.optional(),
    }),
  )
  .min(1)
  .max(4)

function retryAfterOf(error: OsirisError): number {
  const ms = error.details?.['retryAfterMs']
  return typeof ms === 'number' && ms > 0 ? Math.ceil(ms / 1000) : RETRY_AFTER_S
}

function titleOf(code: ErrorCode): string {
  const words = code.replaceAll('_', ' ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}
