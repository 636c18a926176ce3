/**
 * What an isolate asks of crypto.subtle, checked by hand: a taken-over isolate may send anything. What passes is plain data of known kinds, and bounded
 * in what it can cost; whether it makes sense (lengths of keys, of nonces, usages) is for the host's Web Crypto to say.
 */
import { CRYPTO_BYTES_MAX } from '../../../bounds.ts'
import {
  ALGORITHMS,
  CURVES,
  type CryptoRequest,
  FORMATS,
  HASHES,
  JWK_TEXTS,
  MEMBERS,
  type Operation,
  type Purpose,
  USAGES,
  type WireAlgorithm,
} from '../runtime/subtle/vocabulary.ts'

/** Encoded keys. An RSA key of 4,096 bits is 2.4 KiB in PKCS #8 and 3.2 KiB as JWK. */
const KEY_BYTES_MAX = 64 * 1024
/** Keys that are parsed (all but raw), and keys in a wrapping: parsing happens on the worker's main thread. */
const PARSED_KEY_BYTES_MAX = 16 * 1024
/** Bits of a symmetric key, and of what is derived: 64 KiB. */
const LENGTH_MAX = 8 * KEY_BYTES_MAX
const MODULUS_MIN = 1024
/** Twice the bits are eight times the work, and the prime search of a longer one takes tens of seconds. */
export const MODULUS_MAX = 4096
/**
 * PBKDF2's iterations times the blocks of output: nobody can stop it once it runs. 1.3 million is the most that OWASP's Password Storage Cheat Sheet
 * asks for (SHA-1), and takes 0.2 s with SHA-256 and 0.65 s with SHA-512 on the machine this was measured on.
 */
export const PBKDF2_ROUNDS_MAX = 1_300_000
const INTEGER_MAX = 0xffff_ffff

/** What is refused: the name of a DOMException, or TypeError. */
export class Refused extends Error {
  constructor(name: string, message: string) {
    super(message)
    this.name = name
  }
}

type Kind = 'bytes' | 'handle' | 'jwk' | 'format' | 'boolean' | 'usages' | 'length' | Purpose
type Field = Exclude<keyof CryptoRequest, 'op'>

const FIELDS: Record<Operation, Partial<Record<Field, Kind>>> = {
  digest: { alg: 'digest', data: 'bytes' },
  encrypt: { alg: 'encrypt', key: 'handle', data: 'bytes' },
  decrypt: { alg: 'decrypt', key: 'handle', data: 'bytes' },
  sign: { alg: 'sign', key: 'handle', data: 'bytes' },
  verify: { alg: 'verify', key: 'handle', signature: 'bytes', data: 'bytes' },
  generateKey: { alg: 'generateKey', extractable: 'boolean', usages: 'usages' },
  importKey: { format: 'format', alg: 'importKey', extractable: 'boolean', usages: 'usages' },
  exportKey: { format: 'format', key: 'handle' },
  deriveBits: { alg: 'deriveBits', key: 'handle', length: 'length' },
  deriveKey: { alg: 'deriveBits', key: 'handle', derived: 'derived', extractable: 'boolean', usages: 'usages' },
  wrapKey: { format: 'format', key: 'handle', wrapping: 'handle', alg: 'wrapKey' },
  unwrapKey: {
    format: 'format',
    data: 'bytes',
    wrapping: 'handle',
    alg: 'unwrapKey',
    derived: 'importKey',
    extractable: 'boolean',
    usages: 'usages',
  },
}

/** The same request, as nothing but what was checked. Throws `Refused`. */
export function checkRequest(given: unknown): CryptoRequest {
  const record = recordFrom(given)
  const { op } = record
  if (typeof op !== 'string' || !Object.hasOwn(FIELDS, op)) throw malformed()
  const request: Record<string, unknown> = { op }
  const fields: Record<string, Kind> = { ...FIELDS[op as Operation] }
  if (op === 'importKey') fields[record['format'] === 'jwk' ? 'jwk' : 'data'] = record['format'] === 'jwk' ? 'jwk' : 'bytes'
  for (const [field, kind] of Object.entries(fields)) request[field] = checked(kind, record[field])
  const checkedRequest = request as unknown as CryptoRequest
  refuseCostly(checkedRequest)
  return checkedRequest
}

function checked(kind: Kind, value: unknown): unknown {
  const check = CHECKS[kind]
  return check === undefined ? algorithmFrom(kind as Purpose, value) : check(value)
}

const CHECKS: Partial<Record<Kind | 'integer' | 'hash' | 'curve' | 'key', (value: unknown) => unknown>> = {
  bytes: bytesFrom,
  handle: integerFrom,
  key: integerFrom,
  integer: integerFrom,
  hash: (value) => oneOf(HASHES, value),
  curve: (value) => oneOf(CURVES, value),
  format: (value) => oneOf(FORMATS, value),
  length: (value) => (value === null ? null : integerFrom(value)),
  jwk: jwkFrom,
  boolean: booleanFrom,
  usages(value) {
    if (!Array.isArray(value) || value.length > USAGES.length) throw malformed()
    return value.map((usage: unknown) => oneOf(USAGES, usage))
  },
}

