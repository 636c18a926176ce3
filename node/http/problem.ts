/** An error as HTTP carries it: RFC 9457 problem documents. The one place where errors become HTTP. */
import { type ErrorCode, errorStatus, OsirisError } from '#protocols/errors'
import { rateLimitFields, rateLimitsOf } from '#protocols/rate-limit'

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
  // Details come from other nodes.
  const limits = rateLimitsOf(error.details?.['rateLimit'])
  if (limits !== undefined) headers.push(...rateLimitFields(limits))
  return headers
}

function retryAfterOf(error: OsirisError): number {
  const ms = error.details?.['retryAfterMs']
  return typeof ms === 'number' && ms > 0 ? Math.ceil(ms / 1000) : RETRY_AFTER_S
}

function titleOf(code: ErrorCode): string {
  const words = code.replaceAll('_', ' ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}
