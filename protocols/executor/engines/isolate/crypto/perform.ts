/** One checked operation, done by the process's own Web Crypto on its threads. */
import { webcrypto } from 'node:crypto'
import type { CryptoRequest, WireAlgorithm } from '../runtime/subtle/vocabulary.ts'
import { MODULUS_MAX, Refused } from './check.ts'
import type { Keys } from './keys.ts'

type Usages = webcrypto.KeyUsage[]

/** Bytes, or JSON text. Rejects with what Web Crypto throws, or `Refused`. */
export async function perform(request: CryptoRequest, keys: Keys): Promise<ArrayBuffer | string> {
  const result = await start(request, keys)
  return result instanceof ArrayBuffer ? result : JSON.stringify(result)
}

function start(request: CryptoRequest, keys: Keys): Promise<unknown> {
  const { subtle } = webcrypto
  const { op, data = new Uint8Array(0), extractable = false, length = null } = request
  const format = request.format as webcrypto.KeyFormat
  const usages = (request.usages ?? []) as Usages
  const alg = () => algorithmFor(request.alg, keys) as never
  const derived = () => algorithmFor(request.derived, keys) as never
  const key = () => keys.get(request.key)
  switch (op) {
    case 'digest':
      return subtle.digest(alg(), data)
    case 'encrypt':
      return subtle.encrypt(alg(), key(), data)
    case 'decrypt':
      return subtle.decrypt(alg(), key(), data)
    case 'sign':
      return subtle.sign(alg(), key(), data)
    case 'verify':
      return subtle.verify(alg(), key(), request.signature as Uint8Array<ArrayBuffer>, data)
    case 'generateKey':
      return subtle.generateKey(alg(), extractable, usages).then((made) => keptPair(made, keys))
    case 'importKey':
      return subtle
        .importKey(format as 'raw', (request.jwk ?? data) as Uint8Array<ArrayBuffer>, alg(), extractable, usages)
        .then((made) => kept(made, keys))
    case 'exportKey':
      return subtle.exportKey(format as 'raw', key())
    case 'deriveBits':
      return subtle.deriveBits(alg(), key(), length)
    case 'deriveKey':
      return subtle.deriveKey(alg(), key(), derived(), extractable, usages).then((made) => kept(made, keys))
    case 'wrapKey':
      return subtle.wrapKey(format, key(), keys.get(request.wrapping), alg())
    case 'unwrapKey':
      return subtle
        .unwrapKey(format, data, keys.get(request.wrapping), alg(), derived(), extractable, usages)
        .then((made) => kept(made, keys))
  }
}

function algorithmFor(alg: WireAlgorithm | undefined, keys: Keys): object {
  if (alg === undefined || alg['public'] === undefined) return { ...alg }
  return { ...alg, public: keys.get(alg['public'] as number) }
}

function keptPair(made: webcrypto.CryptoKey | webcrypto.CryptoKeyPair, keys: Keys): unknown {
  if (!('publicKey' in made)) return kept(made, keys)
  return { publicKey: kept(made.publicKey, keys), privateKey: kept(made.privateKey, keys) }
}

/** A key that was given may be longer than one that would be made. */
function kept(key: webcrypto.CryptoKey, keys: Keys): unknown {
  const { modulusLength } = key.algorithm as { modulusLength?: number }
  if (modulusLength !== undefined && modulusLength > MODULUS_MAX)
    throw new Refused('DataError', `The RSA key has ${modulusLength} bits (at most ${MODULUS_MAX})`)
  return keys.add(key)
}
