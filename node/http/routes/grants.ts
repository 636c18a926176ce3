/** `/v1/grants…`: who may do what, by key. */
import { grantsWhere, visiblePowers } from '#protocols/catalog'
import type { AppParts } from '../app.ts'
import { bodyAs, queryAs, type Route } from '../define.ts'
import { requireToken } from '../guard.ts'
import { paramOf, writeOptionsOf } from '../input.ts'
import { grantsQuerySchema, grantsSchema, newGrantSchema, writeQuerySchema, writtenSchema } from '../schemas.ts'

/** 64 patterns of 64 characters, and room. */
const BODY_BYTES_MAX = 16_384

export function listGrants({ access, catalog }: AppParts): Route {
  return {
    summary: 'Grants in force: of the namespaces the caller may read, and what the key of its token holds',
    query: grantsQuerySchema,
    answers: { 200: { description: 'Oldest first', schema: grantsSchema } },
    async handle(context) {
      const caller = await requireToken(access, context.env.found, 'list grants')
      const filter = queryAs(context, grantsQuerySchema)
      const { grants } = visiblePowers(await catalog.powers(), await access.principalOf(caller))
      return context.json({ grants: grantsWhere(grants, filter) })
    },
  }
}

export function addGrant({ access, catalog, limits }: AppParts): Route {
  return {
    summary: 'Gives a key part of what the caller may do; takes "admin" on every namespace named, and ends no later than that',
    query: writeQuerySchema,
    body: newGrantSchema,
    answers: { 201: { description: 'Given; the hash in the receipt names the grant', schema: writtenSchema } },
    async handle(context) {
      const caller = await requireToken(access, context.env.found, 'give a grant')
      const { key, expiresAtMs = null, ...scope } = await bodyAs(context, newGrantSchema, BODY_BYTES_MAX, 'the grant')
      const change = { type: 'grant' as const, subject: key, ...scope, expiresAtMs }
      return context.json({ receipt: await catalog.amend(change, writeOptionsOf(context, caller, limits)) }, 201)
    },
  }
}

export function revokeGrant({ access, catalog, limits }: AppParts): Route {
  return {
    summary: 'Ends a grant; tokens that stand on it are refused on every node within seconds',
    params: ['hash'],
    query: writeQuerySchema,
    answers: { 200: { description: 'Ended', schema: writtenSchema } },
    async handle(context) {
      const caller = await requireToken(access, context.env.found, 'revoke a grant')
      const change = { type: 'revoke' as const, grant: paramOf(context, 'hash') }
      return context.json({ receipt: await catalog.amend(change, writeOptionsOf(context, caller, limits)) })
    },
  }
}
