/** `npm run bench`: see README.md. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Bench, type Figure, isMet } from './bench.ts'
import { Cleanup } from './cleanup.ts'
import { canary } from './figures/canary.ts'
import { coldCall } from './figures/cold-call.ts'
import { density } from './figures/density.ts'
import { deployEverywhere } from './figures/deploy.ts'
import { growth } from './figures/growth.ts'
import { kill } from './figures/kill.ts'
import { ledger } from './figures/ledger.ts'
import { oneConnection } from './figures/one-connection.ts'
import { overload } from './figures/overload.ts'
import { remoteCall } from './figures/remote-call.ts'
import { universeGrowth } from './figures/universe-growth.ts'
import { scaleOut } from './figures/scale-out.ts'
import { universeStart } from './figures/universe-start.ts'
import { warmCall } from './figures/warm-call.ts'
import { chooseGenerator } from './load/load.ts'
import { machine, type Results, table } from './report.ts'

const FIGURES: Figure[] = [
  warmCall,
  oneConnection,
  remoteCall,
  coldCall,
  density,
  kill,
  canary,
  overload,
  scaleOut,
  universeStart,
  deployEverywhere,
  ledger,
  growth,
  universeGrowth,
]
const RESULTS = fileURLToPath(new URL('./results/latest.json', import.meta.url))
const ROUNDS = 5
const ROUND_MS = 5000

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    strict: { type: 'boolean', default: false },
    smoke: { type: 'boolean', default: false },
  },
})

function chosen(): Figure[] {
  const unknown = options.only.filter((name) => !FIGURES.some((figure) => figure.name === name))
  if (unknown.length > 0)
    throw new Error(`Cannot measure ${unknown.join(', ')}: the figures are ${FIGURES.map((figure) => figure.name).join(', ')}`)
  return options.only.length === 0 ? FIGURES : FIGURES.filter((figure) => options.only.includes(figure.name))
}

async function measure(figures: Figure[], cleanup: Cleanup): Promise<Results> {
  const load = await chooseGenerator(cleanup.signal)
  const size = options.smoke ? { rounds: 1, roundMs: 1000, divisor: 10 } : { rounds: ROUNDS, roundMs: ROUND_MS, divisor: 1 }
  const say = (text: string) => console.error(`  ${text}`)
  const results: Results = {}
  for (const figure of figures) {
    console.error(figure.name)
    const own = new Cleanup()
    const finish = cleanup.add(() => own.run())
    const bench: Bench = { ...size, load, cleanup: own, say }
    const rows = await figure.measure(bench).catch((error: unknown) => {
      cleanup.signal.throwIfAborted()
      console.error(`  Cannot measure ${figure.name}: ${error instanceof Error ? error.message : String(error)}`)
      process.exitCode = 1
    })
    // Nothing of one figure may disturb the next.
    await finish()
    if (rows === undefined) continue
    results[figure.name] = {
      commit: commit(),
      date: new Date().toISOString(),
      machine: machine(),
      load: load.name,
      rounds: size.rounds,
      rows,
    }
  }
  return results
}

function commit(): string {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: dirname(RESULTS), encoding: 'utf8' }).trim()
  try {
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '--untracked-files=no') === '' ? '' : ' with changes')
  } catch {
    return 'unknown'
  }
}

/** Figures that were not measured now keep what they had, with its own commit and machine. */
function keep(results: Results): void {
  let before: Results = {}
  try {
    before = JSON.parse(readFileSync(RESULTS, 'utf8')) as Results
  } catch {
    // The first run.
  }
  mkdirSync(dirname(RESULTS), { recursive: true })
  writeFileSync(RESULTS, `${JSON.stringify({ ...before, ...results }, null, 2)}\n`)
}

const cleanup = new Cleanup()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    console.error(`\n${signal}: stopping what was started`)
    void cleanup.run().finally(() => process.exit(128 + constants.signals[signal]))
  })
}

try {
  const results = await measure(chosen(), cleanup)
  const rows = Object.values(results).flatMap((each) => each.rows)
  const { cpu, cores, memoryGiB, node } = machine()
  const load = Object.values(results)[0]?.load ?? ''
  console.log(`\n${table(rows)}\n\n${cpu}, ${cores} cores, ${memoryGiB} GiB, Node ${node}; load by ${load}; commit ${commit()}`)
  if (options.smoke) console.log('A smoke run: too short to say anything about speed; nothing was kept.')
  else keep(results)
  if (options.strict && !rows.every(isMet)) process.exitCode = 1
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
} finally {
  await cleanup.run()
}
