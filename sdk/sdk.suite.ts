/** What every transport does: run against a real universe over HTTP and as a peer, and against the fakes of node/http. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Osiris } from './index.ts'

export interface OpenSdk {
  osiris: Osiris
  /** Ends what was opened besides the client, which the suite closes itself. */
  close?(): Promise<void>
}

const GREET = 'export default function greet(name: string, times = 1) { return { hello: name, times } }'
const GREET_2 = 'export default function greet(name: string) { return `2 ${name}` }'
const FAIL = 'export default function fail() { throw new Error("on purpose") }'
const SLOW = 'export default () => new Promise((resolve) => setTimeout(resolve, 20_000))'
const NOTHING = 'export default function nothing() {}'
const SITE = `export default {
  async fetch(request) {
    const url = new URL(request.url)
    if (url.pathname === '/gone') return new Response(null, { status: 204 })
    if (url.pathname === '/echo') return new Response(request.body, { status: 201, headers: { 'x-authorization': request.headers.get('authorization') ?? '' } })
    return new Response(url.pathname + url.search, { status: 418, headers: { 'osiris-node': 'forged', 'osiris-error': 'internal' } })
  },
}`
/** How long other nodes may take to hear of a write. */
const SETTLE_MS = 5_000

/** `open` gives a connected client of a caller who may do everything in the namespace `sdk`. Functions `sdk/*` are made and left behind. */
export function sdkSuite(name: string, open: () => Promise<OpenSdk>): void {
  describe(`sdk over ${name}`, () => {
    let opened: OpenSdk
    let osiris: Osiris

    beforeAll(async () => {
      opened = await open()
      osiris = opened.osiris
      for (const [each, source] of Object.entries({ greet: GREET, fail: FAIL, slow: SLOW, 'say-nothing': NOTHING, site: SITE })) {
        await osiris.deploy({ namespace: 'sdk', name: each, source })
      }
      await eventually(() => osiris.call('sdk/greet', 'Ada'))
      await eventually(() => osiris.fetch('sdk/site', 'http://x/'))
    })

    afterAll(async () => {
      await osiris?.close()
      await opened?.close?.()
    })

    describe('call()', () => {
      it('gives the value', async () => {
        expect(await osiris.call('sdk/greet', 'Ada', 2)).toEqual({ hello: 'Ada', times: 2 })
      })

      it('carries undefined as null', async () => {
        expect(await osiris.call('sdk/say-nothing')).toBe(null)
      })

      it('rejects with the code of what went wrong', async () => {
        await expect(osiris.call('sdk/unknown')).rejects.toMatchObject({ name: 'OsirisError', code: 'not_found' })
        await expect(osiris.call('sdk/greet@v99')).rejects.toMatchObject({ code: 'not_found' })
        await expect(osiris.call('sdk/fail')).rejects.toMatchObject({
          code: 'function_failed',
          message: expect.stringContaining('on purpose'),
        })
        await expect(osiris.call('Not A Name')).rejects.toMatchObject({ code: 'invalid_argument' })
        await expect(osiris.call('sdk/greet', 1n)).rejects.toMatchObject({ code: 'invalid_argument' })
      })
    })

    describe('once()', () => {
      it('calls under a key, and refuses what is none', async () => {
        const order = osiris.once(`order-${crypto.randomUUID()}`)
        expect(await order.call('sdk/greet', 'Ada', 2)).toEqual({ hello: 'Ada', times: 2 })
        await expect(osiris.once('x'.repeat(257)).call('sdk/greet', 'Ada')).rejects.toMatchObject({ code: 'invalid_argument' })
      })
    })

    describe('start() and calls', () => {
      it('gives an id at once, then what came of it', async () => {
        const started = await osiris.start<{ hello: string }>('sdk/greet', ['Ada', 2])
        expect(await started.result()).toEqual({ hello: 'Ada', times: 2 })
        const { id } = started
        const status = await osiris.calls.at(id).status()
        expect(status).toMatchObject({ id, function: 'sdk/greet', state: 'done', attempts: 1, value: { hello: 'Ada', times: 2 } })
        expect((await osiris.calls.list('sdk')).map((each) => each.id)).toContain(id)
        expect(await (await osiris.start('sdk/say-nothing')).result()).toBe(null)
      })

      it('result() rejects as the call did, or when it takes too long', async () => {
        await expect((await osiris.start('sdk/fail')).result()).rejects.toMatchObject({
          code: 'function_failed',
          message: expect.stringContaining('on purpose'),
        })
        const slow = await osiris.start('sdk/slow')
        await expect(slow.result({ timeoutMs: 1 })).rejects.toMatchObject({ code: 'deadline_exceeded' })
        await slow.cancel()
        await expect(slow.result()).rejects.toMatchObject({ code: 'conflict' })
        expect((await slow.cancel()).state).toBe('cancelled')
      })

      it('refuses what cannot be called, called back or asked for', async () => {
        await expect(osiris.start('sdk/unknown')).rejects.toMatchObject({ code: 'not_found' })
        await expect(osiris.start('sdk/greet', [1n])).rejects.toMatchObject({ code: 'invalid_argument' })
        await expect(osiris.start('sdk/greet', 'Ada' as never)).rejects.toMatchObject({ code: 'invalid_argument' })
        for (const callback of ['nowhere', 'ftp://example.org/'])
          await expect(osiris.start('sdk/greet', [], { callback })).rejects.toMatchObject({ code: 'invalid_argument' })
        await expect(osiris.calls.at('0'.repeat(32)).status()).rejects.toMatchObject({ code: 'not_found' })
        expect(() => osiris.calls.at('..')).toThrow(expect.objectContaining({ code: 'invalid_argument' }))
        await expect(osiris.calls.list('Not A Name')).rejects.toMatchObject({ code: 'invalid_argument' })
      })
    })

    describe('namespace()', () => {
      it('has every function as a method', async () => {
        const functions = osiris.namespace<{ greet(name: string, times?: number): { hello: string; times: number }; sayNothing(): void }>(
          'sdk',
        )
        expect(await functions.greet('Bob')).toEqual({ hello: 'Bob', times: 1 })
        expect(await functions.sayNothing()).toBe(null)
      })

      it('is not thenable', async () => {
        const functions = osiris.namespace('sdk')
        expect(await Promise.resolve(functions)).toBe(functions)
      })
    })

    describe('fetch()', () => {
      it('gives the answer of the function, whatever its status, and the headers of the platform cannot be forged', async () => {
        const response = await osiris.fetch('sdk/site', 'http://x/a%2Fb?q=%20&r')
        expect(response.status).toBe(418)
        expect(await response.text()).toBe('/a%2Fb?q=%20&r')
        expect(response.headers.get('osiris-error')).toBe(null)
        expect(response.headers.get('osiris-node')).not.toBe('forged')
        expect(response.headers.get('osiris-version')).toMatch(/^[0-9a-f]{64}$/)
      })

      it('carries bodies both ways, and the Authorization of the caller', async () => {
        const body = 'ä'.repeat(150_000)
        const response = await osiris.fetch(
          'sdk/site',
          new Request('http://x/echo', { method: 'POST', body, headers: { authorization: 'Bearer theirs' } }),
        )
        expect(response.status).toBe(201)
        expect((await response.text()) === body).toBe(true)
        expect(response.headers.get('x-authorization')).toBe('Bearer theirs')
      })

      it('knows answers without a body', async () => {
        const response = await osiris.fetch('sdk/site', 'http://x/gone')
        expect([response.status, await response.text()]).toEqual([204, ''])
      })

      it('rejects when the platform has no such function', async () => {
        await expect(osiris.fetch('sdk/unknown', 'http://x/')).rejects.toMatchObject({ code: 'not_found' })
      })
    })

    describe('publish() and topics', () => {
      it('gives the message an id, or takes the one that was chosen', async () => {
        expect(await osiris.publish('sdk/news.today', { n: 1 })).toMatchObject({ id: expect.any(String), subscribers: expect.any(Number) })
        expect((await osiris.publish('sdk/news.today', undefined, { id: 'mine', key: 'k' })).id).toBe('mine')
      })

      it('refuses what is no topic, no JSON, or not there', async () => {
        await expect(osiris.publish('news')).rejects.toMatchObject({ code: 'invalid_argument' })
        await expect(osiris.publish('sdk/a..b')).rejects.toMatchObject({ code: 'invalid_argument' })
        await expect(osiris.publish('sdk/news', 1n)).rejects.toMatchObject({ code: 'invalid_argument' })
        await expect(osiris.publish('sdk/news', () => {})).rejects.toMatchObject({ code: 'invalid_argument' })
        await expect(osiris.topics.deadLetter('sdk', '0'.repeat(32))).rejects.toMatchObject({ code: 'not_found' })
        await expect(osiris.topics.replay('sdk', '0'.repeat(32))).rejects.toMatchObject({ code: 'not_found' })
        await expect(osiris.topics.remove('sdk', '0'.repeat(32))).rejects.toMatchObject({ code: 'not_found' })
      })

      it('lists who subscribes, and what was given up', async () => {
        expect(await osiris.topics.subscriptions('sdk')).toEqual(expect.any(Array))
        expect(await osiris.topics.deadLetters('sdk', 5)).toEqual([])
      })
    })

    describe('schedules()', () => {
      it('lists functions that run by the clock, and a line that cannot be read is refused by deploy()', async () => {
        const deploy = { namespace: 'sdk', name: 'nightly', source: GREET }
        await osiris.deploy({ ...deploy, config: { schedule: { cron: '0 3 * * *', timezone: 'Europe/Berlin', missed: 'last' } } })
        const [found] = await eventually(async () => atLeast(await osiris.schedules('sdk'), 1))
        expect(found).toMatchObject({ name: 'nightly', cron: '0 3 * * *', timezone: 'Europe/Berlin', missed: 'last', problem: null })
        await expect(osiris.deploy({ ...deploy, config: { schedule: '61 * * * *' } })).rejects.toMatchObject({
          code: 'invalid_argument',
          message: expect.stringContaining('Invalid value for minute: 61'),
        })
      })
    })

    it('a quota is set, told, and taken away', async () => {
      await osiris.quotas.set('sdk-bounded', { concurrent: 3 })
      const bounded = expect.objectContaining({ namespace: 'sdk-bounded', concurrent: 3 }) as unknown
      await eventually(async () => expect(await osiris.quotas.list()).toContainEqual(bounded))
      await expect(osiris.quotas.set('sdk-bounded', { concurrent: -1 })).rejects.toMatchObject({ code: 'invalid_argument' })
      await osiris.quotas.clear('sdk-bounded')
      await eventually(async () => expect(await osiris.quotas.list()).not.toContainEqual(bounded))
    })

    it('a canary has its first share at once, is told of, and ended by hand', async () => {
      const deploy = { namespace: 'sdk', name: 'bird' }
      await osiris.deploy({ ...deploy, source: GREET })
      await osiris.deploy({ ...deploy, source: GREET_2 })
      await osiris.functions.point('sdk/bird', 'live', 'v1')
      await eventually(async () => expect((await osiris.functions.get('sdk/bird')).ordinal).toBe(1))
      await osiris.functions.canary('sdk/bird', { version: 'v2', weight: 20 })
      const weights = async () => (await osiris.functions.get('sdk/bird@v1')).aliases['live']?.map(({ weight }) => weight)
      await eventually(async () => expect(await weights()).toEqual([80, 20]))
      await eventually(async () =>
        expect((await osiris.functions.get('sdk/bird@v1')).promotion).toMatchObject({
          state: 'running',
          weight: 20,
          steps: [20, 25, 50, 100],
        }),
      )
      await osiris.functions.abort('sdk/bird')
      await eventually(async () => expect(await weights()).toEqual([100]))
      await expect(osiris.functions.canary('sdk/bird', { version: 'v9' })).rejects.toMatchObject({ code: 'not_found' })
    })

    describe('deploy() and functions', () => {
      it('the same source is the same version, another one is the next', async () => {
        const name = 'versioned'
        const first = await osiris.deploy({ namespace: 'sdk', name, source: GREET })
        const again = await osiris.deploy({ namespace: 'sdk', name, source: GREET })
        expect(again).toMatchObject({ version: first.version, ordinal: first.ordinal, changed: false })
        const second = await osiris.deploy({ namespace: 'sdk', name, source: GREET_2 })
        expect(second).toMatchObject({ ordinal: first.ordinal + 1, changed: true, receipt: { state: 'committed' } })
        const versions = await eventually(async () => atLeast(await osiris.functions.versions(`sdk/${name}`), 2))
        expect(versions.map(({ version }) => version)).toEqual([first.version, second.version])
      })

      it('rollback() goes to the version before, and is one write', async () => {
        await osiris.deploy({ namespace: 'sdk', name: 'rolled', source: GREET })
        await osiris.deploy({ namespace: 'sdk', name: 'rolled', source: GREET_2 })
        await eventually(async () => expect(await osiris.call('sdk/rolled', 'Ada')).toBe('2 Ada'))
        expect((await osiris.functions.rollback('sdk/rolled')).record).toMatchObject({ ordinal: 1, name: 'rolled' })
        await eventually(async () => expect(await osiris.call('sdk/rolled', 'Ada')).toEqual({ hello: 'Ada', times: 1 }))
        await expect(osiris.functions.rollback('sdk/rolled')).rejects.toMatchObject({ code: 'conflict' })
      })

      it('point() gives an alias to a version', async () => {
        await osiris.deploy({ namespace: 'sdk', name: 'pointed', source: GREET })
        await osiris.deploy({ namespace: 'sdk', name: 'pointed', source: GREET_2 })
        await osiris.functions.point('sdk/pointed', 'canary', 'v1')
        await eventually(async () => expect(await osiris.call('sdk/pointed@canary', 'Ada')).toEqual({ hello: 'Ada', times: 1 }))
        await expect(osiris.functions.point('sdk/pointed', 'canary', 'v9')).rejects.toMatchObject({ code: 'not_found' })
        await expect(osiris.functions.point('sdk/pointed@v1', 'canary', 'v1')).rejects.toMatchObject({ code: 'invalid_argument' })
      })

      it('diff() tells what a version changes, promote() gives it a share of the calls', async () => {
        await osiris.deploy({ namespace: 'sdk', name: 'shared', source: GREET, config: { env: { A: '1' } } })
        await osiris.deploy({ namespace: 'sdk', name: 'shared', source: GREET, config: { env: { A: '2' }, access: 'public' } })
        const diff = await osiris.functions.diff('sdk/shared')
        expect(diff).toMatchObject({ from: { ordinal: 1 }, to: { ordinal: 2 } })
        expect(diff.changes).toEqual([
          { key: 'access', from: 'token', to: 'public' },
          { key: 'env.A', from: '1', to: '2' },
        ])
        const { record } = await osiris.functions.promote('sdk/shared', 'v1', { weight: 20 })
        expect(record.aliases['live']?.map((each) => each.weight)).toEqual([80, 20])
        await expect(osiris.functions.promote('sdk/shared', 'v1', { weight: 20, alias: 'none' })).rejects.toMatchObject({
          code: 'conflict',
        })
        await expect(osiris.functions.diff('sdk/shared', 'v9')).rejects.toMatchObject({ code: 'not_found' })
      })

      it('rollback() takes back a canary', async () => {
        for (const each of ['1', '2', '3'])
          await osiris.deploy({ namespace: 'sdk', name: 'withdrawn', source: GREET, config: { env: { A: each } } })
        await osiris.functions.promote('sdk/withdrawn', 'v2')
        await osiris.functions.promote('sdk/withdrawn', 'v3', { weight: 10 })
        expect((await osiris.functions.rollback('sdk/withdrawn')).record).toMatchObject({ ordinal: 2 })
      })

      it('list() and get() tell what is there, remove() takes it away', async () => {
        await osiris.deploy({
          namespace: 'sdk',
          name: 'removed',
          source: GREET,
          config: { access: 'public', execution: { timeout: '5s' } },
        })
        expect(await osiris.functions.get('sdk/removed')).toMatchObject({
          access: 'public',
          manifest: { settings: { execution: { timeoutMs: 5000 } } },
        })
        expect((await osiris.functions.list('sdk')).map(({ name }) => name)).toContain('removed')
        await osiris.functions.remove('sdk/removed')
        await eventually(async () => expect((await osiris.functions.list('sdk')).map(({ name }) => name)).not.toContain('removed'))
        await eventually(async () => expect(await osiris.call('sdk/removed').catch((error) => error.code)).toBe('not_found'))
      })

      it('every write carries its receipts, and waits for as much as it is told to', async () => {
        const { receipt } = await osiris.deploy({ namespace: 'sdk', name: 'signed', source: GREET, timeoutMs: 5000 })
        expect(receipt).toMatchObject({ state: 'committed', seq: expect.any(Number) })
        expect(receipt.receipts.length).toBeGreaterThanOrEqual(receipt.needed)
        for (const each of receipt.receipts) expect(each).toMatchObject({ holder: expect.any(String), signature: expect.any(String) })
        const choice = { ack: 'accepted', timeoutMs: 1000 } as const
        expect((await osiris.functions.point('sdk/signed', 'canary', 'v1', choice)).receipt.hash).not.toBe(receipt.hash)
        expect((await osiris.functions.remove('sdk/signed', choice)).receipts.length).toBeGreaterThan(0)
      })

      it('a source that does not compile is build_failed, and nothing is published', async () => {
        await expect(osiris.deploy({ namespace: 'sdk', name: 'broken', source: 'export default (' })).rejects.toMatchObject({
          code: 'build_failed',
        })
        await expect(osiris.functions.get('sdk/broken')).rejects.toMatchObject({ code: 'not_found' })
      })

      it('a deploy that is neither source nor files is refused', async () => {
        await expect(osiris.deploy({ namespace: 'sdk', name: 'neither' })).rejects.toMatchObject({ code: 'invalid_argument' })
      })
    })

    it('domains are claimed and let go, and what cannot be one is refused', async () => {
      const claim = { host: 'Shop.Example.org', namespace: 'sdk', name: 'site' }
      expect(await osiris.domains.add(claim)).toMatchObject({ state: 'committed' })
      expect(await osiris.domains.remove('shop.example.org', 'sdk')).toMatchObject({ state: 'committed' })
      await expect(osiris.domains.add({ ...claim, host: 'localhost' })).rejects.toMatchObject({ code: 'invalid_argument' })
      await expect(osiris.domains.verify('a b')).rejects.toMatchObject({ code: 'invalid_argument' })
    })

    it('nodes(), network() and ledger() tell of the universe', async () => {
      expect((await osiris.nodes()).length).toBeGreaterThan(0)
      expect((await osiris.network()).universe).toMatchObject({ name: expect.any(String), id: expect.stringMatching(/^[0-9a-f]{16}$/) })
      const { status, lines } = await osiris.ledger({ limit: 2 })
      expect(status.viewDigest).toMatch(/^[0-9a-f]{64}$/)
      expect(lines).toHaveLength(2)
      const next = await osiris.ledger({ after: lines[1]?.hash ?? '', limit: 1 })
      expect(next.lines[0]?.hash).not.toBe(lines[0]?.hash)
    })
  })
}

/** Polls what other nodes have to hear of first. */
async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  const until = performance.now() + SETTLE_MS
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (performance.now() > until) throw error
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

function atLeast<T>(list: T[], count: number): T[] {
  if (list.length < count) throw new Error(`${list.length} of ${count}`)
  return list
}
