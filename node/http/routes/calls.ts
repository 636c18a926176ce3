/** `/v1/calls…`: what became of calls that nobody waited for. Judged by the router that holds them. */
import { type CallbackDecision, textOfCall } from '#protocols/router'
import type { AppParts } from '../app.ts'
import { queryAs, type Route } from '../define.ts'
import { paramOf } from '../input.ts'
import { callbacksSchema, callQuerySchema, callSchema, callsQuerySchema, callsSchema } from '../call-schemas.ts'
import { doneSchema } from '../schemas.ts'

export function listCalls({ calls }: AppParts): Route {
  return {
    summary: 'Calls of a namespace that nobody waited for; takes a grant to invoke in it',
    query: callsQuerySchema,
    answers: { 200: { description: 'Newest first, without their values and responses', schema: callsSchema } },
    async handle(context) {
      const { namespace, limit } = queryAs(context, callsQuerySchema)
      return context.json({ calls: await calls.list(namespace, limit, context.env.found.caller) })
    },
  }
}

export function getCall({ calls }: AppParts): Route {
  return {
    summary:
      'What became of a call: for whoever may invoke in its namespace; where a stranger called a public function, for whoever knows its id',
    params: ['id'],
    query: callQuerySchema,
    answers: { 200: { description: 'Kept for an hour after its end', schema: callSchema } },
    async handle(context) {
      const { wait: waitMs = 0 } = queryAs(context, callQuerySchema)
      const waiting = { waitMs, signal: context.req.raw.signal }
      return json(textOfCall(await calls.get(paramOf(context, 'id'), context.env.found.caller, waiting)))
    },
  }
}

export function cancelCall({ calls }: AppParts): Route {
  return {
    summary: 'Cancels a call: a queued one never begins, a running one is aborted, of one that is over nothing changes',
    params: ['id'],
    answers: { 200: { description: 'What became of it', schema: callSchema } },
    handle: async (context) => json(textOfCall(await calls.cancel(paramOf(context, 'id'), context.env.found.caller))),
  }
}

export function listDeadCallbacks({ calls }: AppParts): Route {
  return {
    summary: "Callbacks of a namespace's calls that were given up; takes a grant to invoke in it",
    query: callsQuerySchema,
    answers: { 200: { description: 'Newest first', schema: callbacksSchema } },
    async handle(context) {
      const { namespace, limit } = queryAs(context, callsQuerySchema)
      return context.json({ callbacks: await calls.deadCallbacks(namespace, limit, context.env.found.caller) })
    },
  }
}

export function replayCallback(parts: AppParts): Route {
  return deciding(parts, 'replay', 'Makes it again, with all its attempts')
}

export function removeCallback(parts: AppParts): Route {
  return deciding(parts, 'remove', 'Forgets it')
}

function deciding({ calls }: AppParts, decision: CallbackDecision, summary: string): Route {
  return {
    summary: `${summary}, by the id of its call; takes a grant to deploy`,
    params: ['id'],
    answers: { 200: { description: 'Done', schema: doneSchema } },
    async handle(context) {
      const id = paramOf(context, 'id')
      await calls.decideCallback(decision, id, context.env.found.caller)
      return context.json({ id })
    },
  }
}

/** The value stands there as the function made it. */
function json(text: string): Response {
  return new Response(text, { headers: { 'content-type': 'application/json' } })
}
