/** `npm run simulate`: seeds until one fails, one seed again with its trace, the same seeds twice, or every planted bug until it is found. */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { BUGS } from './bugs.ts'
import { runFleet, runTwice } from './fleet.ts'
import { plant } from './plant.ts'
import type { Report } from './run.ts'

/** Each planted bug must be found within so many. */
const BUG_SEEDS_MAX = 500
/** Characters of what a violation says, in the table. */
const TOLD_MAX = 90
const HELP = `npm run simulate -- [--seeds N] [--seed S] [--minutes M] [--processes P] [--bug NAME] [--trace]
npm run simulate -- --bugs [NAME…]
npm run simulate -- --twice N [--seed S]

  --seeds N      how many runs (default 200; with --seed 1)
  --seed S       the first seed (default 1)
  --minutes M    stop after so long
  --processes P  how many at once (default ${Math.min(2, availableParallelism())})
  --bug NAME     with this bug in the production code
  --trace        print everything that happens, in this process
  --bugs         plant each bug in turn and tell how many seeds it took to find it (at most ${BUG_SEEDS_MAX}); exit 1 when one was not found
  --twice N      so many seeds in two processes each, there and back: exit 1 unless each has the same trace both times and violates nothing
`
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string' },
    processes: { type: 'string', default: String(Math.min(2, availableParallelism())) },
    bug: { type: 'string' },
    bugs: { type: 'boolean', default: false },
    twice: { type: 'string' },
    trace: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

if (options.help) process.stdout.write(HELP)
else if (options.bugs) process.exitCode = await findBugs(positionals)
else if (options.twice !== undefined) process.exitCode = await compareTwice(whole(options.twice, 'twice'))
else if (options.trace) process.exitCode = await traceSeed()
else process.exitCode = await runSeeds()

async function runSeeds(): Promise<number> {
  const from = whole(options.seed, 'seed')
  const seeds =
    options.seeds === undefined ? (options.minutes === undefined ? 200 : Number.MAX_SAFE_INTEGER / 2) : whole(options.seeds, 'seeds')
  const untilMs = options.minutes === undefined ? 0 : Date.now() + Number(options.minutes) * 60_000
  const startedAt = performance.now()
  const rate = (done: number) => `${Math.round((done * 1000) / (performance.now() - startedAt))}/s`
  const onProgress = (done: number) => process.stderr.write(`\r${done} seeds, ${rate(done)} `)
  const report = await runFleet({ from, seeds, untilMs, onProgress, bug: options.bug, processes: whole(options.processes, 'processes') })
  process.stderr.write('\n')
  if (report.violation !== undefined) {
    process.stdout.write(describe(report.violation, options.bug))
    return 1
  }
  process.stdout.write(`${report.seeds} seeds from ${from}, ${report.steps} steps, 0 violations, ${rate(report.seeds)}\n`)
  return 0
}

/** In this process, so that a debugger can look on. */
async function traceSeed(): Promise<number> {
  const bug = BUGS.find((each) => each.name === options.bug)
  if (bug !== undefined) plant(bug)
  const { arrangeCrypto, simulate } = await import('./index.ts')
  arrangeCrypto()
  const report = await simulate(whole(options.seed, 'seed'), { print: (line) => process.stdout.write(`${line}\n`) })
  process.stdout.write(`hash ${report.hash}, ${report.steps} steps, ${JSON.stringify(report.counts)}\n`)
  return report.violation === undefined ? 0 : 1
}

async function compareTwice(count: number): Promise<number> {
  const from = whole(options.seed, 'seed')
  const { different, violations } = await runTwice(from, count)
  for (const { seed, violation } of violations.values()) process.stdout.write(`seed ${seed}: ${violation?.rule}: ${violation?.text}\n`)
  const seeds = different.length === 0 ? '' : `; not: ${different.slice(0, 20).join(' ')}`
  process.stdout.write(
    `${count - different.length} of ${count} seeds from ${from} have the same trace in two processes${seeds}; violations: ${violations.size}\n`,
  )
  return different.length + violations.size === 0 ? 0 : 1
}

async function findBugs(names: readonly string[]): Promise<number> {
  const bugs = BUGS.map(({ name }) => name).filter((name) => names.length === 0 || names.includes(name))
  const width = Math.max(...bugs.map((name) => name.length))
  const left = bugs.values()
  let missed = 0
  const look = async () => {
    for (const name of left) {
      const found = await findBug(name)
      missed += Number(found === undefined)
      const what =
        found === undefined
          ? 'NOT FOUND'
          : `seed ${String(found.seed).padStart(3)}  ${found.violation?.rule}: ${found.violation?.text.slice(0, TOLD_MAX)}`
      process.stdout.write(`${name.padEnd(width)}  ${what}\n`)
    }
  }
  await Promise.all(Array.from({ length: whole(options.processes, 'processes') }, look))
  process.stdout.write(
    missed === 0
      ? `all of ${bugs.length} planted bugs were found\n`
      : `${missed} of ${bugs.length} were not found in ${BUG_SEEDS_MAX} seeds\n`,
  )
  return missed === 0 ? 0 : 1
}

/** The first seed that fails with the bug and not without it. */
async function findBug(bug: string): Promise<Report | undefined> {
  for (let from = 1; from <= BUG_SEEDS_MAX;) {
    const search = { from, seeds: BUG_SEEDS_MAX - from + 1, untilMs: 0, processes: 1, onProgress: () => {} }
    const { violation } = await runFleet({ ...search, bug })
    if (violation === undefined) return undefined
    const without = await runFleet({ ...search, from: violation.seed, seeds: 1 })
    if (without.violation === undefined) return violation
    process.stdout.write(`seed ${violation.seed} fails without "${bug}" too: ${without.violation.violation?.rule}\n`)
    from = violation.seed + 1
  }
  return undefined
}

function describe({ seed, violation, last }: Report, bug: string | undefined): string {
  const again = `npm run simulate -- --seed ${seed} --trace${bug === undefined ? '' : ` --bug ${bug}`}`
  return `${last.join('\n')}\n\nseed ${seed}: ${violation?.rule}: ${violation?.text}\nagain, exactly: ${again}\n`
}

function whole(text: string, name: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value > 0) return value
  process.stderr.write(`Cannot run: --${name} takes a whole number above 0, not "${text}"\n\n${HELP}`)
  process.exit(2)
}
