/** A universe as it is now: from its state file, and from each node's own answer. */
import { isUp, type PlannedNode, readNode, requireUniverse, universeNodesDir } from '#node/universe'
import type { Role } from '#protocols/lifecycle'
import type { InstanceSummary } from '#sdk'
import type { Context } from './context.ts'
import { countsOf } from './counts.ts'
import { renderTable } from './table.ts'
import { stateDirOf } from './target.ts'

/** The shape scripts rely on (DESIGN 4.6). */
export interface UniverseStatus {
  name: string
  nodes: {
    name: string
    roles: Role[]
    http: string
    p2p: string[]
    /** `null`: it does not run. */
    pid: number | null
    peers: number
    functions: number
    /** What it has of each version, as it says itself. */
    instances: InstanceSummary[]
  }[]
}

/** Throws `not_found` when it does not run. `asking`: every node is asked for its peers and functions; else nobody has any. */
export async function statusOf(name: string, context: Context, asking: boolean): Promise<UniverseStatus> {
  const stateDir = stateDirOf(context.io.env)
  const state = requireUniverse(stateDir, name, `show universe "${name}"`)
  const dir = universeNodesDir(stateDir, name)
  const nodes = await Promise.all(
    state.nodes.map(async (node) => {
      const ask = asking && isUp(node)
      const counts = ask ? await countsOf(context.connectTo, node.http, readNode(dir, node.name)?.developerToken) : undefined
      const { peers = 0, functions = 0, instances = [] } = counts ?? {}
      return { ...shown(node), peers, functions, instances }
    }),
  )
  return { name, nodes }
}

function shown(node: PlannedNode) {
  const { name, roles, http, p2p } = node
  return { name, roles, http, p2p, pid: isUp(node) ? (node.process?.pid ?? null) : null }
}

type Row = UniverseStatus['nodes'][number]
type Column = [head: string, cell: (node: Row) => string]

const PLACES: Column[] = [
  ['NODE', (node) => node.name],
  ['ROLES', (node) => node.roles.join(',')],
  ['HTTP', (node) => node.http],
  ['P2P', (node) => node.p2p[0] ?? ''],
]
const COUNTS: Column[] = [
  ['PEERS', (node) => (node.pid === null ? '' : String(node.peers))],
  ['FUNCTIONS', (node) => (node.pid === null ? '' : String(node.functions))],
  ['INSTANCES', (node) => (node.pid === null ? '' : instancesOf(node))],
]
const PROCESS: Column[] = [['PID', (node) => (node.pid === null ? 'dead' : String(node.pid))]]

/** `demo/greet 2, demo/site 1`: the functions with most of them, and how many others there are. */
function instancesOf({ instances }: Row): string {
  const byName = new Map<string, number>()
  for (const { namespace, name, ready } of instances) byName.set(`${namespace}/${name}`, (byName.get(`${namespace}/${name}`) ?? 0) + ready)
  const ready = [...byName].filter(([, count]) => count > 0).toSorted(([a, more], [b, less]) => less - more || (a < b ? -1 : 1))
  const shown = ready.slice(0, SHOWN_MAX).map(([name, count]) => `${name} ${count}`)
  return [...shown, ...(ready.length > SHOWN_MAX ? [`and ${ready.length - SHOWN_MAX} more`] : [])].join(', ')
}
const SHOWN_MAX = 4

export function statusTable(status: UniverseStatus, counted: boolean): string {
  const columns = [...PLACES, ...(counted ? COUNTS : []), ...PROCESS]
  return renderTable(
    columns.map(([head]) => head),
    status.nodes.map((node) => columns.map(([, cell]) => cell(node))),
  )
}
