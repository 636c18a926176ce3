/** `/v1/topics…`: publishing, who subscribes, and deliveries that were given up. */
import { isTraceparent } from '#protocols/invocation'
import { DATA_BYTES_MAX, type Topics } from '#protocols/router'
import type { AppParts } from '../app.ts'
import { bodyBytesOf, queryAs, type ManagementContext, type Route } from '../define.ts'
import { requireIn } from '../guard.ts'
import { paramOf } from '../input.ts'
import {
  deadLetterSchema,
  deadLettersQuerySchema,
  deadLettersSchema,
  doneSchema,
  messageSchema,
  publishedSchema,
  publishQuerySchema,
  subscriptionsSchema,
} from '../schemas.ts'

const LETTER = ['namespace', 'id']

export function publishMessage({ access, topics }: AppParts): Route {
  return {
    summary: 'Publishes a message; answered when it is on several disks, before anybody got it',
    params: ['namespace', 'topic'],
    query: publishQuerySchema,
    body: messageSchema,
    answers: { 202: { description: 'Accepted', schema: publishedSchema } },
    async handle(context) {
      const namespace = paramOf(context, 'namespace')
      const { found } = context.env
      await requireIn(access, found, 'invoke', namespace)
      const { id, key } = queryAs(context, publishQuerySchema)
      const bytes = await bodyBytesOf(context, DATA_BYTES_MAX)
      const chosen = { ...(id === undefined ? {} : { id }), ...(key === undefined ? {} : { key }) }
      const message = { namespace, topic: paramOf(context, 'topic'), data: bytes.length === 0 ? Buffer.from('null') : bytes }
      return context.json(await topics.publish({ ...message, ...chosen, ...traceOf(context) }, found.caller), 202)
    },
  }
}

export function listSubscriptions({ access, topics }: AppParts): Route {
  return {
    summary: "Who subscribes to a namespace's topics",
    params: ['namespace'],
    answers: { 200: { description: 'By function', schema: subscriptionsSchema } },
    async handle(context) {
      const namespace = paramOf(context, 'namespace')
      const { found } = context.env
      await requireIn(access, found, 'read', namespace)
      return context.json({ subscriptions: await topics.subscriptions(namespace, found.caller) })
    },
  }
}

export function listDeadLetters({ access, topics }: AppParts): Route {
  return {
    summary: "Deliveries to a namespace's functions that were given up",
    params: ['namespace'],
    query: deadLettersQuerySchema,
    answers: { 200: { description: 'Newest first', schema: deadLettersSchema } },
    async handle(context) {
      const namespace = paramOf(context, 'namespace')
      const { found } = context.env
      await requireIn(access, found, 'read', namespace)
      const { limit } = queryAs(context, deadLettersQuerySchema)
      return context.json({ letters: await topics.deadLetters(namespace, limit, found.caller) })
    },
  }
}

export function getDeadLetter({ access, topics }: AppParts): Route {
  return {
    summary: 'One of them, with what was published',
    params: LETTER,
    answers: { 200: { description: 'The message and why it was given up', schema: deadLetterSchema } },
    async handle(context) {
      const { namespace, id } = letterOf(context)
      const { found } = context.env
      await requireIn(access, found, 'read', namespace)
      const { data, ...letter } = await topics.deadLetter(namespace, id, found.caller)
      return context.json({ ...letter, data: JSON.parse(data) as unknown })
    },
  }
}

export function replayDeadLetter({ access, topics }: AppParts): Route {
  return deciding(access, 'Delivers it again, with all its attempts', (...words) => topics.replay(...words))
}

export function removeDeadLetter({ access, topics }: AppParts): Route {
  return deciding(access, 'Forgets it', (...words) => topics.remove(...words))
}

function deciding(access: AppParts['access'], summary: string, decide: Topics['replay']): Route {
  return {
    summary,
    params: LETTER,
    answers: { 200: { description: 'Done', schema: doneSchema } },
    async handle(context) {
      const { namespace, id } = letterOf(context)
      const { found } = context.env
      await requireIn(access, found, 'deploy', namespace)
      await decide(namespace, id, found.caller)
      return context.json({ id })
    },
  }
}

function letterOf(context: ManagementContext): { namespace: string; id: string } {
  return { namespace: paramOf(context, 'namespace'), id: paramOf(context, 'id') }
}

function traceOf(context: ManagementContext): { traceparent?: string } {
  const traceparent = context.req.header('traceparent')
  return isTraceparent(traceparent) ? { traceparent } : {}
}
