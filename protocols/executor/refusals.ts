/** The sentences of calls that are not run, or not run to their end. */
import type { FunctionRecord } from '#protocols/catalog'
import { OsirisError } from '#protocols/errors'
import type { Payload, PlacedInvocation } from '#protocols/invocation'
import type { Admission } from './admission.ts'
import { clampedNote, limitMet } from './limits/function-limits.ts'
import type { FunctionState } from './function-state.ts'

/** Why this call must not begin, if so; before it is known whether there is room. */
export function refusalOf(invocation: PlacedInvocation, fn: FunctionState, now: number, depthMax: number): OsirisError | undefined {
  const { payload, target, depth } = invocation
  if (fn.instancesMax === 0) return noPart(fn)
  if (target.name !== fn.record.name || target.namespace !== fn.record.namespace) return otherFunction(invocation, fn.title)
  if (depth > depthMax)
    return limitMet('depth_exceeded', 'depth', `Cannot run "${fn.title}": it is ${depth} calls deep (at most ${depthMax})`)
  const bytes = bytesOf(payload)
  if (bytes > fn.payloadBytesMax)
    return limitMet(
      'payload_too_large',
      'payload',
      `Cannot call "${fn.title}": the payload has ${bytes} bytes (at most ${fn.payloadBytesMax})${clampedNote(fn.limits, 'payload')}`,
    )
  if (invocation.deadlineAt <= now)
    return limitMet('deadline_exceeded', 'timeout', `Cannot run "${fn.title}": its deadline has passed already`)
  return invocation.signal?.aborted === true ? callerGone(fn) : undefined
}

/** Of what is here whole, and of a stream whose head says so; what is more than it says, or says nothing, is counted as it comes. */
function bytesOf(payload: Payload): number {
  if (payload.kind === 'call') return payload.args.length
  if (payload.kind === 'event') return payload.event.length
  const { body, headers, upgrade } = payload
  if (body instanceof Uint8Array) return body.length
  return body === undefined || upgrade !== undefined ? 0 : Number(headers.find(([name]) => name === 'content-length')?.[1] ?? 0)
}

/** `scale.max` is less than there are executors, and this node is none of those that have an instance. */
function noPart(fn: FunctionState): OsirisError {
  return limitMet('overloaded', 'concurrency', `Cannot take the call of "${fn.title}": its instances are on other nodes (scale.max)`)
}

export function overloaded(fn: FunctionState, { running, waiting }: Admission): OsirisError {
  if (fn.running >= fn.runningMax)
    return limitMet(
      'overloaded',
      'concurrency',
      `Cannot take the call of "${fn.title}": ${fn.running} calls of it run already (execution.concurrency, scale.max), and ${fn.waiting.length} wait`,
    )
  return limitMet(
    'overloaded',
    'capacity',
    `Cannot take the call of "${fn.title}": the queue is full (running: ${running}, waiting: ${waiting})`,
  )
}

export function shortOfMemory(fn: FunctionState, budgetMb: number): OsirisError {
  return limitMet(
    'overloaded',
    'memory',
    `Cannot take the call of "${fn.title}": there is no memory for it while others run (all together have ${budgetMb} MB)`,
  )
}

/** A router that knows what this node is would not have asked. */
export function notFitting({ namespace, name }: FunctionRecord): OsirisError {
  return new OsirisError(
    'unavailable',
    `Cannot run "${namespace}/${name}": this node has not the labels, or is not in the region, that it asks for`,
  )
}

export function throttled(fn: FunctionState): OsirisError {
  const { namespace, throttledBy, running } = fn.use
  const state =
    throttledBy === 'namespaceCpu'
      ? 'it has used all the processor time one may have here'
      : 'it has used its share, and others want theirs'
  return limitMet(
    'quota_exceeded',
    throttledBy ?? 'share',
    `Cannot take the call of "${fn.title}": namespace "${namespace}" computes much, ${state} (running: ${running})`,
  )
}

export function otherFunction({ target, version }: Pick<PlacedInvocation, 'target' | 'version'>, title: string): OsirisError {
  return new OsirisError('not_found', `Cannot run "${target.namespace}/${target.name}": version ${version.slice(0, 16)} is of "${title}"`)
}

export function callerGone(fn: FunctionState): OsirisError {
  return new OsirisError('unavailable', `Cannot finish "${fn.title}": the caller is gone`)
}

export function notRunning(act: string): OsirisError {
  return new OsirisError('unavailable', `Cannot run ${act}: the executor is not running, or takes no more work`)
}
