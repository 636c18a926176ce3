/** `/v1/namespaces…`: whose they are, and who has functions. */
import { visiblePowers } from '#protocols/catalog'
import { namespacesOf } from '#protocols/management'
import type { AppParts } from '../app.ts'
import { bodyAs, type Route } from '../define.ts'
import { mayRead, requireAnywhere, requireToken } from '../guard.ts'
import { namespaceOf, writeOptionsOf } from '../input.ts'
import { namespacesSchema, newNamespaceSchema, newOwnerSchema, writeQuerySchema, writtenSchema } from '../schemas.ts'

/** A name and a key. */
const BODY_BYTES_MAX = 4096

export function listNamespaces({ access, catalog }: AppParts): Route {
  return {
    summary: 'Namespaces the caller may read: those with an owner, and those with functions',
    answers: { 200: { description: 'By name', schema: namespacesSchema } },
    async handle(context) {
      const principal = await requireAnywhere(access, context.env.found, 'read', 'list namespaces')
      const [records, powers] = await Promise.all([catalog.list({}), catalog.powers()])
      const readable = records.filter((each) => mayRead(principal, each.namespace))
      return context.json({ namespaces: namespacesOf(readable, visiblePowers(powers, principal).namespaces) })
    },
  }
}

export function createNamespace({ access, catalog, limits }: AppParts): Route {
  return {
    summary: 'Makes a key the owner of a namespace that has none; takes "admin" on it',
    query: writeQuerySchema,
    body: newNamespaceSchema,
    answers: { 201: { description: 'Created', schema: writtenSchema } },
    async handle(context) {
      const caller = await requireToken(access, context.env.found, 'create a namespace')
      const { name, owner } = await bodyAs(context, newNamespaceSchema, BODY_BYTES_MAX, 'the namespace')
      const receipt = await catalog.amend({ type: 'create', namespace: name, owner }, writeOptionsOf(context, caller, limits))
      return context.json({ receipt }, 201)
    },
  }
}

export function putOwner({ access, catalog, limits }: AppParts): Route {
  return {
    summary: 'Hands a namespace over to another key; for its owner, and for administrators of all namespaces',
    params: ['namespace'],
    query: writeQuerySchema,
    body: newOwnerSchema,
    answers: { 200: { description: 'Handed over; what the former owner gave is ended', schema: writtenSchema } },
    async handle(context) {
      const caller = await requireToken(access, context.env.found, 'hand over a namespace')
      const namespace = namespaceOf(context)
      const { owner } = await bodyAs(context, newOwnerSchema, BODY_BYTES_MAX, 'the owner')
      const receipt = await catalog.amend({ type: 'transfer', namespace, owner }, writeOptionsOf(context, caller, limits))
      return context.json({ receipt })
    },
  }
}
