import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OsirisError } from '#protocols/errors'
import { failed, type Invocation, type Outcome } from '#protocols/invocation'
import { until } from '#protocols/until'
import { createFakeNode, type FakeNode } from './testing/index.ts'
import { exchange, open } from './testing/socket.ts'

const meta = { version: 'ab'.repeat(32), node: 'node-9', hops: 1, timing: { route: 0.25, queue: 0, cold: 0, run: 1.5, cpu: 1.25 } }
const seen: Invocation[] = []
/** Answers by the function's name. */
const answers: Record<string, (invocation: Invocation) => Outcome | Promise<Outcome>> = {
  echo: ({ payload }) => ({ kind: 'value', value: payload.kind === 'call' ? payload.args : Buffer.from('null'), meta }),
  overloaded: () => failed(new OsirisError('overloaded', 'Cannot place it: full', { details: { retryAfterMs: 2500 } }), meta),
  failing: () =>
    failed(new OsirisError('function_failed', 'no', { functionStack: 'at greet.ts:1', details: { status: 'mine' } }), meta, true),
  throwing: () => {
    throw new Error('a secret path')
  },
  hanging: ({ signal }) =>
    new Promise((resolve) => signal?.addEventListener('abort', () => resolve(failed(new OsirisError('unavailable', 'gone'))))),
}
let node: FakeNode
let closed: FakeNode

beforeAll(async () => {
  const router = {
    async invoke(invocation: Invocation) {
      seen.push(invocation)
      const { target } = invocation
      return (answers['name' in target ? target.name : ''] ?? answers['echo'])!(invocation)
    },
  }
  node = await createFakeNode({ router, limits: { argumentsBytesMax: 1000 } })
  closed = await createFakeNode({ router, developer: false })
  await Promise.all([node.server.start(), closed.server.start()])
})
afterAll(() => Promise.all([node.server.stop(), closed.server.stop()]))

const post = (path: string, body?: BodyInit, headers: Record<string, string> = {}, to = node) =>
  fetch(`${to.server.url}/v1/call/${path}`, { method: 'POST', headers, ...(body === undefined ? {} : { body }) })
const last = () => seen.at(-1)!

describe('POST /v1/call', () => {
  it('hands the arguments over unread, and says who ran them in what time', async () => {
    const response = await post('demo/echo@v3', '[1, "ä"]')
    expect(await response.text()).toBe('[1, "ä"]')
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'application/json',
      'osiris-version': meta.version,
      'osiris-node': 'node-9',
      'osiris-hops': '1',
      'server-timing': 'route;dur=0.25, queue;dur=0, cold;dur=0, run;dur=1.5, cpu;dur=1.25',
    })
    expect(last()).toMatchObject({ target: { namespace: 'demo', name: 'echo', selector: 'v3' }, hops: 0, depth: 0 })
  })

  it('hands over which version its caller wants, and refuses what cannot mean one', async () => {
    await post('demo/echo', '[]', { 'Osiris-Sticky': 'ada', 'Osiris-Version': 'v3' })
    expect(last()).toMatchObject({ sticky: 'ada', override: 'v3' })
    for (const headers of [{ 'osiris-version': 'v3,v4' }, { 'osiris-sticky': 'x'.repeat(257) }] as Record<string, string>[]) {
      const refused = await post('demo/echo', '[]', headers)
      expect([refused.status, refused.headers.get('osiris-error')]).toEqual([400, 'invalid_argument'])
    }
  })

  it('hands over the key of a call, and from where it came', async () => {
    await post('demo/echo', '[]', { 'Idempotency-Key': '"order 17"' })
    expect(last()).toMatchObject({ idempotencyKey: 'order 17', origin: '127.0.0.1' })
    await post('demo/echo', '[]')
    expect(last()).not.toHaveProperty('idempotencyKey')
    expect(last()).not.toHaveProperty('origin')
    for (const key of ['x'.repeat(257), '""']) {
      const refused = await post('demo/echo', '[]', { 'idempotency-key': key })
      expect([refused.status, refused.headers.get('osiris-error')]).toEqual([400, 'invalid_argument'])
    }
  })

  it('takes no body for no arguments, and a selector with an escaped @', async () => {
    expect(await (await post('demo/echo%40canary')).text()).toBe('[]')
    expect(last().target).toMatchObject({ selector: 'canary' })
  })

  it('gives every call an id of its own, and passes a well-formed traceparent on', async () => {
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
    await post('demo/echo', '[]', { traceparent })
    const first = last()
    await post('demo/echo', '[]', { traceparent: 'nonsense' })
    expect(first.traceparent).toBe(traceparent)
    expect(last()).not.toHaveProperty('traceparent')
    for (const { id } of [first, last()]) expect(id).toMatch(/^[0-9a-f]{32}$/)
    expect(first.id).not.toBe(last().id)
  })

  it('takes a result of any size', async () => {
    const text = JSON.stringify(['x'.repeat(300_000)])
    const response = await post('demo/echo', text, {}, closed)
    expect((await response.text()) === text).toBe(true)
  })

  it('refuses a body beyond the bound, declared or not, and goes on', async () => {
    const response = await post('demo/echo', 'x'.repeat(1001))
    expect(await response.json()).toMatchObject({ status: 413, code: 'payload_too_large', bytesMax: 1000 })
    const chunked = await exchange(
      node.server.url,
      `POST /v1/call/demo/echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n${'x'.repeat(1001)}\r\n`,
    )
    expect(chunked).toMatch(/^HTTP\/1.1 413 .*connection: close/is)
    expect((await post('demo/echo', '[1]')).status).toBe(200)
  })

  it('does not invite a body that it would refuse', async () => {
    const answer = await exchange(
      node.server.url,
      'POST /v1/call/demo/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999999\r\nExpect: 100-continue\r\n\r\n',
    )
    expect(answer).toMatch(/^HTTP\/1.1 413/)
  })

  it('collects chunked bodies, and bodies that come in pieces', async () => {
    const socket = open(node.server.url)
    let answer = ''
    socket.on('data', (chunk) => void (answer += chunk.toString()))
    socket.write('POST /v1/call/demo/echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n["\r\n')
    socket.write('3\r\nA"]\r\n0\r\n\r\n')
    await until(() => answer.endsWith('["A"]'))
    socket.write('POST /v1/call/demo/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n["')
    await new Promise((resolve) => setImmediate(resolve))
    socket.write('B"]')
    await until(() => answer.endsWith('["B"]'))
    expect(answer.match(/HTTP\/1.1 200/g)).toHaveLength(2)
    socket.destroy()
  })

  it('answers pipelined calls in order', async () => {
    const one = 'POST /v1/call/demo/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n'
    const answer = await exchange(node.server.url, `${one}[1]${one}[2]${one.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')}[3]`)
    expect([...answer.matchAll(/\[\d\]/g)].map(([each]) => each)).toEqual(['[1]', '[2]', '[3]'])
  })

  it('a client that leaves aborts its call', async () => {
    const before = seen.length
    const socket = open(node.server.url)
    socket.write('POST /v1/call/demo/hanging HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n[]')
    await until(() => seen.length > before)
    expect(last().signal?.aborted).toBe(false)
    socket.destroy()
    await until(() => last().signal?.aborted === true)
  })
})

