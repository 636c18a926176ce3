/** `osiris universe …`: a whole mesh on this machine. */
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { ROLES, type Role } from '#protocols/lifecycle'
import { OsirisError } from '#protocols/errors'
import { assertName } from '#protocols/function'
import {
  addNode,
  isUp,
  killNode,
  readNode,
  type RunningUniverse,
  startUniverse,
  startUniverseHere,
  stopUniverse,
  universeNodesDir,
} from '#node/universe'
import { wholeNumber } from '../arguments.ts'
import type { Context } from '../context.ts'
import { dataDirOf, stateDirOf } from '../target.ts'
import { statusOf, statusTable, type UniverseStatus } from '../universe-status.ts'

const DEFAULT = 'default'

interface StartOptions {
  nodes: string
  httpPort: string
  detach?: boolean
  inProcess?: boolean
  data?: string
}

export function register(program: Command, context: Context): void {
  const noun = program.command('universe').description('A whole mesh on this machine: real nodes, each its own process, on 127.0.0.1.')
  noun
    .command('start [name]')
    .description('Start a universe and stay until Ctrl-C. Data is kept for the next start.')
    .option('--nodes <count>', 'how many nodes', '5')
    .option('--http-port <port>', 'HTTP ports count up from the first free one at or after it', '4747')
    .option('--detach', 'return when every node is ready; "osiris universe stop" stops it')
    .option('--in-process', 'all nodes in this process')
    .option('--data <dir>', 'where data is kept (default: $XDG_DATA_HOME/osiris)')
    .addHelpText('after', '\nExamples:\n  $ osiris universe start\n  $ osiris universe start test --nodes 3 --http-port 5000 --detach')
    .action((name: string | undefined, options: StartOptions) => start(name ?? DEFAULT, options, context))
  noun
    .command('status [name]')
    .description('Show the nodes of a universe, with the instances each has.')
    .option('--watch', 'again every second, until Ctrl-C')
    .action((name: string | undefined, options: { watch?: boolean }) =>
      options.watch === true ? watch(name ?? DEFAULT, context) : show(name ?? DEFAULT, context, true).then(() => {}),
    )
  noun
    .command('stop [name]')
    .description('Stop every node of a universe.')
    .action((name: string | undefined) => stop(name ?? DEFAULT, context))
  noun
    .command('add [node]')
    .description('Add a node, or bring a killed one back with everything it had.')
    .option('--universe <name>', 'which universe', DEFAULT)
    .option('--roles <list>', 'comma-separated roles (default: what its place in the universe has)')
    .action((node: string | undefined, options: { universe: string; roles?: string }) => add(node, options, context))
  noun
    .command('kill <node>')
    .description('End a node as a crash would (SIGKILL).')
    .option('--universe <name>', 'which universe', DEFAULT)
    .action((node: string, options: { universe: string }) => kill(node, options, context))
}

async function start(name: string, options: StartOptions, context: Context): Promise<void> {
  assertName(name, 'the name of a universe')
  if (options.detach === true && options.inProcess === true) {
    throw new OsirisError('invalid_argument', 'Cannot combine --detach with --in-process: those nodes end with this process')
  }
  const { io } = context
  const init = {
    name,
    nodes: wholeNumber(options.nodes, '--nodes', 1, 100),
    httpPort: wholeNumber(options.httpPort, '--http-port', 1, 65_535),
    dataDir: options.data === undefined ? dataDirOf(io.env) : resolve(options.data),
    stateDir: stateDirOf(io.env),
    say: (text: string) => io.err(`${text}\n`),
  }
  const interrupted = io.interrupted()
  const starting =
    options.inProcess === true
      ? startUniverseHere({ ...init, startNode: (await context.components()).startNode, signal: interrupted })
      : startUniverse({ ...init, launcher: { ...io.launcher, env: io.env }, signal: interrupted })
  const universe = await starting.catch((error: unknown) => {
    // Ctrl-C has done what it is for; a detached universe was to be there at the end.
    if (!interrupted.aborted || options.detach === true) throw error
    io.err(`Stopped before universe "${name}" was ready\n`)
  })
  if (universe === undefined) return
  if (options.detach === true) {
    await showStarted(name, context)
    universe.release()
    if (context.globals().json !== true) io.err(`Universe "${name}" is running; "osiris universe stop ${name}" stops it\n`)
    return
  }
  await stay(universe, interrupted, name, context)
}

