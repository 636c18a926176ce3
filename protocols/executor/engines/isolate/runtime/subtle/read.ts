/** What a function gives crypto.subtle, read once and copied into plain data (Web IDL's conversions). Getters and conversions of the user's run here, inside. */
import { apply, isArray } from '../primordials.ts'
import { stringOf } from '../text.ts'
import { CRYPTO_BYTES_MAX } from '../../../../bounds.ts'
import { ALGORITHMS, CURVES, FORMATS, HASHES, JWK_TEXTS, MEMBERS, type Purpose, USAGES, type WireAlgorithm } from './vocabulary.ts'

const NativeTypeError = TypeError
const NativeUint8Array = Uint8Array
const NativeArrayBuffer = ArrayBuffer
const isView = ArrayBuffer.isView
const NativeNumber = Number
const { isInteger, MAX_SAFE_INTEGER } = Number
const setBytes = Uint8Array.prototype.set
const toUpperCase = String.prototype.toUpperCase
const split = String.prototype.split
const create = Object.create
const keysOf = Object.keys
/** Text that is no usage at the latest. */
const USAGES_MAX = 64

type Refuse = (name: string, message: string) => Error

/** A copy that no one else holds; `at` names the argument for the error. */
export function bytesFrom(value: unknown, at: string, refuse: Refuse): Uint8Array<ArrayBuffer> {
  let view: Uint8Array
  if (isView(value)) view = new NativeUint8Array(value.buffer as ArrayBuffer, value.byteOffset, value.byteLength)
  else if (value instanceof NativeArrayBuffer) view = new NativeUint8Array(value)
  else throw new NativeTypeError(`${at} is not an ArrayBuffer or a view of one`)
  if (view.length > CRYPTO_BYTES_MAX) throw refuse('OperationError', `${at} is longer than ${CRYPTO_BYTES_MAX} bytes`)
  const copy = new NativeUint8Array(view.length)
  apply(setBytes, copy, [view])
  return copy
}

/** An AlgorithmIdentifier for this purpose; throws NotSupportedError for what does not serve it. */
export function algorithmFrom(purpose: Purpose, given: unknown, handleOf: (value: unknown) => number, refuse: Refuse): WireAlgorithm {
  const known = ALGORITHMS[purpose]
  const name = nameIn(keysOf(known), nameOf(given))
  if (name === undefined) throw refuse('NotSupportedError', `The algorithm does not support ${purpose}`)
  const wire = create(null) as WireAlgorithm
  wire.name = name
  const members = known[name] as string
  if (members === '') return wire
  const all = apply(split, members, [' ']) as string[]
  for (let index = 0; index < all.length; index++) {
    const [member, optional] = apply(split, all[index], ['?']) as [string, string | undefined]
    const value = (given as Record<string, unknown>)[member]
    if (value !== undefined) wire[member] = memberFrom(member, value, handleOf, refuse)
    else if (optional === undefined) throw new NativeTypeError(`The ${name} algorithm needs "${member}"`)
  }
  return wire
}

function memberFrom(member: string, value: unknown, handleOf: (value: unknown) => number, refuse: Refuse): unknown {
  const kind = MEMBERS[member]
  if (kind === 'bytes') return bytesFrom(value, `"${member}"`, refuse)
  if (kind === 'integer') return integerFrom(value, `"${member}"`)
  if (kind === 'key') return handleOf(value)
  if (kind === 'hash') {
    const hash = nameIn(HASHES, nameOf(value))
    if (hash === undefined) throw refuse('NotSupportedError', 'The hash is not supported')
    return hash
  }
  const curve = stringOf(value)
  if (!includes(CURVES, curve)) throw refuse('NotSupportedError', 'The named curve is not supported')
  return curve
}

/** Web IDL's [EnforceRange] unsigned long. */
export function integerFrom(value: unknown, at: string): number {
  const number = NativeNumber(value)
  const whole = number - (number % 1)
  if (!isInteger(whole) || whole < 0 || whole > MAX_SAFE_INTEGER) throw new NativeTypeError(`${at} is out of range`)
  return whole
}

export function formatFrom(value: unknown): string {
  const format = stringOf(value)
  if (!includes(FORMATS, format)) throw new NativeTypeError('The key format is none of raw, pkcs8, spki and jwk')
  return format
}

export function usagesFrom(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) throw new NativeTypeError('The key usages are not a sequence')
  const usages: string[] = []
  let count = 0
  for (const each of value as Iterable<unknown>) {
    const usage = stringOf(each)
    if (!includes(USAGES, usage) || ++count > USAGES_MAX) throw new NativeTypeError('A key usage is not one of the known ones')
    if (!includes(usages, usage)) usages[usages.length] = usage
  }
  return usages
}

export function jwkFrom(value: unknown, refuse: Refuse): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || isView(value) || value instanceof NativeArrayBuffer)
    throw new NativeTypeError('The key data is not a JsonWebKey')
  const given = value as Record<string, unknown>
  const jwk = create(null) as Record<string, unknown>
  for (let index = 0; index < JWK_TEXTS.length; index++) {
    const member = JWK_TEXTS[index] as string
    const text = given[member]
    if (text !== undefined) jwk[member] = stringOf(text)
  }
  if (given['oth'] !== undefined) throw refuse('NotSupportedError', 'Keys of more than two primes are not supported')
  if (given['ext'] !== undefined) jwk['ext'] = !!given['ext']
  const operations = given['key_ops']
  if (operations !== undefined) jwk['key_ops'] = textsFrom(operations)
  return jwk
}

function textsFrom(value: unknown): string[] {
  if (!isArray(value)) throw new NativeTypeError('"key_ops" is not a sequence')
  const texts: string[] = []
  for (let index = 0; index < value.length && index < USAGES_MAX; index++) texts[index] = stringOf(value[index])
  return texts
}

function nameOf(given: unknown): string {
  if (typeof given !== 'object' || given === null) return stringOf(given)
  const { name } = given as { name?: unknown }
  if (name === undefined) throw new NativeTypeError('The algorithm has no name')
  return stringOf(name)
}

/** Names are compared without regard to case. */
function nameIn(names: string[], given: string): string | undefined {
  const wanted = apply(toUpperCase, given, [])
  for (let index = 0; index < names.length; index++) {
    const name = names[index] as string
    if (apply(toUpperCase, name, []) === wanted) return name
  }
  return undefined
}

function includes(texts: string[], text: string): boolean {
  for (let index = 0; index < texts.length; index++) if (texts[index] === text) return true
  return false
}
