/** What calls used whose worker can no longer say so. */
import type { Call } from './call.ts'
import type { FunctionState } from './function-state.ts'
import type { WorkerProcess } from './worker-process.ts'

/**
 * A worker is at its end, at `now`: the calls that brought it down are billed from their begin to their deadline; where there are several, one of them may
 * only have waited for another, and together they are never billed for more than the process has used since the watch first saw them (where the host
 * can tell). The others keep what their worker told of them.
 */
export function bill(worker: Pick<WorkerProcess, 'calls' | 'memory'>, blamed: ReadonlySet<FunctionState>, now: number): void {
  const guilty = [...worker.calls.values()].filter((call) => blamed.has(call.fn))
  const usedMs = worker.memory.cpuMs()
  for (const call of guilty) {
    const ranMs = Math.max(0, Math.min(now, call.deadlineAt) - call.startedAt)
    call.cpuUs = Math.max(call.cpuUs, Math.round(Math.min(ranMs, shareOf(call, usedMs, guilty.length)) * 1000))
  }
}

/** What the process used in the call's time, split among the calls that may have been it. */
function shareOf(call: Call, usedMs: number | undefined, calls: number): number {
  if (calls === 1 || usedMs === undefined || call.workerCpuMs < 0) return Number.POSITIVE_INFINITY
  return (usedMs - call.workerCpuMs + call.unseenMs) / calls
}
