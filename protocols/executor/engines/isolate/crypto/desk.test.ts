import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { until } from '#protocols/until'
import { CRYPTO_OPEN_MAX } from '../../../bounds.ts'
import { EVENT } from '../runtime/codes.ts'
import type { WireKey } from '../runtime/subtle/vocabulary.ts'
import { checkRequest, Refused } from './check.ts'
import { Desk } from './desk.ts'
import { Gate, type JobSource } from './gate.ts'

/** A desk, what it told, and whether its instance has a call open. */
function opened(gate = new Gate()) {
  const told: Told[] = []
  const waiting = new Map<number, (told: Told) => void>()
  const state = { isLive: true, spentMs: 0 }
  const desk = new Desk({
    gate,
    isLive: () => state.isLive,
    spent: (_, ms) => void (state.spentMs += ms),
    tell(event, id, value) {
      const each = { event, id, value: typeof value === 'string' ? (JSON.parse(value) as unknown) : value }
      told.push(each)
      waiting.get(id)?.(each)
    },
  })
  const answerTo = (id: number) => new Promise<Told>((resolve) => waiting.set(id, resolve))
  const answer = (id: number, request: unknown, callId = 1) => {
    const come = answerTo(id)
    desk.ask(id, request, callId)
    return come
  }
  return { desk, told, state, answer, answerTo }
}

interface Told {
  event: number
  id: number
  value: unknown
}

const aes = { op: 'generateKey', alg: { name: 'AES-GCM', length: 128 }, extractable: true, usages: ['encrypt'] }
const digest = { op: 'digest', alg: { name: 'SHA-256' }, data: new Uint8Array(1) }
const slow = (password: number) => ({
  op: 'deriveBits',
  alg: { name: 'PBKDF2', hash: 'SHA-256', salt: new Uint8Array(8), iterations: 200_000 },
  key: password,
  length: 256,
})
const password = {
  ...{ op: 'importKey', format: 'raw', data: new Uint8Array(8), alg: { name: 'PBKDF2' } },
  ...{ extractable: false, usages: ['deriveBits'] },
}

describe('a desk', () => {
  test('a handle of one instance is nothing in another, and none is made up', async () => {
    const mine = opened()
    const theirs = opened()
    const { handle } = (await mine.answer(1, aes)).value as WireKey
    expect((await mine.answer(2, { op: 'exportKey', format: 'raw', key: handle })).event).toBe(EVENT.crypto)
    for (const key of [handle, handle + 1, 0, 0xffff_ffff]) {
      const request = { op: 'exportKey', format: 'raw', key }
      expect(await theirs.answer(key, request)).toMatchObject({ event: EVENT.cryptoFailed, value: { name: 'InvalidAccessError' } })
    }
  })
  test('keys beyond the last 1,024 in use are forgotten', async () => {
    const { answer } = opened()
    const first = ((await answer(1, aes)).value as WireKey).handle
    const kept = ((await answer(2, aes)).value as WireKey).handle
    const exported = async (id: number, key: number) => (await answer(id, { op: 'exportKey', format: 'raw', key })).event
    for (let id = 3; id < 1026; id++) {
      await answer(id, aes)
      if (id % 100 === 0) await exported(10_000 + id, kept)
    }
    expect([await exported(2000, first), await exported(2001, kept)]).toEqual([EVENT.cryptoFailed, EVENT.crypto])
  })
  test('more at once than an isolate sends are refused', async () => {
    const { desk, told } = opened()
    for (let id = 1; id <= CRYPTO_OPEN_MAX + 5; id++) desk.ask(id, digest, 1)
    await until(() => told.length === CRYPTO_OPEN_MAX + 5)
    expect(told.filter((each) => each.event === EVENT.cryptoFailed).map((each) => each.id)).toEqual([17, 18, 19, 20, 21])
  })
  test('what takes time is counted to its call before it is answered', async () => {
    const { state, answer } = opened()
    const { handle } = (await answer(1, password)).value as WireKey
    const before = state.spentMs
    await answer(2, slow(handle))
    expect(state.spentMs - before).toBeGreaterThan(5)
  })
  test('while no call is open nothing is begun or told; it goes on with the next', async () => {
    const { desk, told, state, answerTo } = opened()
    state.isLive = false
    desk.ask(1, digest, 0)
    desk.ask(2, { op: 'nonsense' }, 0)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(told).toEqual([])
    state.isLive = true
    const both = Promise.all([answerTo(1), answerTo(2)])
    desk.resume()
    expect((await both).map((each) => each.event)).toEqual([EVENT.crypto, EVENT.cryptoFailed])
  })
  test('what a call asked for and was not begun ends with it', async () => {
    const { desk, told, answer } = opened()
    const { handle } = (await answer(1, password)).value as WireKey
    for (let id = 2; id < 12; id++) desk.ask(id, slow(handle), 7)
    desk.callEnded(7)
    await until(() => told.length === 11)
    const names = told.filter((each) => each.event === EVENT.cryptoFailed).map((each) => (each.value as { name: string }).name)
    // All but those that were at work: at most two.
    expect(names.length).toBeGreaterThanOrEqual(8)
    expect(new Set(names)).toEqual(new Set(['AbortError']))
  })
})

