/** `/v1/schedules`: which functions run by the clock, when next, and what became of it. */
import type { AppParts } from '../app.ts'
import { queryAs, type Route } from '../define.ts'
import { mayRead, requireReader } from '../guard.ts'
import { listQuerySchema, schedulesSchema } from '../schemas.ts'

export function listSchedules({ access, schedules }: AppParts): Route {
  return {
    summary: 'Functions with a schedule: when they run next, who fires them, what became of the last time',
    query: listQuerySchema,
    answers: { 200: { description: 'Of the namespaces the caller may read, by namespace and name', schema: schedulesSchema } },
    async handle(context) {
      const { namespace } = queryAs(context, listQuerySchema)
      const { found } = context.env
      const principal = await requireReader(access, found, namespace, 'list schedules')
      const all = await schedules(found.caller, namespace)
      return context.json({ schedules: all.filter((each) => mayRead(principal, each.namespace)) })
    },
  }
}
