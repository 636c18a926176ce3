/** fetch of real functions in real workers, to real servers on loopback that the operator lets them reach. */
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import { gzipSync, deflateRawSync, deflateSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createEvents, type EventMap } from '#protocols/events'
import type { Outcome } from '#protocols/invocation'
import { systemClock } from '#protocols/lifecycle'
import { until } from '#protocols/until'
import { callOf, requestOf, responseOf, serviceIn, valueOf, World } from '../executor.world.ts'
import type { ExecutorService } from '../service.ts'
import { siteIn } from './site.fixture.ts'

const world = new World()
const events = createEvents()
const audit: EventMap['function.egress'][] = []
events.on('function.egress', (event) => void audit.push(event))
const servers: Server[] = []
let executor: ExecutorService
beforeAll(async () => {
  executor = serviceIn(world, { events, egressPrivate: true })
  await executor.start()
})
afterAll(async () => {
  await executor.stop()
  for (const server of servers) {
    server.closeAllConnections()
    server.close()
  }
})

const site = (answer: RequestListener) => siteIn(servers, answer)
const codeOf = (outcome: Outcome) => (outcome.kind === 'failed' ? outcome.error.code : outcome.kind)
const messageOf = (outcome: Outcome) => (outcome.kind === 'failed' ? outcome.error.message : outcome.kind)
/** Runs `body` as a value function with `origin` as its argument. */
const run = (body: string, { origin }: { origin: string }, config = {}, namespace = 'demo') => {
  const record = world.define(`export default async (origin) => { ${body} }`, { config: { egress: [origin], ...config }, namespace })
  return executor.invoke(callOf(record, [origin]))
}
const read = async (request: IncomingMessage) => Buffer.concat(await request.toArray()).toString()

describe('a response', () => {
  test('comes with status, headers, url and body', async () => {
    const server = await site((_, response) => {
      response
        .writeHead(418, 'A teapot', { 'x-a': ['1', '2'], 'set-cookie': ['a=1', 'b=2'], 'x-gone': '1', connection: 'close, x-gone' })
        .end('tea é')
    })
    const body = `const r = await fetch(origin + '/a b?c#d')
      return [r.status, r.statusText, r.ok, r.type, r.redirected, r.url === origin + '/a%20b?c', r.headers.get('x-a'), r.headers.getSetCookie(),
        r.headers.get('connection'), r.headers.get('x-gone'), await r.text(), r.bodyUsed]`
    const expected = [418, 'A teapot', false, 'basic', false, true, '1, 2', ['a=1', 'b=2'], null, null, 'tea é', true]
    expect(valueOf(await run(body, server))).toEqual(expected)
  })
  test('of HEAD and of 204 has no body', async () => {
    const server = await site((request, response) =>
      response.writeHead(request.url === '/204' ? 204 : 200, { 'content-length': '9' }).end(),
    )
    const body = `const a = await fetch(origin, { method: 'HEAD' }), b = await fetch(origin + '/204'); return [a.body, await a.text(), b.body, b.status]`
    expect(valueOf(await run(body, server))).toEqual([null, '', null, 204])
  })
  test.each([
    ['gzip', gzipSync('packed')],
    ['x-gzip', gzipSync('packed')],
    ['deflate', deflateSync('packed')],
    ['deflate', deflateRawSync('packed')],
    ['gzip, deflate', deflateSync(gzipSync('packed'))],
    ['identity', Buffer.from('packed')],
  ])('with content-encoding %s is decoded', async (coding, bytes) => {
    const server = await site((_, response) =>
      response.writeHead(200, { 'content-encoding': coding, 'content-length': bytes.length }).end(bytes),
    )
    const body = 'const r = await fetch(origin); return [await r.text(), r.headers.get("content-length")]'
    const [text, length] = valueOf(await run(body, server)) as [string, string | null]
    expect(text).toBe('packed')
    expect(length).toBe(coding === 'identity' ? '6' : null)
  })
  test('without a byte is no broken gzip, and one of an unknown coding is given as it is', async () => {
    const server = await site((request, response) =>
      response.writeHead(200, { 'content-encoding': request.url === '/br' ? 'br' : 'gzip' }).end(request.url === '/br' ? 'raw' : ''),
    )
    const body = `const r = await fetch(origin + '/br'); return [await (await fetch(origin)).text(), await r.text(), r.headers.get('content-encoding')]`
    expect(valueOf(await run(body, server))).toEqual(['', 'raw', 'br'])
  })
  test('can be given on as a web function’s own', async () => {
    const server = await site((_, response) =>
      response.writeHead(201, { 'content-encoding': 'gzip', 'x-a': 'b' }).end(gzipSync('x'.repeat(500_000))),
    )
    const record = world.define(`export default { fetch: () => fetch('${server.origin}') }`, { config: { egress: [server.origin] } })
    const { status, headers, text } = await responseOf(await executor.invoke(requestOf(record)))
    expect([status, headers['x-a'], headers['content-encoding'], text.length]).toEqual([201, 'b', undefined, 500_000])
  })
})

