/** What commands about rights have in common: words of the command line → grants, and back. */
import { CAPABILITIES, type Capability, type Grant } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import { isName, NAME_RULE } from '#protocols/function'
import { durationMs } from '#protocols/manifest'

/** What the ledger takes besides a name. */
const PREFIX = /^(?:[a-z][a-z0-9-]{0,61})?\*$/
/** Ten years: beyond it somebody mistyped. */
const EXPIRES_MS_MAX = 3650 * 86_400_000

/** `deploy,invoke`. Throws `invalid_argument`. */
export function capabilitiesFrom(text: string): Capability[] {
  const words = wordsOf(text)
  if (words.length === 0)
    throw new OsirisError('invalid_argument', `--can: say what it shall give, some of ${CAPABILITIES.join(', ')}, with commas between them`)
  return words.map((word) => {
    const known = CAPABILITIES.find((each) => each === word)
    if (known === undefined) throw new OsirisError('invalid_argument', `--can: expected some of ${CAPABILITIES.join(', ')}, got "${word}"`)
    return known
  })
}

/** `demo,team-*`. Throws `invalid_argument` where there is none. */
export function patternsFrom(text: string | undefined): string[] {
  const words = wordsOf(text ?? '')
  const wrong = words.find((word) => !isName(word) && !PREFIX.test(word))
  if (wrong !== undefined)
    throw new OsirisError(
      'invalid_argument',
      `--namespace: expected a name, a prefix such as "team-*", or "*", got ${JSON.stringify(wrong.slice(0, 80))}: ${NAME_RULE}`,
    )
  if (words.length > 0) return words
  throw new OsirisError(
    'invalid_argument',
    '--namespace: say which: a name, several with commas, a prefix such as "team-*", or "*" for all',
  )
}

/** Milliseconds since the epoch. Throws `invalid_argument`. */
export function expiryFrom(text: string, nowMs: number): number {
  const result = durationMs(1000, EXPIRES_MS_MAX).safeParse(text)
  if (result.success) return nowMs + result.data
  throw new OsirisError('invalid_argument', `--expires: expected a duration such as 12h or 30d, at most 3650d (got "${text}")`)
}

/** `deploy, invoke on demo; read on *` */
export const textOfGrants = (grants: readonly Grant[]): string =>
  grants.map(({ can, namespaces }) => `${can.join(', ')} on ${namespaces.join(', ')}`).join('; ')

/** What stands between commas, if anything. */
export const wordsOf = (text: string): string[] =>
  text
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '')
