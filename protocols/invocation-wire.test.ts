import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decode, encode } from './codec.ts'
import { OsirisError } from './errors.ts'
import { failed, type Invocation, type Outcome, type PlacedInvocation } from './invocation.ts'
import { decodeInvocation, decodeOutcome, decodePlacedInvocation, encodeInvocation, encodeOutcome } from './invocation-wire.ts'

const invocation: Invocation = {
  id: '0123456789abcdef'.repeat(2),
  target: { namespace: 'demo', name: 'greet' },
  payload: { kind: 'call', args: Buffer.from('["Ada"]') },
  caller: { subject: 'ada', token: 'a.b.c' },
  deadlineAt: 1500,
  hops: 1,
  depth: 2,
  traceparent: `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`,
}
const meta = { version: 'a'.repeat(64), node: 'node-1', hops: 2, timing: { route: 0.1, queue: 0, cold: 2.5, run: 1, cpu: 0.75 } }
const coldMeta = {
  ...meta,
  timing: { ...meta.timing, coldParts: { artifact: 0.1, isolate: 0.2, compile: 0.3, first: 0.4 } },
  peakMemoryBytes: 5_000_000,
}

const rateLimit = [
  { name: 'calls', q: 100, w: 1, r: 99, t: 1 },
  { name: 'concurrent', q: 5, qu: 'concurrent-requests', r: 4 },
]

