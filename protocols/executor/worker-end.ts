/** Why a worker ended, and what its calls are told. */
import { OsirisError } from '#protocols/errors'
import { limitMet } from './limits/function-limits.ts'
import type { FunctionState } from './function-state.ts'
import type { Ending } from './walls/launch.ts'

/** Why a worker is no more. `blamed`: the functions whose calls brought it down, when that is known. */
export interface WorkerEnd {
  code: 'worker_crashed' | 'memory_exceeded' | 'deadline_exceeded' | 'stopped'
  reason: string
  blamed: ReadonlySet<FunctionState>
}

/** Of a worker that ended by itself while these functions were at work: with several of them nobody can say whose memory it was. */
export function endOf({ reason, outOfMemory }: Ending, busy: ReadonlySet<FunctionState>): WorkerEnd {
  const known = outOfMemory && busy.size === 1
  return { code: known ? 'memory_exceeded' : 'worker_crashed', reason, blamed: known ? busy : new Set() }
}

/** What a call, or a load, gets told when its worker ended. One whose time was over gets told that, whoever brought the worker down; one that had time left never is. */
export function errorFor(end: WorkerEnd, fn: FunctionState, isLate: boolean): OsirisError {
  const { title } = fn
  if (end.code === 'stopped') return new OsirisError('unavailable', `Cannot finish "${title}": the node is stopping`)
  if (end.blamed.has(fn) && end.code === 'memory_exceeded')
    return limitMet(
      'memory_exceeded',
      'memory',
      `Cannot finish "${title}": it used more memory than its ${fn.memoryMbMax} MB (${end.reason})`,
    )
  if (isLate) return limitMet('deadline_exceeded', 'timeout', `Cannot finish "${title}": it did not stop at its deadline (${end.reason})`)
  return new OsirisError('worker_crashed', `Cannot finish "${title}": its worker process is gone (${end.reason})`)
}
