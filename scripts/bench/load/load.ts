/** Closed-loop load over keep-alive connections, from a process of its own: the same generator for every contender of a run. */
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
export async function chooseGenerator(): Promise<LoadGenerator> {
  const version = await wrkVersion()
  return version === undefined ? autocannon : { name: version, run: runWrk }
}

const autocannon: LoadGenerator = {
  name: 'autocannon',
  run: (load) => runAndRead(load, process.execPath, [here('autocannon.ts'), JSON.stringify(load)]),
}

function runWrk(load: Load): Promise<LoadResult> {
  const shape = ['-t', '1', '-c', String(load.connections), '-d', `${Math.ceil(load.durationMs / 1000)}s`, '--timeout', '10s']
  return runAndRead(load, 'wrk', [...shape, '-s', here('wrk.lua'), load.url], { OSIRIS_BENCH_BODY: load.body })
}

async function runAndRead(load: Load, command: string, args: string[], env: NodeJS.ProcessEnv = {}): Promise<LoadResult> {
  const { stdout } = await run(command, args, { env: { ...process.env, ...env } })
  const { failures, ...result } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Counted
  if (failures > 0) throw new Error(`Cannot measure ${load.url}: ${failures} answers were no 200`)
  return result
}

/** `wrk -v` prints its version and ends with 1. */
async function wrkVersion(): Promise<string | undefined> {
  const said = await run('wrk', ['-v']).catch((error: unknown) => error as Error)
  return /\bwrk \S+(?= \[)/.exec(said instanceof Error ? said.message : said.stdout)?.[0]
}
