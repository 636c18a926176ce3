/** Apps as their authors write them (fixtures/functions/apps): collected with their npm packages, built, and run unmodified. */
import { createHmac } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { collect } from '#protocols/body'
import { BuilderService, collectSources } from '#protocols/builder'
import type { FunctionRecord } from '#protocols/catalog'
import { createEvents } from '#protocols/events'
import type { Outcome } from '#protocols/invocation'
import { systemClock } from '#protocols/lifecycle'
import type { FunctionConfig } from '#protocols/manifest'
import { until } from '#protocols/until'
import { requestOf, responseOf, serviceIn, World } from './executor.world.ts'
import type { ExecutorService } from './service.ts'

const MIB = 1024 * 1024
const world = new World()
let executor: ExecutorService
let builder: BuilderService
let workDir: string
const apps: Record<string, FunctionRecord> = {}

beforeAll(async () => {
  workDir = await mkdtemp(join(tmpdir(), 'osiris-apps-'))
  builder = new BuilderService({ clock: systemClock, events: createEvents(), workDir, nodeName: 'node-1' })
  executor = serviceIn(world)
  await Promise.all([builder.start(), executor.start()])
  await publish('hono', 'app.ts', { env: { PASSWORD: 'open sesame' } })
  await publish('itty', 'router.ts', {})
  const execution = { timeout: '20s', cpu: '15s', payload: '128MB' }
  await publish('worker', 'worker.ts', { env: { SECRET: 'shared with the sender' }, execution })
})
afterAll(async () => {
  await Promise.all([builder.stop(), executor.stop()])
  await rm(workDir, { recursive: true, force: true })
})

async function publish(name: string, file: string, config: FunctionConfig): Promise<void> {
  const path = fileURLToPath(new URL(`../../fixtures/functions/apps/${name}/${file}`, import.meta.url))
  const { files, entry } = await collectSources(path)
  const source = { namespace: 'apps', name, files, entry }
  const { artifact, warnings } = await builder.build(source, { caller: { subject: 'test' }, timeoutMs: 20_000 })
  expect(warnings).toEqual([])
  apps[name] = world.define(Buffer.from(artifact).toString('utf8'), { config, namespace: `apps-${name}` })
}

interface Sent {
  method?: string
  headers?: Record<string, string>
  body?: string | Uint8Array | AsyncIterable<Uint8Array>
  signal?: AbortSignal
}

function send(app: string, path: string, { method, headers = {}, body, signal }: Sent = {}): Promise<Outcome> {
  const payload = {
    url: `http://${app}.example.org${path}`,
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    headers: Object.entries(headers),
    ...(body === undefined ? {} : { body: typeof body === 'string' ? Buffer.from(body) : body }),
  }
  const parts = { deadlineAt: systemClock.monotonic() + 20_000, ...(signal === undefined ? {} : { signal }) }
  return executor.invoke(requestOf(apps[app] as FunctionRecord, payload, parts))
}
const ask = async (app: string, path: string, sent?: Sent) => responseOf(await send(app, path, sent))
const json = async (app: string, path: string, sent?: Sent) => JSON.parse((await ask(app, path, sent)).text) as unknown
const asJson = (value: unknown): Sent => ({ body: JSON.stringify(value), headers: { 'content-type': 'application/json' } })

