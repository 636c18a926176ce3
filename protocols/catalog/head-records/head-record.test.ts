import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createIdentity, createUniverse, type Identity, universeId } from '#protocols/access'
import { encode } from '#protocols/codec'
import type { Manifest } from '#protocols/manifest'
import { versionOf } from '#protocols/manifest'
import { aFunction } from '../catalog.fixture.ts'
import { type Head, HEAD_BYTES_MAX, HEAD_VALID_MS, HeadJudge, headKeyOf, headOf, recordIn, signHead } from './head-record.ts'
import type { BodyOf } from '../ledger/bodies.ts'
import { comparePlaces, createFounding, type Entry } from '../ledger/entry.ts'
import type { FunctionState } from '../ledger/fold.ts'

const NOW = 1_800_000_000_000
const root = createIdentity()
const universe = createUniverse('test', root.id)
const id = universeId(universe)
const signer = createIdentity()
const KEY = headKeyOf(id, 'demo', 'greet')

function judge(isOut?: (key: string) => boolean): HeadJudge {
  return new HeadJudge({ universe, now: () => NOW, ...(isOut === undefined ? {} : { isOut }) })
}

function admission(part: Partial<BodyOf<'admit'>> = {}, by: Identity = root, of = universe): Uint8Array {
  const grants = [{ can: ['deploy' as const], namespaces: ['*'] }]
  const body = { member: signer.id, name: 'a', roles: ['catalog'], grants, expiresAtMs: null, ...part }
  return (createFounding(by, of, [body], NOW - 10_000).at(-1) as Entry).bytes
}

function stateOf(manifests: Manifest[], retired = false): FunctionState {
  const versions = manifests.map((manifest, at) => ({
    ...{ version: versionOf(manifest), ordinal: at + 1, publishedAt: NOW - 5000, publishedBy: 'ada', author: signer.id, manifest },
  }))
  const live = versions.map(({ version }) => ({ version, weight: 100 / versions.length }))
  const last = { wallMs: NOW - 5000, counter: 0, author: signer.id, seq: 7, hash: 'ab'.repeat(32) }
  return { namespace: 'demo', name: 'greet', versions, aliases: { live }, setBy: {}, claims: [], retired, last }
}

const { manifest } = aFunction('greet')
const good = headOf(stateOf([manifest]), signer.id, id, NOW - 1000)
const sign = (part: Partial<Head> = {}, by = signer, entry = admission()) => signHead(by, { ...good, ...part }, [entry])

it('a good record proves itself and names the version that is live', () => {
  const head = judge().open(KEY, sign())
  const record = recordIn(head, { namespace: 'demo', name: 'greet' }, Math.random)
  expect(record).toMatchObject({ version: versionOf(manifest), ordinal: 1, versions: 1, manifest })
  for (const selector of ['live', 'v1', versionOf(manifest), versionOf(manifest).slice(0, 8)])
    expect(recordIn(head, { namespace: 'demo', name: 'greet', selector }, Math.random)).toEqual(record)
  for (const selector of ['v2', 'canary', 'constructor', '00000000'])
    expect(recordIn(head, { namespace: 'demo', name: 'greet', selector }, Math.random)).toBeUndefined()
})

it('of a function that was retired nothing is found', () => {
  const head = judge().open(KEY, signHead(signer, headOf(stateOf([manifest], true), signer.id, id, NOW), [admission()]))
  expect(recordIn(head, { namespace: 'demo', name: 'greet' }, Math.random)).toBeUndefined()
})

