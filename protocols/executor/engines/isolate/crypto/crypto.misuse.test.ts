/** crypto.subtle in the hands of those who make mistakes, and of those who mean harm. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Outcome } from '#protocols/invocation'
import { systemClock } from '#protocols/lifecycle'
import { until } from '#protocols/until'
import { callOf, requestOf, responseOf, serviceIn, valueOf, World } from '../../../executor.world.ts'
import type { ExecutorService } from '../../../service.ts'

const world = new World()
let executor: ExecutorService
beforeAll(async () => {
  executor = serviceIn(world)
  await executor.start()
})
afterAll(() => executor.stop())

const HELPERS = `
  const subtle = crypto.subtle
  const aes = (extractable, usages = ['encrypt', 'decrypt']) => subtle.generateKey({ name: 'AES-GCM', length: 128 }, extractable, usages)
  const gcm = { name: 'AES-GCM', iv: new Uint8Array(12) }
  const rsa = (more) => ({ name: 'RSA-OAEP', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256', ...more })
  const password = () => subtle.importKey('raw', new Uint8Array(8), 'PBKDF2', false, ['deriveBits', 'deriveKey'])
  const pbkdf2 = async (iterations, length = 256, more = {}) => subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-256', salt: new Uint8Array(8), iterations, ...more }, await password(), length)
`
const define = (body: string, config = {}, namespace = 'demo') =>
  world.define(`${HELPERS}\nexport default async (...args) => { ${body} }`, { config, namespace })
const run = async (body: string) => valueOf(await executor.invoke(callOf(define(body))))
const codeOf = (outcome: Outcome) => (outcome.kind === 'failed' ? outcome.error.code : outcome.kind)

describe('mistakes', () => {
  test.each([
    ["subtle.digest('MD5', new Uint8Array(1))", 'NotSupportedError'],
    ["subtle.encrypt({ name: 'HMAC' }, await aes(true), new Uint8Array(1))", 'NotSupportedError'],
    ["subtle.importKey('raw', new Uint8Array(16), 'AES-ECB', true, ['encrypt'])", 'NotSupportedError'],
    ["subtle.importKey('raw', new Uint8Array(17), 'AES-GCM', true, ['encrypt'])", 'DataError'],
    ["subtle.importKey('spki', new Uint8Array(17), rsa(), true, ['encrypt'])", 'DataError'],
    ["subtle.importKey('jwk', { kty: 'nonsense' }, 'AES-GCM', true, ['encrypt'])", 'DataError'],
    ["subtle.importKey('raw', new Uint8Array(16), 'AES-GCM', true, ['sign'])", 'SyntaxError'],
    ["subtle.importKey('raw', new Uint8Array(16), 'AES-GCM', true, ['nonsense'])", 'TypeError'],
    ["subtle.importKey('der', new Uint8Array(16), 'AES-GCM', true, ['encrypt'])", 'TypeError'],
    ["subtle.generateKey({ name: 'AES-GCM', length: 100 }, true, ['encrypt'])", 'OperationError'],
    ["subtle.generateKey({ name: 'AES-GCM' }, true, ['encrypt'])", 'TypeError'],
    ["subtle.generateKey({ name: 'AES-GCM', length: 128 }, true, [])", 'SyntaxError'],
    ["subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-1' }, true, ['sign'])", 'NotSupportedError'],
    ["subtle.exportKey('raw', await aes(false))", 'InvalidAccessError'],
    ["subtle.wrapKey('raw', await aes(false), await aes(true, ['wrapKey']), gcm)", 'InvalidAccessError'],
    ["subtle.decrypt(gcm, await aes(true, ['encrypt']), new Uint8Array(32))", 'InvalidAccessError'],
    ['subtle.decrypt(gcm, await aes(true), new Uint8Array(32))', 'OperationError'],
    ["subtle.encrypt({ name: 'AES-CBC', iv: new Uint8Array(16) }, await aes(true), new Uint8Array(1))", 'InvalidAccessError'],
    ["subtle.encrypt({ name: 'AES-GCM' }, await aes(true), new Uint8Array(1))", 'TypeError'],
    ["subtle.encrypt(gcm, await aes(true), 'text')", 'TypeError'],
    ['subtle.digest(undefined, new Uint8Array(1))', 'NotSupportedError'],
    ['subtle.digest()', 'NotSupportedError'],
    ["subtle.digest({ get name() { throw new RangeError('mine') } }, new Uint8Array(1))", 'RangeError'],
  ])('%s is rejected with %s', async (expression, name) => {
    const body = `try { await ${expression}; return 'nothing was thrown' } catch (error) {
      return [error.name, error instanceof DOMException || error instanceof TypeError || error instanceof RangeError, error.message.length > 0] }`
    expect(await run(body)).toEqual([name, true, true])
  })
  test('what goes in is copied: a buffer changed after the call changes nothing', async () => {
    const body = `const data = new Uint8Array(8), before = subtle.digest('SHA-256', data); data.fill(1)
      return new Uint8Array(await before)[0] === new Uint8Array(await subtle.digest('SHA-256', new Uint8Array(8)))[0]`
    expect(await run(body)).toBe(true)
  })
  test('only the bytes of a view are taken, and given', async () => {
    const body = `const view = new DataView(new ArrayBuffer(100), 10, 3), out = await subtle.digest('SHA-1', view)
      const same = await subtle.digest('SHA-1', new Uint8Array(3))
      return [out instanceof ArrayBuffer, out.byteLength, new Uint8Array(out).join() === new Uint8Array(same).join()]`
    expect(await run(body)).toEqual([true, 20, true])
  })
  test('timingSafeEqual compares', async () => {
    const body = `const bytes = (...all) => new Uint8Array(all)
      let thrown; try { subtle.timingSafeEqual(bytes(1), bytes(1, 2)) } catch (error) { thrown = error.name }
      return [subtle.timingSafeEqual(bytes(1, 2), bytes(1, 2).buffer), subtle.timingSafeEqual(bytes(1, 2), bytes(1, 3)), thrown]`
    expect(await run(body)).toEqual([true, false, 'TypeError'])
  })
  test('a key says what it is, and can be given to a later call', async () => {
    const record =
      world.define(`const pending = crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify'])
      const early = await crypto.subtle.importKey('raw', new Uint8Array(32), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
      export default async () => { const { privateKey } = await pending
        const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, privateKey, new Uint8Array(1))
        return [privateKey instanceof CryptoKey, String(privateKey), privateKey.type, privateKey.usages, privateKey.algorithm, early.type, signature.byteLength] }`)
    for (let round = 0; round < 2; round++)
      expect(valueOf(await executor.invoke(callOf(record)))).toEqual([
        true,
        '[object CryptoKey]',
        'private',
        ['sign'],
        { name: 'ECDSA', namedCurve: 'P-256' },
        'secret',
        64,
      ])
  })
})

describe('harm', () => {
  test.each([
    ['an object like a key', 'subtle.exportKey("raw", Object.create(CryptoKey.prototype))'],
    ['a copy of a key', 'subtle.exportKey("raw", { ...(await aes(true)), type: "secret", handle: 1 })'],
    ['a Proxy of a key', 'subtle.exportKey("raw", new Proxy(await aes(true), {}))'],
    ['a number', 'subtle.exportKey("raw", 1)'],
    ['a key of one’s own making', 'new CryptoKey({}, { handle: 1, type: "secret", extractable: true, algorithm: {}, usages: [] })'],
    ['another SubtleCrypto', 'new SubtleCrypto()'],
  ])('%s is a TypeError', async (_, expression) => {
    expect(await run(`try { await ${expression} } catch (error) { return error.name }`)).toBe('TypeError')
  })
  test('what the runtime has to say is out of the reach of setters on the prototypes of arrays', async () => {
    const body = `const seen = []
      for (const place of [0, 1, 2, 3, 4, 5]) Object.defineProperty(Array.prototype, place, { configurable: true, set() { seen.push(place) } })
      console.log('x')
      await subtle.digest('SHA-1', new Uint8Array(1))
      for (const place of [0, 1, 2, 3, 4, 5]) delete Array.prototype[place]
      return seen`
    expect(await run(body)).toEqual([])
  })
  test('a key does not become extractable by what its holder changes', async () => {
    const body = `const key = await aes(false)
      try { key.extractable = true } catch {}
      Object.defineProperty(key, 'extractable', { value: true }); key.usages.push('wrapKey'); key.algorithm.name = 'HMAC'
      Object.defineProperty(CryptoKey.prototype, 'extractable', { get: () => true })
      try { return await subtle.exportKey('raw', key) } catch (error) { return error.name }`
    expect(await run(body)).toBe('InvalidAccessError')
  })
  test.each([
    ['PBKDF2 without end', 'pbkdf2(4_000_000_000)', 'OperationError'],
    ['PBKDF2 of many blocks', 'pbkdf2(100_000, 256 * 1000)', 'OperationError'],
    ['PBKDF2 just above what is allowed', 'pbkdf2(650_001, 512)', 'OperationError'],
    ['a key of RSA with 16,384 bits', "subtle.generateKey(rsa({ modulusLength: 16_384 }), true, ['encrypt'])", 'OperationError'],
    [
      'a key of RSA with an odd exponent',
      "subtle.generateKey(rsa({ publicExponent: new Uint8Array([255, 255, 255, 255, 255]) }), true, ['encrypt'])",
      'OperationError',
    ],
    [
      'a key of HMAC with 2^31 bits',
      "subtle.generateKey({ name: 'HMAC', hash: 'SHA-256', length: 2 ** 31 }, true, ['sign'])",
      'OperationError',
    ],
    ['a derivation of 2^32 - 8 bits', 'pbkdf2(1, 2 ** 32 - 8)', 'OperationError'],
    ['17 MiB', "subtle.digest('SHA-256', new Uint8Array(17 * 1024 * 1024))", 'OperationError'],
    [
      '9 MiB twice',
      'subtle.encrypt({ ...gcm, additionalData: new Uint8Array(9e6) }, await aes(true), new Uint8Array(9e6))',
      'OperationError',
    ],
    ['a key of 100 KB', "subtle.importKey('raw', new Uint8Array(1e5), { name: 'HMAC', hash: 'SHA-256' }, true, ['sign'])", 'DataError'],
    ['a JWK of 1 MB', "subtle.importKey('jwk', { kty: 'RSA', e: 'AQAB', n: 'x'.repeat(1e6) }, rsa(), true, ['encrypt'])", 'DataError'],
    [
      'a JWK with a modulus of 8,192 bits',
      "subtle.importKey('jwk', { kty: 'RSA', e: 'AQAB', n: '_'.repeat(1366) }, rsa(), true, ['encrypt'])",
      'DataError',
    ],
    ['a length that is no number', "subtle.generateKey({ name: 'AES-GCM', length: NaN }, true, ['encrypt'])", 'TypeError'],
    ['a length below zero', "subtle.generateKey({ name: 'AES-GCM', length: -1 }, true, ['encrypt'])", 'TypeError'],
  ])('%s is refused at once', async (_, expression, name) => {
    const startedAt = systemClock.monotonic()
    expect(await run(`try { await ${expression}; return 'done' } catch (error) { return error.name }`)).toBe(name)
    expect(systemClock.monotonic() - startedAt).toBeLessThan(2000)
  })
  test('1,000 operations at once are done, 10,000 refused in part, and the instance goes on', async () => {
    const record =
      define(`const all = await Promise.allSettled(Array.from({ length: args[0] }, (_, i) => subtle.digest('SHA-256', new Uint8Array(i % 100))))
      return [all.filter((each) => each.status === 'fulfilled').length, [...new Set(all.map((each) => each.reason?.name))]]`)
    expect(valueOf(await executor.invoke(callOf(record, [1000])))).toEqual([1000, [null]])
    const [done, names] = valueOf(await executor.invoke(callOf(record, [10_000]))) as [number, string[]]
    expect(done).toBeLessThan(10_000)
    expect(names).toEqual([null, 'OperationError'])
    expect(valueOf(await executor.invoke(callOf(record, [1])))).toEqual([1, [null]])
  })
  test('what is refused in a loop does not hold up the worker', async () => {
    const record = define(
      "for (;;) try { await subtle.digest('SHA-256', new Uint8Array(17 * 1024 * 1024)) } catch { await pbkdf2(4e9).catch(() => {}) }",
      {
        execution: { timeout: '300ms' },
      },
    )
    expect(codeOf(await executor.invoke(callOf(record)))).toBe('deadline_exceeded')
    expect(await run('return 1')).toBe(1)
  })
  test('what a call left behind is not done once it is over, at its deadline and when its caller goes', async () => {
    const body = 'for (let i = 0; i < 200; i++) pbkdf2(600_000).catch(() => {}); return new Promise(() => {})'
    const slow = define(body, { execution: { timeout: '200ms' } }, 'left')
    const neighbour = define("await subtle.digest('SHA-1', new Uint8Array(1)); return 1", {}, 'left')
    valueOf(await executor.invoke(callOf(neighbour)))
    expect(codeOf(await executor.invoke(callOf(slow)))).toBe('deadline_exceeded')
    const startedAt = systemClock.monotonic()
    expect(valueOf(await executor.invoke(callOf(neighbour)))).toBe(1)
    // All of it would take more than 10 s.
    expect(systemClock.monotonic() - startedAt).toBeLessThan(2000)
    const left = new AbortController()
    const patient = define(body, { execution: { timeout: '60s' } }, 'left')
    const outcome = executor.invoke(callOf(patient, [], { signal: left.signal, deadlineAt: systemClock.monotonic() + 60_000 }))
    expect(valueOf(await executor.invoke(callOf(neighbour)))).toBe(1)
    left.abort()
    expect(codeOf(await outcome)).not.toBe('value')
    const cancelledAt = systemClock.monotonic()
    expect(valueOf(await executor.invoke(callOf(neighbour)))).toBe(1)
    expect(systemClock.monotonic() - cancelledAt).toBeLessThan(2000)
  })
  test('a loop of operations does not go on after the answer', async () => {
    const record = world.define(`let rounds = 0
      const loop = async () => { for (;;) { await crypto.subtle.digest('SHA-1', new Uint8Array(1)); rounds++ } }
      export default { async fetch(request) { if (request.url.endsWith('/start')) void loop(); else if (request.url.endsWith('/long')) for (const first = rounds; rounds <= first + 20;) await new Promise((r) => setTimeout(r, 5)); return new Response(String(rounds)) } }`)
    const at = async (path: string) => Number((await responseOf(await executor.invoke(requestOf(record, { url: `http://x${path}` })))).text)
    await at('/start')
    const first = await at('/')
    await new Promise((resolve) => setTimeout(resolve, 150))
    expect(await at('/')).toBeLessThan(first + 20)
    // It goes on while a call is open: that is the function's own time.
    expect(await at('/long')).toBeGreaterThan(first + 20)
  })
  test('what it costs is counted to its call: beyond execution.cpu it ends', async () => {
    const config = { execution: { timeout: '60s', cpu: '250ms' } }
    const deadlineAt = systemClock.monotonic() + 60_000
    const once = await executor.invoke(callOf(define('await pbkdf2(300_000); return 1')))
    expect(valueOf(once)).toBe(1)
    expect(once.meta.timing.cpu).toBeGreaterThan(20)
    expect(codeOf(await executor.invoke(callOf(define('for (;;) await pbkdf2(300_000)', config), [], { deadlineAt })))).toBe(
      'quota_exceeded',
    )
  }, 60_000)
  test('a search for primes that does not stop at the deadline costs its worker', async () => {
    const body = `const make = () => subtle.generateKey(rsa({ modulusLength: 4096 }), false, ['encrypt', 'decrypt'])
      if (args[0]) for (;;) await Promise.all([make(), make(), make(), make()])`
    const record = define(body, { execution: { timeout: '1500ms' } }, 'primes')
    const pids = () => executor.status().workers.flatMap(({ pid, namespace }) => (namespace === 'primes' ? [pid] : []))
    // One that is lucky ends by itself in the time it has left.
    await until(async () => {
      const loaded = await executor.invoke(callOf(record))
      const [before] = pids()
      if (loaded.kind !== 'value' || before === undefined) return false
      expect(codeOf(await executor.invoke(callOf(record, [true])))).toBe('deadline_exceeded')
      const end = systemClock.monotonic() + 2000
      await until(() => !pids().includes(before) || systemClock.monotonic() > end)
      return !pids().includes(before)
    }, 45_000)
  }, 60_000)
})
