import { copyFile, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { connect as connectH2, type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders, type Settings } from 'node:http2'
import { Agent, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTcp } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { createEvents } from '#protocols/events'
import { OsirisError } from '#protocols/errors'
import { type Body, failed, type FetchPayload, type Invocation, type Outcome } from '#protocols/invocation'
import { systemClock } from '#protocols/lifecycle'
import { until } from '#protocols/until'
import { createFakeNode, type FakeNode } from '../testing/index.ts'
import { CertificateFiles } from './certificate-files.ts'

const FIXTURES = fileURLToPath(new URL('../../../fixtures/certificates/', import.meta.url))
const meta = { version: 'ab'.repeat(32), node: 'node-9', hops: 0, timing: { route: 0, queue: 0, cold: 0, run: 0, cpu: 0 } }
const seen: (Invocation & { payload: FetchPayload })[] = []
let cancelled = 0

async function* endless(): AsyncGenerator<Uint8Array> {
  try {
    for (;;) yield new Uint8Array(16_384)
  } finally {
    cancelled++
  }
}

const router = {
  async invoke(invocation: Invocation): Promise<Outcome> {
    const { payload } = invocation
    if (payload.kind !== 'fetch') return { kind: 'value', value: Buffer.from('"called"'), meta }
    seen.push({ ...invocation, payload })
    const { pathname } = new URL(payload.url)
    const headers: [string, string][] = [
      ['set-cookie', 'a=1'],
      ['set-cookie', 'b=2'],
    ]
    if (pathname === '/none') return failed(new OsirisError('not_found', 'Cannot find it'))
    if (pathname === '/endless') return { kind: 'response', status: 200, headers: [], body: endless(), meta }
    if (pathname === '/hang')
      return new Promise((resolve) =>
        invocation.signal?.addEventListener('abort', () => (cancelled++, resolve(failed(new OsirisError('unavailable', 'gone'))))),
      )
    if (payload.upgrade !== undefined) return { kind: 'response', status: 101, headers: [], body: payload.body as Body, meta }
    return { kind: 'response', status: 200, headers, body: payload.body ?? Buffer.from(payload.url), meta }
  },
}

let dir: string
let node: FakeNode
let port: number
const sessions: ClientHttp2Session[] = []
const files = () => ({ cert: join(dir, 'node.crt'), key: join(dir, 'node.key') })

/** At once: half of a file is one more state of it. */
async function replace(name: string, path: string): Promise<void> {
  await copyFile(`${FIXTURES}${name}`, `${path}.new`)
  await rename(`${path}.new`, path)
}

async function put(name: string): Promise<void> {
  await copyFile(`${FIXTURES}${name}.key`, files().key)
  await copyFile(`${FIXTURES}${name}.crt`, files().cert)
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'osiris-tls-'))
  await put('localhost')
  node = await createFakeNode({ router, tls: { port: 0, files: files() }, limits: { bodyBytesMax: 1_000_000, bodyTimeoutMs: 300 } })
  await node.server.start()
  port = Number(new URL(node.server.secureUrl as string).port)
  // What management loads with its first request is not what is measured here.
  await fetch(`${node.server.url}/v1/functions`)
}, 120_000)
afterEach(() => {
  for (const session of sessions.splice(0)) session.destroy()
})
afterAll(async () => {
  await node.server.stop()
  await rm(dir, { recursive: true, force: true })
})

function session(): ClientHttp2Session {
  const one = connectH2(`https://localhost:${port}`, { rejectUnauthorized: false })
  one.on('error', () => {})
  sessions.push(one)
  return one
}

function ask(headers: Record<string, string>, body?: Uint8Array, on = session()): Promise<{ headers: IncomingHttpHeaders; text: string }> {
  return new Promise((resolve, reject) => {
    const stream = on.request(headers, { endStream: body === undefined })
    let answered: IncomingHttpHeaders = {}
    let text = ''
    stream.setEncoding('latin1')
    stream.on('response', (each) => (answered = each))
    stream.on('data', (chunk: string) => (text += chunk))
    stream.on('end', () => resolve({ headers: answered, text }))
    stream.on('error', reject)
    if (body !== undefined) stream.end(body)
  })
}

