/** What other commands do to a universe that runs: add a node, kill one, stop all. */
import { OsirisError } from '#protocols/errors'
import type { Role } from '#protocols/lifecycle'
import { locked } from './files.ts'
import { tokenOf, withReady } from './joining.ts'
import { lockOf, planNode, portOf, promisedPorts } from './plan.ts'
import { choosePorts, isFreeHere } from './ports.ts'
import { nextIndex } from './presets.ts'
import { gone, isRunning, signal, terminate } from './process.ts'
import { type Launcher, spawnNode, type SpawnedNode } from './spawn.ts'
import {
  isUniverseUp,
  isUp,
  type PlannedNode,
  readNode,
  readUniverse,
  removeUniverse,
  universeNodesDir,
  type UniverseState,
  writeUniverse,
} from './state.ts'

/** What a node may take to stop before it is killed: its drain time, and 5 s to close. */
const STOP_MS = 8000

/** Stops all at once; says which had to be killed. */
export async function terminateNodes(nodes: readonly PlannedNode[], say: (text: string) => void): Promise<void> {
  const marks = nodes.flatMap((each) => each.process ?? []).filter((each) => each.pid !== process.pid)
  for (const pid of await terminate(marks, STOP_MS)) {
    say(`${nodes.find((each) => each.process?.pid === pid)?.name ?? pid} did not stop in ${STOP_MS} ms and was killed`)
  }
}

/** The state of a universe that runs. Throws `not_found`. */
export function requireUniverse(stateDir: string, name: string, act: string): UniverseState {
  const state = readUniverse(stateDir, name)
  if (state !== undefined && isUniverseUp(state)) return state
  throw new OsirisError('not_found', `Cannot ${act}: universe "${name}" does not run here; "osiris universe start ${name}" starts it`)
}

/** Stops a universe that another process started. Throws `not_found` when there is nothing of that name. */
export async function stopUniverse(stateDir: string, name: string, say: (text: string) => void): Promise<void> {
  const state = readUniverse(stateDir, name)
  if (state === undefined) throw new OsirisError('not_found', `Cannot stop universe "${name}": it does not run here`)
  if (isRunning(state.supervisor)) await terminate([state.supervisor], STOP_MS + 4000)
  await terminateNodes(readUniverse(stateDir, name)?.nodes ?? state.nodes, say)
  removeUniverse(stateDir, name)
}

/** Ends one node as a crash would: SIGKILL. Throws `not_found`, `conflict`. */
export async function killNode(stateDir: string, universe: string, name: string): Promise<void> {
  const act = `kill "${name}"`
  const state = requireUniverse(stateDir, universe, act)
  if (state.mode === 'one process') throw new OsirisError('conflict', `Cannot ${act}: the universe runs in one process`)
  const node = findNode(state, name, act)
  if (node.process === undefined || !isUp(node)) throw new OsirisError('conflict', `Cannot ${act}: it does not run`)
  signal(node.process, 'SIGKILL')
  await gone([node.process], STOP_MS)
}

function findNode(state: UniverseState, name: string, act: string): PlannedNode {
  const node = state.nodes.find((each) => each.name === name)
  if (node !== undefined) return node
  throw new OsirisError('not_found', `Cannot ${act}: universe "${state.name}" has ${state.nodes.map((each) => each.name).join(', ')}`)
}

export interface AddInit {
  stateDir: string
  universe: string
  /** A node that ended, to bring back with everything it had; absent: a new one. */
  node?: string
  roles?: Role[]
  launcher: Launcher
}

/** Adds a node, or brings one back. Throws `not_found`, `conflict`, or the node's own error; nothing is left of it then. */
export async function addNode(init: AddInit): Promise<PlannedNode> {
  const { state, planned } = await locked(lockOf(init.stateDir), () => planAdded(init))
  const spawned = spawnNode(planned, state.name, init.stateDir, init.launcher, {
    awaitsToken: true,
    lifeline: isRunning(state.supervisor) ? state.supervisor : 'stdin',
  })
  try {
    return await settle(init, state, planned, spawned)
  } catch (error) {
    await terminate([spawned.process], STOP_MS)
    await change(init, (nodes) => (init.node === undefined ? nodes.filter((each) => each.name !== planned.name) : nodes))
    throw error
  } finally {
    spawned.release()
  }
}

async function settle(init: AddInit, state: UniverseState, planned: PlannedNode, spawned: SpawnedNode): Promise<PlannedNode> {
  const live = state.nodes.find((each) => each.name !== planned.name && isUp(each))
  if (live === undefined) throw new OsirisError('conflict', `Cannot add a node: no other node of universe "${state.name}" runs`)
  spawned.join(await tokenOf(readNode(universeNodesDir(init.stateDir, state.name), live.name)))
  const added = { ...withReady(planned, await spawned.ready), process: spawned.process }
  await change(init, (nodes) => nodes.map((each) => (each.name === added.name ? added : each)))
  return added
}

async function planAdded(init: AddInit): Promise<{ state: UniverseState; planned: PlannedNode }> {
  const act = init.node === undefined ? 'add a node' : `bring back "${init.node}"`
  const state = requireUniverse(init.stateDir, init.universe, act)
  if (!state.ready) throw new OsirisError('conflict', `Cannot ${act}: universe "${state.name}" is still starting`)
  const planned = init.node === undefined ? await planNew(init, state) : await planBack(init, findNode(state, init.node, act), act)
  const nodes = [...state.nodes.filter((each) => each.name !== planned.name), planned]
  writeUniverse(init.stateDir, { ...state, nodes: nodes.toSorted((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true })) })
  return { state, planned }
}

async function planNew(init: AddInit, state: UniverseState): Promise<PlannedNode> {
  const index = nextIndex(state.nodes.map((each) => each.name))
  return planNode(state.dir, index, await portFrom(init, Math.min(...state.nodes.map(portOf))), init.roles)
}

async function planBack(init: AddInit, node: PlannedNode, act: string): Promise<PlannedNode> {
  if (isUp(node)) throw new OsirisError('conflict', `Cannot ${act}: it runs`)
  const port = (await isFreeHere(portOf(node))) ? portOf(node) : await portFrom(init, portOf(node))
  return { ...node, p2p: [], http: `http://127.0.0.1:${port}`, roles: init.roles ?? node.roles }
}

async function portFrom(init: AddInit, first: number): Promise<number> {
  return (await choosePorts(first, 1, promisedPorts(init.stateDir)))[0] as number
}

function change(init: AddInit, edit: (nodes: PlannedNode[]) => PlannedNode[]): Promise<void> {
  return locked(lockOf(init.stateDir), () => {
    const state = readUniverse(init.stateDir, init.universe)
    if (state !== undefined) writeUniverse(init.stateDir, { ...state, nodes: edit(state.nodes) })
  })
}
