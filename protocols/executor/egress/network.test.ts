/** What peers, names and addresses try: THREATS.md, part 1, H. */
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createEvents } from '#protocols/events'
import type { Outcome } from '#protocols/invocation'
import { systemClock } from '#protocols/lifecycle'
import { until } from '#protocols/until'
import { callOf, serviceIn, valueOf, World } from '../executor.world.ts'
import type { ExecutorService } from '../service.ts'
import { dial } from './dial.ts'
import type { EgressPolicy } from './guard.ts'

const world = new World()
const events = createEvents()
const servers: Server[] = []
/** Hosts the resolver was asked for. */
const asked: string[] = []
const names = new Map<string, string[][]>()
const resolve = async (host: string) => {
  asked.push(host)
  const answers = names.get(host)
  if (answers === undefined) throw Object.assign(new Error('no such name'), { code: 'ENOTFOUND' })
  return answers.length > 1 ? (answers.shift() as string[]) : (answers[0] as string[])
}
const limits = {
  ...{
    egressHeadMs: 300,
    egressIdleMs: 300,
    egressConnectMs: 300,
    egressBytesInMax: 2_000_000,
    egressBytesOutMax: 1_000_000,
    egressCallBytesMax: 5_000_000,
  },
  egressBytesPerMinute: 50_000_000,
}
let executor: ExecutorService
let doorPort = 0
beforeAll(async () => {
  executor = serviceIn(world, { events, egressPrivate: true, resolve, limits, doors: () => [{ address: '*', port: doorPort }] })
  await executor.start()
})
afterAll(async () => {
  await executor.stop()
  for (const server of servers) server.close()
})

async function listen(server: Server, host = '127.0.0.1'): Promise<{ origin: string; port: number; sockets: Socket[] }> {
  const sockets: Socket[] = []
  server.on('connection', (socket: Socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
  })
  servers.push(server)
  await new Promise<void>((ready) => server.listen(0, host, ready))
  const { port } = server.address() as AddressInfo
  return { origin: `http://127.0.0.1:${port}`, port, sockets }
}
const site = (answer: RequestListener) => listen(createServer(answer))
const raw = (answer: (socket: Socket) => void) => listen(createTcpServer(answer))

const TELL = `const tell = (error) => error.code ?? error.name`
const run = (body: string, args: unknown[], egress: string[], config = {}, namespace = 'demo') =>
  executor.invoke(
    callOf(
      world.define(`${TELL}\nexport default async (...args) => { const [url] = args; ${body} }`, {
        config: { egress, ...config },
        namespace,
      }),
      args,
    ),
  )
const fetching = (url: string, egress: string[]) => run('return fetch(url).then((r) => r.text()).catch(tell)', [url], egress).then(valueOf)
const codeOf = (outcome: Outcome) => (outcome.kind === 'failed' ? outcome.error.code : outcome.kind)

