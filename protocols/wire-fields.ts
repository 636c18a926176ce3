/** Values by position out of hostile messages. Each throws `invalid_argument` that names the field. */
import { OsirisError } from './errors.ts'

export function listOf(value: unknown, lengthMin: number, field: string): unknown[] {
  if (Array.isArray(value) && value.length >= lengthMin) return value
  throw malformed('a message', `${field} is not a list of ${lengthMin} or more`)
}

export function textOf(value: unknown, lengthMax: number, field: string): string {
  if (typeof value === 'string' && value.length <= lengthMax) return value
  throw malformed('a message', `${field} is not a text of at most ${lengthMax} characters`)
}

export function countOf(value: unknown, max: number, field: string): number {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max) return value as number
  throw malformed('a message', `${field} is not a whole number from 0 to ${max}`)
}

export function pairsOf(flat: unknown[], field: string): [string, string][] {
  if (flat.length % 2 !== 0) throw malformed('a message', `${field} are not pairs`)
  const pairs: [string, string][] = []
  for (let index = 0; index < flat.length; index += 2)
    pairs.push([textOf(flat[index], 65_536, field), textOf(flat[index + 1], 262_144, field)])
  return pairs
}

export function malformed(what: string, reason: string): OsirisError {
  return new OsirisError('invalid_argument', `Cannot read ${what}: ${reason}`)
}