/** Until Ctrl-C, or until no node is left: then it fails. */
async function stay(universe: RunningUniverse, interrupted: AbortSignal, name: string, context: Context): Promise<void> {
  const asked = new Promise<'asked'>((done) => {
    if (interrupted.aborted) done('asked')
    interrupted.addEventListener('abort', () => done('asked'), { once: true })
  })
  const ended = universe.allEnded.then(() => 'ended' as const)
  try {
    const shown = showStarted(name, context).then(() => 'shown' as const)
    if ((await Promise.race([shown, asked])) === 'shown') context.io.err(`Universe "${name}" is running; Ctrl-C stops it\n`)
    // Keeps this process alive while the nodes, which are others, run.
    const awake = setInterval(() => {}, 2 ** 30)
    const why = await Promise.race([asked, ended]).finally(() => clearInterval(awake))
    if (why === 'ended') throw new OsirisError('unavailable', `Cannot go on with universe "${name}": all its nodes have ended`)
    if (context.globals().json !== true) context.io.err(`Stopping universe "${name}"…\n`)
  } finally {
    await universe.stop()
  }
}

/** Nodes that have just started are not asked for figures by people who wait for them. */
async function showStarted(name: string, context: Context): Promise<void> {
  const { nodes } = await show(name, context, context.globals().json === true)
  if (nodes[0] !== undefined) await context.hooks.universeReady?.(nodes[0].http)
}

async function show(name: string, context: Context, asking: boolean): Promise<UniverseStatus> {
  const found = await statusOf(name, context, asking)
  if (context.globals().json === true) context.json(found)
  else context.io.out(statusTable(found, asking))
  return found
}

/** JSON: one line each time. On a terminal each takes the place of the one before. */
async function watch(name: string, context: Context): Promise<void> {
  const { io } = context
  const ending = io.interrupted()
  while (!ending.aborted) {
    const found = await statusOf(name, context, true)
    if (context.globals().json === true) io.out(`${JSON.stringify(found)}\n`)
    else io.out(`${io.tty ? CLEARED : ''}${statusTable(found, true)}${io.tty ? '' : '\n'}`)
    await sleep(WATCH_MS, undefined, { signal: ending }).catch(() => {})
  }
}
const WATCH_MS = 1000
/** Erase in display, cursor to the first place (ECMA-48, 8.3.39 and 8.3.21). */
const CLEARED = '\u001b[2J\u001b[H'

async function stop(name: string, context: Context): Promise<void> {
  await stopUniverse(stateDirOf(context.io.env), name, (text) => context.io.err(`${text}\n`))
  context.io.err(`Stopped universe "${name}"\n`)
}

async function add(node: string | undefined, options: { universe: string; roles?: string }, context: Context): Promise<void> {
  const stateDir = stateDirOf(context.io.env)
  const added = await addNode({
    stateDir,
    universe: options.universe,
    launcher: { ...context.io.launcher, env: context.io.env },
    ...(node === undefined ? {} : { node }),
    ...(options.roles === undefined ? {} : { roles: rolesFrom(options.roles) }),
  })
  const token = readNode(universeNodesDir(stateDir, options.universe), added.name)?.developerToken
  if (context.globals().json === true) {
    const { name, roles, http, p2p, process } = added
    return context.json({ name, roles, http, p2p, pid: isUp(added) ? process?.pid : null, developer: token !== undefined })
  }
  context.io.err(`Added ${added.name} (${added.roles.join(', ')})\n`)
  context.io.out(`${added.http}\n`)
}

function rolesFrom(text: string): Role[] {
  const roles = text.split(',').map((each) => each.trim())
  const wrong = roles.find((each) => !(ROLES as readonly string[]).includes(each))
  if (wrong !== undefined) throw new OsirisError('invalid_argument', `--roles: roles are ${ROLES.join(', ')}`)
  return [...new Set(roles as Role[])]
}

async function kill(node: string, options: { universe: string }, context: Context): Promise<void> {
  await killNode(stateDirOf(context.io.env), options.universe, node)
  context.io.err(`Killed ${node}\n`)
}