describe('a request', () => {
  test('brings method, headers and body; what only the node writes cannot be set', async () => {
    const server = await site(
      (request, response) => void read(request).then((text) => response.end(JSON.stringify([request.method, text, request.headers]))),
    )
    const body = `const headers = { 'X-A': 'b', cookie: 'c=d', host: 'evil.example', connection: 'upgrade', 'content-length': '1', 'transfer-encoding': 'chunked',
        te: 'x', upgrade: 'websocket', 'proxy-authorization': 'x', 'accept-encoding': 'br, gzip;q=0.5', trailer: 'x', expect: '100-continue' }
      return (await fetch(origin, { method: 'put', body: 'déjà', headers })).json()`
    const [method, text, headers] = valueOf(await run(body, server)) as [string, string, Record<string, string>]
    expect([method, text]).toEqual(['PUT', 'déjà'])
    expect(headers).toEqual({
      ...{ host: server.origin.slice('http://'.length), connection: 'keep-alive', 'content-length': '6', 'accept-encoding': 'gzip;q=0.5' },
      ...{
        'x-a': 'b',
        cookie: 'c=d',
        accept: '*/*',
        'user-agent': 'Osiris',
        'osiris-egress': 'function',
        'content-type': 'text/plain;charset=UTF-8',
      },
    })
  })
  test('with a line break in a header, or a method that is none, is a TypeError and leaves nothing', async () => {
    const server = await site((_, response) => response.end())
    const body = `const said = []
      for (const init of [{ headers: { a: 'b\\r\\nx: y' } }, { headers: { 'a\\r\\nb': 'c' } }, { headers: { a: 'b\\0c' } }, { method: 'GET / HTTP/1.1\\r\\nx: y' },
        { method: 'CONNECT' }, { method: 'TRACE' }, { redirect: 'sometimes' }, { method: 'POST', body: new ReadableStream(), headers: { ['x'.repeat(300)]: '1' } }])
        said.push(await fetch(origin, init).then(() => 'sent', (error) => error.name))
      return said`
    expect(valueOf(await run(body, server))).toEqual(Array.from({ length: 8 }, () => 'TypeError'))
    expect(server.connects).toBe(0)
  })
  test('with a long body says how long it is; one that streams is chunked', async () => {
    const server = await site(
      (request, response) =>
        void read(request).then((text) =>
          response.end(JSON.stringify([text.length, request.headers['content-length'], request.headers['transfer-encoding']])),
        ),
    )
    const long = `return (await fetch(origin, { method: 'POST', body: 'x'.repeat(1_000_000) })).json()`
    expect(valueOf(await run(long, server))).toEqual([1_000_000, '1000000', null])
    const streams = `let left = 20
      const body = new ReadableStream({ pull(c) { if (left-- === 0) c.close(); else c.enqueue(new Uint8Array(50_000)) } })
      return (await fetch(new Request(origin, { method: 'POST', body, duplex: 'half' }))).json()`
    expect(valueOf(await run(streams, server))).toEqual([1_000_000, null, 'chunked'])
  })
})

