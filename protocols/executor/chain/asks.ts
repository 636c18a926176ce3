/**
 * What a running function asks of its node while it runs: calls of other functions, messages to topics, on its caller's account, within its own time, depth and chain. Who calls
 * is what this node runs there: a worker only says for which of the open calls of that instance it asks.
 */
import { namesCallee } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import { type FunctionRef, parseRef } from '#protocols/function'
import type { Chain, Invocation, LimitName, Outcome } from '#protocols/invocation'
import { type Clock, hexOf, type Random } from '#protocols/lifecycle'
import type { Call } from '../call.ts'
import type { CallOut, PublishOut } from '../executor.ts'
import { DO, type WireAsk, type WireCall } from '../frames.ts'
import type { InstanceSlot } from '../function-state.ts'
import { decodeAsk } from '../hostile.ts'
import { askerOf, countRequest } from '../limits/requests.ts'
import type { Chains } from './chains.ts'
import { pathBelow, tooDeep, tooMany } from './lineage.ts'
import { publishFor } from './publishing.ts'

export interface AskInit {
  callOut: CallOut
  publishOut?: PublishOut
  clock: Clock
  random: Random
  chains: Chains
  met: (limit: LimitName) => void
  depthMax: number
}

/** Throws when the worker's words are malformed; answers the function in every other case. */
export function answerAsk(slot: InstanceSlot, askId: number, text: string, callId: number, init: AskInit): void {
  const asked = decodeAsk(text)
  void answerTo(slot, asked, callId, init).then(
    (json) => reply(slot, askId, false, json),
    (error: unknown) => {
      const act = asked.kind === 'call' ? `Cannot call ${JSON.stringify(asked.ref)}` : `Cannot publish to ${JSON.stringify(asked.topic)}`
      const { code, message, details } = OsirisError.from(error, act)
      reply(slot, askId, true, Buffer.from(JSON.stringify({ code, message, limit: details?.['limit'] })))
    },
  )
}

function answerTo(slot: InstanceSlot, asked: WireAsk, callId: number, init: AskInit): Promise<Uint8Array> {
  return asked.kind === 'call' ? run(slot, asked, callId, init) : publishFor(slot, asked, callId, init)
}

async function run(slot: InstanceSlot, { ref, args }: WireCall, callId: number, init: AskInit): Promise<Uint8Array> {
  const target = parseRef(ref)
  const name = `${target.namespace}/${target.name}`
  const { fn } = slot
  if (!namesCallee(fn.record, target))
    throw new OsirisError('forbidden', `Cannot call "${ref}": "${fn.title}" does not name it under "calls"`)
  const asker = askerOf(slot, callId)
  if (asker === undefined) throw isOver(ref)
  const depth = asker.invocation.depth + 1
  const path = pathBelow(asker.invocation, fn.title)
  if (depth > init.depthMax) throw tooDeep(name, path, depth, init.depthMax)
  countRequest(asker, `Cannot call "${ref}"`, init.met)
  const chain = init.chains.of(asker)
  const timeoutMs = asker.deadlineAt - init.clock.monotonic()
  const may = init.chains.spend(chain, { timeoutMs, signal: asker.ending })
  if (!(may instanceof Promise ? await may : may)) throw tooMany(name, path, init.chains.callsMax)
  if (asker.isOver) throw isOver(ref)
  const outcome = await init.callOut({
    id: hexOf(init.random, 32),
    ...invocationFor(asker, target, args, path, chain),
    by: fn.record.version,
  })
  asker.wentHops(outcome.meta.hops)
  return valueOf(outcome, ref)
}

function invocationFor(asker: Call, target: FunctionRef, args: string, path: string[], chain: Chain): Omit<Invocation, 'id'> {
  const { caller, hops, depth, traceparent } = asker.invocation
  return {
    target,
    payload: { kind: 'call', args: Buffer.from(args) },
    caller,
    deadlineAt: asker.deadlineAt,
    hops,
    depth: depth + 1,
    path,
    chain,
    signal: asker.ending,
    ...(traceparent === undefined ? {} : { traceparent }),
  }
}

function valueOf(outcome: Outcome, ref: string): Uint8Array {
  if (outcome.kind === 'value') return outcome.value
  if (outcome.kind === 'failed') throw outcome.error
  throw new OsirisError('invalid_argument', `Cannot call "${ref}": it is a web function`)
}

function isOver(ref: string): OsirisError {
  return new OsirisError('deadline_exceeded', `Cannot call "${ref}": the call that asked for it is over`)
}

function reply(slot: InstanceSlot, askId: number, isError: boolean, json: Uint8Array): void {
  if (slot.state !== 'ready' || slot.worker.isEnded) return
  slot.worker.frame(DO.answer, askId, slot.id, isError ? 1 : 0, json)
}
