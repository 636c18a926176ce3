/** What people type → values. Pure. */
import { OsirisError } from '#protocols/errors'
import { formatRef, type FunctionRef, parseRef } from '#protocols/function'

/** An argument that parses as JSON is that value, anything else a text (DESIGN 4.6). */
export function valueOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** `NS/NAME[@SELECTOR]`, or only `NAME` where a namespace was given. Throws `invalid_argument`. */
export function refFrom(text: string, namespace: string | undefined): FunctionRef {
  return parseRef(text.includes('/') || namespace === undefined ? text : `${namespace}/${text}`)
}

export const refText = (text: string, namespace: string | undefined): string => formatRef(refFrom(text, namespace))

/** The same for a function as a whole, as text. Throws `invalid_argument` for one version of it. */
export function wholeRef(text: string, namespace: string | undefined): string {
  const ref = refFrom(text, namespace)
  if (ref.selector === undefined) return formatRef(ref)
  throw new OsirisError('invalid_argument', `Cannot use "${text}" here: leave out "@${ref.selector}"`)
}

/** Throws `invalid_argument` where nobody named one; `whose`: topics, calls. */
export function namespaceFrom(given: string | undefined, whose: string): string {
  if (given !== undefined) return given
  throw new OsirisError('invalid_argument', `Cannot tell whose ${whose} are meant: give --namespace`)
}

/** Throws `invalid_argument` with the option's name. */
export function wholeNumber(text: string, option: string, min: number, max: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  throw new OsirisError('invalid_argument', `${option}: expected a whole number between ${min} and ${max}`)
}

/** `10s`, or a number of milliseconds. Throws `invalid_argument` with the option's name. */
export async function durationOf(text: string, option: string, minMs: number, maxMs: number): Promise<number> {
  const { durationMs } = await import('#protocols/manifest')
  const result = durationMs(minMs, maxMs).safeParse(/^\d+$/.test(text) ? Number(text) : text)
  if (result.success) return result.data
  throw new OsirisError('invalid_argument', `${option}: ${result.error.issues[0]?.message ?? 'expected a duration'}`)
}