describe('GET /v1/call', () => {
  it.each([
    ['?arg=Ada&arg=2', '["Ada",2]'],
    ['?arg=%22a%20b%22&arg=a+b&arg=', '["a b","a b",""]'],
    ['?arg={"a":[1]}&arg=12345678901234567890', '[{"a":[1]},12345678901234567890]'],
    ['?other=1', '[]'],
    ['', '[]'],
  ])('%s means %s', async (query, args) => {
    expect(await (await fetch(`${node.server.url}/v1/call/demo/echo${query}`)).text()).toBe(args)
  })

  it('other methods are told which ones there are', async () => {
    const response = await fetch(`${node.server.url}/v1/call/demo/echo`, { method: 'DELETE' })
    expect(response.headers.get('allow')).toBe('GET, POST')
    expect(await response.json()).toMatchObject({ code: 'method_not_allowed' })
  })
})

describe('errors', () => {
  it('are problem documents whose own members details cannot replace', async () => {
    const response = await post('demo/failing')
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(response.headers.get('osiris-error')).toBe('function_failed')
    expect(response.headers.get('osiris-version')).toBe(meta.version)
    expect(await response.json()).toEqual({
      type: 'urn:osiris:error:function_failed',
      title: 'Function failed',
      status: 500,
      detail: 'no',
      code: 'function_failed',
      stack: 'at greet.ts:1',
    })
  })

  it('overloaded says when to come again', async () => {
    const response = await post('demo/overloaded')
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '3'])
  })

  it('what nobody planned for is internal without its text, and told to who runs the node', async () => {
    const told: string[] = []
    const stop = node.events.on('log', ({ text }) => void told.push(text))
    const response = await post('demo/throwing')
    stop()
    expect(await response.json()).toMatchObject({ code: 'internal', detail: expect.not.stringContaining('secret') })
    expect(told.join()).toContain('a secret path')
  })

  it.each([
    ['Demo/echo', 400, 'invalid_argument'],
    ['demo/echo@', 400, 'invalid_argument'],
    ['demo/..%2f', 400, 'invalid_argument'],
    ['demo', 404, 'not_found'],
    ['demo/echo/more', 404, 'not_found'],
  ])('/v1/call/%s is %i', async (path, status, code) => {
    const response = await post(path, '[1]')
    expect(await response.json()).toMatchObject({ status, code })
  })
})

describe('callers', () => {
  it('a request from this machine is the developer, unless its Host is foreign or it comes from a page', async () => {
    await post('demo/echo')
    expect(last().caller).toEqual({ subject: 'developer', token: node.developerToken })
    await post('demo/echo', '[]', { origin: 'http://evil.example' })
    expect(last().caller).toEqual({ subject: 'anonymous' })
    await exchange(node.server.url, 'GET /v1/call/demo/echo HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n')
    expect(last().caller).toEqual({ subject: 'anonymous' })
  })

  it('a token names its subject; the same one at once when it comes again', async () => {
    const token = await closed.token(['invoke'])
    for (const headers of [{ 'osiris-token': token }, { authorization: `Bearer ${token}` }] as Record<string, string>[]) {
      await post('demo/echo', '[1]', headers, closed)
      expect(last().caller).toEqual({ subject: 'ada', token })
    }
  })

  it('no token is anonymous on a closed node; a wrong one is refused before anything runs', async () => {
    await post('demo/echo', '[1]', {}, closed)
    expect(last().caller).toEqual({ subject: 'anonymous' })
    const before = seen.length
    for (const headers of [{ 'osiris-token': 'x.y.z' }, { authorization: 'Bearer x' }] as Record<string, string>[]) {
      const response = await post('demo/echo', '[1]', headers, closed)
      expect(await response.json()).toMatchObject({ status: 401, code: 'unauthenticated' })
      expect(response.headers.get('www-authenticate')).toBe('Bearer realm="osiris"')
    }
    expect(seen.length).toBe(before)
  })
})
