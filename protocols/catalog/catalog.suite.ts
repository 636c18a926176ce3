/** What every catalog promises, whichever way it is had. */
import { beforeAll, afterAll, describe, expect, it } from 'vitest'
import { digestOf } from '#protocols/codec'
import { until } from '#protocols/until'
import type { Catalog, WriteOptions } from './catalog.ts'
import { aFunction, type CatalogUniverse } from './catalog.fixture.ts'

export interface CatalogUnderTest {
  universe: CatalogUniverse
  catalog: Catalog
}

export function catalogSuite(title: string, make: () => Promise<CatalogUnderTest>): void {
  describe(`catalog: ${title}`, () => {
    let universe: CatalogUniverse
    let catalog: Catalog
    let options: WriteOptions

    beforeAll(async () => {
      ;({ universe, catalog } = await make())
      options = await universe.options('committed', 5000)
    })
    afterAll(() => universe.stop())

    const publish = (name: string, code?: string, routes?: string[]) => {
      const { manifest, artifact } = aFunction(name, code, routes)
      return catalog.publish(manifest, artifact, options)
    }
    const at = (name: string, selector?: string) => ({ namespace: 'demo', name, ...(selector === undefined ? {} : { selector }) })
    const get = async (name: string, selector?: string) => catalog.get(at(name, selector))
    const live = (name: string, version: string) => catalog.point('demo', name, 'live', [{ version, weight: 100 }], options)

    it('publish() makes a version that get() finds by name, ordinal, version and prefix', async () => {
      const { record, receipt, changed } = await publish('first')
      expect(changed).toBe(true)
      expect(receipt).toMatchObject({ state: 'committed' })
      expect(record).toMatchObject({ namespace: 'demo', name: 'first', ordinal: 1, versions: 1, publishedBy: 'ada (root)' })
      for (const selector of [undefined, 'live', 'v1', record.version, record.version.slice(0, 8)]) {
        expect((await get('first', selector)).version).toBe(record.version)
      }
    })

    it('a warm get() is synchronous and gives the same object', async () => {
      await publish('warm')
      await until(async () => {
        await get('warm')
        return !(catalog.get(at('warm')) instanceof Promise)
      })
      expect(catalog.get(at('warm'))).toBe(catalog.get(at('warm')))
    })

    it('publishing what is live already writes nothing', async () => {
      const first = await publish('same')
      const again = await publish('same')
      expect(again.changed).toBe(false)
      expect(again.record.version).toBe(first.record.version)
      expect(again.receipt).toMatchObject({ hash: first.receipt.hash, state: 'committed' })
    })

    it('a rollback is one point(), and the versions stay', async () => {
      const one = await publish('rollback', '1')
      const two = await publish('rollback', '2')
      expect(two.record.ordinal).toBe(2)
      await live('rollback', one.record.version)
      expect((await get('rollback')).ordinal).toBe(1)
      const versions = await catalog.versions('demo', 'rollback')
      expect(versions.map((each) => [each.ordinal, each.aliases])).toEqual([
        [1, ['live']],
        [2, []],
      ])
    })

    it('an alias with weights gives each version', async () => {
      const one = await publish('weights', '1')
      const two = await publish('weights', '2')
      const targets = [one, two].map(({ record }) => ({ version: record.version, weight: 50 }))
      await catalog.point('demo', 'weights', 'canary', targets, options)
      const seen = new Set<number>()
      for (let call = 0; call < 64; call += 1) seen.add((await get('weights', 'canary')).ordinal)
      expect([...seen].toSorted((a, b) => a - b)).toEqual([1, 2])
    })

    it('retire() takes a function out, and a new publish continues its ordinals', async () => {
      await publish('gone', '1')
      await catalog.retire('demo', 'gone', options)
      await expect(get('gone')).rejects.toMatchObject({ code: 'not_found' })
      await expect(catalog.retire('demo', 'gone', options)).rejects.toMatchObject({ code: 'not_found' })
      expect((await publish('gone', '2')).record.ordinal).toBe(2)
      expect((await get('gone')).ordinal).toBe(2)
    })

    it('get() says what is unknown', async () => {
      await publish('known')
      await expect((async () => catalog.get({ namespace: 'nowhere', name: 'x' }))()).rejects.toThrow(/no namespace "nowhere"/)
      await expect(get('unknown')).rejects.toThrow(/has no function "unknown"/)
      await expect(get('known', 'v7')).rejects.toThrow(/no version or alias "v7"/)
      await expect(get('known', 'f'.repeat(64))).rejects.toMatchObject({ code: 'not_found' })
    })

    it('list() is ordered by namespace and name', async () => {
      const { manifest, artifact } = aFunction('other', 'x', [], 'another')
      await catalog.publish(manifest, artifact, options)
      await publish('listed')
      const all = (await catalog.list({})).map((each) => `${each.namespace}/${each.name}`)
      expect(all).toEqual(all.toSorted())
      expect(all).toContain('another/other')
      expect([...(await catalog.all())].map((each) => `${each.namespace}/${each.name}`).toSorted()).toEqual(all)
      expect((await catalog.list({ namespace: 'another' })).map((each) => each.name)).toEqual(['other'])
      expect(await catalog.list({ namespace: 'nowhere' })).toEqual([])
    })

    it('routes() follows what is live, and a taken route is a conflict that names its holder', async () => {
      const one = await publish('routed', '1', ['GET /routed'])
      await publish('routed', '2', ['GET /moved'])
      const routes = async () => (await catalog.routes()).filter((each) => each.name === 'routed').map((each) => each.route)
      expect(await routes()).toEqual(['GET /moved'])
      await expect(publish('thief', '1', ['GET /moved'])).rejects.toMatchObject({ code: 'conflict' })
      await expect(publish('thief', '1', ['GET /moved'])).rejects.toThrow(/"demo\/routed" holds "GET \/moved"/)
      await publish('heir', '1', ['GET /routed'])
      await expect(live('routed', one.record.version)).rejects.toMatchObject({ code: 'conflict' })
    })

    it('what does not fit is refused before anything is written', async () => {
      const before = (await catalog.status()).entries
      const { manifest, artifact } = aFunction('wrong')
      const wrongBytes = Buffer.from(artifact.map((byte) => byte ^ 1))
      await expect(catalog.publish(manifest, wrongBytes, options)).rejects.toMatchObject({ code: 'invalid_argument' })
      await expect(catalog.publish(manifest, artifact.subarray(1), options)).rejects.toMatchObject({ code: 'invalid_argument' })
      await expect(catalog.publish({ ...manifest, name: 'No Name' }, artifact, options)).rejects.toMatchObject({ code: 'invalid_argument' })
      const { record } = await publish('fits')
      const point = (alias: string, version: string, weight: number) => catalog.point('demo', 'fits', alias, [{ version, weight }], options)
      await expect(point('canary', record.version, 99)).rejects.toMatchObject({ code: 'invalid_argument' })
      await expect(point('v3', record.version, 100)).rejects.toMatchObject({ code: 'invalid_argument' })
      await expect(point('canary', 'f'.repeat(64), 100)).rejects.toMatchObject({ code: 'not_found' })
      expect((await catalog.status()).entries).toBe(before + 1)
    })

    it("a function that is to hear of another namespace's topics takes the right to read there, and the record says who asked", async () => {
      const { manifest, artifact } = aFunction('hears')
      const subscribe = [{ topic: 'other/orders.*', group: null, attemptsMax: 8, backoffMs: 1000 }]
      const hearing = { ...manifest, settings: { ...manifest.settings, subscribe } }
      const write = async (namespaces: string[]) =>
        catalog.publish(hearing, artifact, { ...options, caller: await universe.caller('eve', ['deploy'], namespaces) })
      await expect(write(['demo'])).rejects.toMatchObject({ code: 'forbidden', message: expect.stringContaining('"other"') })
      expect((await write(['demo', 'other'])).record).toMatchObject({
        publishedBy: 'eve (root)',
        asker: expect.stringMatching(/^[0-9a-f]{64}$/),
      })
    })

    it('a caller without the grant may not write', async () => {
      const { manifest, artifact } = aFunction('closed')
      const reader = await universe.caller('eve', ['read', 'invoke'], ['*'])
      const elsewhere = await universe.caller('eve', ['deploy'], ['other'])
      const write = (caller: WriteOptions['caller']) => catalog.publish(manifest, artifact, { ...options, caller })
      await expect(write({ subject: 'ada' })).rejects.toMatchObject({ code: 'unauthenticated' })
      await expect(write({ subject: 'ada', token: 'x.y.z' })).rejects.toMatchObject({ code: 'unauthenticated' })
      await expect(write(reader)).rejects.toMatchObject({ code: 'forbidden' })
      await expect(write(elsewhere)).rejects.toMatchObject({ code: 'forbidden' })
    })

    it('artifact() gives the bytes by digest, and not_found for a digest nobody has', async () => {
      const { manifest, artifact } = aFunction('bytes')
      await catalog.publish(manifest, artifact, options)
      expect(Buffer.compare(await catalog.artifact(manifest.artifact.digest, { timeoutMs: 3000 }), artifact)).toBe(0)
      await expect(catalog.artifact('0'.repeat(64), { timeoutMs: 3000 })).rejects.toMatchObject({ code: 'not_found' })
    })

    it('log() tells who wrote what, in order and in pages', async () => {
      await publish('logged', '1')
      const all = await catalog.log({ limit: 1000 })
      expect(all).toHaveLength((await catalog.status()).entries)
      expect(all.at(-1)).toMatchObject({
        type: 'publish',
        by: 'ada (root)',
        asker: { grant: null, stands: true },
        content: { manifest: { name: 'logged' } },
      })
      expect(await catalog.log({ after: all[0]?.hash ?? '', limit: 2 })).toEqual(all.slice(1, 3))
      await expect(catalog.log({ after: '0'.repeat(64), limit: 2 })).rejects.toMatchObject({ code: 'not_found' })
    })

    it('records() gives every entry as its bytes, page by page', async () => {
      const { receipt } = await publish('recorded', '1')
      const { entries, next } = await catalog.records()
      expect(next).toBe(null)
      expect(entries).toHaveLength((await catalog.status()).entries)
      const found = entries.find(({ author, seq }) => author === receipt.author && seq === receipt.seq)
      expect(digestOf(found?.bytes ?? new Uint8Array(0))).toBe(receipt.hash)
      const rest = await catalog.records({ author: receipt.author, seq: receipt.seq })
      expect(rest).toMatchObject({ heads: [], next: null })
      expect(rest.entries[0]).toMatchObject({ author: receipt.author, seq: receipt.seq })
    })

    it('concurrent publishes of one function all become versions', async () => {
      const published = await Promise.all(['1', '2', '3', '4'].map((code) => publish('busy', code)))
      expect(published.map((each) => each.record.ordinal).toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4])
      expect((await get('busy')).versions).toBe(4)
    })
  })
}
