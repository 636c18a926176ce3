/** Sub-requests: what a call asks of others while it runs, fetches and calls of other functions alike. Each is counted when it is asked for. */
import type { LimitName } from '#protocols/invocation'
import type { Call } from '../call.ts'
import { clampedNote, limitMet } from './function-limits.ts'
import type { InstanceSlot } from '../function-state.ts'

/**
 * The call of this instance that the worker names, or, where it names none (code that an ended call left behind asked), the one that has asked
 * least: so nobody is refused for what a neighbour asked, and all together never ask more than they may. Undefined when none is open.
 */
export function askerOf(slot: InstanceSlot, callId: number): Call | undefined {
  const named = slot.worker.calls.get(callId)
  if (named?.slot === slot) return named
  let least: Call | undefined
  for (const call of slot.worker.callsOf(slot)) if (least === undefined || call.requests < least.requests) least = call
  return least
}

/** Counts one request. Throws `quota_exceeded` (`details.limit`: `requests`) when the call has made as many as it may; `met` hears of it once per call. */
export function countRequest(call: Call, act: string, met: (limit: LimitName) => void): void {
  const { limits } = call.fn
  if (call.requests < limits.requestsMax) {
    call.requests++
    return
  }
  if (!call.metRequests) met('requests')
  call.metRequests = true
  throw limitMet(
    'quota_exceeded',
    'requests',
    `${act}: the call has made its ${limits.requestsMax} requests (execution.requests)${clampedNote(limits, 'requests')}`,
  )
}
