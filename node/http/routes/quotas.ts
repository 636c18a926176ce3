/** `/v1/quotas`, `/v1/namespaces/{namespace}/quota`: what operators allow namespaces. */
import { OsirisError } from '#protocols/errors'
import { quotaSummaries } from '#protocols/management'
import { EVERY_NAMESPACE, quotaSchema } from '#protocols/quota'
import type { AppParts } from '../app.ts'
import { bodyAs, type ManagementContext, type Route } from '../define.ts'
import { mayRead, requireAnywhere, requireToken } from '../guard.ts'
import { namespaceOf, paramOf, writeOptionsOf } from '../input.ts'
import { quotasSchema, writeQuerySchema, writtenSchema } from '../schemas.ts'

/** Three numbers. */
const BODY_BYTES_MAX = 4096
const NAMED = 'a namespace, or * for every one without a quota of its own'

export function listQuotas({ access, catalog, quotas }: AppParts): Route {
  return {
    summary: 'Quotas of the namespaces the caller may read, and of *: every namespace without one of its own',
    answers: { 200: { description: 'By namespace; `here` is what this node gives out of it', schema: quotasSchema } },
    async handle(context) {
      const principal = await requireAnywhere(access, context.env.found, 'read', 'list quotas')
      const all = quotaSummaries(await catalog.settings(), (namespace) => quotas?.use(namespace))
      return context.json({ quotas: all.filter((each) => each.namespace === EVERY_NAMESPACE || mayRead(principal, each.namespace)) })
    },
  }
}

export function putQuota({ access, catalog, limits }: AppParts): Route {
  return {
    summary: `Sets what a namespace may use (${NAMED}); for administrators of all namespaces, in force on every node within seconds`,
    params: ['namespace'],
    query: writeQuerySchema,
    body: quotaSchema,
    answers: { 200: { description: 'Set; what the quota does not name has no bound', schema: writtenSchema } },
    async handle(context) {
      const caller = await requireToken(access, context.env.found, 'set a quota')
      const namespace = whoseOf(context)
      const value = JSON.stringify(await bodyAs(context, quotaSchema, BODY_BYTES_MAX, 'the quota'))
      const receipt = await catalog.amend({ type: 'set', namespace, key: 'quota', value }, writeOptionsOf(context, caller, limits))
      return context.json({ receipt })
    },
  }
}

export function deleteQuota({ access, catalog, limits }: AppParts): Route {
  return {
    summary: `Takes a quota away (${NAMED}); for administrators of all namespaces`,
    params: ['namespace'],
    query: writeQuerySchema,
    answers: { 200: { description: 'Taken away', schema: writtenSchema } },
    async handle(context) {
      const caller = await requireToken(access, context.env.found, 'take a quota away')
      const namespace = whoseOf(context)
      if (!(await catalog.settings()).some((each) => each.namespace === namespace && each.key === 'quota'))
        throw new OsirisError('not_found', `Cannot take a quota away: "${namespace}" has none`)
      const change = { type: 'set' as const, namespace, key: 'quota', value: null }
      return context.json({ receipt: await catalog.amend(change, writeOptionsOf(context, caller, limits)) })
    },
  }
}

function whoseOf(context: ManagementContext): string {
  return paramOf(context, 'namespace') === EVERY_NAMESPACE ? EVERY_NAMESPACE : namespaceOf(context)
}