describe('addresses', () => {
  test('a listener on loopback sees nothing of fetches that name it in any other way than the function’s egress does', async () => {
    const { port, sockets } = await site((_, response) => response.end('reached'))
    const hosts = [
      ...[
        '127.0.0.1',
        'localhost',
        'LOCALHOST',
        'localhost.',
        'a.localhost',
        '2130706433',
        '0x7f.1',
        '0x7f000001',
        '0177.1',
        '127.1',
        '127.0.0.1.',
        '0',
        '0.0.0.0',
        '127.8.8.8',
      ],
      ...[
        '[::1]',
        '[::ffff:127.0.0.1]',
        '[::ffff:7f00:1]',
        '[::127.0.0.1]',
        '[64:ff9b::7f00:1]',
        '[64:ff9b::127.0.0.1]',
        '[::]',
        '[2002:7f00:1::]',
        '①②⑦.0.0.1',
        '127。0。0。1',
      ],
      ...[
        'example.org@127.0.0.1',
        '%31%32%37.0.0.1',
        'exa\tmple.org@127.0.0.1',
        '\\127.0.0.1',
        '169.254.169.254',
        '[fd00:ec2::254]',
        '100.64.0.1',
        '10.0.0.1',
        '[fe80::1]',
        '224.0.0.1',
      ],
    ]
    const body = 'const said = []; for (const each of args) said.push(await fetch(each).then(() => "reached", tell)); return said'
    for (const some of [hosts.slice(0, 18), hosts.slice(18)]) {
      const urls = some.map((host) => `http://${host}:${port}/`)
      const said = valueOf(await run(body, urls, ['*'])) as string[]
      // The URL parser inside knows fewer spellings of digits than the node's, and refuses those it does not know.
      const isOdd = (url: string) => url.includes('①') || !URL.canParse(url)
      expect(said).toEqual(urls.map((url) => (isOdd(url) ? 'TypeError' : 'egress_denied')))
    }
    expect(sockets).toHaveLength(0)
    expect(await fetching(`http://127.1:${port}`, [`http://0x7f.1:${port}`])).toBe('reached')
  })
  test('names that resolve to what is not public are denied, one such address among others denies them all', async () => {
    const { port, sockets } = await site((_, response) => response.end('reached'))
    names.set('private.example', [['127.0.0.1']])
    names.set('mapped.example', [['::ffff:127.0.0.1']])
    names.set('metadata.example', [['169.254.169.254']])
    names.set('mixed.example', [['93.184.216.34', '127.0.0.1']])
    names.set('lies.example', [['not an address']])
    for (const name of ['private', 'mapped', 'metadata', 'mixed', 'lies'])
      expect(await fetching(`http://${name}.example:${port}/`, [`http://${name}.example:${port}`])).toBe('egress_denied')
    expect(await fetching(`http://nobody.example:${port}/`, ['*'])).toBe('TypeError')
    expect(sockets).toHaveLength(0)
  })
  test('localhost is never asked of a resolver, and a name is asked for once', async () => {
    const { port } = await site((_, response) => response.end('reached'))
    asked.length = 0
    expect(await fetching(`http://localhost:${port}/`, [`http://localhost:${port}`])).toBe('reached')
    expect(asked).toEqual([])
    await fetching(`http://private.example:${port}/`, ['*'])
    expect(asked).toEqual(['private.example'])
  })
  test('a name that leads elsewhere the second time (DNS rebinding) is not asked a second time', async () => {
    const { port, sockets } = await raw(() => {})
    names.set('rebind.example', [['127.0.0.1'], ['169.254.169.254']])
    asked.length = 0
    const policy: EgressPolicy = { allowPrivate: true, doors: [], ownAddresses: new Set() }
    const destination = { url: new URL(`http://rebind.example:${port}/`), host: 'rebind.example', port, mayBePrivate: true }
    const { socket, address } = await dial(
      destination,
      { resolve, clock: systemClock, connectMs: 1000, policy: () => policy },
      new AbortController().signal,
    )
    expect([address, socket.remoteAddress]).toEqual(['127.0.0.1', '127.0.0.1'])
    expect(asked).toEqual(['rebind.example'])
    await until(() => sockets.length === 1)
    socket.destroy()
  })
  test('the connected address is judged once more', async () => {
    const { port } = await raw(() => {})
    let judged = 0
    const open: EgressPolicy = { allowPrivate: true, doors: [], ownAddresses: new Set() }
    const shut: EgressPolicy = { ...open, doors: [{ address: '*', port }] }
    const destination = { url: new URL(`http://a.example:${port}/`), host: '127.0.0.1', port, mayBePrivate: true }
    const policy = () => (judged++ === 0 ? open : shut)
    const dialing = dial(destination, { resolve, clock: systemClock, connectMs: 1000, policy }, new AbortController().signal)
    await expect(dialing).rejects.toMatchObject({ code: 'egress_denied' })
  })
  test('a node’s door is closed to functions that name it', async () => {
    const { origin, port, sockets } = await site((_, response) => response.end('door'))
    expect(await fetching(origin, [origin])).toBe('door')
    doorPort = port
    expect(await fetching(origin, [origin])).toBe('egress_denied')
    expect(await fetching(`http://localhost:${port}`, [`http://localhost:${port}`])).toBe('egress_denied')
    doorPort = 0
    expect(sockets).toHaveLength(1)
  })
})

