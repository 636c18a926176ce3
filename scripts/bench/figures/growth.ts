/**
 * A warm call and the memory of a node as there are more functions in its ledger: three nodes with 1,000, 10,000 and 100,000 of them, called in turns;
 * and how long a fourth one takes to know as many as the largest does.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createIdentity, universeSchema } from '#protocols/access'
import { type Bench, type Figure, type Row, tried } from '../bench.ts'
import { nameOf, openLedger, publish, putArtifacts } from '../ledgers.ts'
import { memoryOf } from '../memory.ts'
import { type BenchNode, deploy, Osiris, visible } from '../osiris.ts'
import { Probe } from '../probe.ts'
import { interleave } from '../rounds.ts'
import { median, round } from '../stats.ts'
import { assertServes, BODY, NAME, PATH, SOURCE } from '../subject.ts'

const SIZES = ['1000', '10000', '100000'] as const
const SMALLEST = SIZES[0]
const ROLES = 'router,catalog,builder,executor'
const CALLS = 1000
/** What the root wrote behind a node's back gets into its checkpoint first. */
const SETTLE_MS = 20_000
/** After this a join has failed; what was measured before is kept. */
const JOIN_MS = 120_000
const STOP_MS = 30_000

export const growth: Figure = {
  name: 'growth',
  async measure(bench) {
    const osiris = await Osiris.create(bench.cleanup)
    const nodes: { [size: string]: BenchNode } = {}
    for (const size of SIZES) nodes[size] = await nodeWith(bench, osiris, functionsOf(bench, size))
    await sleep(SETTLE_MS / bench.divisor)
    const replayed = bytesOf(nodes)
    // As nodes are most of their lives: started from a checkpoint.
    for (const size of SIZES) {
      await nodes[size]!.stop()
      nodes[size] = await osiris.startNode(nodeName(functionsOf(bench, size)), ROLES)
      await assertServes(nodes[size].http)
    }
    const probe = new Probe()
    const call = async (size: string, count: number) => median(await probe.times({ url: `${nodes[size]!.http}${PATH}`, body: BODY }, count))
    for (const size of SIZES) await call(size, CALLS / bench.divisor)
    const p50Us = await interleave(bench.rounds, SIZES, (size) => call(size, CALLS / bench.divisor))
    probe.close()
    const bytes = bytesOf(nodes)
    const base = median(p50Us[SMALLEST])
    const rows = SIZES.slice(1).map((size) => ({
      what: `a warm call among ${Number(size).toLocaleString('en')} functions, over one among ${Number(SMALLEST).toLocaleString('en')}: p50`,
      measured: round(median(p50Us[size]) / base),
      unit: '×',
      bar: { kind: 'most' as const, value: 1.1 },
      detail: { p50Us: p50Us[size], baseP50Us: p50Us[SMALLEST] },
    }))
    const largest = SIZES[2]
    const perFunction = (bytes[largest]! - bytes[SMALLEST]!) / ((Number(largest) - Number(SMALLEST)) / bench.divisor)
    // No bar of the project's: what a node with a gigabyte can spare for a hundred thousand functions beside everything else.
    const memory = { what: 'memory of a node for each function that exists', measured: round(perFunction / 1024, 1), unit: 'KB' }
    const functions: Row[] = [...rows, { ...memory, bar: { kind: 'most', value: 5 }, detail: { bytes, replayed } }]
    const joined = await joining(bench, osiris, nodes[largest]!, functionsOf(bench, largest))
    for (const size of SIZES) await tried(bench, `stopping the node with ${size} functions`, STOP_MS, () => nodes[size]!.stop())
    return [...functions, joined]
  },
}

function functionsOf(bench: Bench, size: string): number {
  return Math.ceil(Number(size) / bench.divisor)
}

function nodeName(functions: number): string {
  return `growth-${functions}`
}

function bytesOf(nodes: { [size: string]: BenchNode }): { [size: string]: number } {
  return Object.fromEntries(SIZES.map((size) => [size, memoryOf(nodes[size]!.pid)[0]?.pssBytes ?? 0]))
}

/** Another node of the universe with the most functions, from its start until it shows the one that was published last. */
async function joining(bench: Bench, osiris: Osiris, founder: BenchNode, functions: number): Promise<Row> {
  bench.say(`a node joins ${functions} functions`)
  const startedAt = performance.now()
  let readyMs: number | undefined
  const knows = await tried(bench, `a node that joins ${functions} functions`, JOIN_MS, async () => {
    const node = await osiris.startNode('growth-joins', ROLES, founder.joinToken)
    readyMs = performance.now() - startedAt
    await visible(node.http, nameOf(functions - 1), JOIN_MS)
    return { node, tookMs: performance.now() - startedAt }
  })
  await knows?.node.stop()
  // Where it failed, that is at least how long it would have taken.
  const seconds = round((knows?.tookMs ?? JOIN_MS) / 1000, 1)
  const what = `a new node knows ${functions.toLocaleString('en')} functions: from its start`
  // No bar of the project's either: what whoever adds a node looks on for.
  return { what, measured: seconds, unit: 's', bar: { kind: 'most', value: 30 }, detail: { readyMs, knows: knows !== undefined } }
}

/** The function everybody serves, among others that its founder's root wrote while it was down. */
async function nodeWith(bench: Bench, osiris: Osiris, functions: number): Promise<BenchNode> {
  const name = nodeName(functions)
  bench.say(`a node with ${functions} functions`)
  const first = await osiris.startNode(name, ROLES)
  await deploy(first.http, NAME, SOURCE)
  await first.stop()
  const read = (file: string) => readFile(join(first.dataDir, file), 'utf8')
  const identity = createIdentity(Buffer.from((await read('root.key')).trim(), 'hex'))
  const universe = universeSchema.strip().parse(JSON.parse(await read('universe.json')))
  // Each function has its own code, as functions have: what the node keeps and looks after is part of what grows.
  await putArtifacts(join(first.dataDir, 'artifacts'), functions)
  const { ledger, close } = await openLedger({ identity, universe, directory: join(first.dataDir, 'store') })
  await publish(ledger, 0, functions)
  await close()
  const node = await osiris.startNode(name, ROLES)
  await assertServes(node.http)
  return node
}
