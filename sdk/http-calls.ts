/** Calls that nobody waits for, over HTTP. */
import { OsirisError } from '#protocols/errors'
import { formatRef, type FunctionRef } from '#protocols/function'
import type { DeadCallback } from '#protocols/router'
import type { CallStatus, CallSummary, StartOptions } from './osiris.ts'
import type { Transport } from './transport.ts'

/** Sends text as it is, and gives the JSON of the answer. */
export type Send = <T>(act: string, method: string, path: string, text?: string, headers?: Record<string, string>) => Promise<T>

/** `timeoutMs`: how long an answer may take at all. */
export function callsOverHttp(send: Send, timeoutMs = Infinity): Pick<Transport, 'start' | 'calls'> {
  const at = (id: string) => `/v1/calls/${encodeURIComponent(id)}`
  return {
    async start(ref: FunctionRef, args: string, { callback }: StartOptions) {
      const act = `start "${formatRef(ref)}"`
      const headers = { prefer: 'respond-async', ...(callback === undefined ? {} : { 'osiris-callback': callback }) }
      const answer = await send<{ id?: unknown } | null>(act, 'POST', `/v1/call/${formatRef(ref)}`, args, headers)
      if (typeof answer?.id === 'string') return { id: answer.id }
      const state = 'the answer has no id: something on the way may have taken the header Prefer off, and the function may have run'
      throw new OsirisError('outcome_unknown', `Cannot ${act}: ${state}`)
    },
    calls: {
      get: (id, waitMs = 0) => {
        const wait = Math.round(Math.min(waitMs, timeoutMs / 2))
        return send<CallStatus>(`find call ${id}`, 'GET', wait > 0 ? `${at(id)}?wait=${wait}ms` : at(id))
      },
      cancel: (id) => send<CallStatus>(`cancel call ${id}`, 'DELETE', at(id)),
      async list(namespace, limit) {
        const query = new URLSearchParams({ namespace, limit: String(limit) }).toString()
        return (await send<{ calls: CallSummary[] }>(`list calls of "${namespace}"`, 'GET', `/v1/calls?${query}`)).calls
      },
      async deadCallbacks(namespace, limit) {
        const query = new URLSearchParams({ namespace, limit: String(limit) }).toString()
        return (await send<{ callbacks: DeadCallback[] }>(`list callbacks of "${namespace}"`, 'GET', `/v1/callbacks/dead?${query}`))
          .callbacks
      },
      async decideCallback(decision, id) {
        const path = `/v1/callbacks/dead/${encodeURIComponent(id)}`
        const [method, verb] = decision === 'replay' ? ['POST', '/replay'] : ['DELETE', '']
        await send(`${decision} the callback of call ${id}`, method, path + verb)
      },
    },
  }
}
