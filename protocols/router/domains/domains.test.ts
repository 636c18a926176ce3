/** Whose a host is: claims of the ledger, proofs by a real name server, and the routes that follow. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { FunctionRecord, RouteRecord, Setting } from '#protocols/catalog'
import { domainClaims, domainRecord, domainSetting, parseDomain } from '#protocols/domain'
import type { OsirisError } from '#protocols/errors'
import type { FetchPayload } from '#protocols/invocation'
import { until } from '#protocols/until'
import { Resolver } from '../resolve.ts'
import { type NameServer, nameServer } from './dns.fixture.ts'
import { Domains } from './domains.ts'
import { systemTxt } from './txt.ts'

const UNIVERSE = 'ab'.repeat(32)
const HOST = 'shop.example.org'
const claim = (namespace: string, name: string | null = null, isGranted = false): Setting =>
  domainSetting({ host: HOST, namespace, name }, isGranted)

let dns: NameServer
let settings: Setting[]
let now = 0
beforeEach(async () => {
  dns = await nameServer()
  settings = []
  now = 0
})
afterEach(() => dns.stop())

function create(): Domains {
  const resolveTxt = systemTxt([dns.address])
  const clock = { now: () => 0, monotonic: () => now, after: () => () => {} }
  return new Domains({ catalog: { settings: () => settings }, resolveTxt, universe: UNIVERSE, clock })
}
/** DNS says that the host is of this namespace. */
function prove(...namespaces: string[]): void {
  const records = namespaces.map((namespace) => domainRecord({ host: HOST, namespace }, UNIVERSE))
  dns.records.set(records[0]?.name ?? `_osiris.${HOST}`, ['v=spf1 -all', ...records.map(({ text }) => text)])
}

describe('holderOf()', () => {
  it('is nobody at once where nobody claims the host, and asks nobody', () => {
    settings = [claim('demo')]
    expect(create().holderOf('other.example.org')).toBe(undefined)
    expect(dns.asked).toEqual([])
  })

  it('is the claimant while DNS says so; a claim alone takes nothing', async () => {
    settings = [claim('demo', 'shop')]
    const domains = create()
    expect(await domains.holderOf(HOST)).toBe(undefined)
    prove('demo')
    // Who has just written the record asks for it, or waits half a minute.
    expect(await domains.holderOf(HOST)).toBe(undefined)
    now += 31_000
    expect(await domains.holderOf(HOST)).toMatchObject({ namespace: 'demo', name: 'shop', isGranted: false })
    const asked = dns.asked.length
    expect(domains.holderOf(HOST)).toMatchObject({ namespace: 'demo' })
    expect(dns.asked.length).toBe(asked)
  })

  it('is who DNS names, whoever else claims it, and never the same name in another universe', async () => {
    settings = [claim('thief'), claim('demo')]
    prove('demo')
    expect(await create().holderOf(HOST)).toMatchObject({ namespace: 'demo' })
    dns.records.set(`_osiris.${HOST}`, [domainRecord({ host: HOST, namespace: 'thief' }, 'cd'.repeat(32)).text])
    expect(await create().holderOf(HOST)).toBe(undefined)
  })

  it('is who DNS names, however many others claim it, who cost one question in half a minute and make nobody wait', async () => {
    const thieves = Array.from({ length: 100 }, (_, at) => `aa-${at}`)
    settings = [...thieves.map((each) => claim(each)), claim('demo', 'shop')]
    prove('demo')
    const domains = create()
    expect(await domains.holderOf(HOST)).toMatchObject({ namespace: 'demo' })
    now += 31_000
    dns.isSilent = true
    expect(domains.holderOf(HOST)).toMatchObject({ namespace: 'demo' })
    expect(domains.holderOf(HOST)).toMatchObject({ namespace: 'demo' })
    await until(() => dns.asked.length === 2)
    expect((await domains.list((each) => each.namespace === 'demo')).map(({ counts }) => counts)).toEqual([true])
  })

  it('is whom an administrator of everything granted it to, without DNS and before it', async () => {
    settings = [claim('demo'), claim('granted', 'site', true)]
    prove('demo')
    expect(create().holderOf(HOST)).toMatchObject({ namespace: 'granted', name: 'site', isGranted: true })
    expect(dns.asked).toEqual([])
  })

  it('outlives an outage of DNS for a day, and the end of its record by ten minutes', async () => {
    settings = [claim('demo')]
    prove('demo')
    const domains = create()
    await domains.holderOf(HOST)
    dns.records.clear()
    now += 9 * 60_000
    expect(domains.holderOf(HOST)).toMatchObject({ namespace: 'demo' })
    now += 2 * 60_000
    // Asked again in the background.
    void domains.holderOf(HOST)
    await domains.verify(HOST)
    now += 31_000
    expect(await domains.holderOf(HOST)).toBe(undefined)
  })

  it('asks once for all who wait, and is nobody when no name server answers', async () => {
    settings = [claim('demo')]
    const domains = new Domains({
      catalog: { settings: () => settings },
      resolveTxt: (name) => (dns.asked.push(name), Promise.reject(new Error('nobody answers'))),
      universe: UNIVERSE,
      clock: { now: () => 0, monotonic: () => now, after: () => () => {} },
    })
    expect(await Promise.all([domains.holderOf(HOST), domains.holderOf(HOST)])).toEqual([undefined, undefined])
    expect(dns.asked).toEqual([`_osiris.${HOST}`])
  })
})