describe('an app made with Hono', () => {
  test('routes, parameters, queries, errors and what is not there', async () => {
    expect(await ask('hono', '/')).toMatchObject({ status: 200, text: 'Hello Hono!' })
    expect(await json('hono', '/api/todos?limit=5')).toEqual({ todos: [{ id: 1, title: 'write it down' }], limit: 5 })
    expect(await json('hono', '/api/todos/1')).toEqual({ id: 1, title: 'write it down' })
    expect(await ask('hono', '/api/todos/9')).toMatchObject({ status: 404, text: '{"error":"nothing here"}' })
    expect(await ask('hono', '/teapot')).toMatchObject({ status: 418, text: 'short and stout' })
    expect(await ask('hono', '/broken')).toMatchObject({ status: 500, text: '{"error":"it broke"}' })
    expect(await ask('hono', '/go')).toMatchObject({ status: 302, headers: { location: '/' } })
  })
  test('middleware: headers, request ids, CORS, preflight', async () => {
    const { headers } = await ask('hono', '/api/todos', { headers: { origin: 'https://shop.example.org' } })
    expect(headers).toMatchObject({ 'x-powered-by': 'Hono', 'access-control-allow-origin': 'https://shop.example.org' })
    expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
    expect(headers['x-frame-options']).toBe('SAMEORIGIN')
    expect(Number(headers['x-took'])).toBeGreaterThanOrEqual(0)
    const preflight = { method: 'OPTIONS', headers: { origin: 'https://shop.example.org', 'access-control-request-method': 'PUT' } }
    expect(await ask('hono', '/api/todos', preflight)).toMatchObject({ status: 204 })
  })
  test('an etag is made, and a page that is known is not sent again', async () => {
    const { headers, text } = await ask('hono', '/page/Ada')
    expect(text).toBe('<h1>Ada</h1>')
    expect(headers['etag']).toMatch(/^"[0-9a-f]{40}"$/)
    expect(await ask('hono', '/page/Ada', { headers: { 'if-none-match': headers['etag'] ?? '' } })).toMatchObject({ status: 304, text: '' })
  })
  test('JSON is validated', async () => {
    expect(await ask('hono', '/api/todos', asJson({ title: 'x' }))).toMatchObject({ status: 201, text: '{"id":2,"title":"x"}' })
    expect(await ask('hono', '/api/todos', asJson({}))).toMatchObject({ status: 400 })
    expect(await ask('hono', '/api/todos', { ...asJson({}), body: '{' })).toMatchObject({ status: 400 })
  })
  test('a form, and a file that is uploaded', async () => {
    const form = { body: 'a=1&b=2&b=3', headers: { 'content-type': 'application/x-www-form-urlencoded' } }
    expect(await json('hono', '/form', form)).toEqual({ a: '1', b: ['2', '3'] })
    const data = new FormData()
    data.set('file', new File(['é body'], 'a b.txt', { type: 'text/plain' }))
    data.set('note', 'mine')
    const request = new Request('http://x/', { method: 'POST', body: data })
    const headers = { 'content-type': request.headers.get('content-type') ?? '' }
    const uploaded = await json('hono', '/upload', { body: new Uint8Array(await request.arrayBuffer()), headers })
    expect(uploaded).toEqual({ name: 'a b.txt', type: 'text/plain', size: 7, text: 'é body', note: 'mine' })
  })
  test('cookies, plain and signed', async () => {
    const outcome = await send('hono', '/cookie')
    const cookies = outcome.kind === 'response' ? outcome.headers.filter(([name]) => name === 'set-cookie').map(([, value]) => value) : []
    expect(cookies[0]).toBe('seen=yes; Path=/; HttpOnly')
    const cookie = cookies.map((each) => each.split(';')[0]).join('; ')
    expect(await json('hono', '/cookie', { headers: { cookie } })).toEqual({ seen: 'yes', user: 'ada' })
    const forged = cookie.replace('user=ada', 'user=eve')
    expect(await json('hono', '/cookie', { headers: { cookie: forged } })).toEqual({ seen: 'yes', user: false })
  })
  test('basic auth', async () => {
    const withPassword = (password: string) => ({ headers: { authorization: `Basic ${btoa(`ada:${password}`)}` } })
    expect(await ask('hono', '/admin/panel')).toMatchObject({ status: 401, headers: { 'www-authenticate': 'Basic realm="Secure Area"' } })
    expect(await ask('hono', '/admin/panel', withPassword('open sesam'))).toMatchObject({ status: 401 })
    expect(await ask('hono', '/admin/panel', withPassword('open sesame'))).toMatchObject({ status: 200, text: 'only for Ada' })
  })
  test('streams: bytes, text, server-sent events', async () => {
    expect((await ask('hono', '/stream')).text).toBe('\0\u0001\u0002')
    expect((await ask('hono', '/text')).text).toBe('one\ntwo\nthree\n')
    const { headers, text } = await ask('hono', '/events')
    expect(headers['content-type']).toBe('text/event-stream')
    expect(text).toBe([0, 1, 2].map((id) => `event: tick\ndata: round ${id}\nid: ${id}\n\n`).join(''))
  })
})

test('an app made with itty-router', async () => {
  expect(await ask('itty', '/v1/')).toMatchObject({ status: 200, text: '"Hello itty!"' })
  expect(await json('itty', '/v1/hello/Ada?times=2')).toEqual({ hello: 'Ada', times: 2 })
  expect(await json('itty', '/v1/hello')).toEqual({ hello: 'you', times: 1 })
  expect(await json('itty', '/v1/files/a/b/c.txt')).toEqual({ path: 'a/b/c.txt' })
  expect(await ask('itty', '/v1/page')).toMatchObject({ text: '<h1>itty</h1>', headers: { 'content-type': 'text/html' } })
  expect(await ask('itty', '/v1/mine')).toMatchObject({ status: 401, text: '{"status":401,"error":"who are you?"}' })
  expect(await json('itty', '/v1/mine', { headers: { 'x-user': 'ada' } })).toEqual({ user: 'ada' })
  expect(await json('itty', '/v1/echo', asJson({ a: 1 }))).toEqual({ got: { a: 1 } })
  expect(await ask('itty', '/v1/broken')).toMatchObject({ status: 500, text: '{"status":500,"error":"it broke"}' })
  expect(await ask('itty', '/v1/none')).toMatchObject({ status: 404 })
  const { headers } = await ask('itty', '/v1/', { headers: { origin: 'https://shop.example.org' } })
  expect(headers['access-control-allow-origin']).toBe('https://shop.example.org')
})

