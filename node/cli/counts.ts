/** What a running node says of itself, for tables. */
import type { InstanceSummary } from '#sdk'
import type { Connect } from './api.ts'

/** A node that does not answer for so long is shown without figures. */
const ANSWER_MS = 3000

export interface Counts {
  /** Nodes it has a connection to. */
  peers: number
  /** Functions in its view. */
  functions: number
  /** What it has ready of each version. */
  instances: InstanceSummary[]
}

/** `undefined` when it does not answer. Of a node that takes no token from here, what it tells whoever is on its machine. */
export async function countsOf(connect: Connect, url: string, token: string | undefined): Promise<Counts | undefined> {
  try {
    const node = await connect({ url, timeoutMs: ANSWER_MS, ...(token === undefined ? {} : { token }) })
    const [nodes, functions] = await Promise.all([node.nodes(), node.functions.list()])
    const instances = nodes.find((each) => each.self)?.instances ?? []
    return { peers: nodes.filter((each) => each.connected && !each.self).length, functions: functions.length, instances }
  } catch {
    return toldOnItsMachine(url)
  }
}

async function toldOnItsMachine(url: string): Promise<Counts | undefined> {
  try {
    const answer = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(ANSWER_MS) })
    const { peers, functions } = (await answer.json()) as Partial<Counts>
    return typeof peers === 'number' && typeof functions === 'number' ? { peers, functions, instances: [] } : undefined
  } catch {
    return undefined
  }
}
