/** Topics on real node processes: what a router acknowledged is delivered though that router is killed at once. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '#protocols/until'
import { connect } from '#sdk'
import { type Lossy, openLossy, type StatusNode } from './losses.fixture.ts'

const COUNT = 25

let lossy: Lossy
/** What functions took, `function message`; only while the collector is open. */
const taken: string[] = []
let [isOpen, refused] = [false, 0]

beforeAll(async () => {
  lossy = await openLossy((request, response) => {
    if (isOpen) taken.push(decodeURIComponent((request.url ?? '').slice(1)))
    else refused += 1
    response.writeHead(isOpen ? 200 : 503).end()
  })
  const { dir, origin, osiris } = lossy
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
  await osiris('deploy', dir)
}, 180_000)

afterAll(() => lossy?.stop(), 30_000)

it('each function gets each message, and one of the group, though the router that acknowledged them is killed', async () => {
  const routers = (await lossy.nodes()).filter(({ roles }) => roles.includes('router'))
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
