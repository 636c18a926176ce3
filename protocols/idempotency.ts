/** The key by which a call that is sent again is known (draft-ietf-httpapi-idempotency-key-header). */
import { OsirisError } from './errors.ts'

export const IDEMPOTENCY_HEADER = 'idempotency-key'
const IDEMPOTENCY_KEY_MAX = 256

/** Whether the method of a request says more than that something is read: reading twice is reading, and takes no key. */
export function mayHaveEffect(method: string): boolean {
  return !['GET', 'HEAD', 'OPTIONS'].includes(method)
}

/** From a header's value, with the quotes of a structured field or without. `undefined` where there is none; throws `invalid_argument` for what is no key. */
export function idempotencyKeyOf(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined
  const text = typeof value === 'string' ? (/^"(.*)"$/.exec(value)?.[1] ?? value) : ''
  if (text !== '' && text.length <= IDEMPOTENCY_KEY_MAX && /^[\x20-\x7e]*$/.test(text)) return text
  throw new OsirisError(
    'invalid_argument',
    `Cannot take the call: its Idempotency-Key is not 1 to ${IDEMPOTENCY_KEY_MAX} printable ASCII characters`,
  )
}
