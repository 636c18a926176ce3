/** `osiris schedule …`: functions that run by the clock. */
import type { Command } from 'commander'
import type { Schedule } from '#sdk'
import type { Context } from '../context.ts'
import { renderTable, timeOf } from '../table.ts'

export function register(program: Command, context: Context): void {
  const noun = program.command('schedule').description('Functions that run by the clock: "schedule" in osiris.yaml says when.')
  noun
    .command('list')
    .description(
      'List schedules (of --namespace, or wherever you may read): when each runs next, which router fires it, what became of the last time.',
    )
    .addHelpText('after', '\nExamples:\n  $ osiris schedule list\n  $ osiris schedule list --namespace demo --json')
    .action(() => list(context))
}

async function list(context: Context): Promise<void> {
  const { json, namespace } = context.globals()
  const schedules = await (await context.connect()).schedules(namespace)
  if (json === true) return context.json({ schedules })
  if (schedules.length === 0) return context.io.err('No schedules. A function has one by a line in osiris.yaml: schedule: "*/5 * * * *"\n')
  context.io.out(
    renderTable(
      ['FUNCTION', 'SCHEDULE', 'NEXT', 'LAST', 'OUTCOME', 'OWNER'],
      schedules.map((each) => [
        `${each.namespace}/${each.name}`,
        each.timezone === 'UTC' ? each.cron : `${each.cron} (${each.timezone})`,
        each.nextAt === null ? '' : timeOf(each.nextAt),
        each.last === null ? '' : timeOf(each.last.tickAt),
        each.problem ?? outcomeOf(each.last),
        each.owner ?? 'nobody',
      ]),
    ),
  )
}

function outcomeOf(last: Schedule['last']): string {
  if (last === null) return ''
  if (last.end === null) return 'running'
  return last.end.code ?? 'ok'
}
