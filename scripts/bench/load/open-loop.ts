/** Open-loop load: so many calls a second whatever comes back, as many clients that do not know of each other make them. */
import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { callOnce } from '../hostile-callers.ts'
import type { Request } from './load.ts'

export interface Ended {
  /** Milliseconds from the begin of the load: when it was sent, and how long it took. */
  at: number
  ms: number
  code: string
}

/** Late by at most so much: then several leave at once. */
const TICK_MS = 5

/** Ends when every call has ended. */
export async function callAtRate(request: Request, perSecond: number, durationMs: number): Promise<Ended[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY })
  const ended: Promise<Ended>[] = []
  const from = performance.now()
  for (let at = 0; at < durationMs; at = performance.now() - from) {
    const due = Math.floor((at * perSecond) / 1000)
    while (ended.length < due) ended.push(callOnce(request, agent).then((answer) => ({ at, ...answer })))
    await sleep(TICK_MS)
  }
  const all = await Promise.all(ended)
  agent.destroy()
  return all
}