describe('HTTPS', () => {
  it('serves HTTP/1.1, and functions see https', async () => {
    const agent = new Agent({ rejectUnauthorized: false })
    const text = await new Promise((resolve, reject) => {
      const sent = request({ agent, port, host: '127.0.0.1', path: '/a?b', headers: { host: 'shop.example.org' } }, (answer) => {
        let body = ''
        answer.on('data', (chunk: Buffer) => (body += chunk.toString())).on('end', () => resolve(body))
      })
      sent.on('error', reject).end()
    })
    expect(text).toBe('https://shop.example.org/a?b')
    agent.destroy()
  })

  it('carries WebSockets', async () => {
    const socket = new WebSocket(`wss://localhost:${port}/x`, { rejectUnauthorized: false })
    const heard: string[] = []
    socket.on('message', (data) => heard.push((data as Buffer).toString()))
    await until(() => socket.readyState === WebSocket.OPEN)
    socket.send('hello')
    await until(() => heard.length === 1)
    expect(heard).toEqual(['hello'])
    expect(seen.at(-1)?.payload.url).toBe(`https://localhost:${port}/x`)
    socket.terminate()
  })

  it('takes no TLS below 1.2, and a handshake that is none ends only its own connection', async () => {
    const old = connect({
      port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      maxVersion: 'TLSv1.1',
      minVersion: 'TLSv1',
      ciphers: 'ALL:@SECLEVEL=0',
    })
    const failure = await new Promise<Error>((resolve) => old.on('error', resolve))
    expect(failure.message).toMatch(/protocol version|unsupported protocol|no protocols/i)
    expect((await ask({ ':path': '/after' })).headers[':status']).toBe(200)
  })
})

