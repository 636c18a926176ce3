/** Five times what a node can do: how much of what it can it still does, how soon the others are refused, and how soon it is itself again. */
import type { Bench, Figure } from '../bench.ts'
import { callAtRate, type Ended } from '../load/open-loop.ts'
import { deploy, Osiris } from '../osiris.ts'
import { median, percentile, round } from '../stats.ts'
import { NAMESPACE } from '../subject.ts'

const WAIT_MS = 50
const CONCURRENCY = 10
/** Waits, and computes nothing: what is measured is admission, not the two cores that the caller shares. */
const SOURCE = `export default () => new Promise((done) => setTimeout(() => done(1), ${WAIT_MS}))`
const config = { execution: { concurrency: CONCURRENCY, timeout: '2s' as const }, scale: { max: 1 } }
/** What one instance can do in a second. */
const CAPACITY = (CONCURRENCY * 1000) / WAIT_MS
/** Of the capacity: all that comes is served. */
const CALM = 0.8
const WINDOW_MS = 250

interface Round {
  peak: number
  goodput: number
  refusedMs: number[]
  recoveryMs: number
  codes: { [code: string]: number }
}

export const overload: Figure = {
  name: 'overload',
  async measure(bench) {
    const osiris = await Osiris.create(bench.cleanup)
    const node = await osiris.startNode('overload', 'router,catalog,builder,executor')
    await deploy(node.http, 'wait', SOURCE, { config })
    const request = { url: `${node.http}/v1/call/${NAMESPACE}/wait`, body: '[]' }
    await callAtRate(request, CAPACITY * CALM, 1000)
    const rounds: Round[] = []
    for (let each = 0; each < bench.rounds; each++) rounds.push(await measureRound(bench, request))
    return rowsOf(rounds)
  },
}

async function measureRound(bench: Bench, request: { url: string; body: string }): Promise<Round> {
  // A little more than it can do, so that it never waits for work.
  const full = await callAtRate(request, CAPACITY * 1.1, bench.roundMs)
  const flood = await callAtRate(request, CAPACITY * 5, bench.roundMs)
  const calm = await callAtRate(request, CAPACITY * CALM, bench.roundMs)
  const refusedMs = flood.flatMap(({ code, ms }) => (code === 'ok' ? [] : [ms]))
  const result = { peak: servedIn(full), goodput: servedIn(flood), refusedMs, recoveryMs: recoveryOf(calm), codes: codesOf(flood) }
  bench.say(
    `peak ${round(result.peak, 0)}/s, at five times ${round(result.goodput, 0)}/s, refused p99 ${round(percentile(refusedMs, 99), 0)} ms`,
  )
  return result
}

/** Answers a second in the second half of a load: by then what it does is what it goes on doing. */
function servedIn(all: readonly Ended[]): number {
  const end = Math.max(...all.map(({ at }) => at))
  const half = all.filter(({ at, ms, code }) => code === 'ok' && at + ms >= end / 2 && at + ms < end)
  return half.length / (end / 2 / 1000)
}

/** When the first stretch began after which nearly everything was served in its own time, and everything after it too. */
function recoveryOf(calm: readonly Ended[]): number {
  const isServed = ({ code, ms }: Ended) => code === 'ok' && ms < 4 * WAIT_MS
  const bad = calm.filter((each) => !isServed(each)).map(({ at }) => Math.floor(at / WINDOW_MS))
  const counts = new Map<number, number>()
  for (const window of bad) counts.set(window, (counts.get(window) ?? 0) + 1)
  const allowed = (0.05 * CAPACITY * CALM * WINDOW_MS) / 1000
  const last = Math.max(-1, ...[...counts].flatMap(([window, count]) => (count > allowed ? [window] : [])))
  return (last + 1) * WINDOW_MS
}

function codesOf(all: readonly Ended[]): { [code: string]: number } {
  const codes: { [code: string]: number } = {}
  for (const { code } of all) codes[code] = (codes[code] ?? 0) + 1
  return codes
}

function rowsOf(rounds: readonly Round[]) {
  const detail = { capacity: CAPACITY, rounds: rounds.map(({ refusedMs, ...rest }) => ({ ...rest, refused: refusedMs.length })) }
  const refused = rounds.flatMap((each) => each.refusedMs)
  return [
    {
      what: 'at five times the capacity: calls served, over the most it serves',
      measured: round(median(rounds.map(({ goodput, peak }) => goodput / peak))),
      unit: '×',
      bar: { kind: 'least' as const, value: 0.8 },
      detail,
    },
    {
      what: `at five times the capacity: refused after, p99 of ${refused.length} calls`,
      measured: round(percentile(refused, 99), 0),
      unit: 'ms',
      bar: { kind: 'most' as const, value: 50 },
      detail: { p50Ms: round(median(refused), 1) },
    },
    {
      what: 'after five times the capacity: everything is served again after',
      measured: Math.max(...rounds.map(({ recoveryMs }) => recoveryMs)),
      unit: 'ms',
      bar: { kind: 'most' as const, value: 5000 },
      detail: { eachMs: rounds.map(({ recoveryMs }) => recoveryMs), windowMs: WINDOW_MS },
    },
  ]
}
