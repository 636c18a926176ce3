/** A function of one namespace while functions of another do what they should not: its waiting beside its own quiet waiting. */
import { setTimeout as sleep } from 'node:timers/promises'
import { ahead } from '../ahead.ts'
import type { Bench, Figure } from '../bench.ts'
import { callHostileFromOutside } from '../hostile-callers.ts'
import { deploy, Osiris } from '../osiris.ts'
import { Probe } from '../probe.ts'
import { median, percentile, round } from '../stats.ts'
import { assertServes, BODY, NAME, PATH, SOURCE } from '../subject.ts'

const NAMESPACE = 'hostile'
const EVERY_MS = 20
/** 150 calls of the canary: with five rounds the 99th of a hundred is seen seven times. */
const ROUND_MS = 3000
/** After a hostile round: what it left behind (a killed worker, spares that start) is not the quiet. */
const SETTLE_MS = 300
const CALLERS = 4
const config = { execution: { timeout: '300ms', memory: '64MB', payload: '4MB' } }

/** One of each kind in fixtures/hostile that takes what others need as well. */
const KINDS: { [name: string]: string } = {
  'cpu-loop': 'export default () => { for (;;); }',
  'gc-churn': 'export default () => { for (;;) Array.from({ length: 1000 }, (_, i) => ({ i, text: "x" + i })) }',
  'memory-flood': 'export default () => { const kept = []; for (;;) kept.push(new Array(1000).fill(Math.random())) }',
  'log-flood': 'export default () => { for (let i = 0; i < 1e4; i++) console.log("x".repeat(4096)) }',
  'big-result': 'export default () => "x".repeat(3_500_000)',
  'promise-storm': 'export default async () => { for (;;) await Promise.all(Array.from({ length: 1000 }, async () => 1)) }',
  uninterruptible: 'export default () => { let a = 3n ** 100000n; for (;;) a *= a }',
}

interface Times {
  quietUs: number[]
  hostileUs: number[]
  answers: { [code: string]: number }
}

export const canary: Figure = {
  name: 'canary',
  async measure(bench) {
    const osiris = await Osiris.create(bench.cleanup)
    const node = await osiris.startNode('canary', 'router,catalog,builder,executor')
    await deploy(node.http, NAME, SOURCE)
    for (const [name, source] of Object.entries(KINDS)) await deploy(node.http, name, source, { namespace: NAMESPACE, config })
    await assertServes(node.http)
    const probe = new Probe()
    const rows = await ahead(async (isAhead) => {
      await watch(node.http, probe, ROUND_MS / bench.divisor)
      const rows = []
      for (const name of Object.keys(KINDS)) rows.push(row(name, await measureKind(bench, node.http, probe, name), isAhead))
      return rows
    })
    probe.close()
    return rows
  },
}

async function measureKind(bench: Bench, http: string, probe: Probe, name: string): Promise<Times> {
  const times: Times = { quietUs: [], hostileUs: [], answers: {} }
  for (let round = 0; round < bench.rounds; round++) {
    times.quietUs.push(...(await watch(http, probe, ROUND_MS / bench.divisor)))
    const stop = await callHostileFromOutside(bench.cleanup, { url: `${http}/v1/call/${NAMESPACE}/${name}`, body: '[]' }, CALLERS)
    times.hostileUs.push(...(await watch(http, probe, ROUND_MS / bench.divisor)))
    for (const [code, count] of Object.entries(await stop())) times.answers[code] = (times.answers[code] ?? 0) + count
    await sleep(SETTLE_MS)
  }
  bench.say(`${name}: p99 ${round(percentile(times.hostileUs, 99), 0)} µs, quiet ${round(percentile(times.quietUs, 99), 0)} µs`)
  return times
}

/** Microseconds of each call, one every 20 ms; after one that took longer the next ones follow at once. */
async function watch(http: string, probe: Probe, durationMs: number): Promise<number[]> {
  const times: number[] = []
  const from = performance.now()
  for (let due = from; due < from + durationMs; due += EVERY_MS) {
    await sleep(Math.max(0, due - performance.now()))
    times.push(await probe.time({ url: http + PATH, body: BODY }))
  }
  return times
}

function row(name: string, { quietUs, hostileUs, answers }: Times, isAhead: boolean) {
  const summary = (times: number[]) => ({
    p50: round(median(times), 0),
    p99: round(percentile(times, 99), 0),
    max: round(Math.max(...times), 0),
  })
  return {
    what: `a canary's p99 while ${name} runs beside it, over its quiet p99`,
    measured: round(percentile(hostileUs, 99) / percentile(quietUs, 99)),
    unit: '×',
    bar: { kind: 'most' as const, value: 2 },
    detail: { quietUs: summary(quietUs), hostileUs: summary(hostileUs), answers, callers: CALLERS, isAhead },
  }
}
