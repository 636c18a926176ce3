/** One node in this process, findable by its state file: what `osiris node start` and every node of a universe are. */
import { setTimeout as sleep } from 'node:timers/promises'
import { OsirisError } from '#protocols/errors'
import type { NodeConfig } from '#node/config'
import type { AdmissionSummary } from '#protocols/management'
import { markOf, type ProcessMark } from './process.ts'
import { isUp, type NodeState, readNode, removeNode, writeNode } from './state.ts'

/** A node as its composition hands it out. */
export interface RunningNode {
  name: string
  /** Base URL of its HTTP door. */
  http: string
  p2p: string[]
  peer: string
  /** As it is now. */
  readonly joinToken: string
  /** As it is now; empty where the node may not act as the developer. */
  readonly developerToken: string
  /** Calls when one of these two has changed. */
  onTokens(listener: () => void): void
  /** Whether its universe has let it in. */
  admission: { state(): AdmissionSummary; onChange(listener: () => void): () => void }
  stop(): Promise<void>
}

/** `signal` gives the start up. */
export type StartNode = (config: NodeConfig, signal?: AbortSignal) => Promise<RunningNode>

export interface NodeProcess {
  state: NodeState
  /** Stops the node within its drain time and 5 s more; throws `deadline_exceeded` beyond. Idempotent. */
  stop(): Promise<void>
}

/** What closing sockets, workers and the store may take, drained calls apart. */
const CLOSING_MS = 5000

/** Throws one sentence for whatever keeps the node from starting, with the flag that helps. */
export async function startNodeProcess(config: NodeConfig, start: StartNode, signal?: AbortSignal): Promise<NodeProcess> {
  const other = readNode(config.stateDir, config.name)
  if (other !== undefined && isUp(other) && other.dataDir !== config.dataDir) {
    throw new OsirisError(
      'conflict',
      `Cannot start node "${config.name}": a node of this name already runs here (pid ${other.process.pid}); --name chooses another`,
    )
  }
  const node = await start(config, signal).catch((error: unknown) => {
    throw explained(error, config)
  })
  const state = await recorded(node, config).catch(async (error: unknown) => {
    await node.stop()
    throw error
  })
  let stopping: Promise<void> | undefined
  return { state, stop: () => (stopping ??= stopWithin(node, config)) }
}

async function recorded(node: RunningNode, config: NodeConfig): Promise<NodeState> {
  const { parseJoinToken } = await import('#protocols/access')
  const universe = parseJoinToken(node.joinToken).universe.name
  const write = (): NodeState => {
    const state = stateOf(node, config, universe)
    writeNode(config.stateDir, state)
    return state
  }
  node.admission.onChange(write)
  node.onTokens(write)
  return write()
}

async function stopWithin(node: RunningNode, config: NodeConfig): Promise<void> {
  const boundMs = config.drainTimeoutMs + CLOSING_MS
  const late = new AbortController()
  try {
    const ended = await Promise.race([node.stop().then(() => true), sleep(boundMs, false, { signal: late.signal, ref: true })])
    if (!ended) throw new OsirisError('deadline_exceeded', `Cannot stop node "${node.name}": it was still closing after ${boundMs} ms`)
  } finally {
    late.abort()
    removeNode(config.stateDir, node.name)
  }
}

function stateOf(node: RunningNode, config: NodeConfig, universe: string): NodeState {
  return {
    name: node.name,
    roles: config.roles,
    http: node.http,
    p2p: node.p2p,
    peer: node.peer,
    process: markOf(process.pid) as ProcessMark,
    dataDir: config.dataDir,
    universe,
    joinToken: node.joinToken,
    isOpen: config.developer,
    admission: node.admission.state(),
    ...(node.developerToken === '' ? {} : { developerToken: node.developerToken }),
  }
}

/** Names the port and the option that changes it. Pure. */
export function explained(error: unknown, config: Pick<NodeConfig, 'httpHost' | 'httpPort' | 'p2pListen' | 'name'>): unknown {
  const taken = findTaken(error)
  if (taken === undefined) return error
  const http = taken.port === undefined || taken.port === config.httpPort
  const place = http ? `${config.httpHost}:${config.httpPort}` : config.p2pListen.join(', ')
  const option = http ? '--http-port' : '--p2p-listen'
  const reason = taken.code === 'EACCES' ? 'this user may not use the port' : 'the port is taken'
  return new OsirisError('conflict', `Cannot listen on ${place}: ${reason}; ${option} chooses another`, { cause: error })
}

interface Taken {
  code: string
  port: number | undefined
}

/** The refused listen at the bottom of whatever was thrown. */
function findTaken(error: unknown, depth = 0): Taken | undefined {
  if (!(error instanceof Error) || depth > 8) return undefined
  const { code, syscall, port } = error as NodeJS.ErrnoException & { port?: number }
  if ((code === 'EADDRINUSE' || code === 'EACCES') && syscall === 'listen') return { code, port }
  const inner = error instanceof AggregateError ? (error.errors as unknown[]) : []
  for (const each of [error.cause, ...inner]) {
    const found = findTaken(each, depth + 1)
    if (found !== undefined) return found
  }
  return undefined
}
