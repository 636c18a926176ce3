/** Asynchronous calls on real node processes: what a router accepted goes on though that router is killed at once. */
import type { ServerResponse } from 'node:http'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '#protocols/until'
import { connect, type Osiris } from '#sdk'
import { type Lossy, openLossy, type StatusNode } from './losses.fixture.ts'

const COUNT = 10

let lossy: Lossy
let routers: StatusNode[]
let [through, other]: Osiris[] = []
/** What functions fetched, each start once. */
const started: string[] = []
/** Answers that functions wait for. */
const held: ServerResponse[] = []
let holds = true

beforeAll(async () => {
  lossy = await openLossy(({ url = '' }, response) => {
    started.push(url.slice(1))
    if (holds && !url.startsWith('/placed')) held.push(response)
    else response.end()
  })
  routers = (await lossy.nodes()).filter(({ roles }) => roles.includes('router'))
  ;[through, other] = await Promise.all(routers.slice(0, 2).map(({ http }) => connect({ url: http, timeoutMs: 20_000 })))
  await Promise.all([deploy('placed', { place: { labels: { room: true } } }), deploy('begun'), deploy('again', { idempotent: true })])
}, 180_000)
afterAll(() => lossy?.stop(), 30_000)

function deploy(name: string, config: object = {}): Promise<unknown> {
  const source = `export default async (n) => { await fetch('${lossy.origin}/${name}-' + n); return n }`
  return (other as Osiris).deploy({
    ...{ namespace: 'demo', name, source, language: 'javascript', timeoutMs: 20_000 },
    config: { ...config, egress: [lossy.origin] },
  })
}

const startsOf = (name: string) => started.filter((each) => each.startsWith(name)).toSorted()
const start = async (name: string, n: number) => (await (through as Osiris).start<number>(`demo/${name}`, [n])).id
const ended = (id: string) => (other as Osiris).calls.at<number>(id)

it('what had not begun runs once, what had is not started again unless it is idempotent', async () => {
  expect(routers.length).toBeGreaterThanOrEqual(3)
  const waiting = await Promise.all(Array.from({ length: COUNT }, (_, n) => start('placed', n)))
  const [begun, again] = await Promise.all([start('begun', 0), start('again', 0)])
  await until(() => held.length === 2, 20_000, 20)
  process.kill(routers[0]?.pid as number, 'SIGKILL')
  holds = false
  // A deploy that was already on its way there would be one whose outcome nobody knows.
  const isGone = async () => !(await (other as Osiris).nodes()).some(({ name, connected }) => name === routers[0]?.name && connected)
  await until(isGone, 20_000, 20)
  // From now on there is room for it.
  await deploy('placed')
  expect(await Promise.all(waiting.map((id) => ended(id).result({ timeoutMs: 60_000 })))).toEqual(waiting.map((_, n) => n))
  expect(startsOf('placed')).toEqual(waiting.map((_, n) => `placed-${n}`))
  await expect(ended(begun).result({ timeoutMs: 60_000 })).rejects.toMatchObject({ code: 'outcome_unknown' })
  expect(await ended(again).result({ timeoutMs: 60_000 })).toBe(0)
  expect([startsOf('begun'), startsOf('again')]).toEqual([['begun-0'], ['again-0', 'again-0']])
  expect((await (other as Osiris).calls.list('demo')).every(({ state }) => state === 'done')).toBe(true)
}, 150_000)
