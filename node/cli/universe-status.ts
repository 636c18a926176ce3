/** A universe as it is now: from its state file, and from each node's own answer. */
import { isUp, type PlannedNode, readNode, requireUniverse, universeNodesDir } from '#node/universe'
import type { Role } from '#protocols/lifecycle'
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
  }[]
}

/** Throws `not_found` when it does not run. */
export async function statusOf(name: string, context: Context): Promise<UniverseStatus> {
  const stateDir = stateDirOf(context.io.env)
  const state = requireUniverse(stateDir, name, `show universe "${name}"`)
  const dir = universeNodesDir(stateDir, name)
  const nodes = await Promise.all(
    state.nodes.map(async (node) => {
      const counts = isUp(node) ? await countsOf(context.connectTo, node.http, readNode(dir, node.name)?.developerToken) : undefined
      return { ...shown(node), peers: counts?.peers ?? 0, functions: counts?.functions ?? 0 }
    }),
  )
  return { name, nodes }
}

function shown(node: PlannedNode) {
  const { name, roles, http, p2p } = node
  return { name, roles, http, p2p, pid: isUp(node) ? (node.process?.pid ?? null) : null }
}

export function statusTable(status: UniverseStatus): string {
  return renderTable(
    ['NODE', 'ROLES', 'HTTP', 'P2P', 'PEERS', 'FUNCTIONS', 'PID'],
    status.nodes.map((each) => [
      each.name,
      each.roles.join(','),
      each.http,
      each.p2p[0] ?? '',
      each.pid === null ? '' : String(each.peers),
      each.pid === null ? '' : String(each.functions),
      each.pid === null ? 'dead' : String(each.pid),
    ]),
  )
}
