/** A warm call over HTTP, small JSON, 32 connections: against workerd, and against plain Hono in one process. */
import type { Bench, Figure, Row } from '../bench.ts'
import { startHono, startWorkerd } from '../contenders/contenders.ts'
import type { LoadResult } from '../load/load.ts'
import { deploy, Osiris } from '../osiris.ts'
import { interleave } from '../rounds.ts'
import { median, round } from '../stats.ts'
import { assertServes, BODY, NAME, PATH, SOURCE } from '../subject.ts'

const CONNECTIONS = 32
const CONTENDERS = ['osiris', 'workerd', 'hono'] as const

export const warmCall: Figure = {
  name: 'warm-call',
  async measure(bench) {
    const [osiris, workerd, hono] = [await startOsiris(bench), await startWorkerd(bench.cleanup), await startHono(bench.cleanup)]
    const bases = { osiris, workerd: workerd.base, hono: hono.base }
    const load = (name: (typeof CONTENDERS)[number]) => {
      bench.say(`${CONNECTIONS} connections on ${name}`)
      return bench.load.run({ url: bases[name] + PATH, body: BODY, connections: CONNECTIONS, durationMs: bench.roundMs })
    }
    await interleave(1, CONTENDERS, load)
    const results = await interleave(bench.rounds, CONTENDERS, load)
    await Promise.all([workerd.stop(), hono.stop()])
    return rows(results)
  },
}

async function startOsiris(bench: Bench): Promise<string> {
  const osiris = await Osiris.create(bench.cleanup)
  const node = await osiris.startNode('warm', 'router,catalog,builder,executor')
  await deploy(node.http, NAME, SOURCE)
  await assertServes(node.http)
  return node.http
}

/** Pure. */
export function rows(results: Record<(typeof CONTENDERS)[number], LoadResult[]>): Row[] {
  const middle = (name: keyof typeof results, of: keyof LoadResult) => round(median(results[name].map((each) => each[of])))
  const medians = Object.fromEntries(
    CONTENDERS.map((name) => [
      name,
      { requestsPerSecond: middle(name, 'requestsPerSecond'), p50Us: middle(name, 'p50Us'), p99Us: middle(name, 'p99Us') },
    ]),
  )
  const ratio = (of: keyof LoadResult, to: 'workerd' | 'hono') => round(middle('osiris', of) / middle(to, of))
  return [
    {
      what: 'warm call, 32 connections: throughput against workerd',
      measured: ratio('requestsPerSecond', 'workerd'),
      unit: '×',
      bar: { kind: 'least', value: 1.5 },
      detail: { medians, results },
    },
    {
      what: 'warm call, 32 connections: p99 against workerd',
      measured: ratio('p99Us', 'workerd'),
      unit: '×',
      bar: { kind: 'most', value: 1 },
      detail: { medians },
    },
    {
      what: 'warm call, 32 connections: throughput against plain Hono',
      measured: ratio('requestsPerSecond', 'hono'),
      unit: '×',
      bar: { kind: 'least', value: 0.45 },
      detail: { medians },
    },
  ]
}
