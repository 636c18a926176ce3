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

/** Throws as `startUniverse` does; nothing is left running then. */
export async function startUniverseHere(init: OneProcessInit): Promise<RunningUniverse> {
  const state = await claim({ ...init, mode: 'one process' })
  const started: NodeProcess[] = []
  const stopAll = async () => {
    await Promise.allSettled(started.map((each) => each.stop()))
    removeUniverse(init.stateDir, init.name)
  }
  try {
    let token: string | undefined
    for (const node of state.nodes) {
      const one = await startNodeProcess(await configOf(node, init, token), init.startNode, init.signal)
      started.push(one)
      token ??= await tokenOf(one.state)
    }
  } catch (error) {
    await stopAll()
    throw error
  }
  state.nodes = state.nodes.map((node, index) => ({ ...node, ...shown(started[index] as NodeProcess) }))
  state.ready = true
  await locked(lockOf(init.stateDir), () => writeUniverse(init.stateDir, state))
  let stopping: Promise<void> | undefined
  // Nodes of this process end only with it.
  return { state, allEnded: new Promise(() => {}), stop: () => (stopping ??= stopAll()), release: () => {} }
}

function configOf(node: PlannedNode, init: OneProcessInit, token: string | undefined) {
  const flags = { ...settingsOf(node, init.name, init.stateDir), ...(token === undefined ? {} : { join: token }) }
  return loadNodeConfig({ flags, env: {}, read: () => Promise.reject(Object.assign(new Error('no file'), { code: 'ENOENT' })) })
}

const shown = ({ state }: NodeProcess): Partial<PlannedNode> => ({ http: state.http, p2p: state.p2p, process: state.process })
