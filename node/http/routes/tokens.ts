/** `/v1/tokens…`: tokens are signed by whoever holds a key, and kept nowhere; what a node can do is to end one. */
import type { AppParts } from '../app.ts'
import type { Route } from '../define.ts'
import { requireToken } from '../guard.ts'
import { paramOf, writeOptionsOf } from '../input.ts'
import { writeQuerySchema, writtenSchema } from '../schemas.ts'

export function revokeToken({ access, catalog, limits }: AppParts): Route {
  return {
    summary:
      'Ends a token or a join token before its time, by the key that signed it and its id; for that key, and for administrators of all namespaces',
    params: ['issuer', 'id'],
    query: writeQuerySchema,
    answers: { 200: { description: 'Ended', schema: writtenSchema } },
    async handle(context) {
      const caller = await requireToken(access, context.env.found, 'revoke a token')
      const change = { type: 'cancel' as const, issuer: paramOf(context, 'issuer'), token: paramOf(context, 'id') }
      return context.json({ receipt: await catalog.amend(change, writeOptionsOf(context, caller, limits)) })
    },
  }
}
