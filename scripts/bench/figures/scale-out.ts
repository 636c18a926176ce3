/** One to four executors with one instance each of a function that waits: how throughput grows, and how soon an executor that joins takes work. */
import type { Bench, Figure } from '../bench.ts'
import { until } from '../children.ts'
import { callable, deploy, Osiris } from '../osiris.ts'
import { median, round } from '../stats.ts'
import { NAMESPACE } from '../subject.ts'

const WAIT_MS = 50
const CONCURRENCY = 10
const EXECUTORS_MAX = 4
const NAME = 'wait'
/** Waits, and computes nothing: what is measured is where calls go, not the two cores that all nodes share. */
const SOURCE = `export default () => new Promise((done) => setTimeout(() => done(1), ${WAIT_MS}))`
/** A little more than the instances take at once, so that none waits for work. */
const CALLERS = 1.2
const SPREAD_MS = 20_000
const LOOK_MS = 20

export const scaleOut: Figure = {
  name: 'scale-out',
  async measure(bench) {
    const osiris = await Osiris.create(bench.cleanup)
    const door = await osiris.startNode('door', 'router,catalog,builder')
    const first = await osiris.startNode('executor-1', 'executor', door.joinToken)
    const config = { execution: { concurrency: CONCURRENCY }, scale: { min: 1, max: 1, target: CONCURRENCY } }
    await deploy(door.http, NAME, SOURCE, { config })
    await callable(door.http, NAME, '[]')
    const perSecond: number[][] = []
    const joinedMs: number[] = []
    let executors = [first]
    for (let count = 1; count <= EXECUTORS_MAX; count++) {
      if (count > 1) {
        // Everybody may have one before it comes, so that what is measured is the coming.
        await setMax(door.http, count)
        const { node, ms } = await join(bench, door, () => osiris.startNode(`executor-${count}`, 'executor', door.joinToken), count)
        executors = [...executors, node]
        joinedMs.push(ms)
      }
      await spreadOver(door.http, count)
      perSecond.push(await throughput(bench, door.http, count))
    }
    const alone = median(perSecond[0] ?? [])
    const linear = perSecond.slice(1).map((each, index) => median(each) / (alone * (index + 2)))
    return [
      {
        what: `throughput with 2 to ${EXECUTORS_MAX} executors, over as many times that of one: the least`,
        measured: round(Math.min(...linear)),
        unit: '×',
        bar: { kind: 'least', value: 0.9 },
        detail: { perSecond, linear, executors: executors.length },
      },
      {
        what: 'a joining executor takes its first call: from when it is ready, the longest',
        measured: round(Math.max(...joinedMs) / 1000),
        unit: 's',
        bar: { kind: 'most', value: 2 },
        detail: { joinedMs },
      },
    ]
  },
}

async function throughput(bench: Bench, http: string, executors: number): Promise<number[]> {
  const url = `${http}/v1/call/${NAMESPACE}/${NAME}`
  const connections = Math.round(CONCURRENCY * executors * CALLERS)
  const rates: number[] = []
  await bench.load.run({ url, body: '[]', connections, durationMs: bench.roundMs / 2 })
  for (let each = 0; each < bench.rounds; each++)
    rates.push((await bench.load.run({ url, body: '[]', connections, durationMs: bench.roundMs })).requestsPerSecond)
  bench.say(`${executors} executors: ${round(median(rates), 0)} calls/s`)
  return rates
}

/** Starts a node under load; milliseconds from when it was ready to the first answer that it gave. */
async function join<N>(bench: Bench, door: { http: string }, start: () => Promise<N>, count: number): Promise<{ node: N; ms: number }> {
  const name = `executor-${count}`
  let answeredAt = 0
  const over = new AbortController()
  const caller = async () => {
    const ending = AbortSignal.any([over.signal, bench.cleanup.signal])
    while (!ending.aborted) {
      const response = await fetch(`${door.http}/v1/call/${NAMESPACE}/${NAME}`, { method: 'POST', body: '[]' })
      await response.arrayBuffer()
      if (answeredAt === 0 && response.headers.get('osiris-node') === name) answeredAt = performance.now()
    }
  }
  const callers = Array.from({ length: CONCURRENCY * count }, caller)
  const node = await start()
  const readyAt = performance.now()
  await until(`${name} takes work`, LOOK_MS, SPREAD_MS, async () => (answeredAt > 0 ? true : undefined))
  over.abort()
  await Promise.all(callers)
  return { node, ms: Math.max(0, answeredAt - readyAt) }
}

async function setMax(http: string, max: number): Promise<void> {
  const init = { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ min: max, max }) }
  const response = await fetch(`${http}/v1/functions/${NAMESPACE}/${NAME}/scale`, init)
  if (!response.ok) throw new Error(`Cannot set the scale: ${response.status} ${await response.text()}`)
}

/** Until so many executors have an instance. */
async function spreadOver(http: string, executors: number): Promise<void> {
  await until(`${executors} executors have an instance`, LOOK_MS, SPREAD_MS, async () => {
    const response = await fetch(`${http}/v1/functions/${NAMESPACE}/${NAME}/scale`)
    const { versions } = (await response.json()) as { versions: { nodes: unknown[] }[] }
    return versions[0]?.nodes.length === executors ? true : undefined
  })
}
