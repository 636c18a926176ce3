/** A whole universe on this machine: each node its own process, all started at once. */
import { OsirisError } from '#protocols/errors'
import { locked } from './files.ts'
import { tokenOf, withReady } from './joining.ts'
import { terminateNodes } from './members.ts'
import { claim, lockOf, type PlanInit } from './plan.ts'
import { terminate } from './process.ts'
import type { ReadyLine } from './ready.ts'
import { type Launcher, spawnNode, type SpawnedNode } from './spawn.ts'
import { readNode, readUniverse, removeUniverse, universeNodesDir, type UniverseState, writeUniverse } from './state.ts'

export interface UniverseInit extends Omit<PlanInit, 'mode'> {
  launcher: Launcher
  /** Ends the start early; everything begun is stopped. */
  signal?: AbortSignal
}

export interface RunningUniverse {
  state: UniverseState
  /** Settles when no node is left. */
  allEnded: Promise<void>
  /** Stops every node, those added later included. Idempotent. */
  stop(): Promise<void>
  /** Lets the nodes live on alone. */
  release(): void
}

/** Throws `conflict` when it runs already; the node's own error when one cannot start. Nothing is left running then. */
export async function startUniverse(init: UniverseInit): Promise<RunningUniverse> {
  const state = await claim({ ...init, mode: 'processes' })
  const spawned: SpawnedNode[] = []
  try {
    for (const [index, node] of state.nodes.entries()) {
      spawned.push(
        spawnNode(node, state.name, init.stateDir, init.launcher, {
          awaitsToken: index > 0,
          lifeline: 'stdin',
        }),
      )
    }
    state.nodes = state.nodes.map((node, index) => ({ ...node, process: (spawned[index] as SpawnedNode).process }))
    await locked(lockOf(init.stateDir), () => writeUniverse(init.stateDir, state))
    const ready = await untilAborted(allReady(spawned, init), init)
    state.nodes = state.nodes.map((node, index) => withReady(node, ready[index] as ReadyLine))
    state.ready = true
    await locked(lockOf(init.stateDir), () => writeUniverse(init.stateDir, state))
  } catch (error) {
    await terminate(
      spawned.map((each) => each.process),
      ABANDON_MS,
    )
    removeUniverse(init.stateDir, init.name)
    throw error
  }
  return running(init, state, spawned)
}

/** A start that failed holds no calls worth waiting for. */
const ABANDON_MS = 5000

function running(init: UniverseInit, state: UniverseState, spawned: SpawnedNode[]): RunningUniverse {
  let stopping: Promise<void> | undefined
  const stop = async () => {
    await terminateNodes(readUniverse(init.stateDir, init.name)?.nodes ?? state.nodes, init.say)
    removeUniverse(init.stateDir, init.name)
  }
  for (const each of spawned) {
    const tell = async () => {
      const { code, signal } = await each.ended
      if (stopping === undefined) init.say(`${each.name} ended (${signal ?? `exit code ${code}`})`)
    }
    void tell()
  }
  return {
    state,
    allEnded: Promise.all(spawned.map((each) => each.ended)).then(() => undefined),
    stop: () => (stopping ??= stop()),
    release: () => spawned.forEach((each) => each.release()),
  }
}

/** Nodes that join at a time: each has some seconds for it, and all of a large universe at once would take the processor from each other for longer. */
const JOINING_MAX = 6

/** The first node founds the universe (or opens it again); the others load meanwhile and wait for the token. */
async function allReady(spawned: readonly SpawnedNode[], init: UniverseInit): Promise<ReadyLine[]> {
  const [first, ...others] = spawned as [SpawnedNode, ...SpawnedNode[]]
  const founded = first.ready.then(async (line) => {
    const token = await tokenOf(readNode(universeNodesDir(init.stateDir, init.name), first.name))
    const rest = [...others]
    const handOut = async () => {
      for (let next = rest.shift(); next !== undefined; next = rest.shift()) {
        next.join(token)
        // One that fails ends the start.
        await next.ready.catch(() => rest.splice(0))
      }
    }
    for (let joining = 0; joining < JOINING_MAX; joining += 1) void handOut()
    return line
  })
  return Promise.all([founded, ...others.map((each) => each.ready)])
}

function untilAborted<T>(work: Promise<T>, init: UniverseInit): Promise<T> {
  const { signal } = init
  if (signal === undefined) return work
  return new Promise((resolve, reject) => {
    const stop = () => reject(new OsirisError('unavailable', `Cannot start universe "${init.name}": it was interrupted`))
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
