import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { FoundCaller } from '#node/access'
import type { Capability } from '#protocols/access'
import { Functions } from '#protocols/management'
import { Domains } from '#protocols/router'
import { type App, createApp } from './app.ts'
import { defaultLimits } from './limits.ts'
import { createFakeNode, type FakeNode } from './testing/index.ts'

let node: FakeNode
let app: App
let all: FoundCaller

// What came over the wire is looked at deep inside, as JavaScript would.
// oxlint-disable-next-line typescript/no-explicit-any
type Json = Record<string, any>

const GREET = 'export default (name: string) => `hello ${name}`'

beforeEach(async () => {
  node = await createFakeNode({ developer: false })
  const limits = { ...defaultLimits, managementBytesMax: 10_000 }
  const functions = new Functions({ ...node.init, buildTimeoutMs: 1000, writeTimeoutMs: 1000 })
  const domains = new Domains({
    catalog: node.catalog,
    resolveTxt: async () => [],
    universe: node.init.universe.id,
    clock: node.init.clock,
  })
  app = createApp({ ...node.init, domains, functions, limits, url: () => 'http://127.0.0.1:4747' })
  all = await caller(['admin'])
})

async function caller(can: Capability[], namespaces?: string[]): Promise<FoundCaller> {
  return { caller: { subject: 'ada', token: await node.token(can, namespaces) }, consumed: false }
}
const anonymous: FoundCaller = { caller: { subject: 'anonymous' }, consumed: false }

async function ask(method: string, path: string, found: FoundCaller = all, body?: unknown) {
  const init = body === undefined ? { method } : { method, body: typeof body === 'string' ? body : JSON.stringify(body) }
  const response = await app.request(`/v1${path}`, init, { found })
  return { status: response.status, headers: response.headers, body: (await response.json()) as Json }
}
const deploy = (name = 'greet', body: object = { source: GREET }, namespace = 'demo') =>
  ask('PUT', `/functions/${namespace}/${name}`, all, body)

describe('PUT /v1/functions/{ns}/{name}', () => {
  it('is 201 with a receipt for a new version, and 200 for the same one again', async () => {
    const first = await deploy('greet', { source: GREET, config: { routes: ['/hi'], execution: { timeout: '5s' } } })
    expect(first).toMatchObject({
      status: 201,
      body: { namespace: 'demo', name: 'greet', ordinal: 1, changed: true, routes: ['/hi'], warnings: [], receipt: { state: 'committed' } },
    })
    const again = await deploy('greet', { source: GREET, config: { routes: ['/hi'], execution: { timeout: 5000 } } })
    expect(again).toMatchObject({ status: 200, body: { changed: false, version: first.body['version'] } })
  })

  it('takes files with an entry, and the state to wait for', async () => {
    const body = { files: { 'src/main.js': 'export default () => 1' }, entry: 'src/main.js' }
    const put = await ask('PUT', '/functions/demo/greet?ack=accepted&timeoutMs=500', all, body)
    expect(put.body['receipt']).toMatchObject({ state: 'accepted', needed: 1, members: 1, receipts: [{ node: 'node-1' }] })
  })

  it.each([
    ['{', 'is not JSON'],
    [{ source: GREET, extra: 1 }, 'extra'],
    [{ source: 1 }, 'source'],
    [{ source: GREET, config: { execution: { timeout: 'soon' } } }, 'config.execution.timeout'],
    [{ source: GREET, files: {}, entry: 'a' }, 'either'],
    [{}, 'either'],
    [{ source: '' }, 'empty'],
  ])('%j is invalid_argument', async (body, says) => {
    expect(await ask('PUT', '/functions/demo/greet', all, body)).toMatchObject({
      status: 400,
      body: { code: 'invalid_argument', detail: expect.stringContaining(says) },
    })
    expect((await ask('GET', '/functions')).body['functions']).toEqual([])
  })

  it('names, acks and sizes are judged too', async () => {
    expect((await deploy('Greet')).status).toBe(400)
    expect((await deploy('greet@v1')).status).toBe(400)
    expect((await ask('PUT', '/functions/demo/greet?ack=soon', all, { source: GREET })).status).toBe(400)
    expect((await ask('PUT', '/functions/demo/greet?timeoutMs=0', all, { source: GREET })).status).toBe(400)
    expect(await deploy('greet', { source: 'x'.repeat(20_000) })).toMatchObject({
      status: 413,
      body: { code: 'payload_too_large', bytesMax: 10_000 },
    })
  })

  it('a source that does not build is build_failed', async () => {
    expect(await deploy('greet', { source: 'export default (' })).toMatchObject({
      status: 422,
      body: { code: 'build_failed', problems: [] },
    })
  })
})

