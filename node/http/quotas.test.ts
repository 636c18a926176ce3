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

async function caller(can: Capability[], namespaces?: string[]): Promise<FoundCaller> {
  return { caller: { subject: 'ada', token: await node.token(can, namespaces) }, consumed: false }
}

async function ask(method: string, path: string, found: FoundCaller, body?: unknown) {
  const init = body === undefined ? { method } : { method, body: JSON.stringify(body) }
  const response = await app.request(`/v1${path}`, init, { found })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

it('quotas are set, told to who may read the namespace, and taken away', async () => {
  const admin = await caller(['admin'])
  expect(await ask('PUT', '/namespaces/demo/quota', admin, { concurrent: 2 })).toMatchObject({ status: 200 })
  expect(await ask('PUT', '/namespaces/*/quota', admin, { callsPerSecond: 10 })).toMatchObject({ status: 200 })
  const expected = [
    { namespace: 'demo', concurrent: 2, here: null },
    { namespace: '*', callsPerSecond: 10, here: null },
  ]
  expect((await ask('GET', '/quotas', admin)).body['quotas']).toEqual(expected)
  expect((await ask('GET', '/quotas', await caller(['read'], ['other']))).body['quotas']).toEqual([expected[1]])
  for (const wrong of [{}, { concurrent: 0 }, { callsPerSecond: 'many' }, { more: 1 }, []])
    expect(await ask('PUT', '/namespaces/demo/quota', admin, wrong)).toMatchObject({ status: 400 })
  expect(await ask('PUT', '/namespaces/DEMO/quota', admin, { concurrent: 1 })).toMatchObject({ status: 400 })
  expect(await ask('DELETE', '/namespaces/demo/quota', admin)).toMatchObject({ status: 200 })
  expect(await ask('DELETE', '/namespaces/demo/quota', admin)).toMatchObject({ status: 404 })
})
