/**
 * crypto.subtle (Web Cryptography Level 2): arguments are read and copied here, the work is done by the worker's own Web Crypto, outside.
 * Loaded on first access (lazy.ts).
 */
import { createKeyKind, type KeyKind } from './key.ts'
import { operate, refuse } from './queue.ts'
import { algorithmFrom, bytesFrom, formatFrom, integerFrom, jwkFrom, usagesFrom } from './read.ts'
import type { CryptoRequest, Operation, Purpose, WireKey } from './vocabulary.ts'

interface Subtle {
  CryptoKey: KeyKind['CryptoKey']
  SubtleCrypto: new () => object
  subtle: object
}

const NativeTypeError = TypeError
const isView = ArrayBuffer.isView
const NativeUint8Array = Uint8Array

function createSubtle(): Subtle {
  const kind = createKeyKind()
  const { handleOf } = kind
  const secret = {}
  const algorithm = (purpose: Purpose, given: unknown) => algorithmFrom(purpose, given, handleOf, refuse)
  const bytes = (value: unknown) => bytesFrom(value, 'The data', refuse)
  const request = (op: Operation, parts: Omit<CryptoRequest, 'op'>) => ({ __proto__: null, op, ...parts }) as CryptoRequest
  const keyOf = (answer: unknown) => kind.make(answer as WireKey)
  const keysOf = (answer: unknown) => {
    const { publicKey, privateKey } = answer as { publicKey?: WireKey; privateKey?: WireKey }
    return publicKey === undefined || privateKey === undefined
      ? keyOf(answer)
      : { publicKey: keyOf(publicKey), privateKey: keyOf(privateKey) }
  }
  const asIs = (answer: unknown) => answer

  const withKey = (op: 'encrypt' | 'decrypt' | 'sign', alg: unknown, key: unknown, data: unknown) =>
    operate(() => request(op, { alg: algorithm(op, alg), key: handleOf(key), data: bytes(data) }), asIs)

  class SubtleCrypto {
    constructor(given?: unknown) {
      if (given !== secret) throw new NativeTypeError('Illegal constructor')
    }

    digest(alg: unknown, data: unknown): Promise<unknown> {
      return operate(() => request('digest', { alg: algorithm('digest', alg), data: bytes(data) }), asIs)
    }

    encrypt(alg: unknown, key: unknown, data: unknown): Promise<unknown> {
      return withKey('encrypt', alg, key, data)
    }

    decrypt(alg: unknown, key: unknown, data: unknown): Promise<unknown> {
      return withKey('decrypt', alg, key, data)
    }

    sign(alg: unknown, key: unknown, data: unknown): Promise<unknown> {
      return withKey('sign', alg, key, data)
    }

    verify(alg: unknown, key: unknown, signature: unknown, data: unknown): Promise<unknown> {
      const parts = () => ({
        alg: algorithm('verify', alg),
        key: handleOf(key),
        signature: bytesFrom(signature, 'The signature', refuse),
        data: bytes(data),
      })
      return operate(() => request('verify', parts()), asIs)
    }

    generateKey(alg: unknown, extractable: unknown, usages: unknown): Promise<unknown> {
      const parts = () => ({ alg: algorithm('generateKey', alg), extractable: !!extractable, usages: usagesFrom(usages) })
      return operate(() => request('generateKey', parts()), keysOf)
    }

    importKey(format: unknown, keyData: unknown, alg: unknown, extractable: unknown, usages: unknown): Promise<unknown> {
      const parts = () => {
        const form = formatFrom(format)
        const given = form === 'jwk' ? { jwk: jwkFrom(keyData, refuse) } : { data: bytesFrom(keyData, 'The key data', refuse) }
        return { format: form, ...given, alg: algorithm('importKey', alg), extractable: !!extractable, usages: usagesFrom(usages) }
      }
      return operate(() => request('importKey', parts()), keyOf)
    }

    exportKey(format: unknown, key: unknown): Promise<unknown> {
      return operate(() => request('exportKey', { format: formatFrom(format), key: handleOf(key) }), asIs)
    }

    deriveBits(alg: unknown, baseKey: unknown, length: unknown = null): Promise<unknown> {
      const bits = () => (length === null ? null : integerFrom(length, 'The length'))
      return operate(() => request('deriveBits', { alg: algorithm('deriveBits', alg), key: handleOf(baseKey), length: bits() }), asIs)
    }

    deriveKey(alg: unknown, baseKey: unknown, derivedKeyType: unknown, extractable: unknown, usages: unknown): Promise<unknown> {
      const parts = () => ({
        alg: algorithm('deriveBits', alg),
        key: handleOf(baseKey),
        derived: algorithm('derived', derivedKeyType),
        extractable: !!extractable,
        usages: usagesFrom(usages),
      })
      return operate(() => request('deriveKey', parts()), keyOf)
    }

    wrapKey(format: unknown, key: unknown, wrappingKey: unknown, wrapAlgorithm: unknown): Promise<unknown> {
      const parts = () => ({
        format: formatFrom(format),
        key: handleOf(key),
        wrapping: handleOf(wrappingKey),
        alg: algorithm('wrapKey', wrapAlgorithm),
      })
      return operate(() => request('wrapKey', parts()), asIs)
    }

    unwrapKey(
      format: unknown,
      wrappedKey: unknown,
      unwrappingKey: unknown,
      unwrapAlgorithm: unknown,
      unwrappedKeyAlgorithm: unknown,
      extractable: unknown,
      usages: unknown,
    ): Promise<unknown> {
      const parts = () => ({
        format: formatFrom(format),
        data: bytesFrom(wrappedKey, 'The wrapped key', refuse),
        wrapping: handleOf(unwrappingKey),
        alg: algorithm('unwrapKey', unwrapAlgorithm),
        derived: algorithm('importKey', unwrappedKeyAlgorithm),
        extractable: !!extractable,
        usages: usagesFrom(usages),
      })
      return operate(() => request('unwrapKey', parts()), keyOf)
    }

    /** An extension Workers have: takes as long for different bytes as for equal ones. */
    timingSafeEqual(left: unknown, right: unknown): boolean {
      const a = viewOf(left)
      const b = viewOf(right)
      if (a.length !== b.length) throw new NativeTypeError('The buffers are not of the same length')
      let difference = 0
      for (let index = 0; index < a.length; index++) difference |= (a[index] as number) ^ (b[index] as number)
      return difference === 0
    }

    get [Symbol.toStringTag](): string {
      return 'SubtleCrypto'
    }
  }
  return { CryptoKey: kind.CryptoKey, SubtleCrypto, subtle: new SubtleCrypto(secret) }
}

function viewOf(value: unknown): Uint8Array {
  if (isView(value)) return new NativeUint8Array(value.buffer as ArrayBuffer, value.byteOffset, value.byteLength)
  if (value instanceof ArrayBuffer) return new NativeUint8Array(value)
  throw new NativeTypeError('Expected an ArrayBuffer or a view of one')
}

export const { CryptoKey, SubtleCrypto, subtle } = createSubtle()
