import { expect, it } from 'vitest'
import { DEFAULT_LIMITS } from './limits/limits.ts'
import { Watch, type WatchInit } from './watch.ts'

const MIB = 1024 * 1024
const RESTING_MB = 70

/** A worker with one call under way, looked at as often as the test says. */
function watched() {
  const fn = { memoryMbMax: 64, fn: 'greet' }
  const killed: { code: string; blamed: Set<unknown> }[] = []
  let residentMb = RESTING_MB
  const worker = {
    calls: new Map([[1, { fn, deadlineAt: Infinity, workerCpuMs: 0 }]]),
    slots: new Map<number, unknown>(),
    unconfirmed: new Map(),
    ...{ loading: 0, isReady: true, restingBytes: RESTING_MB * MIB },
    memory: { residentBytes: () => residentMb * MIB },
    ping: () => 0,
    busy: () => new Set([fn]),
    kill: (death: (typeof killed)[number]) => killed.push(death),
  }
  let round = () => {}
  const clock = { now: () => 0, monotonic: () => 0, after: (_: number, run: () => void) => ((round = run), () => {}) }
  const init = {
    ...{ clock, limits: DEFAULT_LIMITS, functions: new Map(), rounds: { round: () => false } },
    pool: { workers: new Set([worker]), relieve: () => {} },
    dispatcher: { waiting: new Set(), memoryRound: () => {} },
  }
  const watch = new Watch(init as unknown as WatchInit)
  watch.wake()
  /** With so many instances and so much memory. */
  const look = (instances: number, megabytes: number) => {
    worker.slots = new Map(Array.from({ length: instances }, (_, id) => [id, { fn, state: 'ready' }]))
    residentMb = megabytes
    round()
    return killed.map(({ code, blamed }) => [code, [...blamed].length])
  }
  return look
}

it('what instances held that ended a moment ago is nobody’s who runs', () => {
  const look = watched()
  const bound = RESTING_MB + DEFAULT_LIMITS.workerAllowanceMb
  expect(look(6, bound + 300)).toEqual([])
  expect(look(1, bound + 300)).toEqual([])
  expect(look(1, bound + 200)).toEqual([])
  expect(look(1, bound + 6 * 64 + 1)).toEqual([['memory_exceeded', 1]])
})

it('once it was given back, one that runs may have no more than what is its own', () => {
  const look = watched()
  const bound = RESTING_MB + DEFAULT_LIMITS.workerAllowanceMb
  expect(look(6, bound + 300)).toEqual([])
  expect(look(1, bound + 60)).toEqual([])
  expect(look(1, bound + 65)).toEqual([['memory_exceeded', 1]])
})