describe('streams', () => {
  test('a function that does not read holds up the server; one that reads on gets all', async () => {
    let written = 0
    const server = await site((_, response) => {
      const chunk = Buffer.alloc(64 * 1024)
      const more = (): void => {
        while (written < 30_000_000) {
          written += chunk.length
          if (!response.write(chunk)) return void response.once('drain', more)
        }
        response.end()
      }
      more()
    })
    const body = `const r = await fetch(origin), reader = r.body.getReader(); let bytes = (await reader.read()).value.length
      await new Promise((go) => setTimeout(go, 300)); const held = await (await fetch(origin.replace(/$/, '/held'))).json()
      for (;;) { const { done, value } = await reader.read(); if (done) return [held, bytes]; bytes += value.length }`
    const meter = await site((_, response) => response.end(JSON.stringify(written)))
    const record = world.define(`export default async (origin, meter) => { ${body.replace("origin.replace(/$/, '/held')", 'meter')} }`, {
      config: { egress: [server.origin, meter.origin] },
    })
    const [held, bytes] = valueOf(await executor.invoke(callOf(record, [server.origin, meter.origin]))) as [number, number]
    // Two windows, and what the sockets of both ends hold.
    expect(held).toBeLessThan(15_000_000)
    expect(bytes).toBe(written)
  })
  test('a server that does not read holds up the function', async () => {
    const server = await site((request, response) => {
      setTimeout(() => void read(request).then((text) => response.end(String(text.length))), 300)
    })
    const body = `let made = 0, after
      const body = new ReadableStream({ pull(c) { if (made >= 20_000_000) return c.close(); made += 50_000; c.enqueue(new Uint8Array(50_000)) } }, { highWaterMark: 0 })
      setTimeout(() => { after = made }, 150)
      const text = await (await fetch(origin, { method: 'POST', body })).text(); return [after, text]`
    const [after, text] = valueOf(await run(body, server)) as [number, string]
    expect(after).toBeLessThan(10_000_000)
    expect(text).toBe('20000000')
  })
  test('both ways at once: what the function sends comes back while it sends', async () => {
    const server = await site((request, response) => void request.pipe(response))
    // The head comes with the first byte: the first chunk is written before it is awaited.
    const source = `export default async (origin) => { const { readable, writable } = new TransformStream(), writer = writable.getWriter(), said = []
      const bytes = (text) => new TextEncoder().encode(text), first = writer.write(bytes('a'))
      const reader = (await fetch(origin, { method: 'POST', body: readable })).body.getReader()
      for (const each of ['b', 'c', 'd']) { const { value } = await reader.read(); said.push(new TextDecoder().decode(value)); await writer.write(bytes(each)) }
      await first; await writer.close(); for (;;) { const { done, value } = await reader.read(); if (done) return said.join('') ; said.push(new TextDecoder().decode(value)) } }`
    const record = world.define(source, { config: { egress: [server.origin] } })
    expect(valueOf(await executor.invoke(callOf(record, [server.origin])))).toBe('abcd')
  })
  test('a server that answers before it has read the upload is heard', async () => {
    const server = await site((_, response) => response.writeHead(413).end('too long'))
    const body = `const said = {}
      for (let i = 0; i < 20; i++) {
        let left = 40
        const body = new ReadableStream({ pull(c) { if (left-- === 0) c.close(); else c.enqueue(new Uint8Array(64 * 1024)) } })
        const word = await fetch(origin, { method: 'POST', body }).then(async (r) => r.status + ' ' + (await r.text()), (error) => error.message)
        said[word] = (said[word] ?? 0) + 1
      }
      return said`
    expect(valueOf(await run(body, server))).toEqual({ '413 too long': 20 })
    await until(() => server.open === 0)
  })
  test('an upload whose source breaks is its own error, and the server sees no end of it', async () => {
    let isWhole: boolean | undefined
    const server = await site((request, response) => {
      request
        .on('error', () => (isWhole = false))
        .on('end', () => (isWhole = true))
        .resume()
      void response
    })
    const body = `const body = new ReadableStream({ async pull(c) { c.enqueue(new Uint8Array(10)); await new Promise((r) => setTimeout(r, 30)); c.error(new Error('my own')) } })
      return fetch(origin, { method: 'POST', body }).catch((error) => error.message)`
    expect(valueOf(await run(body, server))).toBe('my own')
    // On a busy machine it may have seen nothing of it at all.
    await until(() => server.open === 0)
    expect(isWhole).not.toBe(true)
  })
})

