/** Ed25519 keys (RFC 8032) by `node:crypto`: the one address of signing and of key forms. */
import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign, verify } from 'node:crypto'
import { z } from 'zod'

/** DER prefixes that turn 32 raw bytes into PKCS #8 and SPKI documents (RFC 8410). */
const PRIVATE_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const PUBLIC_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

/** A key pair; `id` is the raw public key as 64 lower-case hex characters and names an author, a root or a person. */
export interface Identity {
  id: string
  /** The 32 secret bytes. Never logged, never sent. */
  seed: Uint8Array
  privateKey: KeyObject
  sign(bytes: Uint8Array): Uint8Array
}

/**
 * The points of order 1, 2, 4 and 8 in every encoding, canonical or not: to sign for one takes no secret, and RFC 8032, 5.1.7 leaves it to
 * each library whether it verifies (https://eprint.iacr.org/2020/1244). Without the sign, which is the highest bit.
 */
const LOW_ORDER_Y = [
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  `ec${'ff'.repeat(30)}7f`,
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
]
const LOW_ORDER: ReadonlySet<string> = new Set(LOW_ORDER_Y.flatMap((y) => [y, withSign(y)]))

function withSign(y: string): string {
  return y.slice(0, 62) + (Number.parseInt(y.slice(62), 16) | 0x80).toString(16)
}

/** A public key from outside: of a node, a person, a root. */
export const keySchema = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'a key is 64 lower-case hex characters')
  .refine((id) => !LOW_ORDER.has(id), 'this is no key that anybody has: everybody could sign for it')

export function createIdentity(seed: Uint8Array = randomBytes(32)): Identity {
  const privateKey = createPrivateKey({ key: Buffer.concat([PRIVATE_PREFIX, seed]), format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  return { id: spki.subarray(PUBLIC_PREFIX.length).toString('hex'), seed, privateKey, sign: (bytes) => sign(null, bytes, privateKey) }
}

/** Throws a plain Error when `id` is not 64 hex characters. */
export function publicKeyOf(id: string): KeyObject {
  if (!/^[0-9a-f]{64}$/.test(id)) throw new Error('a public key is 64 lower-case hex characters')
  return createPublicKey({ key: Buffer.concat([PUBLIC_PREFIX, Buffer.from(id, 'hex')]), format: 'der', type: 'spki' })
}

export function verifySignature(key: KeyObject, bytes: Uint8Array, signature: Uint8Array): boolean {
  return signature.length === 64 && verify(null, bytes, key, signature)
}

/** The same on another thread of the host. */
export function verifySignatureAside(key: KeyObject, bytes: Uint8Array, signature: Uint8Array): Promise<boolean> {
  if (signature.length !== 64) return Promise.resolve(false)
  return new Promise((resolve, reject) => {
    verify(null, bytes, key, signature, (error, good) => (error === null ? resolve(good) : reject(error)))
  })
}
