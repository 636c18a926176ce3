/** `osiris node …`: one node on this host. */
import { on } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { configKeys, hostFacts, loadNodeConfig } from '#node/config'
import { isUp, LIFELINE, listNodes, type NodeState, gone, readyLine, signal, startNodeProcess, watchLifeline } from '#node/universe'
import { OsirisError } from '#protocols/errors'
import { ackOf, type AckWords, withAck } from '../acknowledging.ts'
import { wholeNumber } from '../arguments.ts'
import type { NodeApi } from '../api.ts'
import type { Context } from '../context.ts'
import { printableLine } from '../printable.ts'
import { renderTable } from '../table.ts'
import { localNodes, stateDirOf } from '../target.ts'
import { countsOf } from '../counts.ts'

export function register(program: Command, context: Context): void {
  const node = program.command('node').description('One node on this host.')
  registerStart(node, context)
  node
    .command('status [name]')
    .description('Show the nodes that run here, with their join tokens.')
    .action((name: string | undefined) => status(name, context))
  node
    .command('drain [name]')
    .description(
      'Have a node take no more work: others serve what it served, and its calls under way end. It stays up until it is stopped.',
    )
    .option('--timeout <seconds>', 'how long to wait for those calls', '30')
    .action((name: string | undefined, options: { timeout: string }) => drain(name, options, context))
  withAck(node.command('rotate [name]'))
    .description("Replace a running node's own key: it makes the next one, stays a member, and goes on with it at the same address.")
    .addHelpText(
      'after',
      `
Join tokens made before name the old key in their addresses: make new ones. A node that is killed on the way comes back with the key that counts.`,
    )
    .action((name: string | undefined, words: AckWords) => rotate(name, words, context))
  node
    .command('stop [name]')
    .description('Stop a node: it drains first, for its drain timeout at most.')
    .option('--timeout <seconds>', 'how long to wait', '30')
    .action((name: string | undefined, options: { timeout: string }) => stop(name, options, context))
}

function registerStart(node: Command, context: Context): void {
  const start = node
    .command('start')
    .description('Run a node here until Ctrl-C. Every option has a variable and a key in node.yaml; see node/config/README.md.')
    .option('--config <file>', 'settings file (OSIRIS_CONFIG; default: $XDG_CONFIG_HOME/osiris/node.yaml where it exists)')
    .option('--join-file <file>', 'file that holds the join token')
  const host = hostFacts(context.io.env)
  for (const key of configKeys) {
    if (key.flag === undefined) continue
    start.option(key.flag, `${key.about} (${key.env}${key.default === undefined ? '' : `; default: ${key.default(host)}`})`)
  }
  start.addHelpText(
    'after',
    `
Examples:
  $ osiris node start                                         found a universe (or open the one in the data directory)
  $ osiris node start --roles router,executor --join osiris1.…
  $ osiris node start --name b --data ./b --http-port 4750 --p2p-listen /ip4/0.0.0.0/tcp/4751`,
  )
  start.action(() => run(start, context))
}

async function run(command: Command, context: Context): Promise<void> {
  const { io } = context
  const interrupted = io.interrupted()
  // Loading it takes longer than everything before it is needed.
  const components = context.components()
  components.then((each) => each.preload?.()).catch(() => {})
  const cut = new AbortController()
  const ending = AbortSignal.any([interrupted, cut.signal])
  try {
    const config = await configOf(command, interrupted, context)
    watchLifeline(io.env[LIFELINE], io.stdin, () => cut.abort())
    const { startNode } = await components
    const node = await startNodeProcess(config, startNode, ending)
    tellReady(node.state, context)
    await aborted(ending)
    if (context.globals().json !== true) io.err(`Stopping node "${config.name}"…\n`)
    await node.stop()
  } catch (error) {
    // Whoever started this process reads the ending there.
    if (context.globals().json === true)
      io.out(`${JSON.stringify({ event: 'failed', error: OsirisError.from(error, 'Cannot start the node').toShape() })}\n`)
    else if (ending.aborted) return io.err('Stopped before the node was ready\n')
    throw error
  }
}

