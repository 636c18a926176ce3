/** What a running function asks of its node: calls of other functions, on its caller's account, within its own time and depth. */
import { OsirisError } from '#protocols/errors'
import { parseRef } from '#protocols/function'
import type { Invocation, LimitName } from '#protocols/invocation'
import type { Random } from '#protocols/lifecycle'
import type { Call } from './call.ts'
import type { CallOut } from './executor.ts'
import { DO } from './frames.ts'
import { limitMet } from './limits/function-limits.ts'
import type { InstanceSlot } from './function-state.ts'
import { decodeAsk } from './hostile.ts'
import { askerOf, countRequest } from './limits/requests.ts'

export interface AskInit {
  callOut: CallOut
  random: Random
  met: (limit: LimitName) => void
}

/** Throws when the worker's words are malformed; answers the function in every other case. */
export function answerAsk(slot: InstanceSlot, askId: number, text: string, callId: number, init: AskInit, depthMax: number): void {
  const { ref, args } = decodeAsk(text)
  void run(slot, ref, args, callId, init, depthMax).then(
    (json) => reply(slot, askId, false, json),
    (error: unknown) => {
      const { code, message, details } = OsirisError.from(error, `Cannot call ${JSON.stringify(ref)}`)
      reply(slot, askId, true, Buffer.from(JSON.stringify({ code, message, limit: details?.['limit'] })))
    },
  )
}

async function run(
  slot: InstanceSlot,
  ref: string,
  args: string,
  callId: number,
  { callOut, random, met }: AskInit,
  depthMax: number,
): Promise<Uint8Array> {
  const target = parseRef(ref)
  const { fn } = slot
  const allowed = fn.record.manifest.settings.calls
  if (!allowed.some((pattern) => matches(pattern, `${target.namespace}/${target.name}`)))
    throw new OsirisError('forbidden', `Cannot call "${ref}": "${fn.title}" does not name it under "calls"`)
  const calls = [...slot.worker.callsOf(slot)]
  const first = calls[0]
  const asker = askerOf(slot, callId)
  if (first === undefined || asker === undefined)
    throw new OsirisError('deadline_exceeded', `Cannot call "${ref}": the call that asked for it is over`)
  const depth = Math.max(...calls.map((call) => call.invocation.depth)) + 1
  if (depth > depthMax) throw limitMet('depth_exceeded', 'depth', `Cannot call "${ref}": ${depth} calls deep (at most ${depthMax})`)
  countRequest(asker, `Cannot call "${ref}"`, met)
  const outcome = await callOut({ id: idOf(random), ...invocationFor(target, args, first, calls, depth) })
  if (outcome.kind === 'value') return outcome.value
  if (outcome.kind === 'failed') throw outcome.error
  throw new OsirisError('invalid_argument', `Cannot call "${ref}": it is a web function`)
}

/** All calls of the instance have one caller (FunctionState.choose), so it does not matter which of them asked. */
function invocationFor(target: Invocation['target'], args: string, first: Call, calls: Call[], depth: number): Omit<Invocation, 'id'> {
  const { caller, hops, traceparent } = first.invocation
  return {
    target,
    payload: { kind: 'call', args: Buffer.from(args) },
    caller,
    deadlineAt: Math.max(...calls.map((call) => call.deadlineAt)),
    hops,
    depth,
    ...(traceparent === undefined ? {} : { traceparent }),
  }
}

function idOf(random: Random): string {
  return Buffer.from(Array.from({ length: 16 }, () => Math.floor(random() * 256))).toString('hex')
}

function matches(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name
}

function reply(slot: InstanceSlot, askId: number, isError: boolean, json: Uint8Array): void {
  if (slot.state !== 'ready' || slot.worker.isEnded) return
  slot.worker.frame(DO.answer, askId, slot.id, isError ? 1 : 0, json)
}
