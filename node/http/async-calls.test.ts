import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '#protocols/until'
import { createFakeNode, type FakeNode } from './testing/index.ts'

let node: FakeNode
let token: string
let url: string

beforeAll(async () => {
  node = await createFakeNode({ developer: false })
  await node.server.start()
  url = node.server.url
  token = await node.token(['deploy'])
  await deploy('greet', 'export default (name) => ({ hello: name })', {})
  await deploy('open', 'export default () => 12345678901234567890n.toString()', { access: 'public' })
  await deploy('site', "export default { fetch: async (request) => new Response('got ' + (await request.text()), { status: 201 }) }", {})
})
afterAll(() => node.server.stop())

async function deploy(name: string, source: string, config: object): Promise<void> {
  const body = JSON.stringify({ source, language: 'javascript', config })
  const response = await fetch(`${url}/v1/functions/demo/${name}`, { method: 'PUT', headers: { 'osiris-token': token }, body })
  expect(response.status).toBeLessThan(300)
}

const submit = (path: string, init: RequestInit = {}, headers: Record<string, string> = { 'osiris-token': token }) =>
  fetch(url + path, { method: 'POST', ...init, headers: { prefer: 'respond-async, wait=10', ...headers } })
const ask = (path: string, method = 'GET', headers: Record<string, string> = { 'osiris-token': token }) =>
  fetch(url + path, { method, headers })

async function done(path: string): Promise<Record<string, unknown>> {
  let status: Record<string, unknown> = {}
  await until(async () => {
    status = (await (await ask(path)).json()) as Record<string, unknown>
    return status['state'] === 'done'
  })
  return status
}

it('a call with Prefer: respond-async is accepted with its address, and its value is there when it is done', async () => {
  const response = await submit('/v1/call/demo/greet', { body: '["Ada"]' })
  const { id } = (await response.json()) as { id: string }
  expect([response.status, response.headers.get('preference-applied')]).toEqual([202, 'respond-async'])
  expect(response.headers.get('location')).toBe(`/v1/calls/${id}`)
  expect(await done(`/v1/calls/${id}`)).toMatchObject({ id, function: 'demo/greet', value: { hello: 'Ada' }, attempts: 1 })
  const { calls } = (await (await ask('/v1/calls?namespace=demo')).json()) as { calls: { id: string }[] }
  expect(calls.map((each) => each.id)).toContain(id)
})

it('its end is waited for in one question, and a wait that is none is refused', async () => {
  const { id } = (await (await submit('/v1/call/demo/greet', { body: '["Ada"]' })).json()) as { id: string }
  expect(await (await ask(`/v1/calls/${id}?wait=10s`)).json()).toMatchObject({ state: 'done', value: { hello: 'Ada' } })
  for (const wait of ['31s', 'soon', '-1s', '']) expect([wait, (await ask(`/v1/calls/${id}?wait=${wait}`)).status]).toEqual([wait, 400])
})

it('without it, or with another preference, the caller waits', async () => {
  const waits = await submit('/v1/call/demo/greet', { body: '["Ada"]' }, { 'osiris-token': token, prefer: 'return=minimal' })
  expect([waits.status, await waits.json()]).toEqual([200, { hello: 'Ada' }])
})

it('a web function is reached the same way by its path, and its response is kept', async () => {
  const { id } = (await (await submit('/v1/fetch/demo/site/items', { body: 'this' })).json()) as { id: string }
  const { response } = await done(`/v1/calls/${id}`)
  expect(response).toMatchObject({ status: 201, body: Buffer.from('got this').toString('base64') })
})

it('strangers call what is public, and read what came of it by its id; nothing else', async () => {
  const { id } = (await (await submit('/v1/call/demo/open', {}, {})).json()) as { id: string }
  expect((await ask(`/v1/calls/${id}`, 'GET', {})).status).toBe(200)
  expect((await submit('/v1/call/demo/greet', {}, {})).status).toBe(401)
  const { id: closed } = (await (await submit('/v1/call/demo/greet')).json()) as { id: string }
  expect((await ask(`/v1/calls/${closed}`, 'GET', {})).status).toBe(401)
  expect((await ask(`/v1/calls/${closed}`, 'DELETE', {})).status).toBe(401)
  expect((await ask('/v1/calls?namespace=demo', 'GET', {})).status).toBe(401)
})

it.each([
  ['an id that no call has', `/v1/calls/${'0'.repeat(32)}`, 404],
  ['no id at all', '/v1/calls/%20', 404],
  ['no namespace', '/v1/calls', 400],
  ['a namespace that is none', '/v1/calls?namespace=A', 400],
])('%s is a problem document', async (_what, path, status) => {
  const response = await ask(path)
  expect([response.status, response.headers.get('content-type')]).toEqual([status, 'application/problem+json'])
})

it('cancelling what is over, twice, changes nothing', async () => {
  const { id } = (await (await submit('/v1/call/demo/greet', { body: '[1]' })).json()) as { id: string }
  await done(`/v1/calls/${id}`)
  for (const _time of [1, 2]) expect(await (await ask(`/v1/calls/${id}`, 'DELETE')).json()).toMatchObject({ state: 'done' })
})

it('a callback takes a token', async () => {
  const response = await submit('/v1/call/demo/open', {}, { 'osiris-callback': 'https://example.org/' })
  expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([401, 'unauthenticated'])
})

it('callbacks that were given up have routes of their own, for callers with a grant', async () => {
  expect(await (await ask('/v1/callbacks/dead?namespace=demo')).json()).toEqual({ callbacks: [] })
  expect((await ask('/v1/callbacks/dead?namespace=demo', 'GET', {})).status).toBe(401)
  expect((await ask('/v1/callbacks/dead')).status).toBe(400)
  for (const [path, method] of [
    [`/v1/callbacks/dead/${'0'.repeat(32)}/replay`, 'POST'],
    [`/v1/callbacks/dead/${'0'.repeat(32)}`, 'DELETE'],
  ] as const)
    expect((await ask(path, method)).status).toBe(404)
})
