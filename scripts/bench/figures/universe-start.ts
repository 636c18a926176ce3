/** Universes of five and of twenty nodes, from the command to the first answer of a function: nothing on disk before, wall-clock seconds. */
import type { Bench, Figure, Row } from '../bench.ts'
import { callable, deploy, Osiris } from '../osiris.ts'
import { median, round } from '../stats.ts'
import { BODY, NAME, SOURCE } from '../subject.ts'

const SIZES = [
  { nodes: 5, mostS: 3 },
  { nodes: 20, mostS: 8 },
]

interface Run {
  readyS: number
  deployedS: number
  calledS: number
}

export const universeStart: Figure = {
  name: 'universe-start',
  async measure(bench) {
    const rows: Row[] = []
    for (const { nodes, mostS } of SIZES) {
      const runs: Run[] = []
      for (let i = 0; i < bench.rounds; i++) {
        bench.say(`a universe of ${nodes} nodes, run ${i + 1}`)
        runs.push(await once(bench, nodes))
      }
      rows.push({
        what: `universe of ${nodes} nodes: start to first call`,
        measured: round(median(runs.map((each) => each.calledS))),
        unit: 's',
        bar: { kind: 'most', value: mostS },
        detail: { runs },
      })
    }
    return rows
  },
}

async function once(bench: Bench, nodes: number): Promise<Run> {
  const osiris = await Osiris.create(bench.cleanup)
  const start = performance.now()
  const seconds = () => round((performance.now() - start) / 1000, 3)
  const universe = await osiris.startUniverse('default', nodes)
  const readyS = seconds()
  await deploy(universe.http[0]!, NAME, SOURCE)
  const deployedS = seconds()
  await callable(universe.http.at(-1)!, NAME, BODY)
  const run = { readyS, deployedS, calledS: seconds() }
  await universe.stop()
  return run
}
