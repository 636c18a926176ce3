/** `/v1/ledger`: what was written, by whom. */
import type { AppParts } from '../app.ts'
import { queryAs, type Route } from '../define.ts'
import { requireAnywhere } from '../guard.ts'
import { ledgerQuerySchema, ledgerSchema } from '../schemas.ts'

export function getLedger({ access, catalog }: AppParts): Route {
  return {
    summary: 'Entries in view order, oldest first; the next page is after the last hash of this one',
    query: ledgerQuerySchema,
    answers: { 200: { description: 'Status and entries', schema: ledgerSchema } },
    async handle(context) {
      await requireAnywhere(access, context.env.found, 'read', 'read the ledger')
      const { after, limit } = queryAs(context, ledgerQuerySchema)
      const [status, lines] = await Promise.all([catalog.status(), catalog.log({ limit, ...(after === undefined ? {} : { after }) })])
      return context.json({ status, lines })
    },
  }
}
