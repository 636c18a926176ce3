import { once } from 'node:events'
import { createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '#protocols/until'
import { connect } from '#sdk'
import type { RunningNode } from '#node/universe'
import { sdkSuite } from '../sdk/sdk.suite.ts'
import { TestMesh } from './components.fixture.ts'
import { startNode } from './components.ts'

const GREET = 'export default function greet(name: string, times = 1) { return { hello: name, times } }'
const SITE = `export default { fetch(request, env) {
  const url = new URL(request.url)
  return new Response(url.host + url.pathname + url.search + ' ' + env.GREETING)
} }`

const post = (node: RunningNode, path: string, body: string, headers: Record<string, string> = {}) =>
  fetch(node.http + path, { method: 'POST', body, headers })
const problemOf = async (response: Response) => {
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  const { code, detail } = (await response.json()) as { code: string; detail: string }
  return { status: response.status, code, detail }
}

it('functions call each other where they are: nothing leaves a node that runs both, though it is no router', async () => {
  const mesh = await TestMesh.create()
  const first = await mesh.add(['router', 'catalog', 'builder'])
  const executor = await mesh.add(['executor'])
  const osiris = await connect(first.http)
  const deploy = (name: string, source: string, config = {}) =>
    osiris.deploy({ namespace: 'demo', name, source, language: 'javascript', config })
  await deploy('inner', `import { caller } from 'osiris/function'; export default () => caller().path`)
  const outer = `import { call } from 'osiris/function'; export default (name) => call(name)`
  await deploy('outer', outer, { calls: ['demo/inner'] })
  const answer = await post(executor, '/v1/call/demo/outer', '["demo/inner"]')
  expect(await answer.json()).toEqual(['demo/outer'])
  // One to the router, one back.
  expect(answer.headers.get('osiris-hops')).toBe('2')
  await expect(osiris.call('demo/outer', 'other/inner')).rejects.toMatchObject({ code: 'forbidden' })
  await mesh.stop()
})

it('a quota holds on every node, with and without the ledger, and is told in the answer', async () => {
  const mesh = await TestMesh.create()
  const first = await mesh.add(['router', 'catalog', 'builder', 'executor'])
  const router = await mesh.add(['router'])
  const executor = await mesh.add(['executor'])
  const osiris = await connect(first.http)
  await osiris.deploy({ namespace: 'demo', name: 'greet', source: GREET })
  await osiris.deploy({ namespace: 'other', name: 'greet', source: GREET })
  await osiris.quotas.set('demo', { callsPerSecond: 500, concurrent: 50 })
  for (const node of [first, router, executor]) {
    const call = () => post(node, '/v1/call/demo/greet', '["Ada"]')
    await until(async () => (await call()).headers.get('ratelimit') !== null, 15_000, 50)
    const { status, headers } = await call()
    expect([status, headers.get('ratelimit-policy')]).toEqual([200, '"calls";q=500;w=1, "concurrent";q=50;qu="concurrent-requests"'])
    expect(headers.get('ratelimit')).toMatch(/^"calls";r=\d+(;t=1)?, "concurrent";r=\d+$/)
    expect((await post(node, '/v1/call/other/greet', '["Ada"]')).headers.get('ratelimit')).toBe(null)
  }
  expect(await (await fetch(`${router.http}/metrics`)).text()).toMatch(
    /^osiris_quota_calls_total\{namespace="demo",result="admitted",.*\} [1-9]/m,
  )
  await osiris.quotas.set('demo', { callsPerSecond: 0.01 })
  const refused = async (node: RunningNode) => {
    const answer = await post(node, '/v1/call/demo/greet', '["Ada"]')
    return answer.status === 429 ? answer : undefined
  }
  for (const node of [first, router]) {
    let answer: Response | undefined
    await until(async () => (answer = await refused(node))?.headers.get('ratelimit-policy') === '"calls";q=1;w=100', 15_000, 50)
    expect(Number(answer?.headers.get('retry-after'))).toBeGreaterThan(10)
    expect(answer?.headers.get('ratelimit')).toMatch(/^"calls";r=0;t=\d+$/)
    expect((await post(node, '/v1/call/other/greet', '["Ada"]')).status).toBe(200)
  }
  expect(await osiris.quotas.list()).toMatchObject([{ namespace: 'demo', callsPerSecond: 0.01, here: { inFlight: 0 } }])
  await osiris.quotas.clear('demo')
  await until(async () => (await post(router, '/v1/call/demo/greet', '["Ada"]')).status === 200, 15_000, 50)
  await mesh.stop()
}, 40_000)

describe('a mesh of nodes that each run one thing', () => {
  let mesh: TestMesh
  let all: RunningNode
  let router: RunningNode
  let executor: RunningNode
  let catalog: RunningNode

  beforeAll(async () => {
    mesh = await TestMesh.create()
    all = await mesh.add(['router', 'catalog', 'builder', 'executor'])
    ;[router, executor, catalog] = await Promise.all([mesh.add(['router']), mesh.add(['executor']), mesh.add(['catalog'])])
    const osiris = await connect(catalog.http)
    await osiris.deploy({ namespace: 'demo', name: 'greet', source: GREET })
    await osiris.deploy({
      namespace: 'demo',
      name: 'site',
      source: SITE,
      language: 'javascript',
      config: { access: 'public', routes: ['GET /site/*'], env: { GREETING: 'hi' } },
    })
  })
  afterAll(() => mesh.stop())

  it('a function deployed through one node is called through every other, whatever its roles', async () => {
    for (const node of [all, router, executor, catalog]) {
      const answer = await post(node, '/v1/call/demo/greet', '["Ada",2]')
      expect(await answer.json()).toEqual({ hello: 'Ada', times: 2 })
      expect(answer.headers.get('osiris-version')).toMatch(/^[0-9a-f]{64}$/)
      expect(['node-1', 'node-3', 'node-2', 'node-4']).toContain(answer.headers.get('osiris-node'))
      expect(answer.headers.get('server-timing')).toMatch(/route;dur=.*queue;dur=.*cold;dur=.*run;dur=.*cpu;dur=/)
    }
    const hops = Number((await post(executor, '/v1/call/demo/greet', '["Ada"]')).headers.get('osiris-hops'))
    expect(hops).toBeGreaterThan(0)
  })

  it('a call with an Idempotency-Key is one call through every node, and told apart by its body', async () => {
    const osiris = await connect(all.http)
    await osiris.deploy({ namespace: 'demo', name: 'draw', source: 'export default () => Math.random()', language: 'javascript' })
    const draw = async (node: RunningNode, key: string, body = '[]') => {
      const answer = await post(node, '/v1/call/demo/draw', body, { 'idempotency-key': key })
      return answer.ok ? await answer.json() : (await problemOf(answer)).code
    }
    const first = await draw(executor, 'k')
    for (const node of [all, router, catalog]) expect(await draw(node, 'k')).toBe(first)
    expect(await osiris.once('k').call('demo/draw')).toBe(first)
    expect(await draw(router, 'k', '[1]')).toBe('conflict')
    expect(await draw(router, 'other')).not.toBe(first)
  })

  it('a function fetches from what its egress names on this machine, and from no node', async () => {
    const server = createServer((request, response) => response.end(JSON.stringify(request.url))).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const osiris = await connect(all.http)
    const source = 'export default async (url) => (await fetch(url)).json()'
    const egress = [origin, ...mesh.nodes.map(({ http }) => http)]
    await osiris.deploy({ namespace: 'demo', name: 'reach', source, language: 'javascript', config: { egress } })
    expect(await osiris.call('demo/reach', `${origin}/there`)).toBe('/there')
    for (const { http } of mesh.nodes)
      await expect(osiris.call('demo/reach', `${http}/v1/nodes`)).rejects.toMatchObject({ code: 'egress_denied' })
    server.close()
  })

  it('a web function answers by path, by host and by route on every node', async () => {
    for (const node of [all, router, executor, catalog]) {
      const { port } = new URL(node.http)
      expect(await (await fetch(`${node.http}/v1/fetch/demo/site/a%20b?c=%2F`)).text()).toBe(`127.0.0.1:${port}/a%20b?c=%2F hi`)
      expect(await (await fetch(`${node.http}/site/x`)).text()).toBe(`127.0.0.1:${port}/site/x hi`)
      expect(await withHost(node, `site.demo.localhost:${port}`, '/p')).toBe(`site.demo.localhost:${port}/p hi`)
    }
  })

  it('a new version and a rollback are seen on every node at once', async () => {
    const osiris = await connect(router.http)
    const deployed = await osiris.deploy({ namespace: 'demo', name: 'turn', source: 'export default () => 1' })
    expect(deployed).toMatchObject({ ordinal: 1, changed: true, receipt: { state: 'committed' } })
    await osiris.deploy({ namespace: 'demo', name: 'turn', source: 'export default () => 2' })
    for (const node of mesh.nodes) expect(await (await post(node, '/v1/call/demo/turn', '[]')).json()).toBe(2)
    const entries = (await osiris.ledger()).status.entries
    await osiris.functions.rollback('demo/turn')
    expect((await osiris.ledger()).status.entries).toBe(entries + 1)
    for (const node of mesh.nodes) expect(await (await post(node, '/v1/call/demo/turn', '[]')).json()).toBe(1)
    expect(await osiris.call('demo/turn@v2')).toBe(2)
  })

  it('bad input gets its code and one sentence, on a node with the roles and on one without', async () => {
    for (const node of [all, executor]) {
      const code = async (path: string, body = '[]') => {
        const problem = await problemOf(await post(node, path, body))
        expect(problem.detail).toMatch(/^Cannot /)
        return `${problem.status} ${problem.code}`
      }
      expect(await code('/v1/call/demo/unknown')).toBe('404 not_found')
      expect(await code('/v1/call/nowhere/greet')).toBe('404 not_found')
      expect(await code('/v1/call/demo/greet@v9')).toBe('404 not_found')
      expect(await code('/v1/call/demo/Greet')).toBe('400 invalid_argument')
      expect(await code('/v1/call/demo/greet', '{"not":"an array"}')).toBe('400 invalid_argument')
      expect(await code('/v1/call/demo/greet', '["Ada"')).toBe('400 invalid_argument')
      expect(await code('/v1/call/demo/greet', `["${'x'.repeat(1024 * 1024)}"]`)).toBe('413 payload_too_large')
      expect(await code('/v1/call/demo/greet', JSON.stringify(Array.from({ length: 65 }, () => 1)))).toBe('400 invalid_argument')
      expect(await code('/v1/call/demo/site')).toBe('400 invalid_argument')
    }
  })

  it('a function that fails, loops or eats memory costs one typed error', async () => {
    const osiris = await connect(all.http)
    const memory = '16MB'
    const sources = {
      throws: 'export default () => { throw new TypeError("on purpose") }',
      loops: 'export default () => { for (;;); }',
      hangs: 'export default () => new Promise(() => {})',
      eats: 'export default () => { const kept = []; for (;;) kept.push(new Array(1000).fill(kept.length)) }',
      circles: 'export default () => { const a = {}; a.a = a; return a }',
    }
    for (const [name, source] of Object.entries(sources)) {
      // Where the error is the function's own, no deadline is to come first, however busy the machine.
      const timeout = name === 'throws' || name === 'circles' ? '10s' : '300ms'
      await osiris.deploy({ namespace: 'bad', name, source, config: { execution: { timeout, memory } } })
    }
    const code = async (name: string) => (await problemOf(await post(router, `/v1/call/bad/${name}`, '[]'))).code
    expect(await code('throws')).toBe('function_failed')
    expect(await code('loops')).toBe('deadline_exceeded')
    expect(await code('hangs')).toBe('deadline_exceeded')
    expect(['memory_exceeded', 'deadline_exceeded']).toContain(await code('eats'))
    expect(await code('circles')).toBe('result_not_serializable')
    expect(await (await post(router, '/v1/call/demo/greet', '["Ada"]')).json()).toEqual({ hello: 'Ada', times: 1 })
  })

  it('a deploy that cannot be built says where, and writes nothing', async () => {
    const osiris = await connect(executor.http)
    await expect(osiris.deploy({ namespace: 'demo', name: 'broken', source: 'export default function (\n' })).rejects.toMatchObject({
      code: 'build_failed',
      message: expect.stringMatching(/broken\.ts:\d+:\d+/),
    })
    await expect(osiris.deploy({ namespace: 'demo', name: 'broken', source: '' })).rejects.toMatchObject({ code: 'invalid_argument' })
    await expect(osiris.deploy({ namespace: 'demo', name: 'broken', source: '\0\0' })).rejects.toMatchObject({ code: 'invalid_argument' })
    await expect(osiris.call('demo/broken')).rejects.toMatchObject({ code: 'not_found' })
  })

  it('a node that joins late ends with the same view as the rest', async () => {
    const late = await mesh.add(['router', 'catalog', 'executor'])
    const digest = async (node: RunningNode) => (await (await connect(node.http)).ledger()).status.viewDigest
    await expect.poll(() => digest(late), { timeout: 5000 }).toBe(await digest(all))
    await expect.poll(() => digest(catalog), { timeout: 5000 }).toBe(await digest(all))
    expect(await (await post(late, '/v1/call/demo/greet', '["late"]')).json()).toEqual({ hello: 'late', times: 1 })
  })

  it('without a grant a stranger may call public functions and nothing else', async () => {
    const foreign = { origin: 'https://elsewhere.example' }
    expect((await problemOf(await post(router, '/v1/call/demo/greet', '["Eve"]', foreign))).code).toBe('unauthenticated')
    expect((await problemOf(await fetch(`${router.http}/v1/functions`, { headers: foreign }))).code).toBe('forbidden')
    expect(await withHost(router, 'rebound.example', '/v1/functions')).toContain('"code":"')
    expect(await withHost(router, 'rebound.example', '/v1/functions')).not.toContain('"functions"')
    expect((await fetch(`${router.http}/v1/fetch/demo/site/`, { headers: foreign })).status).toBe(200)
  })

  sdkSuite('HTTP, to a node without roles for it', async () => ({ osiris: await connect(executor.http) }))
  sdkSuite('a peer of the mesh', async () => ({ osiris: await connect({ join: all.joinToken }) }))
})

describe('two universes on one machine', () => {
  it('never let each other in', async () => {
    const [one, two] = [await TestMesh.create(), await TestMesh.create()]
    try {
      const first = await one.add(['router', 'catalog', 'builder', 'executor'])
      const second = await two.add(['router', 'catalog', 'builder', 'executor'])
      await (await connect(first.http)).deploy({ namespace: 'demo', name: 'greet', source: GREET })
      const address = first.p2p[0] as string
      const { join: _, ...config } = two.config('spy', ['catalog'])
      await expect(startNode({ ...config, join: [second.joinToken.slice(0, -4)] })).rejects.toMatchObject({ code: 'invalid_argument' })
      // The right door, the wrong key.
      const spy = await two.add(['catalog'], { name: 'spy', dataDir: config.dataDir, join: [second.joinToken, address] })
      const seen = await (await connect(spy.http)).nodes()
      expect(seen.map((each) => each.peer)).not.toContain(first.peer)
      expect((await (await connect(spy.http)).functions.list()).map((each) => each.name)).toEqual([])
      expect((await (await connect(first.http)).nodes()).map((each) => each.name)).toEqual(['node-1'])
    } finally {
      await Promise.all([one.stop(), two.stop()])
    }
  })
})

function withHost(node: RunningNode, host: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(node.http + path, { headers: { host } }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => resolve(Buffer.concat(chunks).toString()))
    }).on('error', reject)
  })
}
