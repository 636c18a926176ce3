/** Seeds spread over processes: one that ends at a violation ends the others. */
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

type Line = { kind: 'violation'; report: Report } | { kind: 'progress'; seeds: number } | { kind: 'end'; seeds: number; steps: number }

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
    done[process] = line.seeds
    if (line.kind === 'end') report.steps += line.steps
    onProgress(done.reduce((sum, each) => sum + each, 0))
  }
  const counts = done.map((_, at) => Math.ceil((seeds - at) / processes))
  await Promise.all(counts.map((count, at) => runOne(init, at, count, stop.signal, (line) => hear(at, line))))
  report.seeds = done.reduce((sum, each) => sum + each, 0)
  report.violation = found.toSorted((a, b) => a.seed - b.seed)[0]
  return report
}

/** Resolves at its end; rejects when it ended otherwise than by its own will or ours. */
function runOne(init: FleetInit, at: number, count: number, signal: AbortSignal, hear: (line: Line) => void): Promise<void> {
  const numbers = [init.from + at, init.processes, count, init.untilMs].map(String)
  const runner = fileURLToPath(new URL('runner.ts', import.meta.url))
  const child = spawn(process.execPath, [runner, ...numbers, ...(init.bug === undefined ? [] : [init.bug])], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  signal.addEventListener('abort', () => child.kill(), { once: true })
  createInterface(child.stdout).on('line', (line) => hear(JSON.parse(line) as Line))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0 || signal.aborted) resolve()
      else reject(new Error(`Cannot run seeds from ${init.from + at}: the process ended with code ${code}`))
    })
  })
}