describe('reading functions', () => {
  it('lists, shows one with a selector, and tells the versions', async () => {
    const { body: first } = await deploy()
    await deploy('greet', { source: 'export default () => 2' })
    const { body: list } = await ask('GET', '/functions?namespace=demo')
    expect(list['functions']).toMatchObject([
      { namespace: 'demo', name: 'greet', ordinal: 2, versions: 2, access: 'token', routes: [], publishedBy: 'ada' },
    ])
    expect((await ask('GET', '/functions/demo/greet@v1')).body).toMatchObject({
      version: first['version'],
      manifest: { format: 1 },
      aliases: { live: [{ weight: 100 }] },
    })
    const { body: versions } = await ask('GET', '/functions/demo/greet/versions')
    expect(versions['versions']).toMatchObject([
      { ordinal: 1, aliases: [] },
      { ordinal: 2, aliases: ['live'] },
    ])
  })

  it('what is not there is not_found', async () => {
    expect((await ask('GET', '/functions/demo/none')).status).toBe(404)
    expect((await ask('GET', '/functions/demo/none/versions')).status).toBe(404)
    expect((await ask('GET', '/functions?namespace=No')).status).toBe(400)
  })
})

describe('changing functions', () => {
  it('an alias goes to what a selector means, or to several with weights', async () => {
    const { body: first } = await deploy()
    const { body: second } = await deploy('greet', { source: 'export default () => 2' })
    expect((await ask('PUT', '/functions/demo/greet/aliases/live', all, { version: 'v1' })).body).toMatchObject({
      record: { ordinal: 1 },
      receipt: { seq: 3 },
    })
    const targets = [
      { version: String(first['version']).slice(0, 12), weight: 90 },
      { version: 'v2', weight: 10 },
    ]
    const { body } = await ask('PUT', '/functions/demo/greet/aliases/canary', all, { targets })
    expect(body['record'].aliases.canary).toEqual([
      { version: first['version'], weight: 90 },
      { version: second['version'], weight: 10 },
    ])
    expect((await ask('PUT', '/functions/demo/greet/aliases/canary', all, { version: 'v9' })).status).toBe(404)
    expect((await ask('PUT', '/functions/demo/greet/aliases/Canary', all, { version: 'v1' })).status).toBe(400)
    expect((await ask('PUT', '/functions/demo/greet/aliases/canary', all, { targets: [] })).status).toBe(400)
  })

  it('DELETE takes it away', async () => {
    await deploy()
    expect((await ask('DELETE', '/functions/demo/greet')).body).toMatchObject({ receipt: { seq: 2 } })
    expect((await ask('GET', '/functions/demo/greet')).status).toBe(404)
    expect((await ask('DELETE', '/functions/demo/greet')).status).toBe(404)
  })
})

