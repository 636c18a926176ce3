/**
 * Run-time state, so that commands find what runs: `<state>/nodes/NAME.json` for one node, `<state>/universes/NAME.json` for a universe.
 * Files may be stale or torn; a process counts only when its start time matches too.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Role } from '#protocols/lifecycle'
import type { AdmissionSummary } from '#protocols/management'
import { jsonNames, readJson, writeJson } from './files.ts'
import { isRunning, type ProcessMark } from './process.ts'

export interface NodeState {
  name: string
  roles: Role[]
  /** Base URL of its HTTP door. */
  http: string
  p2p: string[]
  peer: string
  process: ProcessMark
  dataDir: string
  /** Name of its universe. */
  universe: string
  joinToken: string
  /** Whether whoever has the join token is let in; else it takes an invitation. */
  isOpen?: boolean
  /** Whether its universe has let it in; absent: not known. */
  admission?: AdmissionSummary
  /** Absent where the node may not act as the developer. */
  developerToken?: string
}

/** A node as its universe planned it. */
export interface PlannedNode {
  name: string
  roles: Role[]
  http: string
  p2p: string[]
  process?: ProcessMark
  dataDir: string
}

export interface UniverseState {
  name: string
  /** `processes`: one per node; `one process`: all live in the supervisor. */
  mode: 'processes' | 'one process'
  /** Every node of the start was ready. */
  ready: boolean
  /** Stays with the universe in the foreground; gone once a detached one is ready. */
  supervisor: ProcessMark
  dir: string
  nodes: PlannedNode[]
}

export const universeStatePath = (stateDir: string, name: string): string => join(stateDir, 'universes', `${name}.json`)
export const nodeStatePath = (stateDir: string, name: string): string => join(stateDir, 'nodes', `${name}.json`)
/** Where the nodes of a universe keep theirs. */
export const universeNodesDir = (stateDir: string, name: string): string => join(stateDir, 'universes', name)

export function readUniverse(stateDir: string, name: string): UniverseState | undefined {
  const value = readJson(universeStatePath(stateDir, name)) as Partial<UniverseState> | null | undefined
  if (typeof value?.name !== 'string' || typeof value.dir !== 'string' || !Array.isArray(value.nodes)) return undefined
  return value.nodes.every(isPlanned) ? (value as UniverseState) : undefined
}

export const writeUniverse = (stateDir: string, state: UniverseState): void => writeJson(universeStatePath(stateDir, state.name), state)

export function removeUniverse(stateDir: string, name: string): void {
  rmSync(universeStatePath(stateDir, name), { force: true })
  rmSync(universeNodesDir(stateDir, name), { recursive: true, force: true })
}

export const listUniverses = (stateDir: string): UniverseState[] =>
  jsonNames(join(stateDir, 'universes')).flatMap((name) => readUniverse(stateDir, name) ?? [])

export function readNode(stateDir: string, name: string): NodeState | undefined {
  const value = readJson(nodeStatePath(stateDir, name)) as Partial<NodeState> | null | undefined
  return typeof value?.joinToken === 'string' && value.process !== undefined && isPlanned(value) ? (value as NodeState) : undefined
}

export const writeNode = (stateDir: string, state: NodeState): void => writeJson(nodeStatePath(stateDir, state.name), state)
export const removeNode = (stateDir: string, name: string): void => rmSync(nodeStatePath(stateDir, name), { force: true })
export const listNodes = (stateDir: string): NodeState[] =>
  jsonNames(join(stateDir, 'nodes')).flatMap((name) => readNode(stateDir, name) ?? [])

export const isUp = (node: { process?: ProcessMark }): boolean => node.process !== undefined && isRunning(node.process)

/** It never became ready, and whoever was starting it is gone. */
export const isAbandoned = (state: UniverseState): boolean => !state.ready && !isRunning(state.supervisor)

/** A universe runs while one of its nodes does, or while it is being started. */
export const isUniverseUp = (state: UniverseState): boolean => isRunning(state.supervisor) || (state.ready && state.nodes.some(isUp))

function isPlanned(value: unknown): value is PlannedNode {
  const node = value as Partial<PlannedNode> | null | undefined
  if (typeof node?.name !== 'string' || typeof node.http !== 'string' || !Array.isArray(node.roles) || !Array.isArray(node.p2p))
    return false
  return node.process === undefined || (typeof node.process.pid === 'number' && typeof node.process.startedAs === 'string')
}
