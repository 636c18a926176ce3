/** One process of a long run: `runner.ts <first seed> <step> <count> <until, ms since the epoch> <0|1> [bug]`. Says how each seed went as a line of JSON; with 0 it ends at the first violation. */
import { BUGS } from './bugs.ts'
import { plant } from './plant.ts'

const [from = 1, step = 1, count = 1, untilMs = 0, goesOn = 0] = process.argv.slice(2, 7).map(Number)
const bug = BUGS.find((each) => each.name === process.argv[7])
if (bug !== undefined) plant(bug)
// After the bug is planted: what is loaded now has it.
const { arrangeCrypto, simulate } = await import('./index.ts')
arrangeCrypto()

let seeds = 0
let steps = 0
let ended = false
const isLate = () => untilMs > 0 && Date.now() >= untilMs
for (let at = 0; at < count && !ended && !isLate(); at++) {
  const report = await simulate(from + at * step)
  seeds += 1
  steps += report.steps
  const found = report.violation !== undefined
  ended = found && goesOn === 0
  tell(found ? { kind: 'violation', report } : { kind: 'seed', seed: report.seed, hash: report.hash })
}
tell({ kind: 'end', seeds, steps })

function tell(line: unknown): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}
