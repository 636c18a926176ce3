/** Which node a command talks to, and as whom (DESIGN 4.4). */
import { dataHome, type Env, stateHome } from '#node/config'
import { isUp, listNodes, listUniverses, type NodeState, readNode, universeNodesDir, type UniverseState } from '#node/universe'
import { join } from 'node:path'

export const DEFAULT_NODE = 'http://127.0.0.1:4747'

export interface Target {
  url: string
  /** Absent: nothing is known that would be accepted. */
  token?: string
}

/** `OSIRIS_STATE` serves tests and odd hosts; else the XDG folder. */
export const stateDirOf = (env: Env): string => env['OSIRIS_STATE'] ?? join(stateHome(env), 'osiris')
export const dataDirOf = (env: Env): string => join(dataHome(env), 'osiris')

/** `--node`, else `OSIRIS_NODE`, else the running local universe, else a running local node, else the default address. */
export function resolveTarget(flag: string | undefined, env: Env): Target {
  const nodes = localNodes(stateDirOf(env))
  const asked = flag ?? (env['OSIRIS_NODE'] || undefined)
  const local = asked === undefined ? nodes[0] : nodes.find((each) => sameOrigin(each.http, asked))
  const token = env['OSIRIS_TOKEN'] || local?.developerToken
  return { url: asked ?? local?.http ?? DEFAULT_NODE, ...(token === undefined ? {} : { token }) }
}

/** Every node that runs here and can be found: universes first, `default` before the others, each in its order; then nodes on their own. */
export function localNodes(stateDir: string): NodeState[] {
  const universes = listUniverses(stateDir).toSorted((a, b) => Number(b.name === 'default') - Number(a.name === 'default'))
  return [...universes.flatMap((each) => nodesOf(stateDir, each)), ...listNodes(stateDir)].filter(isUp)
}

function nodesOf(stateDir: string, universe: UniverseState): NodeState[] {
  const dir = universeNodesDir(stateDir, universe.name)
  return universe.nodes.filter(isUp).flatMap((each) => readNode(dir, each.name) ?? [])
}

function sameOrigin(known: string, asked: string): boolean {
  try {
    return new URL(known).origin === new URL(asked).origin
  } catch {
    return false
  }
}