async function configOf(command: Command, interrupted: AbortSignal, context: Context) {
  const { io } = context
  const options = command.opts<Record<string, unknown>>()
  const flags = Object.fromEntries(Object.entries(options).filter(([key]) => command.getOptionValueSource(key) === 'cli'))
  if (typeof flags['joinFile'] === 'string') flags['join'] = (await readText(flags['joinFile'])).trim()
  // Given once per label, told of as the list of them.
  if (flags['label'] !== undefined) flags['labels'] = flags['label']
  if (flags['join'] === '-') flags['join'] = await firstLine(io.stdin, interrupted)
  return loadNodeConfig({ flags, env: io.env, ...(typeof flags['config'] === 'string' ? { file: flags['config'] } : {}) })
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new OsirisError('invalid_argument', `--join-file: cannot read ${path}: ${(error as Error).message}`, { cause: error })
  }
}

/** Up to the first line end; the rest of the stream is left to flow. */
async function firstLine(input: Readable, interrupted: AbortSignal): Promise<string> {
  let text = ''
  try {
    const chunks = on(input, 'data', { close: ['end', 'close'], signal: interrupted }) as AsyncIterable<[Buffer | string]>
    for await (const [chunk] of chunks) {
      text += String(chunk)
      if (text.includes('\n') || text.length > TOKEN_MAX) break
    }
  } catch (error) {
    throw new OsirisError('unavailable', 'Cannot start the node: it was stopped while it waited for a join token', { cause: error })
  } finally {
    input.pause()
  }
  const line = (text.split('\n')[0] ?? '').trim()
  if (line === '' || text.length > TOKEN_MAX) throw new OsirisError('invalid_argument', '--join -: expected a join token on standard input')
  return line
}

/** No join token is longer. */
const TOKEN_MAX = 65_536

function tellReady(state: NodeState, context: Context): void {
  const { io } = context
  if (context.globals().json === true) return io.out(`${JSON.stringify(readyLine(state))}\n`)
  io.err(`Node "${state.name}" of universe "${state.universe}" is ready; Ctrl-C stops it\n`)
  io.err(`  roles  ${state.roles.join(', ')}\n  http   ${state.http}\n`)
  for (const address of state.p2p) io.err(`  p2p    ${address}\n`)
  io.err(`  join   ${howToJoin(state)}\n`)
  if (state.admission?.reason !== undefined) io.err(`Not let in yet: ${printableLine(state.admission.reason)}; it goes on asking\n`)
}

/** Where not everybody is let in, it takes a token that an administrator makes. */
function howToJoin({ isOpen, joinToken }: NodeState): string {
  return isOpen === true
    ? `osiris node start --join ${joinToken}`
    : 'osiris node start --join TOKEN, which "osiris token create --join" makes'
}

