/** Frames at random on a worker's pipe: each call ends for a reason that can be shown, and nobody else hears of it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createEvents } from '#protocols/events'
import type { Outcome } from '#protocols/invocation'
import { callOf, serviceIn, valueOf, World } from './executor.world.ts'
import { frames, FUZZER, type MadeFrame } from './fuzzer.fixture.ts'
import { SAY } from './frames.ts'
import { decodeError } from './hostile.ts'
import type { ExecutorService } from './service.ts'

/** `npm run test:hostile` asks for more. */
const FRAMES = Number(process.env['HOSTILE_FRAMES'] ?? 2_000)
const FRAMES_PER_CALL = 100
/** What failed is played again by naming the seed it told. */
const SEED = Number(process.env['HOSTILE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const TIMEOUT_MS = 300
const NAMESPACES = 7

const world = new World()
const events = createEvents()
const folder = mkdtempSync(join(tmpdir(), 'osiris-'))
const workerEntry = join(folder, 'fuzzer.cjs')
/** Why workers ended, by namespace. */
const ends = new Map<string, string[]>()
let executor: ExecutorService

beforeAll(async () => {
  writeFileSync(workerEntry, FUZZER)
  events.on('worker.ended', ({ namespace, reason }) => ends.set(namespace, [...(ends.get(namespace) ?? []), reason]))
  // Nearly every call costs a worker, and starting one costs processor time that is its namespace's: on a host with few processors it would be throttled.
  executor = serviceIn(world, { events, workerEntry, spares: 2, hostCores: 1000 })
  await executor.start()
})
afterAll(async () => {
  await executor.stop()
  rmSync(folder, { recursive: true })
})

interface Ended {
  outcome: Outcome
  made: MadeFrame[]
  /** What the worker answers after them. */
  answer: number
  ms: number
  /** Why workers of the namespace ended while the call was there. */
  workerEnds: string[]
}

/** What is wrong with how a call ended: it ends as its worker said, for the end of its worker, or at its deadline. */
function unfounded({ outcome, made, answer, ms, workerEnds }: Ended): string | undefined {
  if (outcome.kind === 'response') return 'a response to a call'
  if (outcome.kind === 'value') {
    const text = Buffer.from(outcome.value).toString('utf8')
    const said = [String(answer), ...made.filter(({ kind }) => kind === SAY.value).map(({ payload }) => payload)]
    return said.includes(text) ? undefined : `a value nobody sent: ${text}`
  }
  const { code, message } = outcome.error
  if (code === 'worker_crashed') return workerEnds.length > 0 ? undefined : `no worker ended: ${message}`
  if (code === 'deadline_exceeded') return ms >= TIMEOUT_MS ? undefined : `a deadline after ${ms} ms: ${message}`
  return claimed(made).includes(code) ? undefined : `an error nobody sent: ${code}: ${message}`
}

/** Codes of the errors a worker sent, as they are taken. */
function claimed(made: MadeFrame[]): string[] {
  return made.flatMap(({ kind, payload }) => {
    if (kind !== SAY.failed && kind !== SAY.gone && kind !== SAY.loadFailed) return []
    try {
      return [decodeError(Buffer.from(payload), 'x').code]
    } catch {
      return []
    }
  })
}

test.runIf(FRAMES > 0)(
  'frames made at random: every call ends for a reason, no answer crosses, the others stay',
  async () => {
    const honest = world.define('export default 1', { namespace: 'fuzz-honest' })
    const config = { execution: { timeout: TIMEOUT_MS } }
    const rounds = FRAMES / FRAMES_PER_CALL
    let round = 0
    for (const made of fc.sample(frames(FRAMES_PER_CALL), { seed: SEED, numRuns: rounds })) {
      const namespace = `fuzz-${++round % NAMESPACES}`
      const record = world.define(`export default ${round}`, { namespace, config })
      ends.delete(namespace)
      const startedAt = performance.now()
      const [[outcome, ms, workerEnds], sane] = await Promise.all([
        executor
          .invoke(callOf(record, [made, round]))
          .then((ended) => [ended, performance.now() - startedAt, ends.get(namespace) ?? []] as const),
        executor.invoke(callOf(honest, [[], `mine-${round}`])),
      ])
      expect(valueOf(sane)).toBe(`mine-${round}`)
      const problem = unfounded({ outcome, made, answer: round, ms, workerEnds })
      if (problem !== undefined)
        throw new Error(`call ${round} of HOSTILE_SEED=${SEED}: ${problem}; its worker sent ${JSON.stringify(made)}`)
    }
    expect(ends.get('fuzz-honest')).toBeUndefined()
  },
  300_000,
)
