/** Topics on real node processes: what a router acknowledged is delivered though that router is killed at once. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '#protocols/until'
import { connect } from '#sdk'
import { freePort } from './universe/ports.fixture.ts'

interface StatusNode {
  name: string
  roles: string[]
  http: string
  pid: number | null
}

const BIN = fileURLToPath(new URL('./cli/bin.js', import.meta.url))
const COUNT = 25

let dir: string
let collector: Server
/** What functions took, `function message`; only while the collector is open. */
const taken: string[] = []
let [isOpen, refused] = [false, 0]

async function osiris(...args: string[]): Promise<string> {
  const env = {
    PATH: process.env['PATH'],
    HOME: dir,
    XDG_DATA_HOME: join(dir, 'data'),
    XDG_STATE_HOME: join(dir, 'state'),
    XDG_CONFIG_HOME: join(dir, 'config'),
  }
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [BIN, ...args], { env }, (error, out, err) => (error === null ? resolve(out) : reject(new Error(err))))
  })
}
const nodes = async () => (JSON.parse(await osiris('universe', 'status', '--json')) as { nodes: StatusNode[] }).nodes

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'osiris-topics-'))
  collector = createServer((request, response) => {
    if (isOpen) taken.push(decodeURIComponent((request.url ?? '').slice(1)))
    else refused += 1
    response.writeHead(isOpen ? 200 : 503).end()
  }).listen(0, '127.0.0.1')
  await once(collector, 'listening')
  const origin = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`
  const take = (name: string) => `export default { async message({ id }) {
    const answer = await fetch('${origin}/' + encodeURIComponent('${name} ' + id))
    if (!answer.ok) throw new Error('closed')
  } }\n`
  const functions = ['each', 'one', 'two'].map((name) => {
    writeFileSync(join(dir, `${name}.js`), take(name))
    const subscribe =
      name === 'each'
        ? '{ topic: orders.*, attempts: 50, backoff: 500ms }'
        : '{ topic: "orders.**", group: team, attempts: 50, backoff: 500ms }'
    return `  ${name}: { source: ./${name}.js, egress: ["${origin}"], subscribe: [${subscribe}] }\n`
  })
  writeFileSync(join(dir, 'osiris.yaml'), `namespace: demo\nfunctions:\n${functions.join('')}`)
  await osiris('universe', 'start', '--detach', '--http-port', String(await freePort()))
  await osiris('deploy', dir)
}, 180_000)

afterAll(async () => {
  await osiris('universe', 'stop').catch(() => {})
  collector.close()
  rmSync(dir, { recursive: true, force: true })
}, 30_000)

it('each function gets each message, and one of the group, though the router that acknowledged them is killed', async () => {
  const routers = (await nodes()).filter(({ roles }) => roles.includes('router'))
  expect(routers.length).toBeGreaterThanOrEqual(3)
  const [taker, other] = routers as [StatusNode, StatusNode]
  const osirisAt = async ({ http }: StatusNode) => connect({ url: http, timeoutMs: 20_000 })
  const client = await osirisAt(taker)
  await until(async () => (await client.topics.subscriptions('demo')).length === 3, 20_000, 100)
  const ids = await Promise.all(Array.from({ length: COUNT }, async (_, n) => (await client.publish('demo/orders.created', { n })).id))
  // Attempts have begun, and none has been taken.
  await until(() => refused > 0, 20_000, 5)
  process.kill(taker.pid as number, 'SIGKILL')
  isOpen = true
  const missing = () => {
    const all = new Set(taken)
    return ids.filter((id) => !all.has(`each ${id}`) || !(all.has(`one ${id}`) || all.has(`two ${id}`)))
  }
  await until(() => missing().length === 0, 60_000, 100)
  expect(new Set(taken.map((each) => each.split(' ')[1])).size).toBe(COUNT)
  const again = await (await osirisAt(other)).publish('demo/orders.created', 'after')
  await until(() => taken.includes(`each ${again.id}`), 20_000, 50)
  expect(await (await osirisAt(other)).topics.deadLetters('demo')).toEqual([])
}, 120_000)
