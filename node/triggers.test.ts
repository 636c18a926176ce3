import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { RunningNode } from '#node/universe'
import { connect, type Osiris } from '#sdk'
import { until } from '#protocols/until'
import { TestMesh } from './components.fixture.ts'

/** Tells a server of each tick, and of what a function that takes a token answers; as a web function without fetch. */
const TELL = (url: string) => `import { call } from 'osiris/function'
export default { async scheduled(event, env, ctx) {
  const told = await call('demo/guarded').catch((error) => error.message)
  ctx.waitUntil(fetch('${url}', { method: 'POST', body: JSON.stringify([event.id, event.cron, event.scheduledTime, told]) }))
} }`

let mesh: TestMesh
let server: Server
let url: string
let osiris: Osiris
let routers: RunningNode[]
/** It only runs functions. */
let worker: RunningNode
const heard: [id: string, cron: string, at: number, told: unknown][] = []

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
  const first = await mesh.add(['router', 'catalog', 'builder', 'executor'])
  const others = [mesh.add(['router', 'catalog', 'executor']), mesh.add(['router', 'executor']), mesh.add(['executor'])] as const
  const [second, third, last] = await Promise.all(others)
  worker = last
  routers = [first, second, third]
  osiris = await connect(first.http)
})
afterAll(async () => {
  await mesh.stop()
  server.close()
})

it('a publish and a member that leaves come to the functions that subscribed, each once', async () => {
  const told: { id: string; topic: string; data: { name: string } }[] = []
  const ear = createServer((request, response) => {
    void json(request).then((event) => {
      told.push(event as (typeof told)[number])
      response.end()
    })
  }).listen(0, '127.0.0.1')
  await once(ear, 'listening')
  const at = `http://127.0.0.1:${(ear.address() as AddressInfo).port}`
  const source = `export default { async message(event) { await fetch('${at}', { method: 'POST', body: JSON.stringify(event) }) } }`
  const config = { subscribe: ['osiris.function.published', 'osiris.member.*'], egress: [at] }
  await osiris.deploy({ namespace: 'demo', name: 'ear', source, language: 'javascript', config })
  await osiris.deploy({ namespace: 'other', name: 'unheard', source: 'export default () => 1', language: 'javascript' })
  await osiris.deploy({ namespace: 'demo', name: 'greet', source: 'export default () => 1', language: 'javascript' })
  const names = () => told.filter((each) => each.topic === 'osiris.function.published').map((each) => each.data.name)
  await until(() => names().includes('greet') && names().includes('ear'), 30_000)
  await worker.stop()
  await until(() => told.some((each) => each.topic === 'osiris.member.left' && each.data.name === worker.name), 30_000)
  expect(names().toSorted()).toEqual(['ear', 'greet'])
  expect(new Set(told.map((each) => each.id)).size).toBe(told.length)
  ear.close()
}, 120_000)

it('each tick of a real mesh is fired once, whoever owns it, and every node tells of it', async () => {
  await osiris.deploy({ namespace: 'demo', name: 'guarded', source: 'export default () => 7', language: 'javascript' })
  const config = { schedule: '* * * * * *', egress: [url], calls: ['demo/guarded'] }
  await osiris.deploy({ namespace: 'demo', name: 'tell', source: TELL(url), language: 'javascript', config })
  await until(() => heard.length >= 2, 30_000)
  const [schedule] = await osiris.schedules('demo')
  expect(schedule).toMatchObject({ name: 'tell', cron: '* * * * * *', problem: null })
  const owner = routers.find((node) => node.name === schedule?.owner)
  expect(owner).toBeDefined()
  for (const node of routers) expect(await (await connect(node.http)).schedules()).toMatchObject([{ name: 'tell', owner: owner?.name }])
  const left = routers.filter((node) => node !== owner)
  await owner?.stop()
  const before = heard.length
  await until(() => heard.length >= before + 2, 30_000)
  const [after] = await (await connect((left[0] as RunningNode).http)).schedules('demo')
  expect(left.map((node) => node.name)).toContain(after?.owner)
  expect(after?.last).toMatchObject({ by: after?.owner })
  const ids = heard.map(([id]) => id)
  expect(new Set(ids).size).toBe(ids.length)
  for (const [id, cron, at, told] of heard) expect([id, cron, told]).toEqual([`demo/tell@${new Date(at).toISOString()}`, '* * * * * *', 7])
}, 120_000)
