/** `osiris namespace …`: whose is what. */
import type { Command } from 'commander'
import { ackOf, type AckWords, sentenceOf, withAck } from '../acknowledging.ts'
import type { Context } from '../context.ts'
import { chosenKey, DEFAULT_KEY, publicKeyFrom } from '../keys.ts'
import { renderTable } from '../table.ts'

const OWNER = 'key of the owner, or the name of one of yours'

export function register(program: Command, context: Context): void {
  const noun = program.command('namespace').description('Namespaces and their owners. The owner gives others rights in it.')
  withAck(noun.command('create <name>'))
    .description('Make a key the owner of a namespace that has none.')
    .option('--owner <key>', `${OWNER} (default: "${DEFAULT_KEY}", or the only one)`)
    .addHelpText('after', '\nExamples:\n  $ osiris key new\n  $ osiris namespace create demo')
    .action((name: string, words: AckWords & { owner?: string }) => write('create', name, words, context))
  noun
    .command('list')
    .description('List namespaces: those with an owner, and those with functions.')
    .action(() => list(context))
  withAck(noun.command('transfer <name>'))
    .description('Hand a namespace over. What its former owner gave others ends.')
    .requiredOption('--owner <key>', OWNER)
    .action((name: string, words: AckWords & { owner: string }) => write('transfer', name, words, context))
}

async function write(act: 'create' | 'transfer', name: string, words: AckWords & { owner?: string }, context: Context): Promise<void> {
  const owner = await publicKeyFrom(context.io.env, words.owner ?? chosenKey(context.io.env, '--owner NAME'))
  const choice = await ackOf(words)
  const receipt = await (await context.connect()).namespaces[act](name, owner, choice)
  if (context.globals().json === true) return context.json({ namespace: name, owner, receipt })
  context.io.err(`${act === 'create' ? 'Created' : 'Handed over'} ${name}: it belongs to ${owner}\n${sentenceOf(receipt)}\n`)
}

async function list(context: Context): Promise<void> {
  const namespaces = await (await context.connect()).namespaces.list()
  if (context.globals().json === true) return context.json({ namespaces })
  if (namespaces.length === 0) return context.io.err('No namespaces yet. Create one: osiris namespace create demo\n')
  context.io.out(
    renderTable(
      ['NAMESPACE', 'FUNCTIONS', 'OWNER'],
      namespaces.map((each) => [each.name, String(each.functions), each.owner ?? 'nobody']),
    ),
  )
}