function algorithmFrom(purpose: Purpose, given: unknown): WireAlgorithm {
  const record = recordFrom(given)
  const { name } = record
  const known = ALGORITHMS[purpose]
  if (typeof name !== 'string' || !Object.hasOwn(known, name)) throw malformed()
  const alg: WireAlgorithm = { name }
  for (const text of (known[name] as string).split(' ')) {
    if (text === '') continue
    const isOptional = text.endsWith('?')
    const member = isOptional ? text.slice(0, -1) : text
    const value = record[member]
    if (value === undefined && isOptional) continue
    const check = CHECKS[MEMBERS[member] ?? 'integer']
    alg[member] = check?.(value)
  }
  return alg
}

function jwkFrom(given: unknown): Record<string, unknown> {
  const record = recordFrom(given)
  const jwk: Record<string, unknown> = {}
  let length = 0
  for (const member of JWK_TEXTS) {
    const value = record[member]
    if (value === undefined) continue
    if (typeof value !== 'string') throw malformed()
    length += value.length
    jwk[member] = value
  }
  const { ext, key_ops: operations } = record
  if (ext !== undefined) jwk['ext'] = booleanFrom(ext)
  if (operations !== undefined) {
    if (!Array.isArray(operations) || operations.length > 64 || !operations.every((each) => typeof each === 'string')) throw malformed()
    for (const each of operations) length += each.length
    jwk['key_ops'] = operations
  }
  if (length > PARSED_KEY_BYTES_MAX) throw new Refused('DataError', `The key is longer than ${PARSED_KEY_BYTES_MAX} characters`)
  return jwk
}

/** What is well-formed and would take too long, or too much. */
function refuseCostly(request: CryptoRequest): void {
  const { op, alg, derived, data, signature, format } = request
  const bytes = (data?.length ?? 0) + (signature?.length ?? 0) + membersBytes(alg) + membersBytes(derived)
  if (bytes > CRYPTO_BYTES_MAX) throw new Refused('OperationError', `The operation has more than ${CRYPTO_BYTES_MAX} bytes`)
  const keyBytesMax = op === 'unwrapKey' || format !== 'raw' ? PARSED_KEY_BYTES_MAX : KEY_BYTES_MAX
  if ((op === 'importKey' || op === 'unwrapKey') && (data?.length ?? 0) > keyBytesMax)
    throw new Refused('DataError', `The key is longer than ${keyBytesMax} bytes`)
  for (const bits of [request.length, alg?.['length'], derived?.['length']])
    if (typeof bits === 'number' && bits > LENGTH_MAX) throw new Refused('OperationError', `The length is above ${LENGTH_MAX} bits`)
  refuseModulus(alg)
  const rounds = roundsOf(request)
  if (rounds > PBKDF2_ROUNDS_MAX)
    throw new Refused('OperationError', `PBKDF2 would take ${rounds} rounds: iterations times blocks may be ${PBKDF2_ROUNDS_MAX}`)
}

/** An exponent of one's own choice can make the search for primes last as long as one likes. */
function refuseModulus(alg: WireAlgorithm | undefined): void {
  const { modulusLength, publicExponent }: Record<string, unknown> = alg ?? {}
  if (typeof modulusLength !== 'number') return
  if (modulusLength < MODULUS_MIN || modulusLength > MODULUS_MAX)
    throw new Refused('OperationError', `RSA keys have ${MODULUS_MIN} to ${MODULUS_MAX} bits here`)
  const exponent = Buffer.from(publicExponent as Uint8Array)
    .toString('hex')
    .replace(/^0+/, '')
  if (exponent !== '10001' && exponent !== '3') throw new Refused('OperationError', 'The public exponent is neither 65537 nor 3')
}

/** Bits a hash gives, and those of an HMAC key made for it. */
const HASH_BITS: Record<string, [output: number, block: number]> = {
  'SHA-1': [160, 512],
  'SHA-256': [256, 512],
  'SHA-384': [384, 1024],
  'SHA-512': [512, 1024],
}

function roundsOf({ alg, length, derived }: CryptoRequest): number {
  if (alg?.name !== 'PBKDF2' || alg['iterations'] === undefined) return 0
  const [outputBits] = HASH_BITS[alg['hash'] as string] as [number, number]
  const [, blockBits] = HASH_BITS[(derived?.['hash'] as string | undefined) ?? 'SHA-1'] as [number, number]
  const bits = derived === undefined ? (length ?? 0) : ((derived['length'] as number | undefined) ?? blockBits)
  return (alg['iterations'] as number) * Math.max(1, Math.ceil(bits / outputBits))
}

function membersBytes(alg: WireAlgorithm | undefined): number {
  let bytes = 0
  for (const value of Object.values(alg ?? {})) if (value instanceof Uint8Array) bytes += value.length
  return bytes
}

function recordFrom(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed()
  return value as Record<string, unknown>
}

function bytesFrom(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array) || !(value.buffer instanceof ArrayBuffer) || value.buffer.resizable) throw malformed()
  return value
}

function integerFrom(value: unknown): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > INTEGER_MAX) throw malformed()
  return value
}

function booleanFrom(value: unknown): boolean {
  if (typeof value !== 'boolean') throw malformed()
  return value
}

function oneOf(texts: string[], value: unknown): string {
  if (typeof value !== 'string' || !texts.includes(value)) throw malformed()
  return value
}

function malformed(): Refused {
  return new Refused('TypeError', 'The arguments are not what crypto.subtle takes')
}
