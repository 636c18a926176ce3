/** The apps of fixtures/functions/apps, deployed as the command line does it, reached over real sockets. */
import { execFile } from 'node:child_process'
import { get, request } from 'node:http'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RunningNode } from '#node/universe'
import { until } from '#protocols/until'
import { TestMesh } from './components.fixture.ts'

const MIB = 1024 * 1024
const run = promisify(execFile)

describe('apps from npm on a real node', () => {
  let mesh: TestMesh
  let node: RunningNode

  beforeAll(async () => {
    mesh = await TestMesh.create()
    node = await mesh.add(['router', 'catalog', 'builder', 'executor'])
    for (const app of ['hono', 'itty', 'worker']) {
      const folder = fileURLToPath(new URL(`../fixtures/functions/apps/${app}`, import.meta.url))
      const cli = fileURLToPath(new URL('./cli/main.ts', import.meta.url))
      await run(process.execPath, [cli, 'deploy', folder, '--node', node.http])
    }
  })
  afterAll(() => mesh.stop())

  const at = (app: string, path: string, init?: RequestInit) => fetch(`${node.http}/v1/fetch/apps/${app}${path}`, init)
  const seen = async () =>
    (await (await at('worker', '/seen')).json()) as { aborted: number; cancelled: number; produced: number; finished: number }

  it('a Hono app answers by path and by route, with its cookies and streams', async () => {
    expect(await (await at('hono', '/')).text()).toBe('Hello Hono!')
    const headers = { host: 'hono.example.org', authorization: `Basic ${btoa('ada:open sesame')}` }
    expect(await withHost(node, '/admin/panel', headers)).toBe('200 only for Ada')
    expect((await at('hono', '/cookie')).headers.getSetCookie()[0]).toBe('seen=yes; Path=/; HttpOnly')
    expect(await (await at('hono', '/events')).text()).toMatch(/^event: tick\ndata: round 0\nid: 0\n\n/)
    const body = new FormData()
    body.set('file', new File(['x'.repeat(200_000)], 'long.txt', { type: 'text/plain' }))
    expect(await (await at('hono', '/upload', { method: 'POST', body })).json()).toMatchObject({ name: 'long.txt', size: 200_000 })
  })

  it('an itty-router app', async () => {
    expect(await (await at('itty', '/v1/hello/Ada?times=2')).json()).toEqual({ hello: 'Ada', times: 2 })
    expect((await at('itty', '/v1/none')).status).toBe(404)
  })

  it('a body goes both ways at once, piece by piece', async () => {
    const pieces = ['one', 'two', 'three']
    const answered: string[] = []
    await new Promise<void>((resolve, reject) => {
      const sending = request(`${node.http}/v1/fetch/apps/worker/echo`, { method: 'POST' }, (answer) => {
        answer.setEncoding('utf8')
        // The next piece leaves when the one before has come back.
        answer.on('data', (text: string) => {
          answered.push(text)
          const next = pieces[answered.length]
          if (next === undefined) sending.end()
          else sending.write(next)
        })
        answer.on('end', resolve)
      })
      sending.on('error', reject)
      sending.write(pieces[0])
    })
    expect(answered).toEqual(pieces)
  })

  it('a reader who stops stops the function, and 64 MiB arrive', async () => {
    const before = (await seen()).produced
    const answer = await at('worker', `/give?bytes=${64 * MIB}`)
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
    let taken = (await reader.read()).value?.length ?? 0
    let produced = -1
    // It has stopped when two looks find the same.
    await until(async () => produced === (produced = (await seen()).produced))
    // Nothing but the sockets' buffers, the client's and the windows are between.
    expect(produced - before).toBeLessThan(32 * MIB)
    for (let part = await reader.read(); !part.done; part = await reader.read()) taken += part.value.length
    expect(taken).toBe(64 * MIB)
  })

  it('a client who goes aborts request.signal, and ends the run', async () => {
    const before = (await seen()).aborted
    const gone = get(`${node.http}/v1/fetch/apps/worker/wait`)
    gone.on('error', () => {})
    await until(async () => (await metric(node, 'osiris_calls_in_flight')) === 1)
    gone.destroy()
    await until(async () => (await metric(node, 'osiris_calls_in_flight')) === 0)
    expect((await seen()).aborted).toBe(before + 1)
  })

  it('a client who goes in the middle of a response cancels its stream', async () => {
    const before = (await seen()).cancelled
    await new Promise<void>((resolve) => {
      const going = get(`${node.http}/v1/fetch/apps/worker/give?bytes=${64 * MIB}`, (answer) =>
        answer.once('data', () => {
          going.destroy()
          resolve()
        }),
      )
      going.on('error', () => {})
    })
    await until(async () => (await metric(node, 'osiris_calls_in_flight')) === 0)
    expect((await seen()).cancelled).toBe(before + 1)
  })

  it('waitUntil goes on after the answer', async () => {
    const before = (await seen()).finished
    expect(await (await at('worker', '/later?ms=1000')).text()).toBe('answered')
    expect((await seen()).finished).toBe(before)
    await until(async () => (await seen()).finished === before + 1)
  })
})

function withHost(node: RunningNode, path: string, headers: Record<string, string>): Promise<string> {
  return new Promise((resolve, reject) => {
    get(node.http + path, { headers }, (answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (chunk: string) => void (text += chunk))
      answer.on('end', () => resolve(`${answer.statusCode} ${text}`))
    }).on('error', reject)
  })
}

async function metric(node: RunningNode, name: string): Promise<number> {
  const text = await (await fetch(`${node.http}/metrics`)).text()
  return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1])
}
