/** Seeds spread over processes (one that ends at a violation ends the others), or the same seeds in two processes. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Report } from './run.ts'

export interface FleetInit {
  from: number
  seeds: number
  processes: number
  /** Milliseconds since the epoch to end at; 0 for none. */
  untilMs: number
  bug?: string | undefined
  onProgress: (seeds: number) => void
}

export interface FleetReport {
  seeds: number
  steps: number
  /** The violation of the lowest seed found. */
  violation: Report | undefined
}

/** One process: from this seed on, every so manyth, or backwards. */
interface Share {
  from: number
  step: number
  count: number
  untilMs: number
  bug?: string | undefined
  /** Does not end at a violation. */
  goesOn?: boolean
}

export interface TwiceReport {
  /** Seeds whose two traces differ. */
  different: number[]
  /** What each seed violated, by seed. */
  violations: Map<number, Report>
}

type Line =
  | { kind: 'violation'; report: Report }
  | { kind: 'seed'; seed: number; hash: string }
  | { kind: 'end'; seeds: number; steps: number }

export async function runFleet(init: FleetInit): Promise<FleetReport> {
  const { processes, seeds, onProgress } = init
  const found: Report[] = []
  const done = Array.from({ length: processes }, () => 0)
  const report: FleetReport = { seeds: 0, steps: 0, violation: undefined }
  const stop = new AbortController()
  const hear = (process: number, line: Line) => {
    if (line.kind === 'violation') {
      found.push(line.report)
      stop.abort()
      return
    }
    if (line.kind === 'end') report.steps += line.steps
    else done[process] = (done[process] ?? 0) + 1
    onProgress(done.reduce((sum, each) => sum + each, 0))
  }
  const { untilMs, bug } = init
  const shares = done.map((_, at) => ({ from: init.from + at, step: processes, count: Math.ceil((seeds - at) / processes), untilMs, bug }))
  await Promise.all(shares.map((share, at) => runOne(share, stop.signal, (line) => hear(at, line))))
  report.seeds = done.reduce((sum, each) => sum + each, 0)
  report.violation = found.toSorted((a, b) => a.seed - b.seed)[0]
  return report
}

/** Each of these seeds in two processes, one of which goes through them backwards, so that nothing of what came before may matter. */
export async function runTwice(from: number, count: number): Promise<TwiceReport> {
  const violations = new Map<number, Report>()
  const shares = [
    { from, step: 1 },
    { from: from + count - 1, step: -1 },
  ]
  const passes = shares.map((share) =>
    hashesOf({ ...share, count, untilMs: 0, goesOn: true }, (report) => violations.set(report.seed, report)),
  )
  const [first, second] = (await Promise.all(passes)) as [Hashes, Hashes]
  const seeds = Array.from({ length: count }, (_, at) => from + at)
  return { different: seeds.filter((seed) => !first.has(seed) || first.get(seed) !== second.get(seed)), violations }
}

type Hashes = ReadonlyMap<number, string>
async function hashesOf(share: Share, onViolation: (report: Report) => void): Promise<Hashes> {
  const hashes = new Map<number, string>()
  await runOne(share, new AbortController().signal, (line) => {
    if (line.kind === 'end') return
    const { seed, hash } = line.kind === 'violation' ? line.report : line
    hashes.set(seed, hash)
    if (line.kind === 'violation') onViolation(line.report)
  })
  return hashes
}

/** Resolves at its end; rejects when it ended otherwise than by its own will or ours. */
function runOne(
  { from, step, count, untilMs, bug, goesOn = false }: Share,
  signal: AbortSignal,
  hear: (line: Line) => void,
): Promise<void> {
  const numbers = [from, step, count, untilMs, Number(goesOn)].map(String)
  const runner = fileURLToPath(new URL('runner.ts', import.meta.url))
  const child = spawn(process.execPath, [runner, ...numbers, ...(bug === undefined ? [] : [bug])], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  signal.addEventListener('abort', () => child.kill(), { once: true })
  createInterface(child.stdout).on('line', (line) => hear(JSON.parse(line) as Line))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0 || signal.aborted) resolve()
      else reject(new Error(`Cannot run seeds from ${from}: the process ended with code ${code}`))
    })
  })
}
