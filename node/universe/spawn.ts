/** Starting a node as its own process: its settings in a file, its secrets over a pipe, nothing in its arguments that others may read. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { configKeys, type Env, makeFolder } from '#node/config'
import { OsirisError } from '#protocols/errors'
import { diskError } from './files.ts'
import { RELEASE } from './lifeline.ts'
import { settingsOf } from './plan.ts'
import { markOf, type ProcessMark } from './process.ts'
import { nextLine, type ReadyLine } from './ready.ts'
import type { PlannedNode } from './state.ts'

/** How to run this command line again. */
export interface Launcher {
  command: string
  /** What comes before `node start`. */
  args: string[]
  env: Env
}

export interface SpawnedNode {
  name: string
  process: ProcessMark
  /** Rejects with the node's own error, or with one that names its log. */
  ready: Promise<ReadyLine>
  /** Settles when the process is gone. */
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  /** Hands over the join token the node waits for. */
  join(token: string): void
  /** Lets the process live on when this one ends. */
  release(): void
}

/** Environment of a node that must not outlive somebody: `stdin` (it stops when its standard input ends unreleased), or a process mark as JSON. */
export const LIFELINE = 'OSIRIS_LIFELINE'

export interface SpawnOptions {
  /** It waits for a join token on its standard input. */
  awaitsToken: boolean
  /** Whom it must not outlive: whoever holds its standard input, until that one releases it; or a process. */
  lifeline: 'stdin' | ProcessMark
}

/** Beside the node's `data/` stand `node.yaml`, `node.log` and `node.log.1` of the run before. */
export function spawnNode(node: PlannedNode, universe: string, stateDir: string, launcher: Launcher, options: SpawnOptions): SpawnedNode {
  const { config, logPath, log } = layOut(node, settingsOf(node, universe, stateDir))
  const args = [...launcher.args, 'node', 'start', '--config', config, '--json', ...(options.awaitsToken ? ['--join', '-'] : [])]
  // Its own process group: Ctrl-C in a terminal reaches the supervisor only, which stops its nodes in good order.
  const child = spawn(launcher.command, args, { stdio: ['pipe', 'pipe', log], detached: true, env: envFor(launcher.env, options.lifeline) })
  closeSync(log)
  return handleOf(child, node.name, logPath)
}

/** Throws `unavailable` or `storage_full` where it cannot be written. */
function layOut(node: PlannedNode, settings: Record<string, unknown>): { config: string; logPath: string; log: number } {
  const dir = dirname(node.dataDir)
  const [config, logPath] = [join(dir, 'node.yaml'), join(dir, 'node.log')]
  try {
    makeFolder(dir)
    const lines = Object.entries(settings).map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
    writeFileSync(config, lines.join(''), { mode: 0o600 })
    if (existsSync(logPath)) renameSync(logPath, `${logPath}.1`)
    return { config, logPath, log: openSync(logPath, 'w', 0o600) }
  } catch (error) {
    throw diskError(`Cannot write the folder of ${node.name} (${dir})`, error)
  }
}

function handleOf(child: ChildProcess, name: string, log: string): SpawnedNode {
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('error', () => resolve({ code: null, signal: null }))
    child.once('exit', (code, signal) => resolve({ code, signal }))
  })
  // A node that is gone cannot take its token: `ready` says so.
  child.stdin?.on('error', () => {})
  const ready = readyOf(child, name, log, ended)
  // Whoever waits hears of it; when the start was given up before, nobody does.
  ready.catch(() => {})
  return {
    name,
    process: (child.pid === undefined ? undefined : markOf(child.pid)) ?? { pid: child.pid ?? 0, startedAs: '' },
    ready,
    ended,
    join: (token) => child.stdin?.write(`${token}\n`),
    release() {
      child.stdin?.end(`${RELEASE}\n`)
      child.stdout?.destroy()
      child.unref()
    },
  }
}

async function readyOf(child: ChildProcess, name: string, log: string, ended: SpawnedNode['ended']): Promise<ReadyLine> {
  const line = child.stdout === null ? undefined : await nextLine(child.stdout)
  if (line?.event === 'ready') {
    child.stdout?.resume()
    return line
  }
  if (line?.event === 'failed') throw OsirisError.fromShape(line.error)
  const { code, signal } = await ended
  throw new OsirisError('internal', `Cannot start ${name}: its process ended (${signal ?? `exit code ${code}`}); its log is ${log}`)
}

/** The settings of whoever calls are not the settings of every node. */
function envFor(env: Env, lifeline: SpawnOptions['lifeline']): Env {
  const rest = { ...env }
  for (const name of ['OSIRIS_CONFIG', 'OSIRIS_TOKEN', 'OSIRIS_NODE', LIFELINE, ...configKeys.map((each) => each.env)]) delete rest[name]
  return { ...rest, [LIFELINE]: lifeline === 'stdin' ? lifeline : JSON.stringify(lifeline) }
}