describe('redirects', () => {
  const to =
    (location: string, status = 302): RequestListener =>
    (_, response) =>
      response.writeHead(status, { location }).end('moved')
  test.each([
    'file:///etc/passwd',
    'data:text/plain,x',
    'blob:http://a/1',
    'gopher://a/',
    'ws://127.0.0.1/',
    'http://169.254.169.254/',
    'http://[::1]:9/',
    'http://user@127.0.0.1/',
    '//10.0.0.1/',
  ])('to %s is denied', async (location) => {
    const { origin } = await site(to(location))
    expect(await fetching(origin, [origin, '*'])).toBe('egress_denied')
  })
  test('to a listener that egress does not name is denied, and it sees nothing', async () => {
    const inner = await site((_, response) => response.end('secret'))
    const outer = await site(to(inner.origin))
    expect(await fetching(outer.origin, [outer.origin, '*'])).toBe('egress_denied')
    expect(inner.sockets).toHaveLength(0)
  })
  test('30 of them end after the fifth, with a TypeError', async () => {
    const { origin, sockets } = await site((request, response) =>
      response.writeHead(302, { location: `/${Number(request.url?.slice(1)) + 1}` }).end(),
    )
    expect(await fetching(`${origin}/0`, [origin])).toBe('TypeError')
    expect(sockets).toHaveLength(6)
    const { origin: nowhere } = await site(to('http://'))
    expect(await fetching(nowhere, [nowhere])).toBe('TypeError')
  })
  test('are followed, given as they are, or an error, as the request asks', async () => {
    const { origin } = await site((request, response) =>
      request.url === '/' ? response.writeHead(301, { location: '/there#x' }).end('moved') : response.end('there'),
    )
    const body = `const all = []; for (const redirect of ['follow', 'manual', 'error']) { const r = await fetch(url, { redirect }).catch(tell)
      all.push(typeof r === 'string' ? r : [r.status, r.url.slice(url.length), r.redirected, r.headers.get('location'), await r.text()]) } return all`
    expect(valueOf(await run(body, [`${origin}/`], [origin]))).toEqual([
      [200, 'there', true, null, 'there'],
      [301, '', false, '/there#x', 'moved'],
      'TypeError',
    ])
  })
  test.each([
    [302, 'POST', 'GET', ''],
    [301, 'PUT', 'PUT', 'body'],
    [303, 'PUT', 'GET', ''],
    [307, 'POST', 'POST', 'body'],
    [308, 'PATCH', 'PATCH', 'body'],
  ])('%i turns %s into %s', async (status, method, becomes, text) => {
    const seen: string[] = []
    const { origin } = await site(
      (request, response) =>
        void request.toArray().then((chunks) => {
          seen.push(`${request.method} ${Buffer.concat(chunks).toString()}`)
          if (request.url === '/') response.writeHead(status, { location: '/there' }).end()
          else response.end(request.headers['content-type'] ?? 'none')
        }),
    )
    const type = valueOf(await run(`return (await fetch(url, { method: '${method}', body: 'body' })).text()`, [`${origin}/`], [origin]))
    expect(seen).toEqual([`${method} body`, `${becomes} ${text}`])
    expect(type).toBe(text === '' ? 'none' : 'text/plain;charset=UTF-8')
  })
  test('a body that streamed is not sent again', async () => {
    const { origin } = await site(
      (request, response) => void request.resume().on('end', () => response.writeHead(307, { location: '/' }).end()),
    )
    const body = 'return fetch(url, { method: "POST", body: new Response("x").body, duplex: "half" }).catch(tell)'
    expect(valueOf(await run(body, [origin], [origin]))).toBe('TypeError')
  })
  test('authorization and cookie stay with their origin', async () => {
    const seen: IncomingMessage[] = []
    const far = await site((request, response) => {
      seen.push(request)
      response.end()
    })
    const near = await site((request, response) => {
      seen.push(request)
      response.writeHead(302, { location: request.url === '/' ? '/same' : far.origin }).end()
    })
    const body = 'await fetch(url, { headers: { authorization: "Bearer secret", cookie: "a=b", "x-own": "1" } })'
    valueOf(await run(body, [`${near.origin}/`], [near.origin, far.origin]))
    expect(seen.map(({ headers }) => [headers.authorization, headers.cookie, headers['x-own']])).toEqual([
      ['Bearer secret', 'a=b', '1'],
      ['Bearer secret', 'a=b', '1'],
      [undefined, undefined, '1'],
    ])
  })
})

