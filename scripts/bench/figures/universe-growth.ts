/**
 * A warm call, and what a change costs each node, as a universe grows: 5, 10, 20 and 40 nodes, all in one process, one universe after the other. What travels is
 * what the process reads and writes (proc(5), `io`): all of it goes over sockets, but for some files.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Bench, type Figure, type Row, tried } from '../bench.ts'
import { callable, deploy, Osiris } from '../osiris.ts'
import { Probe } from '../probe.ts'
import { median, round } from '../stats.ts'
import { assertServes, BODY, NAME, PATH, SOURCE } from '../subject.ts'

const SIZES = [5, 10, 20, 40]
const CALLS = 1000
/** What nodes that have just met tell each other is no part of it: their neighbours, the DHT, and each that follows the ledger asks every catalog once, one a second. */
const SETTLE_MS = 25_000
/** Beside the changes: what the same universe does without any. */
const WATCHED_MS = 10_000
const CHANGE_EVERY_MS = 500
/** One that takes longer has failed; all four together are to take ten minutes at most. */
const UNIVERSE_MS = 180_000

interface Grown {
  nodes: number
  p50Us: number[]
  /** Of one node in a second, both ways. */
  quietBytes: number
  changingBytes: number
  changesPerSecond: number
}

export const universeGrowth: Figure = {
  name: 'universe-growth',
  async measure(bench) {
    const sizes = SIZES.slice(0, bench.divisor === 1 ? SIZES.length : 2)
    const grown: Grown[] = []
    for (const nodes of sizes) {
      const each = await tried(bench, `a universe of ${nodes} nodes`, UNIVERSE_MS, () => universeOf(bench, nodes))
      // A larger one would fail as well.
      if (each === undefined) break
      grown.push(each)
    }
    const all = {
      what: `universes of ${sizes.join(', ')} nodes in one process that came up and were measured`,
      measured: grown.length,
      unit: '',
    }
    const came: Row = { ...all, bar: { kind: 'least', value: sizes.length }, detail: { nodes: grown.map(({ nodes }) => nodes) } }
    if (grown.length < 2) return [came]
    const rows = grown.slice(1).map((each, at): Row => {
      const before = grown[at] as Grown
      return {
        what: `a warm call in a universe of ${each.nodes} nodes, over one of ${before.nodes}: p50`,
        measured: round(median(each.p50Us) / median(before.p50Us)),
        ...{ unit: '×', bar: { kind: 'most', value: 1.1 }, detail: { ...each, before: before.p50Us } },
      }
    })
    const [smallest, largest] = [grown[0] as Grown, grown.at(-1) as Grown]
    const what = `what a change costs each of ${largest.nodes} nodes in bytes, over each of ${smallest.nodes}`
    return [
      came,
      ...rows,
      { what, measured: round(perChange(largest) / perChange(smallest)), unit: '×', bar: { kind: 'most', value: 1.1 }, detail: { grown } },
    ]
  },
}

function perChange({ quietBytes, changingBytes, changesPerSecond }: Grown): number {
  return (changingBytes - quietBytes) / changesPerSecond
}

async function universeOf(bench: Bench, nodes: number): Promise<Grown> {
  bench.say(`a universe of ${nodes} nodes in one process`)
  const osiris = await Osiris.create(bench.cleanup)
  const { http, pid, stop } = await osiris.startUniverseHere(`growing-${nodes}`, nodes)
  const first = http[0] as string
  await deploy(first, NAME, SOURCE)
  for (const each of http) await callable(each, NAME, BODY)
  await sleep(SETTLE_MS / bench.divisor)
  const near = await nearest(http)
  const probe = new Probe()
  const p50Us: number[] = []
  for (let count = 0; count <= bench.rounds; count += 1)
    p50Us.push(median(await probe.times({ url: `${near}${PATH}`, body: BODY }, CALLS / bench.divisor)))
  probe.close()
  const watchedMs = WATCHED_MS / bench.divisor
  const quietBytes = (await travels(pid, () => sleep(watchedMs))) / nodes
  let changes = 0
  const startedAt = performance.now()
  const changing = await travels(pid, async () => {
    for (; performance.now() - startedAt < watchedMs; changes += 1) {
      const next = sleep(CHANGE_EVERY_MS)
      await deploy(first, `change-${changes}`, SOURCE)
      await next
    }
  })
  const changesPerSecond = changes / ((performance.now() - startedAt) / 1000)
  await stop()
  // The first round warms up.
  return { nodes, p50Us: p50Us.slice(1), quietBytes, changingBytes: changing / nodes, changesPerSecond }
}

/** A node that runs the function itself: a call through another one costs twice as much, whatever the size of the universe. */
async function nearest(http: readonly string[]): Promise<string> {
  const hops = await Promise.all(http.map(async (each) => Number((await assertServes(each)).headers.get('osiris-hops'))))
  return http[hops.indexOf(Math.min(...hops))] as string
}

/** Bytes a second that a process reads and writes meanwhile. */
async function travels(pid: number, meanwhile: () => Promise<unknown>): Promise<number> {
  const [before, startedAt] = [bytesOf(pid), performance.now()]
  await meanwhile()
  return (bytesOf(pid) - before) / ((performance.now() - startedAt) / 1000)
}

function bytesOf(pid: number): number {
  const counters = readFileSync(`/proc/${pid}/io`, 'utf8').matchAll(/^[rw]char: (\d+)$/gm)
  return [...counters].reduce((sum, [, count]) => sum + Number(count), 0)
}
