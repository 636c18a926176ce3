import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OsirisError } from '#protocols/errors'
import { type Body, type FetchPayload, failed, type Invocation, type Outcome, type ResponseOutcome } from '#protocols/invocation'
import { collect } from '#protocols/body'
import { until } from '#protocols/until'
import { createFakeNode, type FakeNode } from './testing/index.ts'
import { exchange, open } from './testing/socket.ts'

const meta = { version: 'ab'.repeat(32), node: 'node-9', hops: 0, timing: { route: 0, queue: 0, cold: 0, run: 0, cpu: 0 } }
const seen: (Invocation & { payload: FetchPayload })[] = []
const last = () => seen.at(-1)!
let produced = 0
let cancelled = false
const told: string[] = []

const response = (body?: Body, head: Partial<ResponseOutcome> = {}): Outcome => ({
  kind: 'response',
  status: 200,
  headers: [],
  meta,
  ...(body === undefined ? {} : { body }),
  ...head,
})
const text = (value: string) => Buffer.from(value)

async function* endless(): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      produced += 65_536
      yield new Uint8Array(65_536)
    }
  } finally {
    cancelled = true
  }
}
async function* parts(...values: (string | Error)[]): AsyncGenerator<Uint8Array> {
  for (const value of values) {
    if (value instanceof Error) throw value
    yield text(value)
  }
}

/** Answers by the last part of the path the function sees. */
const answers: Record<string, (payload: FetchPayload) => Outcome | Promise<Outcome>> = {
  echo: ({ body }) => response(body ?? text('nothing')),
  whole: async ({ body }) => response(await collect(body, 10_000_000, 'it')),
  unread: () => response(text('early')),
  endless: () => response(endless()),
  parts: () => response(parts('a', 'b'), { headers: [['Content-Type', 'text/event-stream']] }),
  sized: () => response(parts('abc', 'de'), { headers: [['content-length', '5']] }),
  short: () => response(parts('abc'), { headers: [['content-length', '5']] }),
  long: () => response(parts('abc', 'def'), { headers: [['content-length', '5']] }),
  broken: () => response(parts('a', new OsirisError('worker_crashed', 'Cannot go on'))),
  loud: () => response(parts('a', new OsirisError('function_failed', 'x'.repeat(4096)))),
  cookies: () =>
    response(text('ok'), {
      headers: [
        ['set-cookie', 'a=1'],
        ['Set-Cookie', 'b=2'],
        ['connection', 'close'],
        ['Transfer-Encoding', 'chunked'],
        ['osiris-node', 'forged'],
        ['osiris-error', 'internal'],
      ],
    }),
  split: () => response(text('x'), { headers: [['x-a', 'b\r\nset-cookie: c=1']] }),
  status: () => response(text('x'), { status: 101 }),
  empty: () => response(text('not sent'), { status: 204 }),
  value: () => ({ kind: 'value', value: text('{"a":1}'), meta }),
  none: () => failed(new OsirisError('not_found', 'Cannot find a route')),
  read: () => failed(new OsirisError('method_not_allowed', 'Cannot route', { details: { allow: ['GET', 'HEAD', 'OPTIONS'] } })),
}

let node: FakeNode
beforeAll(async () => {
  const router = {
    async invoke(invocation: Invocation) {
      const { payload } = invocation
      if (payload.kind !== 'fetch') throw new Error('not a web request')
      seen.push({ ...invocation, payload })
      const name = new URL(payload.url).pathname.split('/').at(-1) ?? ''
      return (answers[name] ?? answers['echo']!)(payload)
    },
  }
  node = await createFakeNode({ router, domain: 'fn.example.org', limits: { bodyBytesMax: 4_000_000, stallTimeoutMs: 300 } })
  node.events.on('log', (line) => void told.push(line.text))
  await node.server.start()
})
afterAll(() => node.server.stop())

const at = (rest: string, init?: RequestInit) => fetch(`${node.server.url}/v1/fetch/demo/site${rest}`, init)
const raw = (head: string, body = '') => exchange(node.server.url, `${head.replaceAll('\n', '\r\n')}\r\nConnection: close\r\n\r\n${body}`)

