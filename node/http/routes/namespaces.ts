/** `/v1/namespaces`: who has functions. */
import { namespacesOf } from '#protocols/management'
import type { AppParts } from '../app.ts'
import type { Route } from '../define.ts'
import { requireAnywhere } from '../guard.ts'
import { namespacesSchema } from '../schemas.ts'
import { mayRead } from './functions.ts'

export function listNamespaces({ access, catalog }: AppParts): Route {
  return {
    summary: 'Namespaces with functions the caller may read',
    answers: { 200: { description: 'By name', schema: namespacesSchema } },
    async handle(context) {
      const principal = await requireAnywhere(access, context.env.found, 'read', 'list namespaces')
      const records = await catalog.list({})
      return context.json({ namespaces: namespacesOf(records.filter((each) => mayRead(principal, each.namespace))) })
    },
  }
}