describe('giving up', () => {
  const hang = (request: IncomingMessage, response: ServerResponse) => void (request.url === '/head' || response.flushHeaders())
  test('a signal ends a fetch with its reason, before the head, in the body, and before it began', async () => {
    const server = await site(hang)
    const body = `const reason = (p) => p.then(() => 'done', (error) => error === 'why' ? error : error.name), said = []
      let c = new AbortController(); setTimeout(() => c.abort('why'), 30); said.push(await reason(fetch(origin + '/head', { signal: c.signal })))
      c = new AbortController(); const r = await fetch(origin, { signal: c.signal }); setTimeout(() => c.abort(), 30); said.push(await reason(r.text()))
      said.push(await reason(fetch(origin, { signal: c.signal })), await reason(fetch(origin + '/head', { signal: AbortSignal.timeout(20) })))
      return said`
    expect(valueOf(await run(body, server))).toEqual(['why', 'AbortError', 'AbortError', 'TimeoutError'])
    await until(() => server.open === 0)
    expect(server.connects).toBe(3)
  })
  test('a body that is cancelled closes its connection', async () => {
    const server = await site(hang)
    const body = `const r = await fetch(origin); await r.body.cancel(); return (await fetch(origin + '/2')).status`
    expect(valueOf(await run(body, server))).toBe(200)
    await until(() => server.open === 0)
  })
  test('what a call fetches ends with its answer, its deadline, its caller', async () => {
    const server = await site(hang)
    valueOf(await run('void fetch(origin); void fetch(origin + "/b"); await new Promise((r) => setTimeout(r, 50)); return 1', server))
    await until(() => server.connects > 0 && server.open === 0)
    expect(codeOf(await run('return (await fetch(origin)).text()', server, { execution: { timeout: '200ms' } }))).toBe('deadline_exceeded')
    await until(() => server.open === 0)
    const caller = new AbortController()
    const record = world.define('export default { fetch: (request) => fetch(new URL(request.url).searchParams.get("to")) }', {
      config: { egress: [server.origin] },
    })
    const before = server.connects
    const url = `http://site.example/?to=${encodeURIComponent(server.origin)}`
    const outcome = executor.invoke(requestOf(record, { url }, { signal: caller.signal }))
    await until(() => server.connects > before)
    caller.abort()
    await outcome
    await until(() => server.open === 0)
  })
  test('a fetch with the signal of a request whose client has gone is rejected: what its function tidies up then is tidied up', async () => {
    const server = await site(hang)
    const source = `let open = 0, why
      export default { async fetch(request) {
        const to = new URL(request.url).searchParams.get('to')
        if (to === null) return Response.json([open, why])
        open++
        try { return new Response(await (await fetch(to, { signal: request.signal })).text()) } catch (error) { why = error.name; throw error } finally { open-- }
      } }`
    const record = world.define(source, { config: { egress: [server.origin] } })
    for (const path of ['/head', '/body']) {
      const caller = new AbortController()
      const before = server.connects
      const url = `http://site.example/?to=${encodeURIComponent(server.origin + path)}`
      const outcome = executor.invoke(requestOf(record, { url }, { signal: caller.signal }))
      await until(() => server.connects > before)
      caller.abort()
      await outcome
      await until(() => server.open === 0)
      expect((await responseOf(await executor.invoke(requestOf(record)))).text).toBe('[0,"AbortError"]')
    }
  })
  test('a loop of fetches stops at the answer: nothing is connected after it', async () => {
    const server = await site((_, response) => response.end('x'))
    const body = `const loop = async () => { for (;;) { await fetch(origin).then((r) => r.text(), () => {}); await 0 } }
      void loop(); void loop(); await fetch(origin); return 1`
    valueOf(await run(body, server))
    await until(() => server.open === 0)
    const { connects } = server
    await new Promise((resolve) => setTimeout(resolve, 200))
    // One of each loop may have been on its way when the answer came.
    expect(server.connects).toBeLessThanOrEqual(connects + 2)
  })
  test('so does a loop whose instance serves another call meanwhile', async () => {
    const server = await site((_, response) => response.end('x'))
    const source = `export default async (origin, loops) => {
      if (!loops) return new Promise((r) => setTimeout(r, 500, 'slept'))
      void (async () => { for (let i = 0; i < 40; i++) await fetch(origin).then((r) => r.text(), () => {}) })(); await fetch(origin); return 1 }`
    const record = world.define(source, { config: { egress: [server.origin] } })
    valueOf(await executor.invoke(callOf(record, [server.origin, true])))
    const sleeping = executor.invoke(callOf(record, [server.origin, false]))
    valueOf(await executor.invoke(callOf(record, [server.origin, true])))
    await until(() => server.open === 0)
    const { connects } = server
    expect(valueOf(await sleeping)).toBe('slept')
    expect(server.connects).toBeLessThanOrEqual(connects + 1)
  })
})

