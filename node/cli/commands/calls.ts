/** `osiris calls …`: what became of calls that nobody waited for (`osiris call --async`). */
import type { Command } from 'commander'
import { OsirisError } from '#protocols/errors'
import type { CallStatus } from '#sdk'
import { durationOf, namespaceFrom, wholeNumber } from '../arguments.ts'
import type { Context } from '../context.ts'
import { renderTable, timeOf, whyOf } from '../table.ts'

export function register(program: Command, context: Context): void {
  const noun = program.command('calls').description('Calls that nobody waits for: osiris call --async starts them.')
  noun
    .command('list [namespace]')
    .description('Calls of a namespace, newest first; those that are over for an hour at most.')
    .option('--limit <n>', 'at most so many', '100')
    .addHelpText('after', '\nExamples:\n  $ osiris calls list demo\n  $ osiris calls list --namespace demo --limit 10 --json')
    .action((namespace: string | undefined, { limit }: { limit: string }) => list(namespace, limit, context))
  noun
    .command('show <id>')
    .description('All that is known of a call, as JSON: its state, and its value, response or error when it is done.')
    .option('--wait <duration>', 'wait so long for its end: 10s, at most 30s', '0s')
    .addHelpText('after', '\nA call that failed is shown like any other, with exit code 0; 3 is a call that nobody knows (any more).')
    .action((id: string, { wait }: { wait: string }) => show(id, wait, context))
  noun
    .command('cancel <id>')
    .description('A call that is queued never begins, one that runs is aborted, of one that is over nothing changes.')
    .action((id: string) => cancel(id, context))
  registerDead(noun, context)
}

/** Callbacks that were given up. */
function registerDead(noun: Command, context: Context): void {
  noun
    .command('dead [namespace]')
    .description("Callbacks of the namespace's calls that were given up, newest first: nothing took them within a day, or they met a 410.")
    .option('--limit <n>', 'at most so many', '100')
    .addHelpText('after', '\nExamples:\n  $ osiris calls dead demo\n  $ osiris calls replay --all --namespace demo')
    .action((namespace: string | undefined, { limit }: { limit: string }) => dead(namespace, limit, context))
  for (const [verb, about] of [
    ['replay', 'Makes a callback that was given up again, with all its attempts'],
    ['remove', 'Forgets a callback that was given up'],
  ] as const)
    noun
      .command(`${verb} [id]`)
      .description(`${about}: by the id of its call; or all of --namespace.`)
      .option('--all', 'all that are listed (at most 1,000)')
      .action((id: string | undefined, { all }: { all?: boolean }) => decide(verb, id, all === true, context))
}

async function dead(given: string | undefined, limit: string, context: Context): Promise<void> {
  const namespace = namespaceFrom(given ?? context.globals().namespace, 'calls')
  const callbacks = await (await context.connect()).calls.deadCallbacks(namespace, wholeNumber(limit, '--limit', 1, 1000))
  if (context.globals().json === true) return context.json({ callbacks })
  if (callbacks.length === 0) return context.io.err(`No callbacks of "${namespace}" were given up\n`)
  context.io.out(
    renderTable(
      ['CALL', 'FUNCTION', 'URL', 'ATTEMPTS', 'DIED', 'WHY'],
      callbacks.map((each) => [each.id, each.function, each.url, String(each.attempts), timeOf(each.diedAt), whyOf(each.error)]),
    ),
  )
}

async function decide(verb: 'replay' | 'remove', id: string | undefined, all: boolean, context: Context): Promise<void> {
  if ((id === undefined) !== all)
    throw new OsirisError('invalid_argument', `Cannot ${verb}: give the id of the call whose callback is meant, or --all`)
  const { calls } = await context.connect()
  const ids =
    id === undefined ? (await calls.deadCallbacks(namespaceFrom(context.globals().namespace, 'calls'), 1000)).map((each) => each.id) : [id]
  for (const each of ids) await calls[verb === 'replay' ? 'replayCallback' : 'removeCallback'](each)
  const done = verb === 'replay' ? 'replayed' : 'removed'
  if (context.globals().json === true) return context.json({ [done]: ids })
  context.io.err(`${done === 'replayed' ? 'Replayed' : 'Removed'} ${ids.length === 1 ? ids[0] : `${ids.length} callbacks`}\n`)
}

async function list(given: string | undefined, limit: string, context: Context): Promise<void> {
  const { json } = context.globals()
  const wanted = namespaceFrom(given ?? context.globals().namespace, 'calls')
  const calls = await (await context.connect()).calls.list(wanted, wholeNumber(limit, '--limit', 1, 1000))
  if (json === true) return context.json({ calls })
  if (calls.length === 0)
    return context.io.err(`No calls in "${wanted}" that nobody waits for. Start one: osiris call ${wanted}/NAME --async\n`)
  context.io.out(
    renderTable(
      ['ID', 'FUNCTION', 'STATE', 'ATTEMPTS', 'STARTED', 'ENDED', 'WHY'],
      calls.map((each) => [
        each.id,
        each.function,
        each.state,
        String(each.attempts),
        timeOf(each.createdAt),
        each.endedAt === null ? '' : timeOf(each.endedAt),
        each.error === undefined ? '' : whyOf(each.error),
      ]),
    ),
  )
}

async function show(id: string, wait: string, context: Context): Promise<void> {
  const waitMs = await durationOf(wait, '--wait', 0, 30_000)
  context.json(await (await context.connect()).calls.at(id).status({ waitMs }))
}

async function cancel(id: string, context: Context): Promise<void> {
  const status = await (await context.connect()).calls.at(id).cancel()
  if (context.globals().json === true) return context.json(status)
  context.io.err(`${saidOf(status)}\n`)
}

function saidOf({ id, state }: CallStatus): string {
  if (state === 'cancelled') return `Cancelled ${id}`
  return state === 'done' ? `Call ${id} was over before: osiris calls show ${id}` : `Call ${id} is ${state}, and being cancelled`
}
