import { connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { OsirisError } from '#protocols/errors'
import { type FetchPayload, failed, type Invocation, type Outcome } from '#protocols/invocation'
import { closeFrame, readClose, SOCKET, SocketDecoder, socketFrame } from '#protocols/socket'
import { until } from '#protocols/until'
import { createFakeNode, type FakeNode } from './testing/index.ts'
import { exchange } from './testing/socket.ts'

const meta = { version: 'ab'.repeat(32), node: 'node-9', hops: 1, timing: { route: 0, queue: 0, cold: 0, run: 0, cpu: 0 } }
const started: FakeNode[] = []
afterEach(async () => {
  await Promise.all(started.splice(0).map(({ server }) => server.stop()))
})

/** A function on the other side: what it heard, and what it is told to say. */
class Served {
  readonly invocation: Invocation
  readonly heard: (string | number)[] = []
  isEnded = false
  #say: (Uint8Array | Error)[] = []
  #wake = (): void => {}
  #through = false

  constructor(invocation: Invocation) {
    this.invocation = invocation
    void this.#listen()
  }

  get payload(): FetchPayload {
    return this.invocation.payload as FetchPayload
  }

  say(what: Uint8Array | Error | undefined): void {
    if (what === undefined) this.#through = true
    else this.#say.push(what)
    this.#wake()
  }

  async *body(): AsyncGenerator<Uint8Array> {
    for (;;) {
      for (let next = this.#say.shift(); next !== undefined; next = this.#say.shift()) {
        if (next instanceof Error) throw next
        yield next
      }
      if (this.#through) return
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  async #listen(): Promise<void> {
    const decoder = new SocketDecoder((kind, payload) =>
      this.heard.push(kind === SOCKET.close ? readClose(payload).code : Buffer.from(payload).toString()),
    )
    for await (const chunk of this.payload.body as AsyncIterable<Uint8Array>) decoder.push(chunk)
    this.isEnded = true
  }
}

async function start(limits: Parameters<typeof createFakeNode>[0] = {}, headers: [string, string][] = []) {
  const served: Served[] = []
  const router = {
    async invoke(invocation: Invocation): Promise<Outcome> {
      if (invocation.payload.kind !== 'fetch' || invocation.payload.upgrade === undefined)
        return failed(new OsirisError('not_found', 'Cannot find it'))
      const one = new Served(invocation)
      served.push(one)
      return { kind: 'response', status: 101, headers, body: one.body(), meta }
    },
  }
  const node = await createFakeNode({ ...limits, router })
  started.push(node)
  await node.server.start()
  const open = (path = '/v1/fetch/demo/chat/room?x=1', protocols: string[] = []) =>
    new WebSocket(node.server.url.replace('http', 'ws') + path, protocols)
  return { node, served, open }
}

async function opened(socket: WebSocket): Promise<{ heard: string[]; closed: () => { code: number; reason: string } | undefined }> {
  const heard: string[] = []
  let closed: { code: number; reason: string } | undefined
  socket.on('message', (data) => heard.push((data as Buffer).toString()))
  socket.on('close', (code, reason) => (closed = { code, reason: reason.toString() }))
  socket.on('error', () => {})
  await until(() => socket.readyState === WebSocket.OPEN)
  return { heard, closed: () => closed }
}

const text = (value: string) => socketFrame(SOCKET.text, Buffer.from(value))

describe('a WebSocket', () => {
  it('is asked for by name, host or route; the function sees a GET with `upgrade` and nothing of the handshake', async () => {
    const { served, open } = await start({ domain: 'fn.example.org' }, [
      ['sec-websocket-protocol', 'chat.v2'],
      ['set-cookie', 'a=1'],
      ['osiris-node', 'forged'],
      ['x-split', 'b\r\nx-c: d'],
    ])
    const socket = open(undefined, ['chat.v1', 'chat.v2'])
    let lines: Record<string, unknown> = {}
    socket.on('upgrade', ({ headers }) => (lines = headers))
    await opened(socket)
    expect(socket.protocol).toBe('chat.v2')
    expect(lines).toMatchObject({ 'set-cookie': ['a=1'], 'osiris-node': 'node-9', 'osiris-hops': '1' })
    expect(lines).not.toHaveProperty('x-c')
    expect(served[0]?.invocation.target).toEqual({ namespace: 'demo', name: 'chat' })
    expect(served[0]?.payload).toMatchObject({ method: 'GET', upgrade: 'websocket', url: expect.stringMatching(/\/room\?x=1$/) })
    const names = served[0]?.payload.headers.map(([name]) => name) ?? []
    expect(names).toEqual(expect.arrayContaining(['upgrade', 'sec-websocket-protocol']))
    expect(names).not.toEqual(expect.arrayContaining(['sec-websocket-key']))
    await opened(open('/rooms/1'))
    expect(served[1]?.invocation.target).toMatchObject({ method: 'GET', path: '/rooms/1' })
    for (const each of served) each.say(undefined)
  })

  it('carries what each side says, and how each side ends', async () => {
    const { served, open } = await start()
    const socket = open()
    const { heard, closed } = await opened(socket)
    socket.send('one')
    served[0]?.say(text('two'))
    await until(() => heard.length === 1 && served[0]?.heard.length === 1)
    expect([heard, served[0]?.heard]).toEqual([['two'], ['one']])
    served[0]?.say(closeFrame(4001, Buffer.from('enough')))
    await until(() => closed() !== undefined)
    expect(closed()).toEqual({ code: 4001, reason: 'enough' })
    await until(() => served[0]?.isEnded === true)
    expect(served[0]?.heard).toEqual(['one', 4001])
    served[0]?.say(undefined)
  })

  it('a client that goes without a word is 1006 to the function, which may go on for a while before its run is ended', async () => {
    const { served, open } = await start()
    const socket = open()
    await opened(socket)
    socket.terminate()
    await until(() => served[0]?.isEnded === true)
    expect([served[0]?.heard, served[0]?.invocation.signal?.aborted]).toEqual([[1006], false])
    served[0]?.say(undefined)
  })

  it('a client that goes before it is answered aborts the call', async () => {
    let signal: AbortSignal | undefined
    const node = await createFakeNode({
      router: {
        invoke: (invocation) => {
          signal = invocation.signal
          return new Promise((resolve) => signal?.addEventListener('abort', () => resolve(failed(new OsirisError('unavailable', 'gone')))))
        },
      },
    })
    started.push(node)
    await node.server.start()
    const socket = new WebSocket(`${node.server.url.replace('http', 'ws')}/x`)
    socket.on('error', () => {})
    await until(() => signal !== undefined)
    expect(signal?.aborted).toBe(false)
    socket.terminate()
    await until(() => signal?.aborted === true)
  })

  it('is 1011 when the run breaks or just ends, 1009 for a message beyond the bound, 1007 for text that is none', async () => {
    const { served, open } = await start()
    const [broken, ended, long, invalid] = [open(), open(), open(), open()] as const
    const states = [await opened(broken), await opened(ended), await opened(long), await opened(invalid)]
    const by = (socket: WebSocket) => served[[broken, ended, long, invalid].indexOf(socket)]
    by(broken)?.say(new OsirisError('worker_crashed', 'Cannot go on'))
    by(ended)?.say(undefined)
    long.send('x'.repeat(1024 * 1024 + 1))
    invalid.send(Buffer.from([0xff, 0xfe]), { binary: false })
    await until(() => states.every(({ closed }) => closed() !== undefined))
    expect(states.map(({ closed }) => closed()?.code)).toEqual([1011, 1011, 1009, 1007])
    expect(states[0]?.closed()?.reason).toBe('worker_crashed')
    for (const each of served) each.say(undefined)
  })

  it('is 1008 when what let its client in does not hold any more', async () => {
    const { served, open } = await start()
    const { closed } = await opened(open())
    served[0]?.say(new OsirisError('unauthenticated', 'Cannot accept the token: it has expired'))
    await until(() => closed() !== undefined)
    expect(closed()).toEqual({ code: 1008, reason: 'unauthenticated' })
    served[0]?.say(undefined)
  })

  it('that nobody uses is closed with 1001, and a client that gives no sign of life is cut', async () => {
    const { served, open } = await start({ limits: { socketPingMs: 50, socketIdleMs: 200 } })
    const quiet = await opened(open())
    await until(() => quiet.closed() !== undefined)
    expect(quiet.closed()).toMatchObject({ code: 1001 })
    const { node, served: others } = await start({ limits: { socketPingMs: 50 } })
    const { port } = new URL(node.server.url)
    const dead = connect(Number(port), '127.0.0.1')
    dead.on('error', () => {}).resume()
    dead.write(
      'GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    )
    await until(() => others[0]?.isEnded === true)
    expect(others[0]?.heard).toEqual([1006])
    for (const each of [...served, ...others]) each.say(undefined)
  })

  it('a client that takes nothing holds back its function, and a function that takes nothing its client', async () => {
    let taken = 0
    async function* plenty(): AsyncGenerator<Uint8Array> {
      for (; taken < 256; taken++) yield socketFrame(SOCKET.binary, new Uint8Array(1024 * 1024))
    }
    let asked = -1
    let quiet = 0
    const node = await createFakeNode({
      router: { invoke: async () => ({ kind: 'response', status: 101, headers: [], body: plenty(), meta }) },
    })
    started.push(node)
    await node.server.start()
    const socket = new WebSocket(`${node.server.url.replace('http', 'ws')}/x`)
    socket.on('error', () => {})
    await until(() => socket.readyState === WebSocket.OPEN)
    socket.pause()
    // It stands still when several looks find the same.
    await until(() => (asked === taken ? ++quiet > 20 : ((asked = taken), (quiet = 0), false)))
    expect(taken).toBeLessThan(64)
    for (let sent = 0; sent < 64; sent++) socket.send(new Uint8Array(1024 * 1024))
    const before = socket.bufferedAmount
    await until(() => before > 0 && socket.bufferedAmount > 16 * 1024 * 1024)
    socket.terminate()
  })

  it('is told that the node goes away when it stops', async () => {
    const { node, served, open } = await start()
    const { closed } = await opened(open())
    const stopped = node.server.stop()
    await until(() => closed() !== undefined)
    expect(closed()?.code).toBe(1001)
    served[0]?.say(undefined)
    await stopped
  })
})

describe('what is no WebSocket', () => {
  const head = (more: string, line = 'GET /v1/fetch/demo/chat') =>
    `${line} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${more}\r\n`
  const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'

  it.each([
    ['another version', head(`Sec-WebSocket-Version: 8\r\n${key}`), /^HTTP\/1.1 426 .*sec-websocket-version: 13.*invalid_argument/is],
    ['no key', head('Sec-WebSocket-Version: 13\r\n'), /^HTTP\/1.1 400 .*invalid_argument/s],
    ['two hosts', head(`Sec-WebSocket-Version: 13\r\n${key}Host: evil.example\r\n`), /^HTTP\/1.1 400 .*invalid_argument/s],
    [
      'a path of the platform',
      head(`Sec-WebSocket-Version: 13\r\n${key}`, 'GET /v1/call/demo/chat'),
      /^HTTP\/1.1 400 .*not a web function/s,
    ],
  ])('%s is refused before anything runs', async (_what, bytes, wanted) => {
    const { node, served } = await start()
    expect(await exchange(node.server.url, bytes)).toMatch(wanted)
    expect(served).toEqual([])
  })

  it('a function that is not there, and a token that does not hold, are ordinary answers', async () => {
    const node = await createFakeNode({ router: { invoke: async () => failed(new OsirisError('not_found', 'Cannot find it')) } })
    started.push(node)
    await node.server.start()
    expect(await exchange(node.server.url, head(`Sec-WebSocket-Version: 13\r\n${key}`))).toMatch(/^HTTP\/1.1 404 .*not_found/s)
    expect(await exchange(node.server.url, head(`Sec-WebSocket-Version: 13\r\n${key}Osiris-Token: x.y.z\r\n`))).toMatch(/^HTTP\/1.1 401 /)
  })

  it('other upgrades are ignored: the request is an ordinary one', async () => {
    const { node } = await start()
    const answer = await exchange(
      node.server.url,
      'GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n',
    )
    expect(answer).toMatch(/^HTTP\/1.1 200 /)
  })
})