describe('failures', () => {
  test('of the network are a TypeError with a cause', async () => {
    const server = await site((request, response) => {
      if (request.url === '/cut') response.socket?.destroy()
      else response.writeHead(200, { 'content-length': '100' }).write('half', () => response.socket?.destroy())
    })
    const body = `const tell = (e) => [e instanceof TypeError, e.code, e.cause?.code]
      return [await fetch(origin + '/cut').catch(tell), await (await fetch(origin)).text().catch(tell), await fetch('not a url').catch(tell)]`
    const [cut, half, noUrl] = valueOf(await run(body, server)) as unknown[][]
    expect(cut).toEqual([true, null, 'ECONNRESET'])
    expect(half?.slice(0, 2)).toEqual([true, null])
    expect(noUrl?.[0]).toBe(true)
    const nobody = { origin: 'http://127.0.0.1:1' }
    expect(messageOf(await run('return fetch(origin)', nobody))).toContain('port 1 is not one of HTTP')
    const closed = await site((_, response) => response.end())
    await new Promise((resolve) => servers.pop()?.close(resolve))
    expect(valueOf(await run(`return fetch(origin).catch((e) => [e instanceof TypeError, e.cause.code])`, closed))).toEqual([
      true,
      'ECONNREFUSED',
    ])
  })
  test('a denied fetch that is not caught ends its call with that code', async () => {
    const record = world.define('export default () => fetch("https://example.org")')
    const outcome = await executor.invoke(callOf(record))
    expect(codeOf(outcome)).toBe('egress_denied')
    expect(messageOf(outcome)).toBe('Cannot fetch from "example.org": the function has no "egress"')
  })
  test('a module that fetches while it loads is told why it may not', async () => {
    const record = world.define('const r = await fetch("http://127.0.0.1:9000"); export default () => 1', {
      config: { egress: ['http://127.0.0.1:9000'] },
    })
    expect(messageOf(await executor.invoke(callOf(record)))).toContain('no call is open')
  })
})

describe('bounds', () => {
  test('1,000 fetches at once: 50 leave, never more than 6 wait for their answer, the rest is quota_exceeded', async () => {
    let waiting = 0
    let most = 0
    const server = await site((_, response) => {
      most = Math.max(most, ++waiting)
      setTimeout(() => {
        waiting--
        response.end('x')
      }, 10)
    })
    const body = `const all = await Promise.allSettled(Array.from({ length: 1000 }, () => fetch(origin).then((r) => r.text())))
      return [all.filter((each) => each.value === 'x').length, [...new Set(all.filter((each) => each.reason).map(({ reason }) => reason.code + ' ' + reason.details.limit))]]`
    expect(valueOf(await run(body, server))).toEqual([50, ['quota_exceeded requests']])
    expect(most).toBeLessThanOrEqual(6)
    expect(server.connects).toBe(50)
    expect(codeOf(await run('for (let i = 0; i < 60; i++) await fetch(origin)', server))).toBe('quota_exceeded')
  })
  test('responses that are not read do not keep other fetches waiting', async () => {
    const server = await site((_, response) => void response.end(Buffer.alloc(600_000)))
    const body = `const all = await Promise.all(Array.from({ length: 12 }, () => fetch(origin))); let bytes = 0
      for (const each of all) bytes += (await each.bytes()).length; return bytes`
    expect(valueOf(await run(body, server))).toBe(12 * 600_000)
  })
  test('an audit event tells of each request', async () => {
    const server = await site((_, response) => void response.writeHead(203).end('four'))
    audit.length = 0
    valueOf(await run('return (await fetch(origin, { method: "POST", body: "abc" })).text()', server, {}, 'audited'))
    codeOf(await run('return fetch("https://example.org")', server, {}, 'audited'))
    const { host } = new URL(server.origin)
    expect(audit).toMatchObject([
      {
        namespace: 'audited',
        host,
        address: '127.0.0.1',
        port: Number(host.split(':')[1]),
        status: 203,
        code: null,
        bytesIn: 4,
        bytesOut: 3,
      },
      { namespace: 'audited', host: 'example.org', address: '', port: 443, status: null, code: 'egress_denied', bytesIn: 0, bytesOut: 0 },
    ])
    expect(audit[0]?.ms).toBeLessThan(systemClock.monotonic())
  })
})
