/** A canary on real nodes: one that is broken is turned back by itself, one that is good comes through, whoever of the nodes goes meanwhile. */
import { hash } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { connect, type Osiris } from '#sdk'
import { until } from '#protocols/until'
import type { RunningNode } from '#node/universe'
import { TestMesh } from './components.fixture.ts'

const ROLES = ['router', 'catalog', 'builder', 'executor'] as const
const source = (errorRate: number, mark: string) =>
  `export default () => { if (Math.random() < ${errorRate}) throw new Error('no sugar'); return ${JSON.stringify(mark)} }`

let mesh: TestMesh
let nodes: RunningNode[]
let osiris: Osiris
beforeAll(async () => {
  mesh = await TestMesh.create()
  nodes = [await mesh.add([...ROLES])]
  nodes.push(...(await Promise.all([mesh.add([...ROLES]), mesh.add([...ROLES])])))
  osiris = await connect((nodes[0] as RunningNode).http)
  for (const [rate, mark] of [
    [0.01, 'old'],
    [0.5, 'broken'],
    [0.01, 'good'],
  ] as const)
    await osiris.deploy({
      namespace: 'demo',
      name: 'greet',
      source: source(rate, mark),
      language: 'javascript',
      config: { access: 'public' },
    })
  await osiris.functions.point('demo/greet', 'live', 'v1')
}, 30_000)
afterAll(() => mesh.stop())

/** Calls until `ended`, through all of these. */
async function callThrough(doors: readonly RunningNode[], ended: () => Promise<boolean>): Promise<void> {
  const stop = new AbortController()
  const calling = doors.map(async ({ http }) => {
    while (!stop.signal.aborted) {
      await fetch(`${http}/v1/call/demo/greet`, { method: 'POST' }).then((answer) => answer.arrayBuffer())
      await new Promise((resolve) => setTimeout(resolve, 4))
    }
  })
  await until(ended, 60_000, 100).finally(() => stop.abort())
  await Promise.all(calling)
}
const liveOf = async () => (await osiris.functions.get('demo/greet@v1')).aliases['live']?.map(({ weight }) => weight)
const promotion = async () => (await osiris.functions.get('demo/greet@v1')).promotion

it('a broken version is turned back by itself, and function show says why', async () => {
  const { promotion: begun } = await osiris.functions.canary('demo/greet', { version: 'v2', watchMs: 60_000 })
  expect(begun).toMatchObject({ state: 'running', weight: 10, steps: [10, 25, 50, 100] })
  expect(await liveOf()).toEqual([90, 10])
  await expect(osiris.functions.canary('demo/greet', { version: 'v3' })).rejects.toMatchObject({ code: 'conflict' })
  await callThrough(nodes, async () => (await promotion())?.state !== 'running' && (await liveOf())?.length === 1)
  expect(await promotion()).toMatchObject({ state: 'turned back', weight: 0, why: expect.stringMatching(/of its calls failed/) })
  expect((await osiris.functions.get('demo/greet')).ordinal).toBe(1)
}, 70_000)

it('a good one comes through all steps, though the node that moves it goes', async () => {
  await osiris.functions.canary('demo/greet', { version: 'v3', watchMs: 1500 })
  const score = ({ peer }: RunningNode) => hash('sha256', `${peer}/canary demo/greet`, 'hex')
  const owner = nodes.toSorted((a, b) => (score(a) < score(b) ? 1 : -1))[0] as RunningNode
  const others = nodes.filter((each) => each !== owner)
  osiris = await connect((others[0] as RunningNode).http)
  await owner.stop()
  await callThrough(others, async () => (await promotion())?.state !== 'running')
  expect(await promotion()).toMatchObject({ state: 'done', weight: 100 })
  await until(async () => (await osiris.functions.get('demo/greet')).ordinal === 3)
  await expect(osiris.functions.abort('demo/greet')).rejects.toMatchObject({ code: 'not_found' })
}, 70_000)
