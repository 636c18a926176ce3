/** `/v1/ledger…`: what was written, by whom, and the bytes that prove it. */
import { OsirisError } from '#protocols/errors'
import { textOfRecords } from '#protocols/management'
import type { AppParts } from '../app.ts'
import { queryAs, type Route } from '../define.ts'
import { requireIn } from '../guard.ts'
import { conflictsSchema, ledgerQuerySchema, ledgerSchema, recordsQuerySchema, recordsSchema } from '../schemas.ts'

export function getLedger({ access, catalog }: AppParts): Route {
  return {
    summary: 'Entries in view order, oldest first; the next page is after the last hash of this one',
    query: ledgerQuerySchema,
    answers: { 200: { description: 'Status and entries', schema: ledgerSchema } },
    async handle(context) {
      await requireIn(access, context.env.found, 'read', '*')
      const { after, limit } = queryAs(context, ledgerQuerySchema)
      const [status, lines] = await Promise.all([catalog.status(), catalog.log({ limit, ...(after === undefined ? {} : { after }) })])
      return context.json({ status, lines })
    },
  }
}

export function getRecords({ access, catalog }: AppParts): Route {
  return {
    summary: 'Entries and their receipts as the bytes that were signed, by author and seq: what a verifier needs',
    query: recordsQuerySchema,
    answers: { 200: { description: 'One page; the next one begins at "next"', schema: recordsSchema } },
    async handle(context) {
      await requireIn(access, context.env.found, 'read', '*')
      const { author, seq } = queryAs(context, recordsQuerySchema)
      if ((author === undefined) !== (seq === undefined))
        throw new OsirisError('invalid_argument', 'Cannot read the ledger from there: give both author and seq, or neither')
      return context.json(textOfRecords(await catalog.records(author === undefined || seq === undefined ? undefined : { author, seq })))
    },
  }
}

export function getConflicts({ access, catalog }: AppParts): Route {
  return {
    summary:
      'What stands in the ledger without effect: losers of concurrent edits, entries whose authority ended, frozen authors with the proof',
    answers: { 200: { description: 'Oldest first', schema: conflictsSchema } },
    async handle(context) {
      await requireIn(access, context.env.found, 'read', '*')
      return context.json(await catalog.conflicts())
    },
  }
}
