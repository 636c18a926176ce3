/** What goes wrong over HTTP, as the one error class. */
import { type ErrorCode, errorStatus, isErrorCode, OsirisError } from '#protocols/errors'
import { objectOf } from '#protocols/json'

/** Members of a problem document that are not details (RFC 9457 section 3.1). */
const STANDARD = new Set(['type', 'title', 'status', 'detail', 'code', 'stack'])
/** Reasons that prove that nothing was sent. */
const NOT_SENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'])
/** What `fetch` never connects to (https://fetch.spec.whatwg.org/#port-blocking), as Node says it. */
const BAD_PORT = 'bad port'

/** Whether an answer is the platform's error rather than the function's own: functions cannot set `osiris-*` headers. */
export function isProblem(response: Response): boolean {
  return response.headers.has('osiris-error')
}

/** A failed answer → the error it tells of. What is not a problem document comes from something in between, a proxy for one. */
export async function errorOf(response: Response, act: string, base: string): Promise<OsirisError> {
  const text = await response.text().catch(() => '')
  const problem = objectOf(text)
  const code = problem?.['code']
  if (problem === undefined || !isErrorCode(code)) {
    const fallback = codeOf(response.status)
    return new OsirisError(fallback, `Cannot ${act}: ${base} answered ${response.status} without a problem document: ${text.slice(0, 200)}`)
  }
  const details = Object.fromEntries(Object.entries(problem).filter(([key]) => !STANDARD.has(key)))
  return new OsirisError(code, String(problem['detail']), {
    ...(Object.keys(details).length === 0 ? {} : { details }),
    ...(typeof problem['stack'] === 'string' ? { functionStack: problem['stack'] } : {}),
  })
}

/** `fetch` gave up. `timeoutMs` is there when the wait was cut short by us. */
export function unreached(error: unknown, act: string, base: string, timeoutMs: number | undefined): OsirisError {
  if (timeoutMs !== undefined)
    return new OsirisError('deadline_exceeded', `Cannot ${act}: ${base} did not answer within ${timeoutMs} ms`, { cause: error })
  const cause = (error as { cause?: { code?: string; message?: string } }).cause
  const reason = cause?.code ?? cause?.message ?? (error as Error).message
  if (cause !== undefined && (NOT_SENT.has(cause.code ?? '') || cause.message === BAD_PORT)) {
    return new OsirisError('unavailable', `Cannot ${act}: ${base} cannot be reached (${reason})`, {
      cause: error,
      details: { sent: false },
    })
  }
  return new OsirisError('outcome_unknown', `Cannot ${act}: the connection to ${base} ended without an answer (${reason})`, {
    cause: error,
  })
}

function codeOf(status: number): ErrorCode {
  const same = (Object.keys(errorStatus) as ErrorCode[]).find((code) => errorStatus[code] === status)
  return same ?? (status >= 500 ? 'unavailable' : 'invalid_argument')
}
