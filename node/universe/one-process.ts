/** A universe whose nodes all live in this process: starts fastest, and dies as one. */
import { loadNodeConfig } from '#node/config'
import { locked } from './files.ts'
import { tokenOf } from './joining.ts'
import { type NodeProcess, startNodeProcess, type StartNode } from './node-process.ts'
import { claim, lockOf, type PlanInit, settingsOf } from './plan.ts'
import { type PlannedNode, removeUniverse, writeUniverse } from './state.ts'
import type { RunningUniverse } from './universe.ts'

export interface OneProcessInit extends Omit<PlanInit, 'mode'> {
  startNode: StartNode
  /** Ends the start early; everything begun is stopped. */
  signal?: AbortSignal
}

/** A node waits for its disk, its workers and its admission; others use the processor meanwhile. More at once would only make each wait longer for it. */
const AT_ONCE = 2

/** Throws as `startUniverse` does; nothing is left running then. */
export async function startUniverseHere(init: OneProcessInit): Promise<RunningUniverse> {
  const state = await claim({ ...init, mode: 'one process' })
  const started = new Map<string, NodeProcess>()
  const stopAll = async () => {
    await Promise.allSettled([...started.values()].map((each) => each.stop()))
    removeUniverse(init.stateDir, init.name)
  }
  const start = async (node: PlannedNode, token?: string) => {
    const one = await startNodeProcess(await configOf(node, init, token), init.startNode, init.signal)
    started.set(node.name, one)
    return one
  }
  try {
    const [first, ...others] = state.nodes as [PlannedNode, ...PlannedNode[]]
    const token = await tokenOf((await start(first)).state)
    await eachOf(others, AT_ONCE, (node) => start(node, token))
  } catch (error) {
    await stopAll()
    throw error
  }
  state.nodes = state.nodes.map((node) => ({ ...node, ...shown(started.get(node.name) as NodeProcess) }))
  state.ready = true
  await locked(lockOf(init.stateDir), () => writeUniverse(init.stateDir, state))
  let stopping: Promise<void> | undefined
  // Nodes of this process end only with it.
  return { state, allEnded: new Promise(() => {}), stop: () => (stopping ??= stopAll()), release: () => {} }
}

/** In their order, so many at once. Throws the first failure, when what was begun has ended; nothing more is begun then. */
async function eachOf<T>(all: readonly T[], atOnce: number, act: (one: T) => Promise<unknown>): Promise<void> {
  const rest = [...all]
  const failures: unknown[] = []
  const work = async () => {
    for (let one = rest.shift(); one !== undefined && failures.length === 0; one = rest.shift())
      await act(one).catch((error: unknown) => failures.push(error))
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  if (failures.length > 0) throw failures[0]
}

function configOf(node: PlannedNode, init: OneProcessInit, token: string | undefined) {
  const flags = { ...settingsOf(node, init.name, init.stateDir), ...(token === undefined ? {} : { join: token }) }
  return loadNodeConfig({ flags, env: {}, read: () => Promise.reject(Object.assign(new Error('no file'), { code: 'ENOENT' })) })
}

const shown = ({ state }: NodeProcess): Partial<PlannedNode> => ({ http: state.http, p2p: state.p2p, process: state.process })
