import { createServer } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { OsirisError } from '#protocols/errors'
import { failed, type Invocation, type Outcome } from '#protocols/invocation'
import { until } from '#protocols/until'
import type { HttpServerInit } from './server.ts'
import { createFakeNode, type FakeNode } from './testing/index.ts'
import { exchange, open } from './testing/socket.ts'

const started: FakeNode[] = []
afterEach(async () => {
  await Promise.all(started.splice(0).map(({ server }) => server.stop()))
})

async function start(options: Parameters<typeof createFakeNode>[0] = {}): Promise<FakeNode> {
  const node = await createFakeNode(options)
  started.push(node)
  await node.server.start()
  return node
}

const NOWHERE = { version: '', node: 'node-1', hops: 0, timing: { route: 0, queue: 0, cold: 0, run: 0, cpu: 0 } }

async function* zeros(onEnd: () => void): AsyncGenerator<Uint8Array> {
  try {
    for (;;) yield new Uint8Array(65_536)
  } finally {
    onEnd()
  }
}

/** Answers when it is told to, and not before. */
function heldRouter() {
  const held: { invocation: Invocation; release: () => void }[] = []
  const invoke = (invocation: Invocation): Promise<Outcome> =>
    new Promise((resolve) => {
      held.push({ invocation, release: () => resolve({ kind: 'value', value: Buffer.from('"done"'), meta: NOWHERE }) })
      invocation.signal?.addEventListener('abort', () => resolve(failed(new OsirisError('unavailable', 'gone'))))
    })
  return { held, router: { invoke } }
}

describe('start()', () => {
  it('refuses a taken port in one sentence that says what to do, and may be tried again', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as { port: number }
    const node = await createFakeNode({ port })
    started.push(node)
    await expect(node.server.start()).rejects.toMatchObject({
      code: 'conflict',
      message: `Cannot listen on 127.0.0.1:${port}: the port is taken; choose another with --http-port`,
    })
    await new Promise((resolve) => other.close(resolve))
    await node.server.start()
    expect(node.server.url).toBe(`http://127.0.0.1:${port}`)
  })

  it('refuses an address that is not here', async () => {
    const { server } = await createFakeNode({ host: '192.0.2.1' })
    await expect(server.start()).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringContaining('Cannot listen on 192.0.2.1:0'),
    })
    expect(() => server.url).toThrow(/not listening/)
  })

  it('both it and stop() may be called twice, and stop() before start()', async () => {
    const node = await createFakeNode()
    await node.server.stop()
    await node.server.start()
    await node.server.start()
    const { url } = node.server
    await Promise.all([node.server.stop(), node.server.stop()])
    await expect(fetch(url)).rejects.toThrow('fetch failed')
  })
})

describe('stop()', () => {
  it('lets what is in flight end, and tells its client not to come back', async () => {
    const { held, router } = heldRouter()
    const node = await start({ router })
    const answer = fetch(`${node.server.url}/v1/call/demo/slow`, { method: 'POST' })
    await until(() => held.length === 1)
    const stopped = node.server.stop()
    held[0]?.release()
    const response = await answer
    expect([await response.text(), response.headers.get('connection')]).toEqual(['"done"', 'close'])
    await stopped
  })

  it('cuts what does not end within the bound, and idle connections at once', async () => {
    const { held, router } = heldRouter()
    const node = await start({ router, limits: { drainMs: 50 } })
    const idle = open(node.server.url)
    let idleClosed = false
    idle.on('close', () => void (idleClosed = true))
    const answer = fetch(`${node.server.url}/v1/call/demo/slow`, { method: 'POST' }).catch((error: unknown) => error)
    await until(() => held.length === 1)
    await node.server.stop()
    expect(await answer).toBeInstanceOf(TypeError)
    expect(held[0]?.invocation.signal?.aborted).toBe(true)
    await until(() => idleClosed)
  })
})

