/** `osiris domain …`: hosts that are somebody's own. */
import type { Command } from 'commander'
import { OsirisError } from '#protocols/errors'
import { refOf } from '#protocols/function'
import type { DomainSummary } from '#sdk'
import { ackOf, type AckWords, sentenceOf, withAck } from '../acknowledging.ts'
import type { Context } from '../context.ts'
import { renderTable } from '../table.ts'

type Words = AckWords & { granted?: boolean }

export function register(program: Command, context: Context): void {
  const noun = program.command('domain').description('Domains of your own: every request for one is yours, on every node.')
  withAck(noun.command('add <host> <owner>'))
    .description(
      'Claim a domain for a function (NAMESPACE/NAME), or for the routes of a namespace (NAMESPACE). It counts while DNS says so.',
    )
    .option('--granted', 'without DNS; for administrators of all namespaces')
    .addHelpText('after', '\nExamples:\n  $ osiris domain add shop.example.org demo/shop\n  $ osiris domain verify shop.example.org')
    .action((host: string, owner: string, words: Words) => add(host, owner, words, context))
  noun
    .command('list')
    .description('Show domains, whose they are, and whether the asked node sends requests there.')
    .action(async () => show(await (await context.connect()).domains.list(), context))
  noun
    .command('verify <host>')
    .description('Ask DNS now. Fails while no claim of the domain counts.')
    .action((host: string) => verify(host, context))
  withAck(noun.command('remove <host> <namespace>'))
    .description('Let a domain go ("*": what was granted).')
    .action((host: string, namespace: string, words: AckWords) => remove(host, namespace, words, context))
}

async function add(host: string, owner: string, words: Words, context: Context): Promise<void> {
  const { namespace, name } = ownerOf(owner)
  const granted = words.granted === true
  const choice = await ackOf(words)
  const osiris = await context.connect()
  const receipt = await osiris.domains.add({ host, namespace, name, granted }, choice)
  const claims = granted ? [] : await osiris.domains.list()
  const record = claims.find((each) => each.namespace === namespace && each.host === host.toLowerCase())?.record ?? null
  if (context.globals().json === true) return context.json({ host, namespace, name, granted, record, receipt })
  const next =
    record === null
      ? 'Every node sends its requests there within seconds'
      : `It counts as soon as DNS has this record:\n  ${record.name} TXT "${record.text}"\nThen: osiris domain verify ${host}`
  context.io.err(`Claimed ${host} for ${owner}. ${next}\n${sentenceOf(receipt)}\n`)
}

function ownerOf(owner: string): { namespace: string; name: string | null } {
  const [namespace = '', name, ...more] = owner.split('/')
  const ref = refOf(namespace, name ?? 'any')
  if (ref.selector !== undefined || more.length > 0)
    throw new OsirisError('invalid_argument', `Cannot claim a domain for "${owner}": expected NAMESPACE or NAMESPACE/NAME`)
  return { namespace, name: name ?? null }
}

function show(domains: DomainSummary[], context: Context): void {
  if (context.globals().json === true) return context.json({ domains })
  if (domains.length === 0) return context.io.err('Nobody has claimed a domain. Claim one: osiris domain add shop.example.org demo/shop\n')
  const rows = domains.map(({ host, namespace, name, isGranted, counts, record }) => [
    host,
    name === null ? namespace : `${namespace}/${name}`,
    isGranted ? 'granted' : 'DNS',
    counts ? 'yes' : `no: ${record.name} TXT "${record.text}"`,
  ])
  context.io.out(renderTable(['DOMAIN', 'OWNER', 'BY', 'COUNTS'], rows))
}

async function verify(host: string, context: Context): Promise<void> {
  const domains = await (await context.connect()).domains.verify(host)
  show(domains, context)
  if (domains.some(({ counts }) => counts)) return
  const records = domains.map(({ record }) => `${record.name} TXT "${record.text}"`).join(', or ')
  throw new OsirisError('not_found', `Cannot verify "${host}": DNS does not say ${records}`)
}

async function remove(host: string, namespace: string, words: AckWords, context: Context): Promise<void> {
  const choice = await ackOf(words)
  const receipt = await (await context.connect()).domains.remove(host, namespace, choice)
  if (context.globals().json === true) return context.json({ host, namespace, receipt })
  context.io.err(`Let ${host} go\n${sentenceOf(receipt)}\n`)
}
