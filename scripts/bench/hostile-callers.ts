/** Who calls a hostile function: over and over, whatever it answers, and without looking at the answer. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { setPriority } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Cleanup } from './cleanup.ts'
import type { Request } from './load/load.ts'

const LOWEST = 19

export interface Answer {
  ms: number
  code: string
}

/** Answers by code. */
export type Counts = { [code: string]: number }

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
function callHostile(each: Request, callers: number): () => Promise<Counts> {
  const agent = new Agent({ keepAlive: true, maxSockets: callers })
  const counts: Counts = {}
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

/** The same from a session of its own, which waits for a processor behind others: callers are elsewhere, and taking large answers in is no work of the node. */
export async function callHostileFromOutside(cleanup: Cleanup, each: Request, callers: number): Promise<() => Promise<Counts>> {
  const { promise: counts, resolve, reject } = Promise.withResolvers<Counts>()
  const child = fork(fileURLToPath(import.meta.url), [each.url, each.body, String(callers)], { detached: true })
  const gone = cleanup.add(async () => void child.kill('SIGKILL'))
  const ready = once(child, 'message')
  child.once('exit', (code) => reject(new Error(`the hostile callers ended with ${code ?? 'a signal'}`)))
  counts.catch(() => {})
  await Promise.race([ready, counts])
  return async () => {
    child.once('message', (message) => resolve(message as Counts))
    child.send('stop')
    await counts
    await gone()
    return counts
  }
}

/** sched(7): what a session weighs. Nothing where the kernel does not group by session, and `nice` says it all. */
function stepBack(): void {
  setPriority(LOWEST)
  try {
    writeFileSync('/proc/self/autogroup', String(LOWEST))
  } catch {
    return
  }
}

if (import.meta.main) {
  stepBack()
  const [url, body, callers] = process.argv.slice(2) as [string, string, string]
  const stop = callHostile({ url, body }, Number(callers))
  process.once('message', () => void stop().then((counts) => process.send?.(counts, () => process.disconnect?.())))
  process.send?.('ready')
}