describe('the way to a function', () => {
  it('/v1/fetch/{ns}/{name} is taken off; everything after it arrives byte for byte, with the Host as sent', async () => {
    await raw('GET /v1/fetch/demo/site@v2/a%2Fb/../%zz//?q=%20&r HTTP/1.1\nHost: LocalHost:4747')
    expect(last().target).toEqual({ namespace: 'demo', name: 'site', selector: 'v2' })
    expect(last().payload.url).toMatch(/^http:\/\/LocalHost:4747\/a%2Fb\/\.\.\/%zz\/\/\?q=%20&r$/)
  })

  it.each([
    ['', '/'],
    ['/', '/'],
    ['?a=1', '/?a=1'],
    ['//x', '//x'],
  ])('%j becomes %j', async (rest, path) => {
    await raw(`GET /v1/fetch/demo/site${rest} HTTP/1.1\nHost: localhost`)
    expect(last().payload.url).toBe(`http://localhost${path}`)
  })

  it('{name}.{ns}.localhost and {name}.{ns}.{domain} belong to the function, all of it', async () => {
    await raw('GET /v1/functions HTTP/1.1\nHost: site.demo.localhost:4747')
    expect(last()).toMatchObject({
      target: { namespace: 'demo', name: 'site' },
      payload: { url: 'http://site.demo.localhost:4747/v1/functions' },
    })
    await raw('GET / HTTP/1.1\nHost: Site.Demo.FN.example.org')
    expect(last().target).toEqual({ namespace: 'demo', name: 'site' })
  })

  it('everything else is a route of somebody, and the platform has its own paths', async () => {
    await raw('PATCH /a%20b/c?x HTTP/1.1\nHost: Shop.Example.org:80')
    expect(last().target).toEqual({ host: 'shop.example.org', method: 'PATCH', path: '/a%20b/c' })
    const before = seen.length
    for (const path of ['/v1', '/v1/none', '/livez', '/console/', '/metrics?x']) await raw(`GET ${path} HTTP/1.1\nHost: localhost`)
    expect(seen.length).toBe(before)
    await raw('GET /v10 HTTP/1.1\nHost: localhost')
    expect(last().target).toMatchObject({ path: '/v10' })
  })

  it('an unknown route is a problem document', async () => {
    const answer = await fetch(`${node.server.url}/none`)
    expect(answer.headers.get('osiris-error')).toBe('not_found')
  })

  it('OPTIONS of a path whose routes do not take it is answered with what they take', async () => {
    const answer = await fetch(`${node.server.url}/read`, { method: 'OPTIONS' })
    expect([answer.status, answer.headers.get('allow'), await answer.text()]).toEqual([204, 'GET, HEAD, OPTIONS', ''])
    const other = await fetch(`${node.server.url}/read`, { method: 'PUT' })
    expect([other.status, other.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS'])
  })

  it('every method passes through', async () => {
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'DELETE', 'PUT']) {
      expect((await at('/echo', { method })).status).toBe(200)
      expect(last().payload.method).toBe(method)
    }
  })
})

