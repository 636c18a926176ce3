/** `osiris function …`: what exists, and which version is live. */
import type { Command } from 'commander'
import { OsirisError } from '#protocols/errors'
import { formatRef } from '#protocols/function'
import type { FunctionDetail } from '#sdk'
import { ackOf, type AckWords, sentenceOf, withAck } from '../acknowledging.ts'
import { refFrom } from '../arguments.ts'
import type { Context } from '../context.ts'
import { printableLine } from '../printable.ts'
import { renderTable } from '../table.ts'

export function register(program: Command, context: Context): void {
  const noun = program.command('function').description('What exists, and which version is live.')
  noun
    .command('list')
    .description('List functions (of --namespace, or all).')
    .action(() => list(context))
  noun
    .command('show <function>')
    .description('Show one function: its live version, or the one after @.')
    .action((name: string) => show(name, context))
  noun
    .command('versions <function>')
    .description('List all versions, oldest first.')
    .action((name: string) => versions(name, context))
  withAck(noun.command('rollback <function> [version]'))
    .description('Make a version live again; without one, the version before the live one.')
    .addHelpText('after', '\nExamples:\n  $ osiris function rollback demo/greet\n  $ osiris function rollback demo/greet v1')
    .action((name: string, version: string | undefined, words: AckWords) => rollback(name, version, words, context))
  withAck(noun.command('remove <function>'))
    .description('Take a function out of service; its versions stay in the ledger.')
    .action((name: string, words: AckWords) => remove(name, words, context))
}

const wholeRef = (text: string, context: Context): string => {
  const { namespace, name, selector } = refFrom(text, context.globals().namespace)
  if (selector !== undefined) throw new OsirisError('invalid_argument', `Cannot use "${text}" here: leave out "@${selector}"`)
  return formatRef({ namespace, name })
}

async function list(context: Context): Promise<void> {
  const { json, namespace } = context.globals()
  const functions = await (await context.connect()).functions.list(namespace)
  if (json === true) return context.json({ functions })
  if (functions.length === 0) {
    const where = namespace === undefined ? '' : ` in namespace "${printableLine(namespace)}"`
    return context.io.err(
      `No functions yet${where}. Deploy one: osiris deploy greet.ts --namespace ${printableLine(namespace ?? 'demo')}\n`,
    )
  }
  context.io.out(
    renderTable(
      ['FUNCTION', 'LIVE', 'VERSION', 'VERSIONS', 'ACCESS', 'PUBLISHED', 'ROUTES'],
      functions.map((each) => [
        `${each.namespace}/${each.name}`,
        `v${each.ordinal}`,
        each.version.slice(0, 12),
        String(each.versions),
        each.access,
        timeOf(each.publishedAt),
        each.routes.join(', '),
      ]),
    ),
  )
}

async function show(text: string, context: Context): Promise<void> {
  const detail = await (await context.connect()).functions.get(formatRef(refFrom(text, context.globals().namespace)))
  if (context.globals().json === true) return context.json(detail)
  context.io.out(renderTable(['FUNCTION', `${detail.namespace}/${detail.name}`], rowsOf(detail)))
}

function rowsOf(detail: FunctionDetail): string[][] {
  const { execution, scale, env, secrets, egress, calls } = detail.manifest.settings
  const rows = [
    ['version', `v${detail.ordinal} of ${detail.versions}  ${detail.version}`],
    ['published', `${timeOf(detail.publishedAt)} by ${detail.publishedBy}`],
    ['source', `${detail.manifest.source.entry} (${detail.manifest.source.language})`],
    [
      'artifact',
      `${detail.manifest.artifact.bytes} bytes, ${detail.manifest.provenance.tools.join(', ')}, built by ${detail.manifest.provenance.node}`,
    ],
    ['tests', detail.manifest.tests.map(({ file }) => file).join(', ')],
    ['parameters', detail.manifest.parameters.join(', ')],
    ['access', detail.access],
    ['routes', detail.routes.join(', ')],
    ...detail.lostRoutes.map(({ route, holder }) => ['lost', `${route} is held by ${holder.namespace}/${holder.name} ("${holder.route}")`]),
    [
      'limits',
      `${execution.timeoutMs} ms, ${execution.memoryMbMax} MB, ${execution.concurrencyMax} at once, ${execution.payloadBytesMax} bytes`,
    ],
    ['scale', `${scale.min} to ${scale.max} instances, idle after ${scale.idleMs} ms`],
    ['env', Object.keys(env).join(', ')],
    ['secrets', secrets.map(({ name, version }) => (version === null ? name : `${name}@${version}`)).join(', ')],
    ['egress', egress.join(', ')],
    ['calls', calls.join(', ')],
    ...Object.entries(detail.aliases).map(([alias, targets]) => [
      `@${alias}`,
      targets.map((each) => `${each.version.slice(0, 12)} ${each.weight} %`).join(', '),
    ]),
  ]
  return rows.filter((row) => row[1] !== '')
}

async function versions(text: string, context: Context): Promise<void> {
  const all = await (await context.connect()).functions.versions(wholeRef(text, context))
  if (context.globals().json === true) return context.json({ versions: all })
  context.io.out(
    renderTable(
      ['VERSION', 'NAME', 'PUBLISHED', 'BY', 'ALIASES'],
      all.map((each) => [
        `v${each.ordinal}`,
        each.version.slice(0, 12),
        timeOf(each.publishedAt),
        each.publishedBy,
        each.aliases.join(', '),
      ]),
    ),
  )
}

async function rollback(text: string, version: string | undefined, words: AckWords, context: Context): Promise<void> {
  const ref = wholeRef(text, context)
  const choice = await ackOf(words)
  const pointed = await (await context.connect()).functions.rollback(ref, version, choice)
  if (context.globals().json === true) return context.json(pointed)
  const { ordinal, version: name } = pointed.record
  context.io.err(pointed.changed ? `Live again: ${ref} v${ordinal}\n` : `${ref} v${ordinal} was live already\n`)
  context.io.err(`${sentenceOf(pointed.receipt)}\n`)
  context.io.out(`${name}\n`)
}

async function remove(text: string, words: AckWords, context: Context): Promise<void> {
  const ref = wholeRef(text, context)
  const choice = await ackOf(words)
  const removed = await (await context.connect()).functions.remove(ref, choice)
  if (context.globals().json === true) return context.json(removed)
  context.io.err(`Removed ${ref}: ${sentenceOf(removed)}\n`)
}

/** Seconds are enough for people; the zone is said. */
function timeOf(atMs: number): string {
  const date = new Date(atMs)
  return Number.isNaN(date.getTime())
    ? ''
    : date
        .toISOString()
        .replace(/\.\d+Z$/, 'Z')
        .replace('T', ' ')
}
