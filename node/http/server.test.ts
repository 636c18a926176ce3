import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createFakeNode, type FakeNode } from './testing/index.ts'

let node: FakeNode
beforeAll(async () => {
  node = await createFakeNode()
  await node.server.start()
  await put('demo', 'greet', 'export default (name: string, times = 1) => ({ hello: name, times })')
  await put(
    'demo',
    'site',
    'export default { fetch: async (r) => new Response(`${r.method} ${r.url} ${await r.text()}`, { headers: { "x-seen": JSON.stringify([...r.headers]), "osiris-node": "fake" } }) }',
    { routes: ['/shop'] },
  )
})
afterAll(() => node.server.stop())

const at = (path: string) => node.server.url + path
async function put(namespace: string, name: string, source: string, config?: object): Promise<Response> {
  return fetch(at(`/v1/functions/${namespace}/${name}`), { method: 'PUT', body: JSON.stringify({ source, ...(config && { config }) }) })
}

describe('calls', () => {
  it('POST gives the value, and says who ran what in what time', async () => {
    const response = await fetch(at('/v1/call/demo/greet'), { method: 'POST', body: '["Ada",2]' })
    expect(await response.json()).toEqual({ hello: 'Ada', times: 2 })
    expect(response.headers.get('osiris-version')).toMatch(/^[0-9a-f]{64}$/)
    expect(response.headers.get('osiris-node')).toBe('node-1')
    expect(response.headers.get('osiris-hops')).toBe('0')
    expect(response.headers.get('server-timing')).toBe('route;dur=0.25, queue;dur=0, cold;dur=0, run;dur=1.5')
  })

  it('GET takes each arg as JSON where it parses, else as a string', async () => {
    const response = await fetch(at('/v1/call/demo/greet?arg=Ada&arg=3'))
    expect(await response.json()).toEqual({ hello: 'Ada', times: 3 })
  })
})