describe('an invocation', () => {
  test('arrives as it left, one hop further, its deadline on the receiver’s clock', () => {
    const arrived = decodeInvocation(encodeInvocation(invocation, 500), { now: 70_000 })
    expect(arrived).toEqual({ ...invocation, hops: 2, deadlineAt: 71_000 })
  })
  test('carries what its caller says about the version, and refuses what cannot mean one', () => {
    for (const steering of [{ sticky: 'ada' }, { override: 'v3' }, { sticky: 'ada', override: 'canary' }])
      expect(decodeInvocation(encodeInvocation({ ...invocation, ...steering }, 0), { now: 0 })).toMatchObject(steering)
    for (const wrong of [{ sticky: 'x'.repeat(257) }, { override: 'V3' }])
      expect(() => decodeInvocation(encodeInvocation({ ...invocation, ...wrong }, 0), { now: 0 })).toThrow(
        expect.objectContaining({ code: 'invalid_argument' }),
      )
  })
  test('carries its key and from where it came, and refuses what is no key', () => {
    for (const keyed of [{ idempotencyKey: 'order 17' }, { idempotencyKey: 'k', origin: '10.0.0.1', sticky: 'ada' }])
      expect(decodeInvocation(encodeInvocation({ ...invocation, ...keyed }, 0), { now: 0 })).toMatchObject(keyed)
    for (const wrong of [{ idempotencyKey: 'x'.repeat(257) }, { idempotencyKey: '' }, { idempotencyKey: 'ä' }])
      expect(() => decodeInvocation(encodeInvocation({ ...invocation, ...wrong }, 0), { now: 0 })).toThrow(
        expect.objectContaining({ code: 'invalid_argument' }),
      )
  })
  test('carries who is above it and who counts its chain, and refuses more than there may be', () => {
    const chain = { id: 'c'.repeat(32), at: '12D3KooW' }
    for (const lineage of [
      { path: ['demo/a'] },
      { chain },
      { chain, path: ['demo/a', 'demo/b'], sticky: 'ada' },
      { path: ['demo/a'], by: 'd'.repeat(64) },
    ])
      expect(decodeInvocation(encodeInvocation({ ...invocation, ...lineage }, 500), { now: 0 })).toEqual({
        ...invocation,
        ...lineage,
        hops: 2,
        deadlineAt: 1000,
      })
    for (const wrong of [
      { path: Array.from({ length: 17 }, () => 'demo/a') },
      { path: ['x'.repeat(128)] },
      { chain: { id: 'short', at: '' } },
      { path: ['demo/a'], by: 'v1' },
    ])
      expect(() => decodeInvocation(encodeInvocation({ ...invocation, ...wrong }, 0), { now: 0 })).toThrow(
        expect.objectContaining({ code: 'invalid_argument' }),
      )
  })
  test('by route, with a stream for a body, keeps url, headers and parameters byte for byte', async () => {
    const body = (async function* () {
      yield Buffer.from('x')
    })()
    const sent: Invocation = {
      ...invocation,
      target: { host: 'h.org', method: 'GET', path: '/a%2Fb' },
      payload: {
        kind: 'fetch',
        method: 'GET',
        url: 'http://h.org/a%2Fb?q=%zz',
        headers: [
          ['a', '1'],
          ['a', '2'],
        ],
        params: { x: 'a/b', '*': '' },
        body,
      },
    }
    const { signal } = new AbortController()
    expect(await decodeInvocation(encodeInvocation(sent, 0), { now: 0, signal })).toEqual({ ...sent, hops: 2, signal })
  })
  test('of an event, keeps its handler, its bytes and what it comes from', () => {
    const sent: Invocation = {
      ...invocation,
      payload: { kind: 'event', handler: 'scheduled', event: Buffer.from('{"cron":"* * * * *"}') },
      trigger: { kind: 'schedule', id: 'demo/greet@1700000000000' },
    }
    expect(decodeInvocation(encodeInvocation(sent, 0), { now: 0 })).toEqual({ ...sent, hops: 2 })
    for (const trigger of [
      ['dream', 'x'],
      ['topic', 'x'.repeat(257)],
    ]) {
      const fields = decode(encodeInvocation(sent, 0).head) as unknown[]
      expect(() => decodeInvocation({ head: encode(fields.with(13, trigger)), body: new Uint8Array() }, { now: 0 })).toThrow(
        expect.objectContaining({ code: 'invalid_argument' }),
      )
    }
  })
  test('placed, carries its version; unplaced, is refused where a version is needed', () => {
    const placed: PlacedInvocation = {
      ...invocation,
      target: { namespace: 'demo', name: 'greet', selector: 'v3' },
      version: 'b'.repeat(64),
    }
    expect(decodePlacedInvocation(encodeInvocation(placed, 0), { now: 0 })).toEqual({ ...placed, hops: 2 })
    expect(() => decodePlacedInvocation(encodeInvocation(invocation, 0), { now: 0 })).toThrow(
      expect.objectContaining({ code: 'invalid_argument' }),
    )
  })
  test('from a caller without a token is anonymous, whatever name it gives', () => {
    const sent = { ...invocation, caller: { subject: 'developer' } }
    expect(decodeInvocation(encodeInvocation(sent, 0), { now: 0 })).toMatchObject({ caller: { subject: 'anonymous' } })
  })
  test('with arguments that arrive as a stream is collected', async () => {
    const { head } = encodeInvocation(invocation, 0)
    const body = (async function* () {
      yield Buffer.from('["A')
      yield Buffer.from('da"]')
    })()
    expect(await decodeInvocation({ head, body }, { now: 0 })).toMatchObject({ payload: { kind: 'call', args: Buffer.from('["Ada"]') } })
  })
  test.each<[string, number, unknown]>([
    ['id', 1, 'xyz'],
    ['deadline', 2, -1],
    ['hops', 3, 1.5],
    ['depth', 4, 1e9],
    ['subject', 5, 'x'.repeat(300)],
    ['token', 6, 7],
    ['target', 8, ['ref', 'Demo', 'greet', null]],
    ['selector', 8, ['ref', 'demo', 'greet', '../x']],
    ['target kind', 8, ['other', 'demo', 'greet', null]],
    ['method', 10, ['GET /', 'http://x/', [], []]],
    ['header name', 10, ['GET', 'http://x/', ['a b', ''], []]],
    ['header value', 10, ['GET', 'http://x/', ['a', 'b\r\nc: d'], []]],
    ['event handler', 10, 'fetch'],
    ['header pairs', 10, ['GET', 'http://x/', ['a'], []]],
  ])('with a malformed %s is refused', (_, position, value) => {
    const { head } = encodeInvocation(invocation, 0)
    const fields = decode(head) as unknown[]
    const forged = encode(fields.with(position, value))
    expect(() => decodeInvocation({ head: forged, body: new Uint8Array() }, { now: 0 })).toThrow(
      expect.objectContaining({ code: 'invalid_argument' }),
    )
  })
  test('of another format is a version_mismatch', () => {
    const fields = decode(encodeInvocation(invocation, 0).head) as unknown[]
    expect(() => decodeInvocation({ head: encode(fields.with(0, 2)) }, { now: 0 })).toThrow(
      expect.objectContaining({ code: 'version_mismatch' }),
    )
  })
  test('with positions this node does not know is read all the same', () => {
    const message = encodeInvocation(invocation, 0)
    const head = encode([...(decode(message.head) as unknown[]), { later: true }])
    expect(decodeInvocation({ ...message, head }, { now: 0 })).toMatchObject({ id: invocation.id })
  })
})

