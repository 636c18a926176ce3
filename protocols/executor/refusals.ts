/** The sentences of calls that are not run, or not run to their end. */
import { OsirisError } from '#protocols/errors'
import type { PlacedInvocation } from '#protocols/invocation'
import type { Admission } from './admission.ts'
import { clampedNote } from './function-limits.ts'
import type { FunctionState } from './function-state.ts'

/** Why this call must not begin, if so; before it is known whether there is room. */
export function refusalOf(invocation: PlacedInvocation, fn: FunctionState, now: number, depthMax: number): OsirisError | undefined {
  const { payload, target, depth } = invocation
  if (target.name !== fn.record.name || target.namespace !== fn.record.namespace) return otherFunction(invocation, fn.title)
  if (depth > depthMax)
    return new OsirisError('depth_exceeded', `Cannot run "${fn.title}": it is ${depth} calls deep (at most ${depthMax})`, {
      details: { limit: 'depth' },
    })
  const bytes = payload.kind === 'call' ? payload.args.length : payload.body instanceof Uint8Array ? payload.body.length : 0
  if (bytes > fn.payloadBytesMax)
    return new OsirisError(
      'payload_too_large',
      `Cannot call "${fn.title}": the payload has ${bytes} bytes (at most ${fn.payloadBytesMax})${clampedNote(fn.limits, 'payload')}`,
      {
        details: { limit: 'payload' },
      },
    )
  if (invocation.deadlineAt <= now)
    return new OsirisError('deadline_exceeded', `Cannot run "${fn.title}": its deadline has passed already`, {
      details: { limit: 'timeout' },
    })
  return invocation.signal?.aborted === true ? callerGone(fn) : undefined
}

export function overloaded(fn: FunctionState, { running, waiting }: Admission): OsirisError {
  if (fn.running >= fn.runningMax)
    return new OsirisError(
      'overloaded',
      `Cannot take the call of "${fn.title}": ${fn.running} calls of it run already (execution.concurrency, scale.max), and ${fn.waiting.length} wait`,
      { details: { limit: 'concurrency' } },
    )
  return new OsirisError(
    'overloaded',
    `Cannot take the call of "${fn.title}": the queue is full (running: ${running}, waiting: ${waiting})`,
    { details: { limit: 'capacity' } },
  )
}

export function throttled(fn: FunctionState): OsirisError {
  const { namespace, throttledBy, running } = fn.use
  const state =
    throttledBy === 'namespaceCpu'
      ? 'it has used all the processor time one may have here'
      : 'it has used its share, and others want theirs'
  return new OsirisError(
    'quota_exceeded',
    `Cannot take the call of "${fn.title}": namespace "${namespace}" computes much, ${state} (running: ${running})`,
    {
      details: { limit: throttledBy ?? 'share' },
    },
  )
}

export function otherFunction({ target, version }: PlacedInvocation, title: string): OsirisError {
  return new OsirisError('not_found', `Cannot run "${target.namespace}/${target.name}": version ${version.slice(0, 16)} is of "${title}"`)
}

export function callerGone(fn: FunctionState): OsirisError {
  return new OsirisError('unavailable', `Cannot finish "${fn.title}": the caller is gone`)
}

export function notRunning(act: string): OsirisError {
  return new OsirisError('unavailable', `Cannot run ${act}: the executor is not running`)
}
