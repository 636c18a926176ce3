import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { systemClock } from '#protocols/lifecycle'
import { Poster, type PosterInit } from './post.ts'

const seen: { url: string | undefined; body: string; headers: IncomingMessage['headers'] }[] = []
const server = createServer((request, response) => void answer(request, response))

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  seen.push({ url: request.url, body: Buffer.concat(chunks).toString(), headers: request.headers })
  const moved = request.url === '/moved'
  response.writeHead(moved ? 302 : 202, moved ? { location: '/elsewhere' } : {})
  response.end('x'.repeat(100_000))
}

let port = 0
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})
afterAll(() => server.close())

const poster = (parts: Partial<PosterInit> = {}) => new Poster({ clock: systemClock, allowPrivate: true, doors: () => [], ...parts })
const post = (from: Poster, url: string) => from.post(url, [['x-a', 'b']], Buffer.from('{"a":1}'), new AbortController().signal)

it('posts once, tells the status, and follows nowhere', async () => {
  expect(await post(poster(), `http://127.0.0.1:${port}/hook`)).toBe(202)
  expect(await post(poster(), `http://localhost:${port}/moved`)).toBe(302)
  expect(seen.map(({ url, body, headers }) => [url, body, headers['x-a']])).toEqual([
    ['/hook', '{"a":1}', 'b'],
    ['/moved', '{"a":1}', 'b'],
  ])
})

it.each([
  ['http://127.0.0.1/', 'egress_denied'],
  ['http://localhost:8080/', 'egress_denied'],
  ['http://[::1]/', 'egress_denied'],
  ['http://10.0.0.1/', 'egress_denied'],
  ['http://169.254.169.254/latest', 'egress_denied'],
  ['http://[fe80::1]/', 'egress_denied'],
  ['http://2130706433/', 'egress_denied'],
  ['ftp://example.org/', 'egress_denied'],
  ['http://user:password@example.org/', 'egress_denied'],
  ['http://example.org:25/', 'egress_denied'],
  ['nowhere', 'invalid_argument'],
])('never posts to %s unless the operator opens private addresses', async (url, code) => {
  const closed = poster({ allowPrivate: false })
  expect(() => closed.judge(url)).toThrow(expect.objectContaining({ code }))
  await expect(post(closed, url)).rejects.toMatchObject({ code })
})

it('metadata services, and doors of the universe, stay closed then too', async () => {
  expect(() => poster().judge('http://169.254.169.254/')).toThrow(expect.objectContaining({ code: 'egress_denied' }))
  const guarded = poster({ doors: () => [{ address: '*', port }] })
  expect(() => guarded.judge(`http://127.0.0.1:${port}/`)).toThrow(expect.objectContaining({ code: 'egress_denied' }))
})

it('judges where a name leads with each connection', async () => {
  const led = poster({ allowPrivate: false, resolve: async () => ['127.0.0.1'] })
  led.judge('http://example.org/')
  await expect(post(led, `http://example.org:${port}/`)).rejects.toMatchObject({ code: 'egress_denied' })
})
