/** What a universe will be, written down before anything is started. */
import { join } from 'node:path'
import { OsirisError } from '#protocols/errors'
import type { Role } from '#protocols/lifecycle'
import { locked } from './files.ts'
import { choosePorts, type IsFree, isFreeHere } from './ports.ts'
import { nodeNameAt, rolesAt } from './presets.ts'
import { markOf, type ProcessMark, terminate } from './process.ts'
import {
  isAbandoned,
  isUniverseUp,
  isUp,
  listNodes,
  listUniverses,
  type PlannedNode,
  readUniverse,
  removeUniverse,
  universeNodesDir,
  type UniverseState,
  writeUniverse,
} from './state.ts'

export interface PlanInit {
  name: string
  /** How many nodes, 1 to 100. */
  nodes: number
  /** HTTP ports count up from the first free one at or after it. */
  httpPort: number
  mode: UniverseState['mode']
  /** `$XDG_DATA_HOME/osiris`, or what the user said. */
  dataDir: string
  stateDir: string
  /** Messages for the person who started it. */
  say(text: string): void
  isFree?: IsFree
}

/** One lock for all universes of a state directory: names and ports are promised under it. */
export const lockOf = (stateDir: string): string => join(stateDir, 'universes.lock')

/** Plans the universe and writes the plan down, so that two starts at once take neither one name nor one port. Throws `conflict` when it runs already. */
export function claim(init: PlanInit): Promise<UniverseState> {
  return locked(lockOf(init.stateDir), async () => {
    const old = readUniverse(init.stateDir, init.name)
    // Whoever started it is gone before it was ready: what came up of it stops by itself, and is given the time to.
    if (old !== undefined && isAbandoned(old)) await terminate(marksOf(old), ABANDONED_MS)
    else if (old !== undefined && isUniverseUp(old)) throw alreadyRuns(old)
    removeUniverse(init.stateDir, init.name)
    const ports = await choosePorts(init.httpPort, init.nodes, promisedPorts(init.stateDir), init.isFree ?? isFreeHere)
    if (ports[0] !== init.httpPort) {
      init.say(`Port ${init.httpPort} is taken: the HTTP ports begin at ${ports[0]}; --http-port chooses another start`)
    }
    const dir = join(init.dataDir, 'universes', init.name)
    const nodes = ports.map((port, index) => planNode(dir, index, port))
    const state: UniverseState = {
      name: init.name,
      mode: init.mode,
      ready: false,
      supervisor: markOf(process.pid) as ProcessMark,
      dir,
      nodes,
    }
    writeUniverse(init.stateDir, state)
    return state
  })
}

/** Such nodes have no calls to drain; under LOCK_WAIT_MS of the others who wait for the lock. */
const ABANDONED_MS = 5000
const marksOf = (state: UniverseState) => state.nodes.flatMap((each) => each.process ?? [])

export function planNode(dir: string, index: number, port: number, roles: Role[] = rolesAt(index)): PlannedNode {
  const name = nodeNameAt(index)
  return { name, roles, http: `http://127.0.0.1:${port}`, p2p: [], dataDir: join(dir, name, 'data') }
}

/** What may take a node to stop: its drained calls, and closing. */
export const DRAIN_MS = 3000

/** The settings of one node, as they stand in its `node.yaml`. */
export function settingsOf(node: PlannedNode, universe: string, stateDir: string): Record<string, unknown> {
  return {
    name: node.name,
    roles: node.roles,
    data: node.dataDir,
    state: universeNodesDir(stateDir, universe),
    httpPort: portOf(node),
    p2pListen: ['/ip4/127.0.0.1/tcp/0'],
    universeName: universe,
    developer: true,
    egressPrivate: true,
    drainTimeout: DRAIN_MS,
  }
}

export const portOf = (node: Pick<PlannedNode, 'http'>): number => Number(new URL(node.http).port)

/** Ports of everything that runs here or is being started. */
export function promisedPorts(stateDir: string): Set<number> {
  const planned = listUniverses(stateDir)
    .filter(isUniverseUp)
    .flatMap((each) => each.nodes)
  return new Set([...planned, ...listNodes(stateDir).filter(isUp)].map(portOf))
}

function alreadyRuns(state: UniverseState): OsirisError {
  const up = state.nodes.filter(isUp).length
  return new OsirisError(
    'conflict',
    `Cannot start universe "${state.name}": it already runs (${up} of ${state.nodes.length} nodes, first ${state.nodes[0]?.http ?? ''}); "osiris universe stop ${state.name}" stops it`,
  )
}