function aborted(signal: AbortSignal): Promise<void> {
  // Handles of a running node keep the process alive, not this promise.
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

async function status(name: string | undefined, context: Context): Promise<void> {
  const { io } = context
  const nodes = localNodes(stateDirOf(context.io.env)).filter((each) => name === undefined || each.name === name)
  if (name !== undefined && nodes.length === 0) throw notHere('show', name)
  const rows = await Promise.all(
    nodes.map(async (each) => ({ state: each, counts: await countsOf(context.connectTo, each.http, each.developerToken) })),
  )
  if (context.globals().json === true) return context.json({ nodes: rows.map(({ state, counts }) => ({ ...shown(state), ...counts })) })
  if (rows.length === 0) return io.err('No node runs here. Start one: osiris node start\n')
  const head = ['NODE', 'UNIVERSE', 'ROLES', 'LET IN', 'HTTP', 'P2P', 'PEERS', 'FUNCTIONS', 'PID']
  io.out(
    renderTable(
      head,
      rows.map(({ state, counts }) => [
        state.name,
        state.universe,
        state.roles.join(','),
        wordOf(state),
        state.http,
        state.p2p[0] ?? '',
        counts === undefined ? 'no answer' : String(counts.peers),
        counts === undefined ? '' : String(counts.functions),
        String(state.process.pid),
      ]),
    ),
  )
  for (const { name: node, admission } of nodes) {
    if (admission?.reason !== undefined) io.err(`\nNode "${node}" is not let in: ${printableLine(admission.reason)}\n`)
  }
  // One per universe: whichever member others come by.
  for (const [universe, each] of new Map(nodes.toReversed().map((each) => [each.universe, each]))) {
    io.err(`\nOthers join universe "${universe}" with:\n  ${howToJoin(each)}\n`)
  }
}

const wordOf = ({ admission }: NodeState): string =>
  admission === undefined ? '' : { admitted: 'yes', waiting: 'waiting', refused: 'refused' }[admission.state]

function shown(state: NodeState) {
  const { name, universe, roles, http, p2p, peer, dataDir, joinToken, admission } = state
  return { name, universe, roles, http, p2p, peer, pid: state.process.pid, dataDir, joinToken, admission: admission ?? null }
}

/** Those on their own: the nodes of a universe are its own to stop. */
const ownNodes = ({ io }: Context) => listNodes(stateDirOf(io.env)).filter(isUp)
const notHere = (act: string, name: string) => new OsirisError('not_found', `Cannot ${act} node "${name}": it does not run here`)

async function drain(name: string | undefined, options: { timeout: string }, context: Context): Promise<void> {
  const seconds = wholeNumber(options.timeout, '--timeout', 1, 900)
  const api = name === undefined ? await context.connect() : await apiOf('drain', name, context)
  const { calls } = await api.drain({ timeoutMs: seconds * 1000 })
  if (context.globals().json === true) context.json({ calls })
  if (calls > 0) throw new OsirisError('deadline_exceeded', `Cannot drain the node: ${calls} calls were still under way after ${seconds} s`)
  if (context.globals().json !== true) context.io.err('Drained: it takes no more work, and none is under way\n')
}

/** How long a node may take to stop and start: its drain time, and some seconds. */
const RENEWED_MS = 60_000

async function rotate(name: string | undefined, words: AckWords, context: Context): Promise<void> {
  const choice = await ackOf(words)
  const api = name === undefined ? await context.connect() : await apiOf('rotate', name, context)
  const { peer } = await api.network()
  const rotated = await api.rotateNode(choice)
  const isBack = await polled(async () => (await api.network()).peer !== peer, RENEWED_MS)
  if (context.globals().json === true) context.json({ from: rotated.author, ...rotated, up: isBack })
  else
    context.io.err(
      `Rotated: the node's key is ${rotated.to}; ${rotated.author} ended with entry ${rotated.seq}, which ${rotated.holders} of ${rotated.catalogs} catalogs have\n`,
    )
  if (!isBack)
    throw new OsirisError('deadline_exceeded', `Cannot see the node with its next key after ${RENEWED_MS / 1000} s; it was on its way`)
  if (context.globals().json !== true) context.io.out(`${rotated.to}\n`)
}

async function polled(isSo: () => Promise<boolean>, timeoutMs: number): Promise<boolean> {
  for (const until = Date.now() + timeoutMs; Date.now() < until; await sleep(100)) if (await isSo().catch(() => false)) return true
  return false
}

/** One that runs here, by its name, on its own or in a universe. */
async function apiOf(act: string, name: string, context: Context): Promise<NodeApi> {
  const node = localNodes(stateDirOf(context.io.env)).find((each) => each.name === name)
  if (node === undefined) throw notHere(act, name)
  const token = context.io.env['OSIRIS_TOKEN'] ?? node.developerToken
  return context.connectTo({ url: node.http, ...(token === undefined ? {} : { token }) })
}

async function stop(name: string | undefined, options: { timeout: string }, context: Context): Promise<void> {
  const seconds = wholeNumber(options.timeout, '--timeout', 0, 3600)
  const node = chosen(name, ownNodes(context))
  signal(node.process, 'SIGTERM')
  if (!(await gone([node.process], seconds * 1000))) {
    throw new OsirisError(
      'deadline_exceeded',
      `Cannot stop node "${node.name}": it still runs after ${seconds} s (pid ${node.process.pid})`,
    )
  }
  context.io.err(`Stopped node "${node.name}"\n`)
}

function chosen(name: string | undefined, nodes: readonly NodeState[]): NodeState {
  if (name === undefined && nodes.length > 1) {
    throw new OsirisError(
      'invalid_argument',
      `Cannot choose a node to stop: ${nodes.map((each) => each.name).join(', ')} run here; name one`,
    )
  }
  const node = name === undefined ? nodes[0] : nodes.find((each) => each.name === name)
  if (node === undefined)
    throw name === undefined ? new OsirisError('not_found', 'Cannot stop a node: none runs here') : notHere('stop', name)
  return node
}