it('poisoned records are refused, each for its reason', () => {
  const other = aFunction('other').manifest
  const stranger = createIdentity()
  const place = { ...good.place, wallMs: NOW + 60_000 }
  const poison: [Uint8Array, string][] = [
    [sign({ name: 'other', shown: [] }), 'of another function'],
    [sign({ shown: [{ ...(good.shown[0] as Head['shown'][number]), manifest: other }] }), 'shows another function'],
    [sign({ shown: [] }), 'does not show what is live'],
    [sign({ atMs: NOW - HEAD_VALID_MS, expiresAtMs: NOW }), 'expired'],
    [sign({ expiresAtMs: NOW + 2 * HEAD_VALID_MS }), 'for longer than records do'],
    [sign({ atMs: NOW + 60_000, expiresAtMs: NOW + 70_000 }), 'from the future'],
    [sign({ place }), 'from the future'],
    [sign({ universe: 'ab'.repeat(8) }), 'of another universe'],
    [sign({}, stranger), 'signature is not by its signer'],
    [sign({ signer: stranger.id }, stranger), 'did not let its signer in'],
    [sign({}, signer, admission({}, stranger)), 'did not let its signer in'],
    [sign({}, signer, admission({}, root, createUniverse('other', stranger.id))), 'did not let its signer in'],
    [sign({}, signer, admission({ roles: ['executor'] })), 'has no say'],
    [sign({}, signer, admission({ grants: [{ can: ['deploy'], namespaces: ['shop'] }] })), 'has no say'],
    [sign({}, signer, admission({ grants: [] })), 'has no say'],
    [sign({}, signer, admission({ expiresAtMs: NOW - 1 })), 'has expired'],
    [encode([encode(good), new Uint8Array(64), [admission()]]), 'signature is not by its signer'],
    [encode([encode(good), new Uint8Array(64), admission()]), 'not a statement'],
    [signHead(signer, good, []), 'did not let its signer in'],
    [signHead(signer, good, [admission(), admission()]), 'did not let its signer in'],
    [
      signHead(
        signer,
        good,
        Array.from({ length: 13 }, () => admission()),
      ),
      'not a statement',
    ],
    [encode([encode(good), admission()]), 'not a statement'],
    [encode([encode({ ...good, more: 1 }), new Uint8Array(64), [admission()]]), 'its statement'],
    [new Uint8Array(HEAD_BYTES_MAX + 1), 'bytes'],
  ]
  for (const [bytes, why] of poison) expect(() => judge().open(KEY, bytes)).toThrow(why)
  expect(() => judge().open(headKeyOf(id, 'demo', 'other'), sign())).toThrow('of another function')
  expect(() => judge((key) => key === signer.id).open(KEY, sign())).toThrow('shut out')
})

it('whatever is changed, cut or made up is refused', () => {
  const whole = sign()
  const hostile = judge()
  const bytes = fc.oneof(
    fc
      .tuple(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }))
      .map(([at, mask]) => whole.map((byte, i) => (i === at ? byte ^ mask : byte))),
    fc.nat(whole.length - 1).map((length) => whole.subarray(0, length)),
    fc.uint8Array({ maxLength: 512 }),
  )
  fc.assert(
    fc.property(bytes, (each) => {
      expect(() => hostile.open(KEY, each)).toThrow(/^Cannot/)
    }),
  )
})

it('the later ranks higher: by the total order of the ledger, then by when it was said', () => {
  const place = fc.record({
    ...{ wallMs: fc.nat(NOW), counter: fc.nat(0xffff), author: fc.constantFrom('aa'.repeat(32), 'bb'.repeat(32)) },
    ...{ seq: fc.integer({ min: 1, max: 2 ** 40 }), hash: fc.constantFrom('cc'.repeat(32), 'dd'.repeat(32)) },
  })
  const said = fc.record({ place, atMs: fc.integer({ min: NOW - 1000, max: NOW }) })
  fc.assert(
    fc.property(said, said, fc.boolean(), (one, other, same) => {
      const second = same ? { ...other, place: one.place } : other
      const entry = admission()
      const [a, b] = [one, second].map((each) => judge().rank(KEY, sign(each, signer, entry))) as [string, string]
      const order = comparePlaces(one.place, second.place) || one.atMs - second.atMs
      expect(Math.sign(order)).toBe(a < b ? -1 : a > b ? 1 : 0)
    }),
    { numRuns: 50 },
  )
})
