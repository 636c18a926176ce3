/** `osiris topic …`: publishing, who subscribes, and deliveries that were given up. */
import type { Command } from 'commander'
import { OsirisError } from '#protocols/errors'
import { namespaceFrom, valueOf, wholeNumber } from '../arguments.ts'
import type { Context } from '../context.ts'
import { renderTable, timeOf, whyOf } from '../table.ts'

interface PublishWords {
  id?: string
  key?: string
}

export function register(program: Command, context: Context): void {
  const noun = program.command('topic').description('Messages to whoever subscribes: "subscribe" in osiris.yaml says who.')
  noun
    .command('publish <topic> [data]')
    .description('Publish to NAMESPACE/TOPIC; prints the id. It is on several disks when this ends, before anybody got it.')
    .option('--id <id>', 'the same id again, within an hour, is the same message')
    .option('--key <key>', 'messages with one key go to the same function of a group')
    .addHelpText(
      'after',
      `
Data that parses as JSON is that value, anything else a text; without it, null.

Examples:
  $ osiris topic publish demo/orders.created '{"order":7}' --id order-7
  $ osiris topic publish orders.created hello --namespace demo`,
    )
    .action((topic: string, data: string | undefined, words: PublishWords) => publish(topic, data, words, context))
  noun
    .command('list [namespace]')
    .description("Who subscribes to the namespace's topics.")
    .action((namespace: string | undefined) => list(namespace, context))
  noun
    .command('dead [id]')
    .description(
      "Deliveries to --namespace's functions that were given up, newest first; of one of them all that is known, its data included.",
    )
    .option('--limit <n>', 'at most so many', '100')
    .addHelpText('after', '\nExamples:\n  $ osiris topic dead --namespace demo\n  $ osiris topic dead 3f2a… --namespace demo')
    .action((id: string | undefined, words: { limit: string }) => (id === undefined ? dead(words.limit, context) : show(id, context)))
  for (const [verb, about] of [
    ['replay', 'Deliver it again, with all its attempts'],
    ['remove', 'Forget it'],
  ] as const)
    noun
      .command(`${verb} [id]`)
      .description(`${about}: a dead letter of --namespace, by its id or the beginning of it; or all of them.`)
      .option('--all', 'all that are listed (at most 1,000)')
      .action((id: string | undefined, words: { all?: boolean }) => decide(verb, id, words.all === true, context))
}

async function publish(text: string, data: string | undefined, { id, key }: PublishWords, context: Context): Promise<void> {
  const { json, namespace } = context.globals()
  const topic = text.includes('/') || namespace === undefined ? text : `${namespace}/${text}`
  const chosen = { ...(id === undefined ? {} : { id }), ...(key === undefined ? {} : { key }) }
  const published = await (await context.connect()).publish(topic, data === undefined ? null : valueOf(data), chosen)
  if (json === true) return context.json(published)
  context.io.out(`${published.id}\n`)
  if (published.subscribers === 0) context.io.err(`Nobody subscribes to ${topic}: nobody gets it\n`)
}

async function list(given: string | undefined, context: Context): Promise<void> {
  const namespace = namespaceFrom(given ?? context.globals().namespace, 'topics')
  const subscriptions = await (await context.connect()).topics.subscriptions(namespace)
  if (context.globals().json === true) return context.json({ subscriptions })
  if (subscriptions.length === 0)
    return context.io.err(
      `Nobody subscribes to topics of "${namespace}". A function does by a line in osiris.yaml: subscribe: ["orders.*"]\n`,
    )
  context.io.out(
    renderTable(
      ['TOPIC', 'FUNCTION', 'GROUP', 'ATTEMPTS', 'PAUSE'],
      subscriptions.map((each) => [each.topic, each.function, each.group ?? '', String(each.attempts), `${each.backoffMs / 1000}s`]),
    ),
  )
}

async function dead(limit: string, context: Context): Promise<void> {
  const namespace = namespaceFrom(context.globals().namespace, 'topics')
  const letters = await (await context.connect()).topics.deadLetters(namespace, wholeNumber(limit, '--limit', 1, 1000))
  if (context.globals().json === true) return context.json({ letters })
  if (letters.length === 0) return context.io.err(`No dead letters in "${namespace}"\n`)
  context.io.out(
    renderTable(
      ['ID', 'TOPIC', 'SUBSCRIBER', 'ATTEMPTS', 'DIED', 'WHY'],
      letters.map((each) => [
        each.id.slice(0, 12),
        `${each.namespace}/${each.topic}`,
        each.subscriber,
        String(each.attempts),
        timeOf(each.diedAt),
        whyOf(each.error),
      ]),
    ),
  )
}

async function show(text: string, context: Context): Promise<void> {
  const namespace = namespaceFrom(context.globals().namespace, 'topics')
  const { topics } = await context.connect()
  context.json(await topics.deadLetter(namespace, await idFrom(text, namespace, topics)))
}

type Topics = Awaited<ReturnType<Context['connect']>>['topics']

async function decide(verb: 'replay' | 'remove', text: string | undefined, all: boolean, context: Context): Promise<void> {
  if ((text === undefined) !== all) throw new OsirisError('invalid_argument', `Cannot ${verb}: give the id of one dead letter, or --all`)
  const namespace = namespaceFrom(context.globals().namespace, 'topics')
  const { topics } = await context.connect()
  const ids = text === undefined ? (await topics.deadLetters(namespace, 1000)).map(({ id }) => id) : [await idFrom(text, namespace, topics)]
  for (const id of ids) await topics[verb](namespace, id)
  if (context.globals().json === true) return context.json({ [verb === 'replay' ? 'replayed' : 'removed']: ids })
  context.io.err(
    `${verb === 'replay' ? 'Replayed' : 'Removed'} ${ids.length === 1 ? (ids[0] as string).slice(0, 12) : `${ids.length} dead letters`}\n`,
  )
}

/** As few characters of an id as tables show may stand for it. */
const ID_CHARS_MIN = 8

async function idFrom(text: string, namespace: string, topics: Topics): Promise<string> {
  if (/^[0-9a-f]{32}$/.test(text)) return text
  const found = (await topics.deadLetters(namespace, 1000)).filter(({ id }) => id.startsWith(text))
  const [first] = found
  if (first === undefined || text.length < ID_CHARS_MIN)
    throw new OsirisError(
      'not_found',
      `Cannot find a dead letter "${text}" in "${namespace}": give the id, or at least ${ID_CHARS_MIN} characters of it (osiris topic dead)`,
    )
  if (found.length > 1)
    throw new OsirisError('invalid_argument', `Cannot tell which dead letter "${text}" is: ${found.length} begin with it`)
  return first.id
}
