/** Cases written from Web Cryptography; known answers and misuse are in `crypto.test.ts` and `crypto.misuse.test.ts` of `crypto/`. */
import type { Cases } from './program.ts'

export const cases: Cases = {
  crypto: {
    'it is the only Crypto': `ok(crypto instanceof Crypto); equal(String(crypto), '[object Crypto]'); throws(() => new Crypto(), TypeError)`,
    'getRandomValues fills arrays of integers, and gives them back': `
      for (const Kind of [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, BigInt64Array, BigUint64Array]) {
        const view = new Kind(32); ok(crypto.getRandomValues(view) === view); ok(view.some((each) => Number(each) !== 0)) }`,
    'getRandomValues refuses what is none': `
      for (const Kind of [Float32Array, Float64Array]) throws(() => crypto.getRandomValues(new Kind(6)), 'TypeMismatchError')
      throws(() => crypto.getRandomValues(new DataView(new ArrayBuffer(1))), 'TypeMismatchError')
      throws(() => crypto.getRandomValues(new Uint8Array(65537)), 'QuotaExceededError'); equal(crypto.getRandomValues(new Uint8Array(0)).length, 0)`,
    'randomUUID is a version 4 UUID, and never the same': `
      const all = Array.from({ length: 256 }, () => crypto.randomUUID()); equal(new Set(all).size, 256)
      for (const each of all) ok(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(each), each)`,
  },
  SubtleCrypto: {
    'it is always the same': `ok(crypto.subtle === crypto.subtle); ok(crypto.subtle instanceof SubtleCrypto); equal(String(crypto.subtle), '[object SubtleCrypto]'); throws(() => new SubtleCrypto(), TypeError)`,
    'everything is a promise, mistakes too': `
      for (const method of ['digest', 'encrypt', 'decrypt', 'sign', 'verify', 'generateKey', 'importKey', 'exportKey', 'deriveBits', 'deriveKey', 'wrapKey', 'unwrapKey']) {
        const promise = crypto.subtle[method](); ok(promise instanceof Promise, method); ok(await promise.then(() => false, () => true), method) }`,
    'names of algorithms have no case': `for (const name of ['sha-256', 'SHA-256', 'Sha-256']) equal((await crypto.subtle.digest(name, bytesOf(1))).byteLength, 32)`,
    'digest of bytes that are changed after the call': `
      const data = bytesOf(1, 2, 3), wanted = await crypto.subtle.digest('SHA-1', bytesOf(1, 2, 3)), found = crypto.subtle.digest('SHA-1', data); data[0] = 9
      equal(await found, wanted)`,
    'algorithms that are not there': `
      await rejects(crypto.subtle.digest('MD5', bytesOf(1)), 'NotSupportedError'); await rejects(crypto.subtle.generateKey('DES', true, ['sign']), 'NotSupportedError')`,
    'an error is a DOMException with its name': `
      const key = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt'])
      const error = await crypto.subtle.exportKey('raw', key).catch((e) => e); ok(error instanceof DOMException); equal([error.name, error.code], ['InvalidAccessError', 15])`,
  },
  CryptoKey: {
    'it tells what it is': `
      const { publicKey, privateKey } = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify'])
      equal([publicKey.type, publicKey.extractable, publicKey.usages, privateKey.usages], ['public', true, ['verify'], ['sign']])
      equal([privateKey.type, privateKey.extractable, privateKey.algorithm], ['private', false, { name: 'ECDSA', namedCurve: 'P-256' }])
      ok(privateKey.algorithm === privateKey.algorithm); ok(privateKey.usages === privateKey.usages); equal(String(privateKey), '[object CryptoKey]')`,
    'its algorithm is complete': `
      const key = await crypto.subtle.importKey('raw', new Uint8Array(20), { name: 'HMAC', hash: 'sha-1' }, true, ['verify', 'sign', 'sign'])
      equal([key.algorithm, key.usages], [{ name: 'HMAC', hash: { name: 'SHA-1' }, length: 160 }, ['sign', 'verify']])`,
    'none is made by hand': `throws(() => new CryptoKey(), TypeError); throws(() => CryptoKey.prototype.type, TypeError)`,
    'a JSON Web Key says what it may be used for': `
      const key = await crypto.subtle.importKey('raw', new Uint8Array(16), 'AES-CBC', true, ['encrypt', 'decrypt'])
      equal(await crypto.subtle.exportKey('jwk', key), { key_ops: ['encrypt', 'decrypt'], ext: true, kty: 'oct', k: 'AAAAAAAAAAAAAAAAAAAAAA', alg: 'A128CBC' })
      await rejects(crypto.subtle.importKey('jwk', { kty: 'oct', k: 'AAAAAAAAAAAAAAAAAAAAAA', ext: false }, 'AES-CBC', true, ['encrypt']), 'DataError')`,
  },
}
