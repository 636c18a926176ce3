/** How each error ends the process. */
import type { ErrorCode } from '#protocols/errors'

export const EXIT = { ok: 0, failed: 1, usage: 2, notFound: 3, denied: 4, unreachable: 5, timeout: 6 } as const

const EXIT_OF: Partial<Record<ErrorCode, number>> = {
  invalid_argument: EXIT.usage,
  method_not_allowed: EXIT.usage,
  not_found: EXIT.notFound,
  unauthenticated: EXIT.denied,
  forbidden: EXIT.denied,
  unavailable: EXIT.unreachable,
  codegen_unavailable: EXIT.unreachable,
  deadline_exceeded: EXIT.timeout,
  not_committed: EXIT.timeout,
}

/** Every code that is not in the list is a failure like any other: 1. */
export const exitCodeOf = (code: ErrorCode): number => EXIT_OF[code] ?? EXIT.failed
