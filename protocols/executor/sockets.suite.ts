/** What every executor promises of WebSockets: messages both ways at the slower side's pace, how each side hears of the end, and what ends one. */
import { describe, expect, test } from 'vitest'
import type { Body, Outcome, PlacedInvocation } from '#protocols/invocation'
import type { FunctionConfig } from '#protocols/manifest'
import { systemClock } from '#protocols/lifecycle'
import { closeFrame, readClose, SOCKET, SocketDecoder, socketFrame } from '#protocols/socket'
import { until } from '#protocols/until'
import { requestOf, type World } from './executor.world.ts'

export interface SocketTests {
  world: World
  invoke: (placed: PlacedInvocation) => Promise<Outcome>
}

/** The client's side. */
class Client {
  #waiting: Uint8Array[] = []
  #wake = (): void => {}
  #isEnded = false
  readonly heard: (string | number[])[] = []
  readonly gone = new AbortController()
  /** How the body of the answer ended: not yet, whole, or by an error's code. */
  end: string | undefined
  closed: { code: number; reason: string } | undefined

  async *body(): AsyncGenerator<Uint8Array> {
    for (;;) {
      while (this.#waiting.length > 0) yield this.#waiting.shift() as Uint8Array
      if (this.#isEnded) return
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  send(message: string | Uint8Array): void {
    this.push(typeof message === 'string' ? socketFrame(SOCKET.text, Buffer.from(message)) : socketFrame(SOCKET.binary, message))
  }

  push(frame: Uint8Array): void {
    this.#waiting.push(frame)
    this.#wake()
  }

  close(code: number, reason = ''): void {
    this.push(closeFrame(code, Buffer.from(reason)))
    this.#isEnded = true
    this.#wake()
  }

  async read(body: Body | undefined): Promise<void> {
    const decoder = new SocketDecoder((kind, payload) => {
      if (kind === SOCKET.text) this.heard.push(Buffer.from(payload).toString())
      else if (kind === SOCKET.binary) this.heard.push([...payload])
      else {
        const { code, reason } = readClose(payload)
        this.closed = { code, reason: Buffer.from(reason).toString() }
      }
    })
    try {
      for await (const chunk of body as AsyncIterable<Uint8Array>) decoder.push(chunk)
      this.end = 'whole'
    } catch (error) {
      this.end = (error as { code: string }).code
    }
  }
}

export function socketTests({ world, invoke }: SocketTests): void {
  const web = (body: string) => `const seen = []; let alive = true
    export default { async fetch(request, env, ctx) {
      if (request.headers.get('upgrade') !== 'websocket') return Response.json(seen)
      const [client, server] = Object.values(new WebSocketPair()); server.accept()
      ${body}
      return new Response(null, { status: 101, webSocket: client, headers: { 'x-a': 'b' } })
    } }`
  const ECHO = web(`server.addEventListener('message', ({ data }) => server.send(typeof data === 'string' ? data + '!' : data))
    server.addEventListener('close', ({ code, reason, wasClean }) => seen.push([code, reason, wasClean]))`)

  async function open(record: ReturnType<World['define']>): Promise<{ client: Client; outcome: Outcome }> {
    const client = new Client()
    const outcome = await invoke(
      requestOf(
        record,
        { upgrade: 'websocket', headers: [['upgrade', 'websocket']], body: client.body() },
        { deadlineAt: systemClock.monotonic() + 3_600_000, signal: client.gone.signal },
      ),
    )
    if (outcome.kind === 'response') void client.read(outcome.body)
    return { client, outcome }
  }
  const define = (source: string, config: FunctionConfig = {}) => world.define(source, { config })
  const seenBy = async (record: ReturnType<World['define']>) => {
    const outcome = await invoke(requestOf(record))
    if (outcome.kind !== 'response') throw new Error(outcome.kind)
    return JSON.parse(Buffer.from(outcome.body as Uint8Array).toString()) as unknown[]
  }

  describe('WebSockets', () => {
    test('a response with 101 and one end of a pair: text and bytes go both ways, and the call lasts beyond its timeout', async () => {
      const record = define(ECHO, { execution: { timeout: '1s' } })
      const { client, outcome } = await open(record)
      expect(outcome).toMatchObject({ kind: 'response', status: 101, headers: [['x-a', 'b']] })
      const startedAt = performance.now()
      await until(() => performance.now() - startedAt > 1_600)
      client.send('é')
      client.send(Uint8Array.from([0, 255]))
      await until(() => client.heard.length === 2)
      expect(client.heard).toEqual(['é!', [0, 255]])
      client.close(4000, 'done')
      await until(() => client.end !== undefined)
      expect([client.end, client.closed?.code, await seenBy(record)]).toEqual(['whole', 4000, [[4000, 'done', true]]])
    })

    test('the function closes with its own code, and hears that the client agreed', async () => {
      const record = define(web(`server.send('hello'); server.close(3001, 'bye'); server.onclose = ({ code }) => seen.push(code)`))
      const { client } = await open(record)
      await until(() => client.closed !== undefined)
      expect([client.heard, client.closed]).toEqual([['hello'], { code: 3001, reason: 'bye' }])
      client.close(3001)
      await until(() => client.end === 'whole')
      expect(await seenBy(record)).toEqual([3001])
    })

    test('a client that is gone is a close event, 1006 and not clean; waitUntil may say so after it', async () => {
      const record = define(
        web(
          `server.onclose = ({ code, wasClean }) => ctx.waitUntil(new Promise((r) => setTimeout(() => r(seen.push([code, wasClean])), 20)))`,
        ),
      )
      const { client } = await open(record)
      client.close(1006)
      await until(async () => (await seenBy(record)).length > 0)
      expect(await seenBy(record)).toEqual([[1006, false]])
      const { client: other } = await open(define(ECHO))
      other.gone.abort()
      await until(() => other.end !== undefined)
      expect(other.end).not.toBe('whole')
    })

    test('a message of a megabyte arrives whole in both directions', async () => {
      const { client } = await open(define(ECHO))
      const bytes = new Uint8Array(1024 * 1024).map((_, at) => at & 255)
      client.send(bytes)
      await until(() => client.heard.length === 1)
      expect(Buffer.from(client.heard[0] as number[]).equals(Buffer.from(bytes))).toBe(true)
      client.close(1000)
    })

    test('each message may compute as long as a call may, and one that does not stop ends the socket', async () => {
      const busy = web(
        `server.onmessage = ({ data }) => { for (const end = Date.now() + Number(data); Date.now() < end;); server.send('done') }`,
      )
      const { client } = await open(define(busy, { execution: { timeout: '2s', cpu: '300ms' } }))
      for (let round = 1; round <= 4; round++) {
        client.send('120')
        await until(() => client.heard.length === round)
      }
      client.send('5000')
      await until(() => client.end !== undefined)
      expect(['quota_exceeded', 'deadline_exceeded']).toContain(client.end)
    })

    test('a message that never ends inside the engine costs the worker, and is deadline_exceeded', async () => {
      const stuck = web(`server.onmessage = () => { let a = 3n; for (;;) a *= a }`)
      const { client } = await open(define(stuck, { execution: { timeout: '500ms' } }))
      client.send('go')
      await until(() => client.end !== undefined)
      expect(['deadline_exceeded', 'memory_exceeded']).toContain(client.end)
    })

    test('a function that sends without end to who does not read meets a bound, in its own hands', async () => {
      const flood = web(
        `seen.push('x'); let error; try { for (;;) server.send('x'.repeat(100000)) } catch (thrown) { seen.push(thrown.name, server.bufferedAmount <= 4194304) }`,
      )
      const record = define(flood)
      const client = new Client()
      const placed = requestOf(
        record,
        { upgrade: 'websocket', headers: [['upgrade', 'websocket']], body: client.body() },
        { deadlineAt: systemClock.monotonic() + 3_600_000, signal: client.gone.signal },
      )
      await invoke(placed)
      expect(await seenBy(record)).toEqual(['x', 'QuotaExceededError', true])
      client.gone.abort()
    })

    test('a socket for who asked for none is function_failed, and who asks may be answered otherwise', async () => {
      const always = `export default { fetch() { const [client, server] = Object.values(new WebSocketPair()); server.accept(); return new Response(null, { status: 101, webSocket: client }) } }`
      expect(await invoke(requestOf(define(always)))).toMatchObject({
        kind: 'failed',
        error: { code: 'function_failed', message: expect.stringContaining('asks for no WebSocket') },
      })
      const { outcome } = await open(define(`export default { fetch: () => new Response('no', { status: 403 }) }`))
      expect(outcome).toMatchObject({ kind: 'response', status: 403 })
    })
  })
}
