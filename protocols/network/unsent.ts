/** `details.sent`: whether a handler may have seen the request. Said by this side of the connection only. */
import { OsirisError } from '#protocols/errors'

/** No handler anywhere saw the request: the proof that lets a caller try elsewhere. */
export function unsent(
  code: 'unavailable' | 'overloaded' | 'payload_too_large' | 'deadline_exceeded',
  sentence: string,
  cause?: unknown,
): OsirisError {
  return new OsirisError(code, sentence, { details: { sent: false }, ...(cause === undefined ? {} : { cause }) })
}

/** What a handler says about its own requests elsewhere is no proof about this one. */
export function withoutSent(error: OsirisError): OsirisError {
  if (error.details?.['sent'] === undefined) return error
  const { sent: _, ...details } = error.details
  return OsirisError.fromShape({ ...error.toShape(), details })
}

/** The peer says that no handler saw the request. */
export function asUnsent(error: OsirisError): OsirisError {
  return OsirisError.fromShape({ ...error.toShape(), details: { ...error.details, sent: false } })
}
