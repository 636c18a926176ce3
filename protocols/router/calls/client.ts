/** Asynchronous calls through a member with the router role. */
import { encode } from '#protocols/codec'
import type { Caller, Invocation } from '#protocols/invocation'
import { encodeInvocation } from '#protocols/invocation-wire'
import type { Message } from '#protocols/network'
import { askRouter, type Asker } from '../ask.ts'
import { wireCaller } from '../wire-caller.ts'
import { type CallbackDecision, type Calls, type CallStatus, type DeadCallback, WAIT_MS_MAX, type Waiting } from './calls.ts'
import { CALLS_PROTOCOL, type CallsRequest, decodeAnswer } from './messages.ts'

/** A write to three disks, one of which may be slow; what other routers know. */
const TIMEOUT_MS = 15_000

export class CallsClient implements Calls {
  readonly #asker: Asker

  constructor(asker: Asker) {
    this.#asker = asker
  }

  async submit({ callback = null, invocation }: { callback?: string | null; invocation: Invocation }): Promise<{ id: string }> {
    const { head, body } = encodeInvocation({ ...invocation, deadlineAt: 0 }, 0)
    const request: CallsRequest = { type: 'submit', invocation: head, callback }
    const message = { head: encode(request), ...(body === undefined ? {} : { body }) }
    return decodeAnswer('submit', await this.#send(message, 'Cannot take the call'))
  }

  async get(id: string, caller: Caller, { waitMs = 0 }: Waiting = {}): Promise<CallStatus> {
    const request: CallsRequest = { type: 'get', id, caller: wireCaller(caller), waitMs: Math.min(Math.round(waitMs), WAIT_MS_MAX) }
    return (await decodeAnswer('get', await this.#ask(request, `Cannot find call ${id}`, TIMEOUT_MS + waitMs))) as CallStatus
  }

  async cancel(id: string, caller: Caller): Promise<CallStatus> {
    const request: CallsRequest = { type: 'cancel', id, caller: wireCaller(caller) }
    return (await decodeAnswer('cancel', await this.#ask(request, `Cannot cancel call ${id}`))) as CallStatus
  }

  async list(namespace: string, limit: number, caller: Caller): Promise<CallStatus[]> {
    const request: CallsRequest = { type: 'list', namespace, limit, caller: wireCaller(caller) }
    return (await decodeAnswer('list', await this.#ask(request, `Cannot list calls of "${namespace}"`))) as CallStatus[]
  }

  async deadCallbacks(namespace: string, limit: number, caller: Caller): Promise<DeadCallback[]> {
    const request: CallsRequest = { type: 'deadCallbacks', namespace, limit, caller: wireCaller(caller) }
    return decodeAnswer('deadCallbacks', await this.#ask(request, `Cannot list callbacks of "${namespace}"`))
  }

  async decideCallback(decision: CallbackDecision, id: string, caller: Caller): Promise<void> {
    const request: CallsRequest = { type: 'decideCallback', decision, id, caller: wireCaller(caller) }
    await decodeAnswer('decideCallback', await this.#ask(request, `Cannot ${decision} the callback of call ${id}`))
  }

  #ask(request: CallsRequest, act: string, timeoutMs = TIMEOUT_MS): Promise<Message> {
    return this.#send({ head: encode(request) }, act, timeoutMs)
  }

  #send(message: Message, act: string, timeoutMs = TIMEOUT_MS): Promise<Message> {
    return askRouter(this.#asker, { protocol: CALLS_PROTOCOL, message, timeoutMs, act })
  }
}
