/** The line a node process writes on its standard output (`osiris node start --json`): how whoever started it learns that it is ready. */
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { ErrorShape } from '#protocols/errors'
import type { Role } from '#protocols/lifecycle'
import type { NodeState } from './state.ts'

export interface ReadyLine {
  event: 'ready'
  name: string
  roles: Role[]
  http: string
  p2p: string[]
  peer: string
  pid: number
}
export interface FailedLine {
  event: 'failed'
  error: ErrorShape
}

/** No secrets: those are in the node's state file, for its owner only. */
export function readyLine(state: NodeState): ReadyLine {
  const { name, roles, http, p2p, peer } = state
  return { event: 'ready', name, roles, http, p2p, peer, pid: state.process.pid }
}

/** The first line that is one of the two; `undefined` when the output ends without. Other lines are passed over. */
export async function nextLine(output: Readable): Promise<ReadyLine | FailedLine | undefined> {
  for await (const text of createInterface({ input: output, crlfDelay: Number.POSITIVE_INFINITY })) {
    const value = jsonOf(text) as Partial<ReadyLine | FailedLine> | null | undefined
    if (value?.event === 'ready' || value?.event === 'failed') return value as ReadyLine | FailedLine
  }
  return undefined
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