describe('the universe', () => {
  it('nodes are this one and everybody it knows', async () => {
    const { body } = await ask('GET', '/nodes')
    expect(body['nodes']).toMatchObject([
      { name: 'node-1', self: true, connected: true, http: 'http://127.0.0.1:4747', capacity: 4, warm: [] },
      { name: 'node-2', self: false, roles: ['executor'], http: null },
    ])
  })

  it('network, namespaces and ledger tell what they should', async () => {
    await deploy()
    await deploy('other', { source: GREET }, 'team')
    expect((await ask('GET', '/network')).body).toMatchObject({
      universe: { name: 'test' },
      peer: 'peer-1',
      connections: ['peer-2'],
      members: [{ name: 'node-2' }],
    })
    expect((await ask('GET', '/namespaces')).body).toEqual({
      namespaces: [
        { name: 'demo', functions: 1, owner: null },
        { name: 'team', functions: 1, owner: null },
      ],
    })
    const records = (await ask('GET', '/ledger/records')).body
    expect(records).toMatchObject({ entries: [{ seq: 1, bytes: expect.any(String) }, { seq: 2 }], proofs: [], next: null })
    expect((await ask('GET', '/ledger/records?seq=1')).status).toBe(400)
    expect((await ask('GET', '/ledger/conflicts')).body).toEqual({ lost: [], voided: [], routes: [], frozen: [] })
    const page = (await ask('GET', '/ledger?limit=1')).body
    expect(page).toMatchObject({ status: { entries: 2 }, lines: [{ seq: 1, by: 'ada' }] })
    expect((await ask('GET', `/ledger?after=${page['lines'][0].hash}`)).body['lines']).toMatchObject([{ seq: 2 }])
    for (const query of ['limit=0', 'limit=1001', 'limit=x', 'after=x', 'other=1'])
      expect((await ask('GET', `/ledger?${query}`)).status).toBe(400)
  })
})

describe('rights', () => {
  const reads = [
    '/functions',
    '/functions?namespace=demo',
    '/functions/demo/greet',
    '/functions/demo/greet/versions',
    '/namespaces',
    '/grants',
    '/nodes',
    '/network',
    '/network/join',
    '/ledger',
  ]

  it('without a token nothing is told, not even what is missing', async () => {
    for (const path of reads) expect(await ask('GET', path, anonymous)).toMatchObject({ status: 401, body: { code: 'unauthenticated' } })
    for (const [method, path] of [
      ['PUT', '/functions/demo/greet'],
      ['DELETE', '/functions/demo/greet'],
      ['PUT', '/functions/demo/greet/aliases/live'],
      ['POST', '/namespaces'],
      ['PUT', '/namespaces/demo'],
      ['POST', '/grants'],
      ['DELETE', '/grants/x'],
      ['DELETE', '/tokens/x/y'],
      ['PUT', '/functions/demo/greet/promotion'],
      ['DELETE', '/functions/demo/greet/promotion'],
      ['PUT', '/namespaces/demo/quota'],
      ['DELETE', '/namespaces/demo/quota'],
      ['PUT', '/namespaces/demo/domains/shop.example.org'],
      ['DELETE', '/namespaces/demo/domains/shop.example.org'],
      ['POST', '/domains/shop.example.org/verification'],
    ] as const) {
      expect((await ask(method, path, anonymous, {})).status).toBe(401)
    }
  })

  it('a grant holds in its namespaces only', async () => {
    await deploy()
    await deploy('other', { source: GREET }, 'team')
    const reader = await caller(['read'], ['demo'])
    expect((await ask('GET', '/functions', reader)).body['functions']).toMatchObject([{ namespace: 'demo' }])
    expect((await ask('GET', '/namespaces', reader)).body['namespaces']).toMatchObject([{ name: 'demo' }])
    expect((await ask('GET', '/nodes', reader)).status).toBe(200)
    expect((await ask('GET', '/functions/team/other', reader)).status).toBe(403)
    expect((await ask('PUT', '/functions/demo/greet', reader, { source: GREET })).status).toBe(403)
    expect((await ask('GET', '/nodes', await caller(['invoke']))).status).toBe(403)
    for (const path of ['/ledger', '/ledger/records', '/ledger/conflicts']) {
      expect((await ask('GET', path, reader)).status).toBe(403)
      expect((await ask('GET', path, await caller(['read']))).status).toBe(200)
    }
  })

  it('the way into the mesh is for administrators of everything', async () => {
    expect((await ask('GET', '/network/join')).body).toEqual({ join: 'osiris1.join' })
    expect((await ask('GET', '/network/join', await caller(['admin'], ['demo']))).status).toBe(403)
    expect((await ask('GET', '/network/join', await caller(['deploy']))).status).toBe(403)
  })

  it('who almost is the developer hears why not', async () => {
    const answer = await ask('GET', '/nodes', { ...anonymous, refusal: 'the Host "evil.example" is not a name of this machine' })
    expect(answer).toMatchObject({ status: 403, body: { detail: expect.stringContaining('evil.example') } })
  })
})