describe('verify() and list()', () => {
  it('verify() asks DNS now and tells what it should say', async () => {
    settings = [claim('demo')]
    const domains = create()
    const record = { name: `_osiris.${HOST}`, text: `osiris-domain=demo.${UNIVERSE}` }
    expect(await domains.verify(HOST)).toMatchObject([{ counts: false, record }])
    prove('demo')
    expect(await domains.verify(HOST)).toMatchObject([{ counts: true, record }])
    expect(await domains.list()).toMatchObject([{ host: HOST, namespace: 'demo', counts: true }])
    await expect(domains.verify('other.example.org')).rejects.toMatchObject({ code: 'not_found' })
  })
  it('verify() takes nothing from whoever has proven it, while DNS cannot be asked', async () => {
    settings = [claim('demo')]
    let isDown = false
    const resolveTxt = async () => {
      if (isDown) throw new Error('nobody answers')
      return [domainRecord({ host: HOST, namespace: 'demo' }, UNIVERSE).text]
    }
    const clock = { now: () => 0, monotonic: () => now, after: () => () => {} }
    const domains = new Domains({ catalog: { settings: () => settings }, resolveTxt, universe: UNIVERSE, clock })
    await domains.holderOf(HOST)
    isDown = true
    expect(await domains.verify(HOST)).toMatchObject([{ counts: true }])
    expect(domains.holderOf(HOST)).toMatchObject({ namespace: 'demo' })
  })
  it('ask about nothing but what is wanted', async () => {
    settings = [claim('demo'), domainSetting({ host: 'other.example.org', namespace: 'else', name: null }, false)]
    const domains = create()
    await domains.verify(HOST)
    await domains.list((each) => each.namespace === 'demo')
    expect(new Set(dns.asked)).toEqual(new Set([`_osiris.${HOST}`]))
  })
})

describe('routes of a domain', () => {
  const routes: RouteRecord[] = [
    { route: 'GET /items/:id', namespace: 'demo', name: 'items' },
    { route: 'GET /items/*', namespace: 'other', name: 'everything' },
    { route: `${HOST}/*`, namespace: 'other', name: 'squatter' },
  ]
  const resolver = (domains: Domains) =>
    new Resolver({
      catalog: { routes: () => routes, get: (ref) => ({ ...ref, aliases: {} }) as unknown as FunctionRecord },
      random: () => 0.5,
      domains,
    })
  const at = async (domains: Domains, path: string, method = 'GET') => {
    const payload: FetchPayload = { kind: 'fetch', method, url: `http://${HOST}${path}`, headers: [] }
    const resolved = await resolver(domains).resolve({ target: { host: HOST, method, path }, payload })
    return { name: `${resolved.record.namespace}/${resolved.record.name}`, params: resolved.params }
  }

  it('are those of its namespace alone', async () => {
    settings = [claim('demo')]
    expect(await at(create(), '/items/1')).toMatchObject({ name: 'other/squatter' })
    prove('demo')
    expect(await at(create(), '/items/1')).toEqual({ name: 'demo/items', params: { id: '1' } })
    const missed = await at(create(), '/nothing').catch((error: OsirisError) => error)
    expect(missed).toMatchObject({ code: 'not_found' })
    expect(await at(create(), '/items/1', 'PUT').catch((error: OsirisError) => error)).toMatchObject({ code: 'method_not_allowed' })
  })

  it('are none where a function has all of it', async () => {
    settings = [claim('demo', 'site', true)]
    expect(await at(create(), '/any/path', 'PATCH')).toEqual({ name: 'demo/site', params: undefined })
  })
})

describe('words', () => {
  it.each(['Shop.Example.ORG', 'xn--bcher-kva.example', 'a.io'])('%s is a domain', (text) => {
    expect(parseDomain(text)).toBe(text.toLowerCase())
  })
  it.each([
    'localhost',
    'a.localhost',
    '127.0.0.1',
    'shop',
    'a..b.c',
    '-a.org',
    'a.org:80',
    'a.org/x',
    '*.a.org',
    'a b.org',
    '',
    `${'a.'.repeat(130)}org`,
  ])('%j is none', (text) => {
    expect(() => parseDomain(text)).toThrow(expect.objectContaining({ code: 'invalid_argument' }))
  })
  it('what cannot be read claims nothing', () => {
    const all = [
      { namespace: 'demo', key: 'quota', value: '{}' },
      { namespace: 'demo', key: 'domain/a', value: '{}' },
      { namespace: 'demo', key: `domain/${HOST}`, value: 'x' },
      { namespace: 'demo', key: `domain/${HOST}`, value: '{"function":"A B"}' },
      { namespace: '*', key: `domain/${HOST}`, value: '{"function":"site"}' },
      { namespace: 'demo', key: `domain/${HOST}`, value: '{}' },
    ]
    expect(domainClaims(all)).toEqual([{ host: HOST, namespace: 'demo', name: null, isGranted: false }])
  })
})