describe('HTTP/2', () => {
  it('is the same server: calls, functions, problems, management', async () => {
    expect(await ask({ ':path': '/v1/call/demo/x', ':method': 'POST' }, Buffer.from('[]'))).toMatchObject({
      headers: { ':status': 200 },
      text: '"called"',
    })
    expect((await ask({ ':path': '/v1/fetch/demo/site/a?b' })).text).toBe(`https://localhost:${port}/a?b`)
    const none = await ask({ ':path': '/none' })
    expect([none.headers[':status'], none.headers['content-type'], JSON.parse(none.text).code]).toEqual([
      404,
      'application/problem+json',
      'not_found',
    ])
    expect(JSON.parse((await ask({ ':path': '/v1/functions' })).text)).toEqual({ functions: [] })
  })

  it('headers pass, repeated ones too, and nothing of the connection behind it', async () => {
    const { headers } = await ask({ ':path': '/x', ':authority': 'shop.example.org', cookie: 'a=1', 'x-a': 'b' })
    expect(headers['set-cookie']).toEqual(['a=1', 'b=2'])
    expect(Object.keys(headers)).not.toEqual(expect.arrayContaining(['connection']))
    const { payload, target } = seen.at(-1) as (typeof seen)[number]
    expect(target).toMatchObject({ host: 'shop.example.org', path: '/x' })
    expect(payload.headers).toEqual(
      expect.arrayContaining([
        ['host', 'shop.example.org'],
        ['cookie', 'a=1'],
        ['x-a', 'b'],
      ]),
    )
  })

  it('bodies stream both ways, many requests share a connection, and bounds are the same', async () => {
    const on = session()
    const bodies = Array.from({ length: 20 }, (_, at) => Buffer.alloc(200_000, at))
    const answers = await Promise.all(bodies.map((body) => ask({ ':path': '/echo', ':method': 'POST' }, body, on)))
    expect(answers.every(({ text }, at) => Buffer.from(text, 'latin1').equals(bodies[at] as Buffer))).toBe(true)
    const long = await ask({ ':path': '/echo', ':method': 'POST', 'content-length': '1000001' }, Buffer.alloc(1_000_001), on)
    expect(long.headers[':status']).toBe(413)
    expect((await ask({ ':path': '/echo', ':method': 'HEAD' }, undefined, on)).text).toBe('')
  })

  it('a body that does not come is told so; a client that resets its stream, or its connection, aborts its call', async () => {
    const on = session()
    const slow = on.request({ ':path': '/v1/call/demo/x', ':method': 'POST', 'content-length': '10' }, { endStream: false })
    const status = await new Promise((resolve) => slow.on('response', (headers) => resolve(headers[':status'])))
    expect(status).toBe(408)
    for (const leave of [(stream: { close(code: number): void }) => stream.close(8), () => on.destroy()]) {
      const before = [cancelled, seen.length] as const
      const stream = on.request({ ':path': '/hang' })
      stream.on('error', () => {})
      await until(() => seen.length > before[1])
      leave(stream)
      await until(() => cancelled === before[0] + 1)
    }
    expect(cancelled).toBeGreaterThan(1)
  })

  it('a reader that stops holds back its function, and leaving cancels it', async () => {
    const before = cancelled
    const stream = session().request({ ':path': '/endless' })
    stream.on('error', () => {})
    await new Promise((resolve) => stream.once('data', resolve))
    stream.pause()
    stream.close(8)
    await until(() => cancelled === before + 1)
    expect(cancelled).toBe(before + 1)
  })

  it('what is read in two ways is refused', async () => {
    const before = seen.length
    expect((await ask({ ':path': '/x', ':authority': 'localhost', host: 'evil.example' })).headers[':status']).toBe(400)
    await expect(ask({ ':path': '/a b' })).rejects.toThrow('PROTOCOL_ERROR')
    await expect(ask({ ':path': '/x', 'x-a': 'b', ':method': 'CO NNECT' })).rejects.toThrow('PROTOCOL_ERROR')
    expect(seen.length).toBe(before)
  })

  /** As a browser does on a connection it has (RFC 8441): frames masked by zeros, so that they can be read here. */
  async function openSocket(
    path: string,
    on = session(),
  ): Promise<{ status: unknown; stream: ClientHttp2Stream; heard: Buffer[]; headers: IncomingHttpHeaders }> {
    const settings = await new Promise<Settings>((resolve) => on.once('remoteSettings', resolve))
    expect(settings.enableConnectProtocol).toBe(true)
    const stream = on.request({
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':path': path,
      'sec-websocket-version': '13',
      'sec-websocket-protocol': 'a',
    })
    const heard: Buffer[] = []
    stream.on('error', () => {}).on('data', (chunk: Buffer) => heard.push(chunk))
    const headers = await new Promise<IncomingHttpHeaders>((resolve) => stream.once('response', resolve))
    return { status: headers[':status'], stream, heard, headers }
  }
  const frame = (opcode: number, payload: Buffer) =>
    Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | payload.length, 0, 0, 0, 0]), payload])

  it('carries WebSockets on streams (RFC 8441), beside other requests of the connection', async () => {
    const on = session()
    const { status, stream, heard, headers } = await openSocket('/room?x=1', on)
    expect(status).toBe(200)
    expect(headers).toMatchObject({ 'osiris-node': 'node-9' })
    for (const name of ['connection', 'upgrade', 'sec-websocket-accept']) expect(headers).not.toHaveProperty(name)
    const { payload } = seen.at(-1) as (typeof seen)[number]
    expect(payload).toMatchObject({ method: 'GET', upgrade: 'websocket', url: `https://localhost:${port}/room?x=1` })
    expect(payload.headers.map(([name]) => name)).toEqual(expect.arrayContaining(['upgrade', 'sec-websocket-protocol']))
    stream.write(frame(1, Buffer.from('hello')))
    await until(() => Buffer.concat(heard).includes('hello'))
    expect(Buffer.concat(heard)).toEqual(Buffer.from([0x81, 5, ...Buffer.from('hello')]))
    expect((await ask({ ':path': '/x' }, undefined, on)).headers[':status']).toBe(200)
    stream.write(frame(8, Buffer.from([0x03, 0xe8])))
    await until(() => stream.closed)
    expect(Buffer.concat(heard).subarray(7)).toEqual(Buffer.from([0x88, 2, 0x03, 0xe8]))
  })

  it('a client that resets the stream of its socket is gone, and any other answer is an ordinary one', async () => {
    const { stream } = await openSocket('/x')
    const { payload } = seen.at(-1) as (typeof seen)[number]
    const words: Buffer[] = []
    let isOver = false
    void (async () => {
      for await (const chunk of payload.body as AsyncIterable<Uint8Array>) words.push(Buffer.from(chunk))
      isOver = true
    })().catch(() => {})
    stream.close(8)
    await until(() => isOver || words.length > 0)
    const refused = await openSocket('/none')
    expect([refused.status, refused.headers['content-type']]).toEqual([404, 'application/problem+json'])
    const platform = await openSocket('/v1/functions')
    expect(platform.status).toBe(400)
    const tunnel = session().request({ ':method': 'CONNECT', ':authority': 'evil.example:80' })
    expect(await new Promise((resolve) => tunnel.once('response', (headers) => resolve(headers[':status'])))).toBe(400)
  })

  it('a server that stops lets its streams end', async () => {
    const other = await createFakeNode({ router, tls: { port: 0, files: files() }, limits: { drainMs: 10_000 } })
    await other.server.start()
    const one = connectH2(other.server.secureUrl as string, { rejectUnauthorized: false })
    one.on('error', () => {})
    sessions.push(one)
    await ask({ ':path': '/x' }, undefined, one)
    const startedAt = performance.now()
    await other.server.stop()
    expect(performance.now() - startedAt).toBeLessThan(5_000)
  })
})