describe('slow clients', () => {
  const limits: NonNullable<HttpServerInit['limits']> = { headersTimeoutMs: 200, bodyTimeoutMs: 200 }

  it('who does not finish the headers is told and cut', async () => {
    const node = await start({ limits })
    expect(await exchange(node.server.url, 'POST /v1/call/demo/x HTTP/1.1\r\nHost: localhost\r\nX-A: ')).toMatch(
      /^HTTP\/1.1 408 .*"status":408.*headers did not come within 200 ms.*"code":"deadline_exceeded"/s,
    )
  })

  it.each(['POST /v1/call/demo/x', 'POST /v1/fetch/demo/x', 'PUT /v1/functions/demo/x'])(
    'who does not finish a body that is held in memory is told and cut (%s)',
    async (line) => {
      const { held, router } = heldRouter()
      const node = await start({ limits, router })
      const answer = await exchange(node.server.url, `${line} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n[`)
      expect(answer).toMatch(/^HTTP\/1.1 408 .*connection: close.*body did not come within 200 ms.*"code":"deadline_exceeded"/is)
      expect(answer.match(/HTTP\/1.1/g)).toHaveLength(1)
      expect(held).toEqual([])
    },
  )

  it('a body that comes after its refusal starts nothing', async () => {
    const { held, router } = heldRouter()
    const node = await start({ limits, router })
    const socket = open(node.server.url)
    let answer = ''
    socket.on('data', (chunk) => void (answer += chunk.toString()))
    socket.write('POST /v1/call/demo/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n[')
    await until(() => answer.startsWith('HTTP/1.1 408'))
    socket.write(']')
    await until(() => socket.destroyed || socket.readableEnded)
    socket.destroy()
    expect(held).toEqual([])
  })

  it('who takes no byte of an answer is cut; who waits for one is not', async () => {
    const { held, router } = heldRouter()
    const node = await start({ router, limits: { stallTimeoutMs: 100 } })
    const answer = fetch(`${node.server.url}/v1/call/demo/slow`, { method: 'POST' })
    await until(() => held.length === 1)
    await until(
      (
        (since) => () =>
          performance.now() - since > 250
      )(performance.now()),
    )
    held[0]?.release()
    expect(await (await answer).text()).toBe('"done"')

    let aborted = false
    const big = await start({
      router: { invoke: async () => ({ kind: 'response', status: 200, headers: [], body: zeros(() => (aborted = true)), meta: NOWHERE }) },
      limits: { stallTimeoutMs: 100 },
    })
    const socket = open(big.server.url)
    socket.once('data', () => socket.pause())
    socket.write('GET /v1/call/demo/x HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await until(() => aborted)
    socket.destroy()
  })

  it('who takes an answer by the byte is cut, however often a byte is taken', async () => {
    let aborted = false
    const node = await start({
      router: { invoke: async () => ({ kind: 'response', status: 200, headers: [], body: zeros(() => (aborted = true)), meta: NOWHERE }) },
      limits: { readWindowMs: 300, readBytesMin: 1_000_000_000 },
    })
    const socket = open(node.server.url)
    socket.on('data', () => {
      socket.pause()
      setTimeout(() => socket.resume(), 20)
    })
    socket.write('GET /v1/call/demo/x HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await until(() => aborted)
    expect(aborted).toBe(true)
    socket.destroy()
  })

  it('one address has no more than its part of the connections; who is refused is told, the log once', async () => {
    const node = await start({ limits: { connectionsPerAddressMax: 3 } })
    const told: string[] = []
    node.events.on('log', ({ text }) => void told.push(text))
    const sockets = [open(node.server.url), open(node.server.url), open(node.server.url)]
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve))))
    for (let round = 0; round < 3; round++)
      expect(await exchange(node.server.url, 'GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n')).toMatch(
        /^HTTP\/1.1 503 .*retry-after: .*"code":"overloaded"/is,
      )
    expect(told).toEqual([expect.stringContaining('Refusing connections from 127.0.0.1')])
    for (const socket of sockets) socket.destroy()
    await until(async () =>
      /^HTTP\/1.1 200/.test(await exchange(node.server.url, 'GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')),
    )
  })

  it('headers beyond the bound are refused', async () => {
    const node = await start({ limits: { headerBytesMax: 2_000 } })
    const answer = await exchange(node.server.url, `GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ${'x'.repeat(3_000)}\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1.1 413 .*payload_too_large/s)
  })
})

describe('health', () => {
  it('/livez is open to everybody, /readyz to this machine and to readers, /metrics to who may read everything', async () => {
    const node = await start({ developer: false })
    const get = async (path: string, host: string, more = '') =>
      (await exchange(node.server.url, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${more}Connection: close\r\n\r\n`)).slice(9, 12)
    for (const path of ['/livez', '/readyz']) expect(await get(path, 'localhost')).toBe('200')
    expect(await get('/livez', 'evil.example')).toBe('200')
    const asked = async (path: string, ...of: Parameters<typeof node.token>) =>
      get(path, 'node.example', `Osiris-Token: ${await node.token(...of)}\r\n`)
    for (const path of ['/readyz', '/metrics']) {
      expect(await get(path, 'evil.example')).toBe('401')
      expect(await asked(path, ['read'], ['*'])).toBe('200')
      expect(await asked(path, ['invoke'])).toBe('403')
    }
    expect([
      await get('/metrics', 'localhost'),
      await asked('/metrics', ['read'], ['demo']),
      await asked('/readyz', ['read'], ['demo']),
    ]).toEqual(['401', '403', '200'])
    const local = await start()
    expect((await fetch(`${local.server.url}/metrics`)).status).toBe(200)
    expect((await fetch(`${local.server.url}/metrics`, { headers: { origin: 'http://evil.example' } })).status).toBe(403)
  })

  it('/readyz says why not', async () => {
    const node = await start({
      self: { name: 'node-1', roles: [], ready: () => false, status: () => ({ capacity: 0, inFlight: 0, functions: 0, warm: [] }) },
    })
    const response = await fetch(`${node.server.url}/readyz`)
    expect([response.status, await response.json()]).toEqual([
      503,
      { ready: false, reason: 'the node is starting', peers: expect.any(Number), functions: 0 },
    ])
  })

  it('is only read', async () => {
    const node = await start()
    const response = await fetch(`${node.server.url}/livez`, { method: 'POST', body: 'x' })
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  })

  it('/metrics is what the node counts', async () => {
    const node = await start()
    expect(await (await fetch(`${node.server.url}/metrics`)).text()).toBe('up 1\n')
  })
})