describe('domains', () => {
  it('are claimed for a function or a namespace, told to who may read it, and let go', async () => {
    const admin = await caller(['admin'])
    const path = '/namespaces/demo/domains/shop.example.org'
    expect(await ask('PUT', path, admin, { function: 'site' })).toMatchObject({ status: 200 })
    expect(await ask('PUT', '/namespaces/*/domains/Other.Example.org', admin, { namespace: 'demo' })).toMatchObject({ status: 200 })
    const expected = [
      { host: 'other.example.org', namespace: 'demo', name: null, isGranted: true, counts: true },
      { host: 'shop.example.org', namespace: 'demo', name: 'site', isGranted: false, counts: false },
    ]
    const { body } = await ask('GET', '/domains', admin)
    expect((body['domains'] as { host: string }[]).toSorted((a, b) => (a.host < b.host ? -1 : 1))).toMatchObject(expected)
    expect((await ask('GET', '/domains', await caller(['read'], ['other']))).body['domains']).toEqual([])
    const verified = await ask('POST', '/domains/shop.example.org/verification', admin)
    expect(verified.body['domains']).toMatchObject([{ counts: false, record: { name: '_osiris.shop.example.org' } }])
    expect(await ask('POST', '/domains/nobody.example.org/verification', admin)).toMatchObject({ status: 404 })
    for (const wrong of ['localhost', '127.0.0.1', 'a%20b.org'])
      expect(await ask('PUT', `/namespaces/demo/domains/${wrong}`, admin, {})).toMatchObject({ status: 400 })
    expect(await ask('PUT', '/namespaces/*/domains/x.example.org', admin, {})).toMatchObject({ status: 400 })
    expect(await ask('DELETE', path, admin)).toMatchObject({ status: 200 })
    // Only a catalog knows what was claimed a moment ago.
    expect(await ask('DELETE', path, admin)).toMatchObject({ status: 200 })
  })
})

describe('what is not there', () => {
  it('unknown paths and methods are typed', async () => {
    expect(await ask('GET', '/none')).toMatchObject({ status: 404, body: { code: 'not_found' } })
    const answer = await ask('POST', '/functions/demo/greet', all, {})
    expect(answer).toMatchObject({ status: 405, body: { code: 'method_not_allowed', allow: ['DELETE', 'GET', 'HEAD', 'PUT'] } })
    expect(answer.headers.get('allow')).toBe('DELETE, GET, HEAD, PUT')
  })
})

describe('/v1/openapi.json', () => {
  it('describes every path of the platform, with the schemas that judge requests', async () => {
    const { body } = await ask('GET', '/openapi.json')
    expect(body['openapi']).toBe('3.1.0')
    expect(Object.keys(body['paths']).toSorted()).toEqual([
      '/livez',
      '/metrics',
      '/readyz',
      '/v1/call/{namespace}/{name}',
      '/v1/callbacks/dead',
      '/v1/callbacks/dead/{id}',
      '/v1/callbacks/dead/{id}/replay',
      '/v1/calls',
      '/v1/calls/{id}',
      '/v1/domains',
      '/v1/domains/{host}/verification',
      '/v1/drain',
      '/v1/fetch/{namespace}/{name}/{rest}',
      '/v1/functions',
      '/v1/functions/{namespace}/{name}',
      '/v1/functions/{namespace}/{name}/aliases/{alias}',
      '/v1/functions/{namespace}/{name}/promotion',
      '/v1/functions/{namespace}/{name}/scale',
      '/v1/functions/{namespace}/{name}/versions',
      '/v1/grants',
      '/v1/grants/{hash}',
      '/v1/keys/rotation',
      '/v1/ledger',
      '/v1/ledger/conflicts',
      '/v1/ledger/entries',
      '/v1/ledger/records',
      '/v1/ledger/rotation',
      '/v1/ledger/succession',
      '/v1/namespaces',
      '/v1/namespaces/{namespace}',
      '/v1/namespaces/{namespace}/domains/{host}',
      '/v1/namespaces/{namespace}/quota',
      '/v1/network',
      '/v1/network/join',
      '/v1/nodes',
      '/v1/quotas',
      '/v1/rotation',
      '/v1/schedules',
      '/v1/tokens/{issuer}/{id}',
      '/v1/topics/{namespace}',
      '/v1/topics/{namespace}/dead',
      '/v1/topics/{namespace}/dead/{id}',
      '/v1/topics/{namespace}/dead/{id}/replay',
      '/v1/topics/{namespace}/{topic}',
    ])
    const put = body['paths']['/v1/functions/{namespace}/{name}'].put
    const { schema } = put.requestBody.content['application/json']
    expect(Object.keys(schema.properties)).toEqual(['source', 'language', 'files', 'entry', 'config'])
    expect(Object.keys(schema.properties.config.properties)).toContain('execution')
    expect(put.parameters).toMatchObject([
      { name: 'namespace', in: 'path', required: true },
      { name: 'name' },
      { name: 'ack', in: 'query', required: false },
      { name: 'timeoutMs', in: 'query', required: false },
    ])
    expect(Object.keys(put.responses)).toEqual(['200', '201', 'default'])
  })
})

