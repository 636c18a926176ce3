/**
 * The whole list of error codes and the HTTP status each one travels as (DESIGN 4.5).
 * No other code exists anywhere in Osiris; the same word is used over HTTP, between peers, in the SDK and on the command line.
 */
export const errorStatus = {
  invalid_argument: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  payload_too_large: 413,
  build_failed: 422,
  tests_failed: 422,
  rate_limited: 429,
  quota_exceeded: 429,
  function_failed: 500,
  internal: 500,
  result_not_serializable: 500,
  result_too_large: 500,
  memory_exceeded: 500,
  worker_crashed: 500,
  egress_denied: 500,
  outcome_unknown: 502,
  version_mismatch: 502,
  unavailable: 503,
  overloaded: 503,
  not_committed: 503,
  codegen_unavailable: 503,
  deadline_exceeded: 504,
  storage_full: 507,
  depth_exceeded: 508,
} as const

export type ErrorCode = keyof typeof errorStatus

/** What an error looks like when it leaves the process: in a frame, in a problem document, in `--json` output. */
export interface ErrorShape {
  code: ErrorCode
  /** One sentence: the act, then the state. At most 4 KiB. */
  message: string
  /** The user function's own stack, mapped to its source, without host paths. At most 4 KiB. */
  stack?: string
  /** Plain JSON data that helps a program react (positions, limits, allowed methods…). */
  details?: Record<string, unknown>
}

export interface OsirisErrorOptions {
  cause?: unknown
  details?: Record<string, unknown>
  /** The user function's stack, never ours. */
  functionStack?: string
}

/** The only error class that crosses a room's door. The message states the act, then the state: `Cannot place "demo/greet": no member runs executor (members: 4)`. */
export class OsirisError extends Error {
  readonly code: ErrorCode
  readonly details: Record<string, unknown> | undefined
  readonly functionStack: string | undefined

  constructor(code: ErrorCode, message: string, options: OsirisErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'OsirisError'
    this.code = code
    this.details = options.details
    this.functionStack = options.functionStack
  }

  get status(): number {
    return errorStatus[this.code]
  }

  /** The shape that travels. Never contains our own stack. */
  toShape(): ErrorShape {
    return {
      code: this.code,
      message: this.message,
      ...(this.functionStack === undefined ? {} : { stack: this.functionStack }),
      ...(this.details === undefined ? {} : { details: this.details }),
    }
  }

  /** Rebuilds an error that arrived from elsewhere. An unknown code (a newer peer) becomes `internal`. */
  static fromShape(shape: ErrorShape): OsirisError {
    const code = isErrorCode(shape.code) ? shape.code : 'internal'
    return new OsirisError(code, shape.message, {
      ...(shape.details === undefined ? {} : { details: shape.details }),
      ...(shape.stack === undefined ? {} : { functionStack: shape.stack }),
    })
  }

  /** Any thrown thing as an OsirisError; what is not one already becomes `internal` (or `code`) with the act in front. */
  static from(thrown: unknown, act: string, code: ErrorCode = 'internal'): OsirisError {
    if (thrown instanceof OsirisError) return thrown
    const reason = thrown instanceof Error ? thrown.message : String(thrown)
    return new OsirisError(code, `${act}: ${reason}`, { cause: thrown })
  }
}

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(errorStatus, value)
}
