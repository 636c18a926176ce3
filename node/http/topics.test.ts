import { beforeEach, expect, it } from 'vitest'
import type { FoundCaller } from '#node/access'
import type { Capability } from '#protocols/access'
import { Functions } from '#protocols/management'
import { type App, createApp } from './app.ts'
import { defaultLimits } from './limits.ts'
import { createFakeNode, type FakeNode } from './testing/index.ts'

let node: FakeNode
let app: App

beforeEach(async () => {
  node = await createFakeNode({ developer: false })
  const functions = new Functions({ ...node.init, buildTimeoutMs: 1000, writeTimeoutMs: 1000 })
  app = createApp({ ...node.init, functions, limits: defaultLimits, url: () => 'http://127.0.0.1:4747' })
})

async function who(can: Capability[], namespace = 'demo'): Promise<FoundCaller> {
  return { caller: { subject: 'ada', token: await node.token(can, [namespace]) }, consumed: false }
}
async function ask(
  method: string,
  path: string,
  found: FoundCaller,
  body?: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
) {
  const response = await app.request(`/v1/topics/${path}`, { method, headers, ...(body === undefined ? {} : { body }) }, { found })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}
const letter = {
  ...{ id: 'a1', message: 'm', namespace: 'demo', topic: 'orders', subscriber: 'demo/f', attempts: 8, publishedAt: 1, publishedBy: 'ada' },
  ...{ diedAt: 2, error: { code: 'function_failed', message: 'Cannot run' }, key: null, data: '{"n":1}' },
}

it('publishing is 202 with the message’s id; data goes on byte for byte, with id, key and trace', async () => {
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
  const data = '{ "n": 1.0, "n": 2e400 }'
  expect(await ask('POST', 'demo/orders.created?id=m7&key=k', await who(['invoke']), data, { traceparent })).toEqual({
    status: 202,
    body: { id: 'm7', subscribers: 1 },
  })
  expect((await ask('POST', 'demo/orders', await who(['deploy']), undefined, { traceparent: 'no' })).status).toBe(202)
  expect(node.topics.published.map((each) => ({ ...each, data: Buffer.from(each.data).toString() }))).toEqual([
    { namespace: 'demo', topic: 'orders.created', data, id: 'm7', key: 'k', traceparent },
    { namespace: 'demo', topic: 'orders', data: 'null' },
  ])
})

it('nothing is put in the place of bytes that are no UTF-8: whoever reads the data judges it', async () => {
  const bytes = new Uint8Array([0x22, 0xff, 0x22])
  await ask('POST', 'demo/orders', await who(['invoke']), bytes)
  expect(node.topics.published.map(({ data }) => [...data])).toEqual([[...bytes]])
})

it('a body above the limit is refused while it comes, whoever sends it', async () => {
  expect(await ask('POST', 'demo/orders', await who(['invoke']), 'x'.repeat(300_000))).toMatchObject({ status: 413 })
  expect(node.topics.published).toEqual([])
})

it.each([
  ['POST', 'demo/orders', 'read'],
  ['GET', 'demo', 'invoke'],
  ['GET', 'demo/dead', 'invoke'],
  ['GET', 'demo/dead/a1', 'invoke'],
  ['POST', 'demo/dead/a1/replay', 'read'],
  ['DELETE', 'demo/dead/a1', 'read'],
] as const)('%s %s is not for who may only %s there, nor for who may do all elsewhere', async (method, path, can) => {
  node.topics.letters.set('a1', letter)
  const body = method === 'POST' ? '1' : undefined
  expect((await ask(method, path, await who([can]), body)).status).toBe(403)
  expect((await ask(method, path, await who(['admin'], 'other'), body)).status).toBe(403)
  expect((await ask(method, path, { caller: { subject: 'anonymous' }, consumed: false }, body)).status).toBe(401)
  expect([node.topics.published, node.topics.replayed, node.topics.letters.size]).toEqual([[], [], 1])
})

it('dead letters are listed, shown with their data, replayed and removed', async () => {
  node.topics.letters.set('a1', letter)
  node.topics.letters.set('a2', { ...letter, id: 'a2' })
  const all = await who(['deploy'])
  const { key: _key, data: _data, ...summary } = letter
  expect(await ask('GET', 'demo/dead?limit=1', all)).toEqual({ status: 200, body: { letters: [summary] } })
  expect((await ask('GET', 'demo/dead?limit=0', all)).status).toBe(400)
  expect(await ask('GET', 'demo/dead/a1', all)).toEqual({ status: 200, body: { ...letter, data: { n: 1 } } })
  expect(await ask('POST', 'demo/dead/a1/replay', all)).toEqual({ status: 200, body: { id: 'a1' } })
  expect(await ask('DELETE', 'demo/dead/a2', all)).toEqual({ status: 200, body: { id: 'a2' } })
  expect((await ask('GET', 'demo/dead/a2', all)).status).toBe(404)
  expect(node.topics.replayed).toEqual(['a1'])
})