describe('responses', () => {
  const code = (body: string, origin: string, config = {}) => run(body, [origin], [origin], config).then(codeOf)
  test('a bomb of a few compressed bytes ends at the cap on decoded ones', async () => {
    const bomb = gzipSync(gzipSync(Buffer.alloc(200_000_000)))
    const { origin } = await site((_, response) => response.writeHead(200, { 'content-encoding': 'gzip, gzip' }).end(bomb))
    const before = process.memoryUsage().rss
    expect(await code('return (await fetch(url)).text()', origin)).toBe('quota_exceeded')
    expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000)
    const layers = await site((_, response) => response.writeHead(200, { 'content-encoding': 'gzip, gzip, gzip' }).end(gzipSync(bomb)))
    expect(valueOf(await run('return (await (await fetch(url)).bytes()).length', [layers.origin], [layers.origin]))).toBeLessThan(10_000)
  })
  test('one without end costs its fetch what a fetch may have, many cost their call what a call may have', async () => {
    const endless: RequestListener = (_, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
        if (!response.destroyed) response.once('drain', more)
      }
      more()
    }
    const { origin, sockets } = await site(endless)
    const outcome = await run('return (await fetch(url)).text()', [origin], [origin])
    expect(outcome).toMatchObject({ kind: 'failed', error: { code: 'quota_exceeded', details: { limit: 'egressBytes' } } })
    const body =
      'for (let i = 0; i < 10; i++) { try { await (await fetch(url)).text() } catch (error) { if (error.message.includes("call")) return i } }'
    expect(valueOf(await run(body, [origin], [origin]))).toBe(2)
    await until(() => sockets.every((socket) => socket.destroyed))
  })
  test('a body that is sent beyond the cap is quota_exceeded', async () => {
    const { origin } = await site((request, response) => void request.resume().on('end', () => response.end()))
    expect(await code('return fetch(url, { method: "POST", body: "x".repeat(1_500_000) })', origin)).toBe('quota_exceeded')
    const streams =
      'const body = new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(50_000)) } }); return fetch(url, { method: "POST", body })'
    expect(await code(streams, origin)).toBe('quota_exceeded')
  })
  test('a server that drips ends with the call, one that stops is a TypeError, before and after the head', async () => {
    const drip = await site((_, response) => {
      const timer = setInterval(() => response.write('.'), 50)
      response.on('close', () => clearInterval(timer))
    })
    expect(await code('return (await fetch(url)).text()', drip.origin, { execution: { timeout: '700ms' } })).toBe('deadline_exceeded')
    await until(() => drip.sockets.every((socket) => socket.destroyed))
    const stops = await site((request, response) => void (request.url === '/head' || response.write('half')))
    const body = 'return [await fetch(url + "/head").catch(tell), await (await fetch(url)).text().catch(tell)]'
    expect(valueOf(await run(body, [stops.origin], [stops.origin]))).toEqual(['TypeError', 'TypeError'])
  })
  test('one that nobody reads for longer than a server may be idle is still there to be read', async () => {
    const { origin } = await site((_, response) => response.end(Buffer.alloc(1_500_000)))
    const body = 'const r = await fetch(url); await new Promise((go) => setTimeout(go, 500)); return (await r.bytes()).length'
    expect(valueOf(await run(body, [origin], [origin]))).toBe(1_500_000)
  })
  test.each([
    ['garbage', 'garbage\r\n\r\n'],
    ['another protocol', 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'],
    ['headers without end', `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(50_000)}`],
    ['300 headers', `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(300)}\r\n`],
    ['a long header', `HTTP/1.1 200 OK\r\na: ${'b'.repeat(100_000)}\r\n\r\n`],
    ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab'],
    ['a length and chunks', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n'],
    ['broken chunks', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n'],
    ['broken gzip', 'HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nabcd'],
    [
      'half a gzip',
      `HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 10\r\n\r\n${gzipSync('x').subarray(0, 10).toString('latin1')}`,
    ],
    ['a status out of range', 'HTTP/1.1 99 Low\r\ncontent-length: 0\r\n\r\n'],
  ])('%s is a TypeError', async (_, answer) => {
    const { origin, sockets } = await raw((socket) => void socket.once('data', () => socket.end(answer, 'latin1')))
    expect(await fetching(origin, [origin])).toBe('TypeError')
    await until(() => sockets.every((socket) => socket.destroyed))
  })
  test('a status that only others use comes in, and does not go out as a web function’s own', async () => {
    const { origin } = await raw((socket) => void socket.once('data', () => socket.end('HTTP/1.1 999 Odd\r\ncontent-length: 2\r\n\r\nok')))
    expect(valueOf(await run('const r = await fetch(url); return [r.status, await r.text()]', [origin], [origin]))).toEqual([999, 'ok'])
  })
})

describe('tenants', () => {
  test('no connection carries two requests, so none carries two tenants’', async () => {
    const seen: [Socket, string | undefined][] = []
    const { origin, sockets } = await site((request, response) => {
      seen.push([request.socket, request.headers.authorization])
      response.setHeader('set-cookie', 'who=me')
      response.end(request.headers.cookie ?? 'none')
    })
    const body =
      'const said = []; for (let i = 0; i < 5; i++) said.push(await (await fetch(url, { headers: { authorization: args[1] } })).text()); return said'
    const all = await Promise.all(['a', 'b'].map((tenant) => run(body, [origin, tenant], [origin], {}, `tenant-${tenant}`)))
    for (const outcome of all) expect(valueOf(outcome)).toEqual(['none', 'none', 'none', 'none', 'none'])
    expect(sockets).toHaveLength(10)
    expect(new Set(seen.map(([socket]) => socket)).size).toBe(10)
  })
  test('a namespace that has used its bytes of the minute waits, others do not', async () => {
    const { origin } = await site((_, response) => response.end(Buffer.alloc(40_000)))
    const own = serviceIn(world, { egressPrivate: true, limits: { egressBytesPerMinute: 100_000 } })
    await own.start()
    const record = (namespace: string) =>
      world.define('export default async (url) => (await (await fetch(url)).bytes()).length', { config: { egress: [origin] }, namespace })
    const [spender, other] = [record('spender'), record('other')]
    const codes = []
    for (let round = 0; round < 5; round++) codes.push(codeOf(await own.invoke(callOf(spender, [origin]))))
    expect(codes).toEqual(['value', 'value', 'quota_exceeded', 'quota_exceeded', 'quota_exceeded'])
    expect(codeOf(await own.invoke(callOf(other, [origin])))).toBe('value')
    await own.stop()
  })
  test('a node takes no more fetches than it may have under way', async () => {
    const { origin } = await site(() => {})
    const own = serviceIn(world, { egressPrivate: true, limits: { egressNodeMax: 3 } })
    await own.start()
    const record = world.define(
      'export default async (url) => Promise.race(Array.from({ length: 5 }, () => fetch(url).catch((error) => error.code)))',
      { config: { egress: [origin] } },
    )
    expect(valueOf(await own.invoke(callOf(record, [origin])))).toBe('overloaded')
    await own.stop()
  })
})
