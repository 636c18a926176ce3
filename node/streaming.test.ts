/** What passes through two nodes for long: WebSockets, events, bodies of any length. A door without the executor's role, an executor without a door; both real processes. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { until } from '#protocols/until'

const MIB = 1024 * 1024
/** Both ways; issue 5 asks for 1 GB: `OSIRIS_STREAM_BYTES=1073741824 npx vitest run node/streaming.test.ts`. */
const STREAM_BYTES = Number(process.env['OSIRIS_STREAM_BYTES'] ?? 64 * MIB)
const BIN = fileURLToPath(new URL('./cli/bin.js', import.meta.url))
/** As long and as large as a function may be. */
const ECHO = {
  'osiris.yaml':
    'namespace: apps\nfunctions:\n  echo:\n    source: ./echo.ts\n    access: public\n    execution: { timeout: 15m, cpu: 15m, payload: 1GB }\n',
  'echo.ts': 'export default { fetch: (request: Request) => new Response(request.body) }\n',
}
const APPS = fileURLToPath(new URL('../fixtures/functions/apps', import.meta.url))

interface Started {
  process: ChildProcess
  http: string
}

let dir: string
let door: Started
let executor: Started

const env = () => ({ PATH: process.env['PATH'], HOME: dir, XDG_DATA_HOME: join(dir, 'data'), XDG_STATE_HOME: join(dir, 'state') })

async function start(name: string, roles: string, ...more: string[]): Promise<Started> {
  const place = ['--data', join(dir, name), '--http-port', '0', '--p2p-listen', '/ip4/127.0.0.1/tcp/0', '--developer', '--json']
  const child = spawn(process.execPath, [BIN, 'node', 'start', '--name', name, '--roles', roles, ...place, ...more], {
    env: env(),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
  return { process: child, http: (JSON.parse(line) as { http: string }).http }
}

async function startExecutor(name: string): Promise<Started> {
  const { join: token } = (await (await fetch(`${door.http}/v1/network/join`)).json()) as { join: string }
  const started = await start(name, 'executor', '--join', token)
  await until(async () => (await fetch(`${door.http}/v1/fetch/apps/chat/ended`)).status === 200)
  return started
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'osiris-streaming-'))
  door = await start('door', 'router,catalog,builder')
  mkdirSync(join(dir, 'echo'))
  for (const [name, text] of Object.entries(ECHO)) writeFileSync(join(dir, 'echo', name), text)
  for (const app of [join(APPS, 'chat'), join(dir, 'echo')])
    await promisify(execFile)(process.execPath, [BIN, 'deploy', app, '--node', door.http], { env: env() })
  executor = await startExecutor('executor')
}, 60_000)

afterAll(async () => {
  for (const each of [door, executor]) each?.process.kill('SIGKILL')
  rmSync(dir, { recursive: true, force: true })
})

function residentMb({ process: { pid } }: Started): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

/** The most that either had meanwhile beyond what both began with, in MB. */
async function growthWhile(run: () => Promise<unknown>): Promise<{ door: number; executor: number }> {
  const before = { door: residentMb(door), executor: residentMb(executor) }
  const most = { ...before }
  const look = setInterval(() => {
    most.door = Math.max(most.door, residentMb(door))
    most.executor = Math.max(most.executor, residentMb(executor))
  }, 20)
  try {
    await run()
  } finally {
    clearInterval(look)
  }
  return { door: most.door - before.door, executor: most.executor - before.executor }
}

describe('a WebSocket through two nodes', () => {
  async function open(): Promise<{ socket: WebSocket; heard: string[]; closed: () => number | undefined }> {
    const socket = new WebSocket(`${door.http.replace('http', 'ws')}/rooms/lobby`, { headers: { host: 'chat.example.org' } })
    const heard: string[] = []
    let code: number | undefined
    socket.on('message', (data) => heard.push((data as Buffer).toString()))
    socket.on('close', (closed) => (code = closed))
    socket.on('error', () => {})
    await until(() => socket.readyState === WebSocket.OPEN)
    return { socket, heard, closed: () => code }
  }
  const ended = async () =>
    ((await (await fetch(`${door.http}/v1/fetch/apps/chat/ended`)).json()) as { ended: { code: number; wasClean: boolean }[] }).ended

  it('talks, lasts, and both sides hear of its end', async () => {
    const { socket, heard, closed } = await open()
    socket.send('hello')
    await until(() => heard.length === 2)
    expect(heard).toEqual(['welcome to rooms/lobby', 'you said hello'])
    socket.send('bye')
    await until(() => closed() !== undefined)
    expect(closed()).toBe(4000)
    const gone = await open()
    gone.socket.terminate()
    await until(async () => (await ended()).length === 2)
    expect(await ended()).toEqual([
      { code: 4000, wasClean: true },
      { code: 1006, wasClean: false },
    ])
  })

  it('ends with 1011 when its executor is killed, and another one serves the next', async () => {
    const { heard, closed } = await open()
    await until(() => heard.length === 1)
    executor.process.kill('SIGKILL')
    await until(() => closed() !== undefined)
    expect(closed()).toBe(1011)
    executor = await startExecutor('second')
    const again = await open()
    await until(() => again.heard.length === 1)
    again.socket.close()
  }, 30_000)
})

describe('a stream through two nodes', () => {
  it('events arrive one by one', async () => {
    const answer = await fetch(`${door.http}/v1/fetch/apps/chat/ticks`)
    expect([answer.headers.get('content-type'), answer.headers.get('osiris-hops')]).toEqual(['text/event-stream', '1'])
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
    for (let id = 0; id < 3; id++)
      expect(Buffer.from((await reader.read()).value as Uint8Array).toString()).toBe(`event: tick\ndata: ${id}\nid: ${id}\n\n`)
    await reader.cancel()
  })

  it('a client who goes ends the run on the executor within 200 ms', async () => {
    const took: number[] = []
    for (let round = 0; round < 5; round++) {
      const goneAt = await new Promise<number>((resolve) => {
        const going = get(`${door.http}/v1/fetch/apps/chat/ticks`, (answer) =>
          answer.once('data', () => {
            resolve(Date.now())
            going.destroy()
          }),
        )
        going.on('error', () => {})
      })
      const abortedAt = async () => ((await (await fetch(`${door.http}/v1/fetch/apps/chat/ended`)).json()) as { aborted: number }).aborted
      await until(async () => (await abortedAt()) >= goneAt)
      took.push((await abortedAt()) - goneAt)
    }
    // A busy machine may hold up one or the other.
    expect(Math.min(...took)).toBeLessThan(200)
  }, 30_000)

  it('a body of any length goes both ways at once, and neither node holds it', async () => {
    const piece = Buffer.alloc(MIB, 1)
    let received = 0
    // What the first megabytes cost stays: buffers, compiled code, the worker.
    await echo(4 * MIB)
    const growth = await growthWhile(async () => (received = await echo(STREAM_BYTES)))
    expect(received).toBe(STREAM_BYTES)
    expect(growth.door).toBeLessThan(128)
    expect(growth.executor).toBeLessThan(128)

    async function echo(bytes: number): Promise<number> {
      const sending = request(`${door.http}/v1/fetch/apps/echo/`, { method: 'POST' })
      const answered = once(sending, 'response') as Promise<[NodeJS.ReadableStream]>
      const read = answered.then(async ([answer]) => {
        let length = 0
        for await (const chunk of answer) length += (chunk as Buffer).length
        return length
      })
      for (let sent = 0; sent < bytes; sent += piece.length) if (!sending.write(piece)) await once(sending, 'drain')
      sending.end()
      return read
    }
  }, 600_000)
})
