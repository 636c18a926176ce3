/** Closed-loop load over keep-alive connections, from a process of its own: the same generator for every contender of a run. */
import type { SpawnOptions } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { run } from '../children.ts'

export interface Request {
  url: string
  /** JSON, sent by POST. */
  body: string
}

export interface Load extends Request {
  connections: number
  durationMs: number
}

export interface LoadResult {
  requestsPerSecond: number
  p50Us: number
  p99Us: number
}

export interface LoadGenerator {
  /** As the report names it. */
  name: string
  /** Throws when any answer is not 200: a fast failure is no figure. */
  run(load: Load): Promise<LoadResult>
}

interface Counted extends LoadResult {
  failures: number
}

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url))

/** `wrk` costs a fifth of what `autocannon` takes from the cores it shares with the measured, so it is preferred where it is installed. */
export async function chooseGenerator(signal: AbortSignal): Promise<LoadGenerator> {
  const version = await wrkVersion()
  return version === undefined
    ? { name: 'autocannon', run: (load) => runAutocannon(load, signal) }
    : { name: version, run: (load) => runWrk(load, signal) }
}

function runAutocannon(load: Load, signal: AbortSignal): Promise<LoadResult> {
  return runAndRead(load, process.execPath, [here('autocannon.ts'), JSON.stringify(load)], { signal })
}

function runWrk(load: Load, signal: AbortSignal): Promise<LoadResult> {
  const shape = ['-t', '1', '-c', String(load.connections), '-d', `${Math.ceil(load.durationMs / 1000)}s`, '--timeout', '10s']
  const env = { ...process.env, OSIRIS_BENCH_BODY: load.body }
  return runAndRead(load, 'wrk', [...shape, '-s', here('wrk.lua'), load.url], { env, signal })
}

async function runAndRead(load: Load, command: string, args: string[], options: SpawnOptions): Promise<LoadResult> {
  const { stdout } = await run(command, args, options)
  const { failures, ...result } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Counted
  if (failures > 0) throw new Error(`Cannot measure ${load.url}: ${failures} answers were no 200`)
  return result
}

/** `wrk -v` prints its version and ends with 1. */
async function wrkVersion(): Promise<string | undefined> {
  const said = await run('wrk', ['-v']).catch((error: unknown) => error as Error)
  return /\bwrk \S+(?= \[)/.exec(said instanceof Error ? said.message : said.stdout)?.[0]
}
