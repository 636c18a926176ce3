/** Asynchronous calls, opened to nodes without the role. The caller's token came along: it is judged here. */
import { collect } from '#protocols/body'
import { decodeAs } from '#protocols/codec'
import { decodeInvocation } from '#protocols/invocation-wire'
import type { IncomingRequest, Members, Network } from '#protocols/network'
import { withOrigin } from '../handlers/invoke.ts'
import { CALL_BYTES_MAX, type Calls, type NewCall } from './calls.ts'
import { CALLS_PROTOCOL, type CallsRequest, encodeAnswer, requestSchema } from './messages.ts'
import { callerOf } from '../wire-caller.ts'

/** Answers peers until the returned function is called. */
export function serveCalls(network: Pick<Network, 'handle' | 'members'>, calls: Calls): () => void {
  return network.handle(CALLS_PROTOCOL, async (incoming) => {
    const request = decodeAs(requestSchema, incoming.head, 'a request about calls')
    return encodeAnswer(await answer(calls, network.members, request, incoming))
  })
}

async function answer(calls: Calls, members: Pick<Members, 'get'>, request: CallsRequest, incoming: IncomingRequest): Promise<unknown> {
  switch (request.type) {
    case 'submit':
      return calls.submit(await callOf(request, members, incoming))
    case 'get':
      return calls.get(request.id, callerOf(request.caller), { waitMs: request.waitMs, signal: incoming.signal })
    case 'cancel':
      return calls.cancel(request.id, callerOf(request.caller))
    case 'list':
      return calls.list(request.namespace, request.limit, callerOf(request.caller))
    case 'deadCallbacks':
      return calls.deadCallbacks(request.namespace, request.limit, callerOf(request.caller))
    case 'decideCallback':
      await calls.decideCallback(request.decision, request.id, callerOf(request.caller))
      return null
  }
}

async function callOf(
  { invocation: head, callback }: Extract<CallsRequest, { type: 'submit' }>,
  members: Pick<Members, 'get'>,
  { peer, body }: IncomingRequest,
): Promise<NewCall> {
  const whole = body === undefined ? {} : { body: await collect(body, CALL_BYTES_MAX, 'the call') }
  const invocation = withOrigin(await decodeInvocation({ head, ...whole }, { now: 0 }), peer, members)
  return callback === null ? { invocation } : { invocation, callback }
}
