/** When a certificate is asked for. Pure. */

const HOUR_MS = 3_600_000
/** Of its time, what is left when it is renewed: a month of three, two days of six. */
const LEFT = 1 / 3
/** After one refusal; doubled with each more, since authorities count them. */
const RETRY_MS = HOUR_MS
const RETRY_MS_MAX = 24 * HOUR_MS

/** What is known of one name. Milliseconds since the epoch. */
export interface Known {
  /** Of the certificate that is here. */
  from?: number
  to?: number
  /** When it was last asked for in vain, and how often in a row. */
  failedAt?: number
  failures: number
}

/** When to ask: at once (or before) where there is none. */
export function dueAt({ from, to, failedAt, failures }: Known): number {
  const wanted = from === undefined || to === undefined ? 0 : to - (to - from) * LEFT
  if (failedAt === undefined || failures === 0) return wanted
  return Math.max(wanted, failedAt + Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** Math.min(failures - 1, 10)))
}
