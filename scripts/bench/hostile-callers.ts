/** Who calls a hostile function: over and over, whatever it answers, and without looking at the answer. */
import { Agent, request } from 'node:http'
import type { Request } from './load/load.ts'

export interface Answer {
  ms: number
  code: string
}

/** One call over a connection of the agent; `code` is the platform's error code, `ok` without one. Rejects when nobody answers. */
export function callOnce({ url, body }: Request, agent: Agent): Promise<Answer> {
  const startedAt = performance.now()
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  const sent = request(url, { method: 'POST', headers, agent }, (response) => {
    const code = String(response.headers['osiris-error'] ?? 'ok')
    response.resume().on('end', () => resolve({ ms: performance.now() - startedAt, code }))
    response.on('error', reject)
  })
  sent.on('error', reject)
  sent.end(body)
  return promise
}

/** Starts so many callers, each one call after the other; returns the way to stop, which waits for their last answers and counts them by code. */
export function callHostile(each: Request, callers: number): () => Promise<{ [code: string]: number }> {
  const agent = new Agent({ keepAlive: true, maxSockets: callers })
  const counts: { [code: string]: number } = {}
  const stop = new AbortController()
  const caller = async () => {
    while (!stop.signal.aborted) {
      const { code } = await callOnce(each, agent)
      counts[code] = (counts[code] ?? 0) + 1
    }
  }
  const all = Array.from({ length: callers }, caller)
  return async () => {
    stop.abort()
    await Promise.all(all)
    agent.destroy()
    return counts
  }
}