describe('through a socket', () => {
  let server: FakeNode
  beforeAll(async () => {
    server = await createFakeNode()
    await server.server.start()
  })
  afterAll(() => server.server.stop())

  it('the developer deploys without a token and a content type, and calls what was deployed', async () => {
    const url = server.server.url
    const response = await fetch(`${url}/v1/functions/demo/greet`, { method: 'PUT', body: JSON.stringify({ source: GREET }) })
    expect(response.status).toBe(201)
    expect(await (await fetch(`${url}/v1/call/demo/greet?arg=Ada`)).json()).toBe('hello Ada')
    expect((await fetch(`${url}/v1/functions`, { headers: { origin: 'http://evil.example' } })).status).toBe(403)
    expect((await fetch(`${url}/v1/functions`, { headers: { 'osiris-token': 'x' } })).status).toBe(401)
    expect((await fetch(`${url}/v1/functions`, { method: 'HEAD' })).status).toBe(200)
  })
})

describe('the scale of a function', () => {
  it('is shown as published and as set, set by who may deploy, and taken back', async () => {
    await deploy('scaled')
    const [reader, deployer] = [await caller(['read']), await caller(['deploy', 'read'])]
    const published = { min: 0, max: 20, target: 10, idleMs: 300_000 }
    const path = '/functions/demo/scaled/scale'
    expect(await ask('GET', path, reader)).toMatchObject({
      status: 200,
      body: { ...published, published, set: {}, decider: 'node-1', versions: [] },
    })
    expect(await ask('PUT', path, reader, { min: 1 })).toMatchObject({ status: 403 })
    expect(await ask('PUT', path, deployer, { min: 1, idle: '30s' })).toMatchObject({ status: 200 })
    const set = { ...published, min: 1, idleMs: 30_000, published, set: { min: 1, idle: 30_000 } }
    expect((await ask('GET', path, reader)).body).toMatchObject(set)
    expect(await ask('PUT', path, deployer, {})).toMatchObject({ status: 200 })
    expect((await ask('GET', path, reader)).body).toMatchObject({ ...published, set: {} })
  })
  it('is refused where it makes no sense', async () => {
    await deploy('scaled')
    const deployer = await caller(['deploy', 'read'])
    const path = '/functions/demo/scaled/scale'
    for (const wrong of [{ min: -1 }, { max: 0 }, { min: 30 }, { min: 5, max: 3 }, { idle: 'soon' }, { most: 3 }, []])
      expect(await ask('PUT', path, deployer, wrong)).toMatchObject({ status: 400, body: { code: 'invalid_argument' } })
    expect(await ask('PUT', '/functions/demo/nothing/scale', deployer, { min: 1 })).toMatchObject({ status: 404 })
  })
})