it('one address has no more connections over TLS than it may, whatever it speaks on them, and whether or not it says anything', async () => {
  const other = await createFakeNode({ router, tls: { port: 0, files: files() }, limits: { connectionsPerAddressMax: 3 } })
  await other.server.start()
  const url = other.server.secureUrl as string
  const open = () => {
    const one = connectH2(url, { rejectUnauthorized: false })
    one.on('error', () => {})
    sessions.push(one)
    return new Promise<ClientHttp2Session | undefined>((resolve) => {
      one.once('connect', () => resolve(one)).once('close', () => resolve(undefined))
    })
  }
  const two = [await open(), await open()]
  const silent = connectTcp(Number(new URL(url).port), '127.0.0.1')
  await new Promise((resolve) => silent.once('connect', resolve))
  expect(await open()).toBeUndefined()
  expect((await ask({ ':path': '/x' }, undefined, two[0])).headers[':status']).toBe(200)
  silent.destroy()
  await until(async () => (await open()) !== undefined)
  await other.server.stop()
})

describe('the operator’s certificate', () => {
  const nameOf = async () => {
    const socket: TLSSocket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
    await new Promise((resolve) => socket.once('secureConnect', resolve))
    const { subject } = socket.getPeerCertificate()
    socket.destroy()
    return subject.CN
  }

  it('is read again when its files change; what cannot be used changes nothing and is told once', async () => {
    const told: string[] = []
    const events = createEvents()
    events.on('log', ({ text }) => void told.push(text))
    const place = { cert: join(dir, 'a.crt'), key: join(dir, 'a.key') }
    await copyFile(`${FIXTURES}localhost.crt`, place.cert)
    await copyFile(`${FIXTURES}localhost.key`, place.key)
    const certificate = new CertificateFiles({ files: place, clock: systemClock, events, everyMs: 5 })
    await certificate.start()
    const first = certificate.context
    await replace('renewed.crt', place.cert)
    await until(() => told.length > 0)
    expect([certificate.context === first, told[0]]).toEqual([true, expect.stringContaining('it is not for the key in')])
    await replace('renewed.key', place.key)
    await until(() => certificate.context !== first)
    await until(() => told.length > 1)
    expect(told).toHaveLength(2)
    certificate.stop()
  })

  it('is what clients see', async () => {
    expect(await nameOf()).toBe('localhost')
  })

  it.each([
    ['a file that is not there', async () => rm(join(dir, 'b.key'), { force: true }), /Cannot read the TLS key .*b\.key/],
    ['what is no certificate', async () => writeFile(join(dir, 'b.crt'), 'x'), /Cannot use the TLS certificate/],
    ['the key of another', async () => copyFile(`${FIXTURES}renewed.key`, join(dir, 'b.key')), /it is not for the key/],
  ])('%s stops the start', async (_what, spoil, sentence) => {
    await copyFile(`${FIXTURES}localhost.crt`, join(dir, 'b.crt'))
    await copyFile(`${FIXTURES}localhost.key`, join(dir, 'b.key'))
    await spoil()
    const other = await createFakeNode({ tls: { port: 0, files: { cert: join(dir, 'b.crt'), key: join(dir, 'b.key') } } })
    await expect(other.server.start()).rejects.toMatchObject({ code: 'invalid_argument', message: expect.stringMatching(sentence) })
    await other.server.stop()
  })

  it('that has ended is not served', async () => {
    const clock = { ...systemClock, now: () => new Date('2300-01-01').getTime() }
    const certificate = new CertificateFiles({ files: files(), clock, events: createEvents() })
    expect(await readFile(files().cert, 'utf8')).toContain('BEGIN')
    await expect(certificate.start()).rejects.toThrow(/it ended/)
  })
})
