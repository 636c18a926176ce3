/** Naming of functions. No dependencies: the browser SDK uses this file too. The shape of what is published is in manifest.ts. */
import { OsirisError } from './errors.ts'

/** Names a call, or a chain of calls. */
export const CALL_ID_PATTERN = /^[0-9a-f]{32}$/
/**
 * Namespaces, functions, aliases and node names. They stand in host names, so each is a label that every resolver takes (RFC 1123, 2.1: no hyphen at the
 * end), and none is read as another alphabet's (RFC 5890, 2.3.1: `xn--…` is shown as whatever it encodes, which may look like any other name).
 */
export const NAME_PATTERN = /^(?!xn--)[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/
/** What a name is, for whoever wrote something else. */
export const NAME_RULE = 'names are a lower-case letter, then up to 62 of a-z, 0-9 and "-", not "-" at the end nor "xn--" at the beginning'
/** A version: the SHA-256 of its manifest. A prefix of at least 8 hex characters, or an ordinal such as `v3`, may stand for it in a reference. */
export const VERSION_PATTERN = /^[0-9a-f]{64}$/
const SELECTOR_PATTERN = /^([a-z][a-z0-9-]{0,62}|[0-9a-f]{8,64})$/

/** The alias a reference without a selector means. */
export const LIVE = 'live'

/** What a person writes: `namespace/name`, `namespace/name@canary`, `namespace/name@v3`, `namespace/name@1f2e3d4c`. */
export interface FunctionRef {
  namespace: string
  name: string
  /** An alias, an ordinal (`v3`), a version or an unambiguous prefix of one. Absent: `live`. */
  selector?: string
}

export function isName(value: string): boolean {
  return NAME_PATTERN.test(value)
}

/** Throws `invalid_argument` unless `value` is a name; `what` is the noun in the sentence. */
export function assertName(value: string, what: string): void {
  if (!isName(value)) {
    throw new OsirisError('invalid_argument', `Cannot use ${JSON.stringify(value.slice(0, 80))} as ${what}: ${NAME_RULE}`)
  }
}

/** Parses `namespace/name[@selector]`. Throws `invalid_argument`. */
export function parseRef(text: string): FunctionRef {
  const slash = text.indexOf('/')
  if (slash < 0)
    throw new OsirisError(
      'invalid_argument',
      `Cannot read ${JSON.stringify(text.slice(0, 160))} as a function: expected NAMESPACE/NAME[@VERSION|ALIAS]`,
    )
  return refOf(text.slice(0, slash), text.slice(slash + 1))
}

/** The same from the two path segments of a URL; `nameAndSelector` may carry `@selector`. Throws `invalid_argument`. */
export function refOf(namespace: string, nameAndSelector: string): FunctionRef {
  const at = nameAndSelector.indexOf('@')
  const name = at < 0 ? nameAndSelector : nameAndSelector.slice(0, at)
  assertName(namespace, 'a namespace')
  assertName(name, 'a function name')
  if (at < 0) return { namespace, name }
  const selector = nameAndSelector.slice(at + 1)
  assertSelector(selector)
  return { namespace, name, selector }
}

/** Throws `invalid_argument` unless it may stand after the `@` of a reference. */
export function assertSelector(selector: string): void {
  if (SELECTOR_PATTERN.test(selector)) return
  throw new OsirisError(
    'invalid_argument',
    `Cannot use ${JSON.stringify(selector.slice(0, 80))} as a version: expected an alias, an ordinal such as v3, or at least 8 hex characters of a version`,
  )
}

export function formatRef(ref: FunctionRef): string {
  return ref.selector === undefined ? `${ref.namespace}/${ref.name}` : `${ref.namespace}/${ref.name}@${ref.selector}`
}
