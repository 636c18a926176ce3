/** `npm run test:faults`: see README.md. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { inspect, parseArgs } from 'node:util'
import { Cleanup } from '../bench/cleanup.ts'
import { FAULTS } from './faults.ts'
import type { Fault, FaultRun } from './fault.ts'

const STRIKES = 100
const HELP = `npm run test:faults -- [--only NAME] [--kills N | --calls N] [--seed S] [--nodes N]

  --only NAME  one fault, or some with commas between (${FAULTS.map(({ name }) => name).join(', ')}); default: all
  --kills N    how often each strikes (default ${STRIKES}, fewer of what takes a minute each)
  --calls N    of the faults about calls: each strikes until N calls were made that must not be started twice; only starts and answers count then, not times
  --seed S     whom it hits and when (default: the clock's; told at the beginning)
  --nodes N    how many (default 5)
  --untimed    for a machine that is busy with others: how soon and what share in time is told, not judged, and troubles last as long as in npm test
`
/** Issue 4 and THREATS 3: all agree so soon after a fault has healed. */
const SETTLE_MS = 10_000
const UNTIMED_SETTLE_MS = 60_000
const LOOK_EVERY = 50
const STILL_MS = 1000

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    kills: { type: 'string' },
    calls: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    nodes: { type: 'string', default: '5' },
    untimed: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const cleanup = new Cleanup()
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)
  process.once(signal, () => void cleanup.run().finally(() => process.exit(code)))

if (options.help) process.stdout.write(HELP)
else process.exitCode = await runAll()

async function runAll(): Promise<number> {
  const only = options.only?.split(',')
  const unknown = only?.filter((each) => FAULTS.every(({ name }) => name !== each)) ?? []
  if (unknown.length > 0) return misused(`there is no fault ${unknown.join(', ')}`)
  const [strikes, seed, nodes] = [options.kills === undefined ? 0 : whole(options.kills), whole(options.seed), whole(options.nodes)]
  if (strikes === undefined || seed === undefined || nodes === undefined)
    return misused('--kills, --seed and --nodes take whole numbers above 0')
  const calls = options.calls === undefined ? undefined : whole(options.calls)
  if (options.calls !== undefined && (calls === undefined || options.kills !== undefined))
    return misused('--calls takes a whole number above 0, and stands in for --kills')
  const chosen = FAULTS.filter(({ name, countsCalls }) => (only?.includes(name) ?? true) && (calls === undefined || countsCalls))
  if (chosen.length === 0) return misused('--calls is for faults about calls')
  const counts = { held: 0, failed: 0, skipped: 0 }
  for (const fault of chosen) {
    const reason = fault.unable?.()
    if (reason !== undefined) process.stdout.write(`${fault.name}: SKIPPED: ${reason}\n`)
    const isHeld =
      reason === undefined &&
      (await runOne(fault, { strikes: strikes || (fault.strikes ?? STRIKES), seed, nodes, ...(calls === undefined ? {} : { calls }) }))
    counts[reason !== undefined ? 'skipped' : isHeld ? 'held' : 'failed'] += 1
  }
  await cleanup.run()
  process.stdout.write(`${counts.held} held, ${counts.failed} failed, ${counts.skipped} skipped\n`)
  return counts.failed === 0 ? 0 : 1
}

async function runOne(fault: Fault, plan: Pick<FaultRun, 'strikes' | 'seed' | 'nodes' | 'calls'>): Promise<boolean> {
  const { strikes, seed, nodes, calls } = plan
  const dir = mkdtempSync(join(tmpdir(), 'osiris-faults-'))
  let isKept = false
  cleanup.add(async () => {
    if (!isKept) rmSync(dir, { recursive: true, force: true })
  })
  process.stdout.write(`${fault.name} (seed ${seed}): ${fault.does}\n`)
  const startedAt = performance.now()
  const still = watchStill()
  const isTimed = !options.untimed
  const say = (text: string) => process.stderr.write(`  ${text}, ${Math.round((performance.now() - startedAt) / 1000)} s\n`)
  const { summary, problems } = await fault
    .run({ ...plan, dir, cleanup, say, lookEvery: LOOK_EVERY, settleMs: isTimed ? SETTLE_MS : UNTIMED_SETTLE_MS, isTimed })
    .catch((error: unknown) => ({ summary: 'given up', problems: [`it could not be played: ${inspect(error)}`] }))
  if (cleanup.signal.aborted) return false
  isKept = problems.length > 0
  // Whoever reads figures of time should know.
  const stillMs = still()
  if (stillMs > STILL_MS)
    process.stdout.write(`  this machine stood still for up to ${Math.round(stillMs)} ms: its figures of time say little\n`)
  const minutes = (performance.now() - startedAt) / 60_000
  const pace = calls === undefined ? `${(strikes / minutes).toFixed(0)} strikes a minute` : `${minutes.toFixed(0)} minutes`
  process.stdout.write(`  ${summary}; ${pace}\n`)
  if (problems.length === 0) process.stdout.write(`  holds: ${fault.holds}\n`)
  else
    process.stdout.write(
      `${problems.map((each) => `  FAILED ${each}\n`).join('')}  data and logs: ${dir}\n  the same plan: npm run test:faults -- --only ${fault.name} ${calls === undefined ? `--kills ${strikes}` : `--calls ${calls}`} --seed ${seed} --nodes ${nodes}\n`,
    )
  return problems.length === 0
}

/** Returns how to end it and hear the longest time this process did not run. */
function watchStill(): () => number {
  const watch = monitorEventLoopDelay({ resolution: 20 })
  watch.enable()
  return () => {
    watch.disable()
    return watch.max / 1e6
  }
}

function whole(text: string): number | undefined {
  const value = Number(text)
  return Number.isSafeInteger(value) && value > 0 ? value : undefined
}

function misused(sentence: string): number {
  process.stderr.write(`Cannot run: ${sentence}\n\n${HELP}`)
  return 2
}
