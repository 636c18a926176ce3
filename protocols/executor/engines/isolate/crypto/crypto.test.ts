/** crypto.subtle inside an isolate: known answers of the standards, round trips of everything, and misuse. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { callOf, type Define, serviceIn, valueOf, World } from '../../../executor.world.ts'
import type { ExecutorService } from '../../../service.ts'

const world = new World()
let executor: ExecutorService
beforeAll(async () => {
  executor = serviceIn(world)
  await executor.start()
})
afterAll(() => executor.stop())

/** What every function of these tests starts with. */
const HELPERS = `
  const subtle = crypto.subtle
  const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16))
  const hex = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('')
  const utf8 = (text) => new TextEncoder().encode(text)
  const named = async (run) => { try { await run(); return 'nothing was thrown' } catch (error) { return error.name } }
`
const define = (body: string, options: Define = {}) => world.define(`${HELPERS}\nexport default async (...args) => { ${body} }`, options)
const run = async (body: string, args: unknown[] = [], options: Define = {}) =>
  valueOf(await executor.invoke(callOf(define(body, options), args)))

const raw = (key: string, alg: string, usage: string) => `await subtle.importKey('raw', unhex('${key}'), ${alg}, false, ['${usage}'])`

describe('known answers', () => {
  test.each([
    ['SHA-1', 'a9993e364706816aba3e25717850c26c9cd0d89d'],
    ['SHA-256', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
    ['SHA-384', 'cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7'],
    [
      'sha-512',
      'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
    ],
  ])('%s of "abc" (FIPS 180)', async (name, digest) => {
    expect(
      await run(
        `return [hex(await subtle.digest(args[0], utf8('abc'))), hex(await subtle.digest({ name: args[0] }, utf8('abc').buffer))]`,
        [name],
      ),
    ).toEqual([digest, digest])
  })
  test.each([
    ['SHA-256', '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'],
    [
      'SHA-512',
      '164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737',
    ],
  ])('HMAC with %s (RFC 4231, case 2)', async (hash, mac) => {
    const body = `const key = await subtle.importKey('raw', utf8('Jefe'), { name: 'HMAC', hash: args[0] }, false, ['sign', 'verify'])
      const data = utf8('what do ya want for nothing?'), mac = await subtle.sign('HMAC', key, data)
      return [hex(mac), await subtle.verify('HMAC', key, mac, data), await subtle.verify('HMAC', key, mac, utf8('what'))]`
    expect(await run(body, [hash])).toEqual([mac, true, false])
  })
  test('AES-GCM (McGrew and Viega, case 4)', async () => {
    const body = `const key = ${raw('feffe9928665731c6d6a8f9467308308', "'AES-GCM'", 'encrypt')}
      const alg = { name: 'AES-GCM', iv: unhex('cafebabefacedbaddecaf888'), additionalData: unhex('feedfacedeadbeeffeedfacedeadbeefabaddad2') }
      return hex(await subtle.encrypt(alg, key, unhex(args[0])))`
    const plain = 'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39'
    expect(await run(body, [plain])).toBe(
      '42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47',
    )
  })
  test('AES-CBC and AES-CTR (NIST SP 800-38A, F.2.1 and F.5.1)', async () => {
    const body = `const cbc = ${raw('2b7e151628aed2a6abf7158809cf4f3c', "'AES-CBC'", 'encrypt')}, ctr = ${raw('2b7e151628aed2a6abf7158809cf4f3c', "'AES-CTR'", 'encrypt')}
      const plain = unhex('6bc1bee22e409f96e93d7e117393172a')
      return [hex(await subtle.encrypt({ name: 'AES-CBC', iv: unhex('000102030405060708090a0b0c0d0e0f') }, cbc, plain)).slice(0, 32),
        hex(await subtle.encrypt({ name: 'AES-CTR', counter: unhex('f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff'), length: 64 }, ctr, plain))]`
    expect(await run(body)).toEqual(['7649abac8119b246cee98e9b12e9197d', '874d6191b620e3261bef6864990db6ce'])
  })
  test('AES-KW (RFC 3394, 4.1)', async () => {
    const body = `const kek = ${raw('000102030405060708090a0b0c0d0e0f', "'AES-KW'", 'wrapKey')}
      const key = await subtle.importKey('raw', unhex('00112233445566778899aabbccddeeff'), 'AES-GCM', true, ['encrypt'])
      return hex(await subtle.wrapKey('raw', key, kek, 'AES-KW'))`
    expect(await run(body)).toBe('1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5')
  })
  test('Ed25519 (RFC 8032, 7.1, test 2)', async () => {
    const body = `const base64url = (text) => btoa(String.fromCharCode(...unhex(text))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
      const x = '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c', d = '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb'
      const key = await subtle.importKey('jwk', { kty: 'OKP', crv: 'Ed25519', x: base64url(x), d: base64url(d) }, 'Ed25519', false, ['sign'])
      const verifier = await subtle.importKey('raw', unhex(x), { name: 'Ed25519' }, true, ['verify'])
      const signature = await subtle.sign('Ed25519', key, unhex('72'))
      return [hex(signature), await subtle.verify('Ed25519', verifier, signature, unhex('72')), await subtle.verify('Ed25519', verifier, signature, unhex('73'))]`
    const signature =
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00'
    expect(await run(body)).toEqual([signature, true, false])
  })
  test('X25519 (RFC 7748, 6.1)', async () => {
    const body = `const head = '302e020100300506032b656e04220420'
      const mine = await subtle.importKey('pkcs8', unhex(head + args[0]), 'X25519', false, ['deriveBits'])
      const theirs = await subtle.importKey('raw', unhex('de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f'), 'X25519', true, [])
      return hex(await subtle.deriveBits({ name: 'X25519', public: theirs }, mine, 256))`
    const secret = '77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a'
    expect(await run(body, [secret])).toBe('4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742')
  })
  test('PBKDF2 (RFC 6070; RFC 7914, 11)', async () => {
    const body = `const bits = async (password, alg, length) => hex(await subtle.deriveBits({ name: 'PBKDF2', salt: utf8('salt'), ...alg },
        await subtle.importKey('raw', utf8(password), 'PBKDF2', false, ['deriveBits']), length))
      return [await bits('password', { hash: 'SHA-1', iterations: 4096 }, 160), await bits('passwd', { hash: 'SHA-256', iterations: 1 }, 512)]`
    expect(await run(body)).toEqual([
      '4b007901b765489abead49d926f721d065a429c1',
      '55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783',
    ])
  })
  test('HKDF (RFC 5869, A.1)', async () => {
    const body = `const key = ${raw('0b'.repeat(22), "'HKDF'", 'deriveBits')}
      const alg = { name: 'HKDF', hash: 'SHA-256', salt: unhex('000102030405060708090a0b0c'), info: unhex('f0f1f2f3f4f5f6f7f8f9') }
      return hex(await subtle.deriveBits(alg, key, 42 * 8))`
    expect(await run(body)).toBe('3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865')
  })
  test('ECDSA (RFC 6979, A.2.5)', async () => {
    const body = `const key = await subtle.importKey('raw', unhex('04' + args[0]), { name: 'ECDSA', namedCurve: 'P-256' }, true, ['verify'])
      const verify = (text) => subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, key, unhex(args[1]), utf8(text))
      return [await verify('sample'), await verify('simple')]`
    const point =
      '60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299'
    const signature =
      'efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8'
    expect(await run(body, [point, signature])).toEqual([true, false])
  })
  test('ECDH (RFC 5903, 8.1)', async () => {
    const body = `const base64url = (text) => btoa(String.fromCharCode(...unhex(text))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
      const [d, x, y, theirs] = args, alg = { name: 'ECDH', namedCurve: 'P-256' }
      const mine = await subtle.importKey('jwk', { kty: 'EC', crv: 'P-256', d: base64url(d), x: base64url(x), y: base64url(y) }, alg, false, ['deriveBits'])
      return hex(await subtle.deriveBits({ name: 'ECDH', public: await subtle.importKey('raw', unhex('04' + theirs), alg, true, []) }, mine, 256))`
    const args = [
      'c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433',
      'dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180',
      '5271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3',
      'd12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf6356fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab',
    ]
    expect(await run(body, args)).toBe('d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de')
  })
  test('RSASSA-PKCS1-v1_5 (RFC 7515, A.2)', async () => {
    const body = `const bytes = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (each) => each.charCodeAt(0))
      const key = await subtle.importKey('jwk', { kty: 'RSA', e: 'AQAB', n: args[0] }, { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, true, ['verify'])
      const verify = (text) => subtle.verify('RSASSA-PKCS1-v1_5', key, bytes(args[1]), utf8(text))
      return [await verify(args[2]), await verify('x' + args[2]), key.algorithm.modulusLength, [...key.algorithm.publicExponent]]`
    const modulus =
      'ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ'
    const signature =
      'cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw'
    const signed = 'eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ'
    expect(await run(body, [modulus, signature, signed])).toEqual([true, false, 2048, [1, 0, 1]])
  })
})

describe('round trips', () => {
  const bytes = fc.uint8Array({ maxLength: 300 }).map((each) => Buffer.from(each).toString('hex'))
  const holds = async (body: string, key: string, count = 15) => {
    const record = define(`const keys = await (globalThis.keys ??= (async () => { ${key} })()); ${body}`)
    const isSo = async (data: string, other: string) =>
      JSON.stringify(valueOf(await executor.invoke(callOf(record, [data, other])))) === JSON.stringify([data, true])
    return fc.check(fc.asyncProperty(bytes, bytes, isSo), { numRuns: count })
  }
  test.each([
    ['AES-GCM', '256', '{ iv: crypto.getRandomValues(new Uint8Array(12)), additionalData: unhex(args[1]) }'],
    ['AES-CBC', '192', '{ iv: crypto.getRandomValues(new Uint8Array(16)) }'],
    ['AES-CTR', '128', '{ counter: crypto.getRandomValues(new Uint8Array(16)), length: 128 }'],
  ])('%s opens what it sealed', async (name, length, parameters) => {
    const body = `const alg = { name: '${name}', ...${parameters} }, sealed = await subtle.encrypt(alg, keys, unhex(args[0]))
      return [hex(await subtle.decrypt(alg, keys, sealed)), hex(sealed) !== args[0] || args[0] === '']`
    expect(
      await holds(body, `return subtle.generateKey({ name: '${name}', length: ${length} }, false, ['encrypt', 'decrypt'])`),
    ).toMatchObject({ failed: false })
  })
  test.each([
    ['HMAC', "{ name: 'HMAC', hash: 'SHA-384' }", "'HMAC'"],
    ['ECDSA with P-256', "{ name: 'ECDSA', namedCurve: 'P-256' }", "{ name: 'ECDSA', hash: 'SHA-256' }"],
    ['ECDSA with P-384', "{ name: 'ECDSA', namedCurve: 'P-384' }", "{ name: 'ECDSA', hash: { name: 'SHA-384' } }"],
    ['ECDSA with P-521', "{ name: 'ECDSA', namedCurve: 'P-521' }", "{ name: 'ECDSA', hash: 'SHA-512' }"],
    ['Ed25519', "'Ed25519'", "'Ed25519'"],
    ['RSASSA-PKCS1-v1_5', "{ ...rsa, name: 'RSASSA-PKCS1-v1_5' }", "'RSASSA-PKCS1-v1_5'"],
    ['RSA-PSS', "{ ...rsa, name: 'RSA-PSS' }", "{ name: 'RSA-PSS', saltLength: 32 }"],
  ])('%s verifies what it signed, and nothing else', async (_, making, signing) => {
    const rsa = "const rsa = { modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' }"
    const body = `const alg = ${signing}, data = unhex(args[0]), other = unhex(args[1] + '00'), signature = await subtle.sign(alg, keys.privateKey ?? keys, data)
      const right = await subtle.verify(alg, keys.publicKey ?? keys, signature, data), wrong = await subtle.verify(alg, keys.publicKey ?? keys, signature, other)
      return [args[0], right && wrong === (args[0] === hex(other))]`
    expect(await holds(body, `${rsa}; return subtle.generateKey(${making}, false, ['sign', 'verify'])`)).toMatchObject({ failed: false })
  })
  test('RSA-OAEP opens what it sealed', async () => {
    const body = `const alg = { name: 'RSA-OAEP', label: unhex(args[1]) }, data = unhex(args[0]).slice(0, 190)
      const opened = await subtle.decrypt(alg, keys.privateKey, await subtle.encrypt(alg, keys.publicKey, data)); return [args[0], hex(opened) === hex(data)]`
    const key = `return subtle.generateKey({ name: 'RSA-OAEP', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' }, false, ['encrypt', 'decrypt'])`
    expect(await holds(body, key, 5)).toMatchObject({ failed: false })
  })
  test.each([
    ["{ name: 'ECDSA', namedCurve: 'P-384' }", "['sign', 'verify']", ['raw', 'spki', 'jwk'], ['pkcs8', 'jwk']],
    ["{ name: 'ECDH', namedCurve: 'P-521' }", "['deriveBits']", ['raw', 'spki', 'jwk'], ['pkcs8', 'jwk']],
    ["'Ed25519'", "['sign', 'verify']", ['raw', 'spki', 'jwk'], ['pkcs8', 'jwk']],
    ["'X25519'", "['deriveKey']", ['raw', 'spki', 'jwk'], ['pkcs8', 'jwk']],
    [
      "{ name: 'RSA-PSS', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-512' }",
      "['sign', 'verify']",
      ['spki', 'jwk'],
      ['pkcs8', 'jwk'],
    ],
    ["{ name: 'AES-GCM', length: 256 }", "['encrypt']", ['raw', 'jwk'], []],
    ["{ name: 'HMAC', hash: 'SHA-1' }", "['sign']", ['raw', 'jwk'], []],
  ])('keys of %s leave and come back as they were', async (alg, usages, publicFormats, privateFormats) => {
    const body = `const alg = ${alg}, made = await subtle.generateKey(alg, true, ${usages}), text = (out) => out instanceof ArrayBuffer ? hex(out) : JSON.stringify(out)
      const again = async (format, key) => { const out = await subtle.exportKey(format, key)
        return text(out) === text(await subtle.exportKey(format, await subtle.importKey(format, out, alg, true, key.usages))) }
      const results = []
      for (const format of args[0]) results.push(await again(format, made.publicKey ?? made))
      for (const format of args[1]) results.push(await again(format, made.privateKey))
      return results`
    expect(await run(body, [publicFormats, privateFormats])).toEqual([...publicFormats, ...privateFormats].map(() => true))
  })
  test('two sides derive one key, and a key wrapped under it is what it was', async () => {
    const body = `const alg = { name: 'X25519' }, [mine, theirs] = [await subtle.generateKey(alg, false, ['deriveKey']), await subtle.generateKey(alg, false, ['deriveKey'])]
      const key = (own, other) => subtle.deriveKey({ name: 'X25519', public: other.publicKey }, own.privateKey, { name: 'AES-GCM', length: 256 }, false, ['wrapKey', 'unwrapKey'])
      const signer = await subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
      const iv = new Uint8Array(12), sealed = { name: 'AES-GCM', iv }
      const out = []
      for (const format of ['jwk', 'pkcs8']) {
        const wrapped = await subtle.wrapKey(format, signer.privateKey, await key(mine, theirs), sealed)
        const opened = await subtle.unwrapKey(format, wrapped, await key(theirs, mine), sealed, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])
        const signature = await subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, opened, utf8('x'))
        out.push(await subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, signer.publicKey, signature, utf8('x')), opened.extractable, opened.type)
      }
      return out`
    expect(await run(body)).toEqual([true, false, 'private', true, false, 'private'])
  })
  test('a key from a password (PBKDF2), and one from a secret (HKDF)', async () => {
    const body = `const password = await subtle.importKey('raw', utf8('secret'), 'PBKDF2', false, ['deriveKey'])
      const key = await subtle.deriveKey({ name: 'PBKDF2', hash: 'SHA-256', salt: utf8('salt'), iterations: 1000 }, password, { name: 'AES-CBC', length: 128 }, true, ['encrypt'])
      const secret = await subtle.importKey('raw', utf8('secret'), 'HKDF', false, ['deriveKey'])
      const mac = await subtle.deriveKey({ name: 'HKDF', hash: 'SHA-512', salt: utf8(''), info: utf8('') }, secret, { name: 'HMAC', hash: 'SHA-256' }, true, ['sign'])
      return [(await subtle.exportKey('raw', key)).byteLength, (await subtle.exportKey('raw', mac)).byteLength, mac.algorithm]`
    expect(await run(body)).toEqual([16, 64, { name: 'HMAC', length: 512, hash: { name: 'SHA-256' } }])
  })
})
