/** What crypto.subtle knows, as data for both sides of the isolate's wall (Web Cryptography Level 2): no code of either. */

export type Operation =
  | 'digest'
  | 'encrypt'
  | 'decrypt'
  | 'sign'
  | 'verify'
  | 'generateKey'
  | 'importKey'
  | 'exportKey'
  | 'deriveBits'
  | 'deriveKey'
  | 'wrapKey'
  | 'unwrapKey'

/** What an algorithm is given for: an operation, or, in deriveKey, what the derived key is to be. */
export type Purpose = Exclude<Operation, 'exportKey' | 'deriveKey'> | 'derived'

export const FORMATS = ['raw', 'pkcs8', 'spki', 'jwk']
export const USAGES = ['encrypt', 'decrypt', 'sign', 'verify', 'deriveKey', 'deriveBits', 'wrapKey', 'unwrapKey']
export const HASHES = ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512']
export const CURVES = ['P-256', 'P-384', 'P-521']

/** Members of an algorithm by what they are. `bytes` are BufferSources, `key` a CryptoKey. */
export const MEMBERS: Record<string, 'bytes' | 'integer' | 'hash' | 'curve' | 'key'> = {
  iv: 'bytes',
  counter: 'bytes',
  additionalData: 'bytes',
  label: 'bytes',
  salt: 'bytes',
  info: 'bytes',
  publicExponent: 'bytes',
  length: 'integer',
  tagLength: 'integer',
  saltLength: 'integer',
  iterations: 'integer',
  modulusLength: 'integer',
  hash: 'hash',
  namedCurve: 'curve',
  public: 'key',
}

const none = {
  'SHA-1': '',
  'SHA-256': '',
  'SHA-384': '',
  'SHA-512': '',
}
const cipher = {
  'AES-GCM': 'iv additionalData? tagLength?',
  'AES-CBC': 'iv',
  'AES-CTR': 'counter length',
  'RSA-OAEP': 'label?',
}
const signature = { HMAC: '', ECDSA: 'hash', Ed25519: '', 'RSASSA-PKCS1-v1_5': '', 'RSA-PSS': 'saltLength' }
const wrap = { ...cipher, 'AES-KW': '' }
const curves = { ECDSA: 'namedCurve', ECDH: 'namedCurve', Ed25519: '', X25519: '' }
const rsa = (members: string) => ({ 'RSASSA-PKCS1-v1_5': members, 'RSA-PSS': members, 'RSA-OAEP': members })
const aes = (members: string) => ({ 'AES-GCM': members, 'AES-CBC': members, 'AES-CTR': members, 'AES-KW': members })

/** Which algorithms serve what, and the members they take there; `?` where one may be absent. */
export const ALGORITHMS: Record<Purpose, Record<string, string>> = {
  digest: none,
  encrypt: cipher,
  decrypt: cipher,
  sign: signature,
  verify: signature,
  generateKey: { ...aes('length'), HMAC: 'hash length?', ...curves, ...rsa('modulusLength publicExponent hash') },
  importKey: { ...aes(''), HMAC: 'hash length?', ...curves, ...rsa('hash'), PBKDF2: '', HKDF: '' },
  deriveBits: { ECDH: 'public', X25519: 'public', PBKDF2: 'hash salt iterations', HKDF: 'hash salt info' },
  wrapKey: wrap,
  unwrapKey: wrap,
  derived: { ...aes('length'), HMAC: 'hash length?', PBKDF2: '', HKDF: '' },
}

/** JsonWebKey's members (RFC 7517, 7518, 8037); `oth` (more than two primes) is refused. */
export const JWK_TEXTS = ['kty', 'use', 'alg', 'crv', 'x', 'y', 'd', 'n', 'e', 'p', 'q', 'dp', 'dq', 'qi', 'k']

/** An algorithm as it crosses: `name`, and the members above, checked for their kind. */
export type WireAlgorithm = Record<string, unknown> & { name: string }

/** One operation as it crosses: plain data; keys are handles. Which fields there are depends on `op`. */
export interface CryptoRequest {
  op: Operation
  alg?: WireAlgorithm
  /** deriveKey, unwrapKey: what the new key is to be. */
  derived?: WireAlgorithm
  key?: number
  wrapping?: number
  data?: Uint8Array<ArrayBuffer>
  signature?: Uint8Array<ArrayBuffer>
  jwk?: Record<string, unknown>
  format?: string
  extractable?: boolean
  usages?: string[]
  length?: number | null
}

/** A key as the isolate is told of it. */
export interface WireKey {
  handle: number
  type: string
  extractable: boolean
  /** JSON of a KeyAlgorithm; `publicExponent` is an array of bytes. */
  algorithm: Record<string, unknown>
  usages: string[]
}
