/** `/v1/drain`: the asked node takes no more work. */
import type { AppParts } from '../app.ts'
import { queryAs, type Route } from '../define.ts'
import { requireIn } from '../guard.ts'
import { drainedSchema, drainQuerySchema } from '../schemas.ts'

/** Longer than calls may run whose functions do not ask for more. */
const TIMEOUT_MS = 30_000

export function drainNode({ access, drain }: AppParts): Route {
  return {
    summary: 'Has this node take no more work until it is started anew: others serve what it served, and it waits for the calls under way',
    query: drainQuerySchema,
    answers: { 200: { description: 'Calls that were still under way when the time was up', schema: drainedSchema } },
    async handle(context) {
      await requireIn(access, context.env.found, 'admin', '*')
      const { timeoutMs = TIMEOUT_MS } = queryAs(context, drainQuerySchema)
      return context.json(await drain(timeoutMs))
    },
  }
}