test('one instance’s queue does not stand before another’s', async () => {
  const gate = new Gate()
  const order: string[] = []
  const source = (name: string, jobs: number): JobSource => ({
    get hasWork() {
      return jobs > 0
    },
    take: () => (jobs-- > 0 ? { isHeavy: false, run: async () => void order.push(name) } : undefined),
  })
  gate.offer(source('a', 10))
  gate.offer(source('b', 1))
  await until(() => order.length === 11)
  expect(order.indexOf('b')).toBeLessThan(5)
})

describe('checkRequest()', () => {
  test('whatever comes in is refused, or plain data within the bounds', () => {
    const names = ['SHA-256', 'AES-GCM', 'HMAC', 'ECDSA', 'PBKDF2', 'RSA-PSS', 'HKDF', '__proto__', 'constructor', 'toString']
    const value = fc.oneof(fc.anything(), fc.constantFrom(...names), fc.uint8Array(), fc.integer(), fc.boolean())
    const alg = fc.dictionary(fc.constantFrom('name', 'iv', 'hash', 'length', 'salt', 'iterations', 'public', '__proto__'), value)
    const field = fc.oneof(value, alg)
    const ops = [
      'digest',
      'encrypt',
      'verify',
      'generateKey',
      'importKey',
      'exportKey',
      'deriveBits',
      'deriveKey',
      'unwrapKey',
      '__proto__',
    ]
    const keys = ['alg', 'derived', 'key', 'wrapping', 'data', 'signature', 'jwk', 'format', 'extractable', 'usages', 'length', '__proto__']
    const request = fc
      .tuple(fc.oneof(fc.constantFrom(...ops), value), fc.dictionary(fc.constantFrom(...keys), field))
      .map(([op, fields]) => ({ ...fields, op }))
    const isChecked = (given: unknown): boolean => {
      try {
        const { alg } = checkRequest(given)
        return alg === undefined || typeof alg.name === 'string'
      } catch (error) {
        return error instanceof Refused
      }
    }
    expect(fc.check(fc.property(fc.oneof(fc.anything(), request), isChecked), { numRuns: 3000 })).toMatchObject({ failed: false })
  })
  test('a buffer that can grow, or lies about its kind, is refused', () => {
    for (const data of [new Uint8Array(new ArrayBuffer(1, { maxByteLength: 9 })), new SharedArrayBuffer(1), 'x', { length: 1e9 }, [1, 2]])
      expect(() => checkRequest({ ...digest, data })).toThrow(Refused)
  })
})