describe('what a function sees of a request', () => {
  it('headers in order and in lower case, without those of the connection and without the token of the platform', async () => {
    const token = await node.token(['invoke'])
    await raw(
      `GET /v1/fetch/demo/site HTTP/1.1\nHost: localhost\nX-B: 1\nX-A: 2\nX-B: 3\nTE: trailers\nX-Hop: 1\nConnection: X-Hop\nOsiris-Token: ${token}\nAuthorization: Basic dTpw`,
    )
    expect(last().payload.headers).toEqual([
      ['host', 'localhost'],
      ['x-b', '1'],
      ['x-a', '2'],
      ['x-b', '3'],
      ['authorization', 'Basic dTpw'],
    ])
    expect(last().caller).toEqual({ subject: 'ada', token })
  })

  it('Authorization is its own, unless it carries the token of the platform', async () => {
    await at('/echo', { headers: { authorization: 'Bearer theirs' } })
    expect(last().payload.headers).toContainEqual(['authorization', 'Bearer theirs'])
    expect(last().caller.subject).toBe('developer')
    await at('/echo', { headers: { authorization: `Bearer ${await node.token(['invoke'])}` } })
    expect(JSON.stringify(last().payload)).not.toContain('Bearer')
    expect(last().caller.subject).toBe('ada')
  })

  it('a small body at once, a large one over time, and none where there is none', async () => {
    await at('/echo')
    expect(last().payload).not.toHaveProperty('body')
    await at('/whole', { method: 'POST', body: 'small' })
    expect(last().payload.body).toBeInstanceOf(Uint8Array)
    const large = 'x'.repeat(1_000_000)
    const answer = await at('/whole', { method: 'POST', body: large })
    expect(last().payload.body).not.toBeInstanceOf(Uint8Array)
    expect((await answer.text()) === large).toBe(true)
    const echoed = await at('/echo', { method: 'POST', body: large })
    expect((await echoed.text()) === large).toBe(true)
  })

  it('a body beyond the bound is refused at its declaration, and while it streams', async () => {
    expect(await raw('POST /v1/fetch/demo/site/whole HTTP/1.1\nHost: localhost\nContent-Length: 4000001')).toMatch(/^HTTP\/1.1 413/)
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`
    const answer = await raw('POST /v1/fetch/demo/site/whole HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked', chunk.repeat(62))
    expect(answer).toContain('payload_too_large')
  })

  it('a body that stalls fails the read', async () => {
    const answer = await raw('POST /v1/fetch/demo/site/whole HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked', '2\r\nab\r\n')
    expect(answer).toContain('no byte came within 300 ms')
  })

  it('a body that nobody reads does not hold the answer, nor the connection', async () => {
    for (let i = 0; i < 3; i++) expect(await (await at('/unread', { method: 'POST', body: 'x'.repeat(500_000) })).text()).toBe('early')
  })
})

describe('what a client sees of a response', () => {
  it('streams arrive as they are made, with the headers of the platform', async () => {
    const answer = await at('/parts')
    expect(await answer.text()).toBe('ab')
    expect(answer.headers.get('content-type')).toBe('text/event-stream')
    expect(answer.headers.get('osiris-version')).toBe(meta.version)
    expect(answer.headers.get('server-timing')).toMatch(/^route;dur=0, /)
  })

  it('headers keep their repetitions; those of the connection and of the platform are not for functions', async () => {
    const answer = await at('/cookies')
    expect(answer.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
    expect(answer.headers.get('osiris-node')).toBe('node-9')
    expect(answer.headers.get('osiris-error')).toBe(null)
    expect(answer.headers.get('content-length')).toBe('2')
    expect(answer.headers.get('transfer-encoding')).toBe(null)
  })

  it('a declared length holds, or the connection is cut', async () => {
    const sized = await at('/sized')
    expect([sized.headers.get('content-length'), await sized.text()]).toEqual(['5', 'abcde'])
    await expect(at('/short').then((each) => each.text())).rejects.toThrow('terminated')
    await expect(at('/long').then((each) => each.text())).rejects.toThrow('terminated')
  })

  it('a function whose streams break writes no more than a line of some hundred characters each into the log of the node', async () => {
    const lines: unknown[] = []
    const stop = node.events.on('log', (line) => void lines.push(line))
    await expect(at('/loud').then((each) => each.text())).rejects.toThrow('terminated')
    await until(() => lines.length > 0)
    stop()
    expect(lines).toMatchObject([{ level: 'warn', data: { code: 'function_failed' } }])
    expect(JSON.stringify(lines).length).toBeLessThan(600)
  })
  it('a stream that breaks cuts the connection, and is told to who runs the node', async () => {
    await expect(at('/broken').then((each) => each.text())).rejects.toThrow('terminated')
    await until(() => told.some((line) => line.includes('Cannot go on')))
  })

  it.each(['split', 'status'])('what HTTP cannot carry is function_failed (%s)', async (name) => {
    const answer = await at(`/${name}`)
    expect(await answer.json()).toMatchObject({ status: 500, code: 'function_failed' })
    expect(answer.headers.has('set-cookie')).toBe(false)
  })

  it('HEAD and 204 have no body, and leave the connection usable', async () => {
    const head = await at('/sized', { method: 'HEAD' })
    expect([head.headers.get('content-length'), await head.text()]).toEqual(['5', ''])
    expect([(await at('/empty')).status, await (await at('/empty')).text()]).toEqual([204, ''])
  })

  it('a value is JSON', async () => {
    const answer = await at('/value')
    expect([answer.headers.get('content-type'), await answer.text()]).toEqual(['application/json', '{"a":1}'])
  })

  it('a slow client slows the function; one that leaves cancels it', async () => {
    const before = seen.length
    const socket = open(node.server.url)
    socket.write('GET /v1/fetch/demo/site/endless HTTP/1.1\r\nHost: localhost\r\n\r\n')
    socket.once('data', () => socket.pause())
    await until(() => seen.length > before && produced > 0)
    await settled(() => produced)
    const most = produced
    expect(most).toBeLessThan(32_000_000)
    expect([produced, cancelled]).toEqual([most, false])
    socket.destroy()
    await until(() => cancelled)
    expect(last().signal?.aborted).toBe(true)
  })
})

describe('requests that are read in two ways are refused', () => {
  it.each([
    ['two lengths', 'POST / HTTP/1.1\nHost: localhost\nContent-Length: 1\nContent-Length: 2'],
    ['length and chunks', 'POST / HTTP/1.1\nHost: localhost\nContent-Length: 1\nTransfer-Encoding: chunked'],
    ['two hosts', 'GET / HTTP/1.1\nHost: localhost\nHost: evil.example'],
    ['two hosts for a call', 'GET /v1/call/demo/site HTTP/1.1\nHost: localhost\nHOST: localhost'],
    ['two hosts for the platform', 'GET /v1/namespaces HTTP/1.1\nHost: localhost\nhost: evil.example'],
    ['a coding beside chunks', 'POST /v1/fetch/demo/site/ HTTP/1.1\nHost: localhost\nTransfer-Encoding: gzip, chunked'],
    ['a tunnel', 'CONNECT evil.example:80 HTTP/1.1\nHost: localhost'],
    ['no host', 'GET / HTTP/1.1'],
    ['a host that is none', 'GET / HTTP/1.1\nHost: a b/c'],
    ['another host in the target', 'GET http://evil.example/ HTTP/1.1\nHost: localhost'],
    ['no path', 'OPTIONS * HTTP/1.1\nHost: localhost'],
    ['no HTTP', 'nonsense'],
    ['a length with a sign', 'POST / HTTP/1.1\nHost: localhost\nContent-Length: +1'],
    ['two lengths in one', 'POST / HTTP/1.1\nHost: localhost\nContent-Length: 1, 2'],
    ['chunked twice', 'POST / HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked, chunked'],
    ['chunked in disguise', 'POST / HTTP/1.1\nHost: localhost\nTransfer-Encoding: \x0bchunked'],
    ['a space before the colon', 'POST / HTTP/1.1\nHost: localhost\nContent-Length : 1'],
    ['a header that goes on in the next line', 'GET / HTTP/1.1\nHost: localhost\nX-A: b\n Content-Length: 1'],
    ['a path with a control character', 'GET /\x01 HTTP/1.1\nHost: localhost'],
    ['a header with a zero', 'GET / HTTP/1.1\nHost: localhost\nX-A: \0'],
    ['a user in the host', 'GET / HTTP/1.1\nHost: user@localhost'],
    ['another target under the same name', 'GET http://localhost@evil.example/ HTTP/1.1\nHost: localhost'],
  ])('%s', async (_what, head) => {
    const before = seen.length
    const answer = await raw(head)
    expect(answer).toMatch(/^HTTP\/1.1 400 /)
    expect(answer).toContain('urn:osiris:error:invalid_argument')
    expect(seen.length).toBe(before)
  })

  it.each([
    [
      'lines that end in LF alone',
      'POST / HTTP/1.1\r\nHost: localhost\nContent-Length: 1\r\n\r\nxGET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n',
    ],
    ['a head that ends in LF alone', 'GET / HTTP/1.1\r\nHost: localhost\r\n\nGET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['a chunk with a length that is none', 'POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n'],
    ['a chunk longer than it says', 'POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n'],
  ])('%s, and nothing behind it is taken for a request', async (_what, bytes) => {
    const before = seen.length
    const answer = await exchange(node.server.url, bytes)
    expect(answer.match(/HTTP\/1.1 \d+/g) ?? []).toHaveLength(1)
    expect(seen.slice(before).map(({ payload }) => payload.url)).not.toContain('http://localhost/smuggled')
  })

  it('an expectation that nobody knows is ignored', async () => {
    expect(await raw('GET /v1/fetch/demo/site/x HTTP/1.1\nHost: localhost\nExpect: bananas')).toMatch(/^HTTP\/1.1 200 /)
    expect(last().payload.url).toBe('http://localhost/x')
  })

  it('an absolute target for the same host is a path', async () => {
    await raw('GET http://localhost/v1/fetch/demo/site/x HTTP/1.1\nHost: localhost')
    expect(last().payload.url).toBe('http://localhost/x')
  })
})

/** Waits until a number stands still for a while. */
async function settled(read: () => number): Promise<void> {
  let [before, since] = [-1, performance.now()]
  await until(() => {
    if (read() !== before) [before, since] = [read(), performance.now()]
    return performance.now() - since > 100
  })
}