describe('a Workers module', () => {
  const seen = async () => (await json('worker', '/seen')) as { finished: number; aborted: number; cancelled: number; produced: number }

  test('there is no cache to rely on', async () => {
    expect((await ask('worker', '/')).text).toBe('caches: undefined')
  })
  test('bodies go through TransformStreams', async () => {
    async function* words() {
      for (const word of ['some ', 'é ', 'words']) yield Buffer.from(word)
    }
    expect((await ask('worker', '/upper', { body: words() })).text).toBe('SOME É WORDS\n')
    const outcome = await send('worker', '/zip', { body: words() })
    const zipped = outcome.kind === 'response' ? await collect(outcome.body, MIB, 'it') : new Uint8Array(0)
    expect(gunzipSync(zipped).toString()).toBe('some é words')
  })
  test('a webhook is verified with crypto.subtle', async () => {
    const sign = (body: string) => createHmac('sha256', 'shared with the sender').update(body).digest('hex')
    expect(await ask('worker', '/hook', { body: 'paid', headers: { 'x-signature': sign('paid') } })).toMatchObject({ status: 200 })
    expect(await ask('worker', '/hook', { body: 'paid twice', headers: { 'x-signature': sign('paid') } })).toMatchObject({ status: 401 })
  })

  test('64 MiB in and out again: what is held anywhere stays below 1 MiB', async () => {
    let given = 0
    let peak = 0
    let taken = 0
    async function* long() {
      for (; given < 64 * MIB; given += 65_536) {
        // What left here and has not come back: every byte that is held anywhere.
        peak = Math.max(peak, given - taken)
        yield new Uint8Array(65_536)
      }
    }
    const outcome = await send('worker', '/echo', { body: long() })
    if (outcome.kind !== 'response') throw new Error('no response came')
    for await (const chunk of outcome.body as AsyncIterable<Uint8Array>) taken += chunk.length
    expect(taken).toBe(64 * MIB)
    // Both directions: a window each (256 KiB), and chunks on their way.
    expect(peak).toBeLessThanOrEqual(MIB)
    expect(await json('worker', '/count', { body: longBody(64 * MIB) })).toEqual({ bytes: 64 * MIB })
  })
  test('64 MiB out: a slow reader slows the function', async () => {
    const before = (await seen()).produced
    const outcome = await send('worker', `/give?bytes=${64 * MIB}`)
    if (outcome.kind !== 'response') throw new Error('no response came')
    let taken = 0
    let peak = 0
    for await (const chunk of outcome.body as AsyncIterable<Uint8Array>) {
      taken += chunk.length
      // Every 4 MiB the function is asked how far ahead it is, which gives it time to run ahead.
      if (taken % (4 * MIB) === 0) peak = Math.max(peak, (await seen()).produced - before - taken)
    }
    expect(taken).toBe(64 * MIB)
    expect(peak).toBeLessThanOrEqual(MIB)
  })
  test('waitUntil goes on after the answer', async () => {
    const before = (await seen()).finished
    expect((await ask('worker', '/later?ms=1000')).text).toBe('answered')
    expect((await seen()).finished).toBe(before)
    await until(async () => (await seen()).finished === before + 1)
  })
  test('waitUntil ends at the deadline, and the executor has nothing left of it', async () => {
    const before = (await seen()).finished
    const payload = { url: 'http://worker.example.org/later?ms=60000' }
    const deadlineAt = systemClock.monotonic() + 1000
    const { text } = await responseOf(await executor.invoke(requestOf(apps['worker'] as FunctionRecord, payload, { deadlineAt })))
    expect(text).toBe('answered')
    expect(executor.status().inFlight).toBe(1)
    await until(() => executor.status().inFlight === 0)
    expect((await seen()).finished).toBe(before)
  })
  test('leaving a response cancels its stream; leaving a request aborts its signal, and the run is over', async () => {
    const before = await seen()
    const outcome = await send('worker', `/give?bytes=${64 * MIB}`)
    if (outcome.kind !== 'response') throw new Error('no response came')
    for await (const chunk of outcome.body as AsyncIterable<Uint8Array>) {
      expect(chunk.length).toBeGreaterThan(0)
      break
    }
    await until(async () => (await seen()).cancelled === before.cancelled + 1)
    const left = new AbortController()
    const waiting = send('worker', '/wait', { signal: left.signal })
    // Answered behind it on the same pipe: it has begun by then.
    await seen()
    left.abort()
    expect(await waiting).toMatchObject({ kind: 'failed', started: true })
    expect((await seen()).aborted).toBe(before.aborted + 1)
    expect(executor.status().inFlight).toBe(0)
  })
})

async function* longBody(bytes: number): AsyncGenerator<Uint8Array> {
  for (let given = 0; given < bytes; given += 65_536) yield new Uint8Array(65_536)
}
