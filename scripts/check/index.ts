/** `npm run check`: everything that can be judged without running the product. One line per check, then every failure in full. */
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { doors } from './doors.ts'
import { map } from './map.ts'
import { modulesOf } from './modules.ts'
import { planted, PLANTS } from './plants.ts'
import { judge, TOOLS } from './tools.ts'
import { format, readTree, type Violation } from './tree.ts'
import { versions } from './versions.ts'

/** A reading of the checkout that finds less than this found another folder, or nothing. */
const MODULES_MIN = 50
const IMPORTS_MIN = 200

interface Check {
  name: string
  /** Every failure in full; empty when all is well. */
  run(): Promise<string[]>
}

interface Result {
  name: string
  failures: string[]
}

const root = fileURLToPath(new URL('../..', import.meta.url))
const tree = readTree(root)

/** Longest first, so that no core waits at the end. */
const checks: Check[] = [
  ...['dead', 'lint', 'types', 'format'].map((name) => ({ name, run: () => judge(TOOLS[name]!, root) })),
  { name: 'doors', run: async () => [...sight(), ...plants(), ...doors(tree).map(format)] },
  inTree('versions', () => versions(tree)),
  inTree('map', () => map(tree)),
]

function inTree(name: string, run: () => Violation[]): Check {
  return { name, run: async () => run().map(format) }
}

function sight(): string[] {
  const modules = modulesOf(tree)
  const imports = modules.reduce((sum, module) => sum + module.imports.length, 0)
  if (modules.length >= MODULES_MIN && imports >= IMPORTS_MIN) return []
  return [`saw only ${modules.length} modules with ${imports} imports (at least ${MODULES_MIN} and ${IMPORTS_MIN} are there)`]
}

function plants(): string[] {
  const missed = PLANTS.filter((plant) => !doors(planted(plant)).some((each) => each.rule === plant.rule))
  return missed.map((plant) => `the planted violation "${plant.name}" passed the rule "${plant.rule}"`)
}

async function runAll(): Promise<Result[]> {
  const results: Result[] = []
  const queue = [...checks]
  const worker = async () => {
    for (let check = queue.shift(); check !== undefined; check = queue.shift()) results.push(await time(check))
  }
  await Promise.all(Array.from({ length: availableParallelism() }, worker))
  return results
}

async function time(check: Check): Promise<Result> {
  const start = performance.now()
  const failures = await check.run().catch((error: unknown) => [error instanceof Error ? (error.stack ?? error.message) : String(error)])
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  console.log(`${failures.length === 0 ? 'ok    ' : 'FAILED'} ${check.name.padEnd(10)} ${seconds.padStart(5)} s`)
  return { name: check.name, failures }
}

const failed = (await runAll()).filter((result) => result.failures.length > 0)
for (const { name, failures } of failed) console.log(`\n--- ${name}\n${failures.join('\n')}`)
if (failed.length > 0) {
  console.log(`\n${failed.length} of ${checks.length} checks failed: ${failed.map((result) => result.name).join(', ')}`)
  process.exitCode = 1
}
