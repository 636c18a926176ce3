/** What a namespace's quota leaves, as HTTP tells it: draft-ietf-httpapi-ratelimit-headers-10. No dependencies: it is on the path of answers. */

/** One limit: `q` per `w` seconds, of which `r` are left where it was asked, and more in `t` seconds. */
export interface RateLimit {
  /** Lower-case letters and dashes, at most 32. */
  name: string
  q: number
  w?: number
  /** The unit of `q`; absent: requests. */
  qu?: string
  r: number
  t?: number
}

const LIMITS_MAX = 4
const COUNT_MAX = 999_999_999_999_999
const WORD = /^[a-z-]{1,32}$/

/** Of another node's word: what would not fit the fields is none. */
export function rateLimitsOf(value: unknown): RateLimit[] | undefined {
  if (!Array.isArray(value) || value.length === 0 || value.length > LIMITS_MAX) return undefined
  const limits = value.map(rateLimitOf)
  return limits.every((each) => each !== undefined) ? limits : undefined
}

function rateLimitOf(value: unknown): RateLimit | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { name, q, w, qu, r, t } = value as Record<string, unknown>
  if (!isWord(name) || !isCount(q) || !isCount(r)) return undefined
  if ((w !== undefined && !isCount(w)) || (qu !== undefined && !isWord(qu)) || (t !== undefined && !isCount(t))) return undefined
  return { name, q, ...(w === undefined ? {} : { w }), ...(qu === undefined ? {} : { qu }), r, ...(t === undefined ? {} : { t }) }
}

/** Flat `[name, value, …]`: which policies hold, and what is left of each. */
export function rateLimitFields(limits: readonly RateLimit[]): string[] {
  const policies = limits.map(
    ({ name, q, w, qu }) => `"${name}";q=${q}${w === undefined ? '' : `;w=${w}`}${qu === undefined ? '' : `;qu="${qu}"`}`,
  )
  const states = limits.map(({ name, r, t }) => `"${name}";r=${r}${t === undefined ? '' : `;t=${t}`}`)
  return ['ratelimit-policy', policies.join(', '), 'ratelimit', states.join(', ')]
}

function isWord(value: unknown): value is string {
  return typeof value === 'string' && WORD.test(value)
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= COUNT_MAX
}
