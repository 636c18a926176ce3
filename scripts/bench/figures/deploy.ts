/** From a deploy to every node of a universe of ten: the command to the first call on each, and how far apart the nodes see the entry. */
import type { Bench, Figure } from '../bench.ts'
import { callable, deploy, Osiris, visible } from '../osiris.ts'
import { median, percentile, round } from '../stats.ts'
import { BODY, NAMESPACE, SOURCE } from '../subject.ts'

const NODES = 10
const COMMANDS = 10
const ENTRIES = 20

export const deployEverywhere: Figure = {
  name: 'deploy',
  async measure(bench) {
    const osiris = await Osiris.create(bench.cleanup)
    bench.say(`a universe of ${NODES} nodes`)
    const universe = await osiris.startUniverse('default', NODES)
    const commandMs = await commands(bench, osiris, universe.http)
    const spreadMs = await spreads(bench, universe.http)
    await universe.stop()
    return [
      {
        what: 'deploy command to first call on every node of 10',
        measured: round(median(commandMs), 0),
        unit: 'ms',
        bar: { kind: 'most', value: 1000 },
        detail: { commandMs },
      },
      {
        what: 'deployed function visible on a node of 10 after the first that shows it: p99',
        measured: round(percentile(spreadMs, 99), 0),
        unit: 'ms',
        bar: { kind: 'most', value: 150 },
        detail: { p50Ms: round(median(spreadMs)), spreadMs },
      },
    ]
  },
}

/** Milliseconds of each command until the last node has answered a call. */
async function commands(bench: Bench, osiris: Osiris, nodes: string[]): Promise<number[]> {
  const times: number[] = []
  for (let i = 0; i < Math.ceil(COMMANDS / bench.divisor); i++) {
    const name = `command-${i}`
    bench.say(`osiris deploy ${name}.ts`)
    const file = await osiris.write(`${name}.ts`, `${SOURCE}// ${name}\n`)
    const start = performance.now()
    const node = nodes[i % nodes.length]!
    await Promise.all([
      osiris.command('deploy', file, '--namespace', NAMESPACE, '--node', node),
      ...nodes.map((each) => callable(each, name, BODY)),
    ])
    times.push(round(performance.now() - start))
  }
  return times
}

/** For each entry and each node but the first to show it, how much later it did. */
async function spreads(bench: Bench, nodes: string[]): Promise<number[]> {
  const all: number[] = []
  for (let i = 0; i < Math.ceil(ENTRIES / bench.divisor); i++) {
    const name = `entry-${i}`
    bench.say(`entry ${name}`)
    const seen = Promise.all(nodes.map((each) => visible(each, name)))
    await deploy(nodes[i % nodes.length]!, name, `${SOURCE}// ${name}\n`)
    const times = (await seen).toSorted((a, b) => a - b)
    all.push(...times.slice(1).map((each) => round(each - times[0]!)))
  }
  return all
}