describe('an outcome', () => {
  test.each<[string, Outcome]>([
    ['a value', { kind: 'value', value: Buffer.from('{"a":1}'), meta }],
    [
      'a response',
      {
        kind: 'response',
        status: 404,
        headers: [
          ['x-a', 'é'],
          ['x-a', ''],
        ],
        body: Buffer.from('no'),
        meta,
      },
    ],
    ['a response without a body', { kind: 'response', status: 204, headers: [], meta }],
    ['a value after a cold start', { kind: 'value', value: Buffer.from('1'), meta: coldMeta }],
    ['a value of a known instance', { kind: 'value', value: Buffer.from('1'), meta: { ...meta, peakMemoryBytes: 7 } }],
    ['a value under a quota', { kind: 'value', value: Buffer.from('1'), meta: { ...meta, rateLimit } }],
    ['a cold value under a quota', { kind: 'value', value: Buffer.from('1'), meta: { ...coldMeta, rateLimit } }],
  ])('%s arrives as it left', (_, outcome) => {
    expect(decodeOutcome(encodeOutcome(outcome))).toEqual(outcome)
  })
  test('what no field of HTTP could say of a quota is left out', () => {
    for (const forged of [
      [],
      [{ name: 'x"\r\n', q: 1, r: 0 }],
      [{ name: 'calls', q: -1, r: 0 }],
      [null],
      Array(5).fill(rateLimit[0]),
      'x',
    ]) {
      const told = { ...meta, rateLimit: forged as typeof rateLimit }
      expect(decodeOutcome(encodeOutcome({ kind: 'value', value: Buffer.from('1'), meta: told }))).toMatchObject({ meta })
      expect(decodeOutcome(encodeOutcome({ kind: 'value', value: Buffer.from('1'), meta: told }))).not.toHaveProperty('meta.rateLimit')
    }
  })
  test('a failure keeps code, sentence, stack, details and the proof of not-started', () => {
    const error = new OsirisError('overloaded', 'Cannot run: full', { details: { retryAfterMs: 10 }, functionStack: 'at greet' })
    for (const started of [true, false]) {
      const arrived = decodeOutcome(encodeOutcome(failed(error, meta, started)))
      expect(arrived).toMatchObject({ kind: 'failed', started, meta })
      expect((arrived as { error: OsirisError }).error.toShape()).toEqual(error.toShape())
    }
  })
  test('details that are not data, times that are not numbers and endless texts cannot fail the answer', () => {
    const circular: Record<string, unknown> = {}
    circular['self'] = circular
    const outcome = failed(new OsirisError('function_failed', 'x'.repeat(9999), { details: circular }), {
      ...meta,
      timing: { ...meta.timing, run: Number.NaN },
    })
    const arrived = decodeOutcome(encodeOutcome(outcome)) as ReturnType<typeof failed>
    expect(arrived.error.message).toHaveLength(4096)
    expect(arrived.error.details).toBeUndefined()
    expect(arrived.meta.timing.run).toBe(0)
  })
  test('from an older peer says nothing of what it cost, and from a newer one more than is read', () => {
    const outcome: Outcome = { kind: 'value', value: Buffer.from('1'), meta: coldMeta }
    const { head, body } = encodeOutcome(outcome)
    const fields = decode(head) as unknown[]
    const costs = fields[2] as unknown[]
    const arrive = (all: unknown[]) => decodeOutcome({ head: encode(fields.with(2, all)), body: body as Uint8Array })
    expect(arrive(costs.slice(0, 7))).toEqual({ ...outcome, meta: { ...meta, timing: { ...meta.timing, cpu: 0 } } })
    expect(arrive([...costs, 'later'])).toEqual(outcome)
    expect(() => arrive(costs.with(9, [1, -1, 0, 0]))).toThrow(expect.objectContaining({ code: 'invalid_argument' }))
  })
  test('a failure that does not say it was not started counts as started', () => {
    const fields = decode(encodeOutcome(failed(new OsirisError('unavailable', 'x'), meta)).head) as unknown[]
    expect(decodeOutcome({ head: encode(fields.with(3, 'no')) })).toMatchObject({ started: true })
  })
})

test('decoders answer a value or one of two codes, whatever bytes arrive', async () => {
  const seeds = [encodeInvocation(invocation, 0).head, encodeOutcome({ kind: 'value', value: new Uint8Array(), meta }).head]
  const flips = fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { minLength: 1, maxLength: 6 })
  const check = fc.property(fc.constantFrom(...seeds), flips, (seed, changes) => {
    const head = Uint8Array.from(seed)
    for (const [at, byte] of changes) head[at % head.length] = byte
    for (const decoder of [decodeInvocation, decodePlacedInvocation, decodeOutcome])
      expect(['value', 'invalid_argument', 'version_mismatch']).toContain(
        endOf(() => decoder({ head, body: new Uint8Array() }, { now: 0 })),
      )
  })
  fc.assert(check, { numRuns: 2000 })
})
function endOf(run: () => unknown): string {
  try {
    run()
    return 'value'
  } catch (error) {
    return error instanceof OsirisError ? error.code : String(error)
  }
}
