import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { connect, type Osiris } from '#sdk'
import { until } from '#protocols/until'
import { TestMesh } from './components.fixture.ts'

/** Tells a server of each tick; as a web function without fetch. */
const TELL = (url: string) => `export default { async scheduled(event, env, ctx) {
  ctx.waitUntil(fetch('${url}', { method: 'POST', body: JSON.stringify([event.id, event.cron, event.scheduledTime]) }))
} }`

let mesh: TestMesh
let server: Server
let url: string
let osiris: Osiris
const heard: [id: string, cron: string, at: number][] = []

beforeAll(async () => {
  server = createServer((request, response) => {
    void json(request).then((tick) => {
      heard.push(tick as (typeof heard)[number])
      response.end()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  mesh = await TestMesh.create()
  await mesh.add(['router', 'catalog', 'builder', 'executor'])
  await Promise.all([mesh.add(['router', 'catalog', 'executor']), mesh.add(['router', 'executor']), mesh.add(['executor'])])
  osiris = await connect((mesh.nodes[0] as { http: string }).http)
})
afterAll(async () => {
  await mesh.stop()
  server.close()
})

it('each tick of a real mesh is fired once, whoever owns it, and every node tells of it', async () => {
  const config = { schedule: '* * * * * *', egress: [url] }
  await osiris.deploy({ namespace: 'demo', name: 'tell', source: TELL(url), language: 'javascript', config })
  await until(() => heard.length >= 2, 30_000)
  const [schedule] = await osiris.schedules('demo')
  expect(schedule).toMatchObject({ name: 'tell', cron: '* * * * * *', problem: null })
  const owner = mesh.nodes.find((node) => node.name === schedule?.owner)
  expect(owner).toBeDefined()
  for (const node of mesh.nodes) expect(await (await connect(node.http)).schedules()).toMatchObject([{ name: 'tell', owner: owner?.name }])
  const left = mesh.nodes.filter((node) => node !== owner)
  await owner?.stop()
  const before = heard.length
  await until(() => heard.length >= before + 2, 30_000)
  const [after] = await (await connect((left[0] as { http: string }).http)).schedules('demo')
  expect(left.map((node) => node.name)).toContain(after?.owner)
  expect(after?.last).toMatchObject({ by: after?.owner })
  const ids = heard.map(([id]) => id)
  expect(new Set(ids).size).toBe(ids.length)
  for (const [id, cron, at] of heard) expect([id, cron]).toEqual([`demo/tell@${new Date(at).toISOString()}`, '* * * * * *'])
}, 60_000)
