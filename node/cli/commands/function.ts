/** `osiris function …`: what exists, and which version is live. */
import type { Command } from 'commander'
import { OsirisError } from '#protocols/errors'
import { LIVE } from '#protocols/function'
import type { CanaryStatus, FunctionDetail, VersionChange, WriteChoice } from '#sdk'
import { ackOf, type AckWords, sentenceOf, withAck } from '../acknowledging.ts'
import { refText, wholeNumber, wholeRef } from '../arguments.ts'
import { abort, type CanaryWords, follow, planFrom, sentenceAbout } from '../canary.ts'
import type { Context } from '../context.ts'
import { printableLine } from '../printable.ts'
import { registerScale } from '../scaling.ts'
import { renderTable, timeOf } from '../table.ts'

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
  noun
    .command('diff <function> [from] [to]')
    .description('Show what changes between two versions; without them, from the version before the live one to the live one.')
    .addHelpText('after', '\nExamples:\n  $ osiris function diff demo/greet\n  $ osiris function diff demo/greet v1 canary --json')
    .action((name: string, from: string | undefined, to: string | undefined) => diff(name, from, to, context))
  withAck(noun.command('promote <function> [version]'))
    .description(
      'Give a version calls: all of them, --weight percent while the others keep the rest, or more and more as long as it does no worse (--canary).',
    )
    .option('--weight <percent>', 'share of the calls, 1 to 100 (default 100)')
    .option(
      '--canary [percent]',
      'begin with this share (default 10 %), then 25, 50, 100 %; back by itself when it fails more or is slower',
    )
    .option('--watch <duration>', 'how long each share is watched (default 5m)')
    .option('--detach', 'do not wait for the end of a canary')
    .option('--abort', 'end the canary that runs: back to what was before')
    .option('--alias <alias>', 'the alias that shares its calls (default live)')
    .addHelpText(
      'after',
      '\nExamples:\n  $ osiris function promote demo/greet v3 --weight 10\n  $ osiris function promote demo/greet v3\n  $ osiris function promote demo/greet v7 --canary 10% --watch 5m\n  $ osiris function promote demo/greet --abort',
    )
    .action((name: string, version: string | undefined, words: PromoteWords & AckWords) => promote(name, version, words, context))
  registerScale(noun, context)
  withAck(noun.command('rollback <function> [version]'))
    .description('Make a version live again; without one, the version before the live one.')
    .addHelpText('after', '\nExamples:\n  $ osiris function rollback demo/greet\n  $ osiris function rollback demo/greet v1')
    .action((name: string, version: string | undefined, words: AckWords) => rollback(name, version, words, context))
  withAck(noun.command('remove <function>'))
    .description('Take a function out of service; its versions stay in the ledger.')
    .action((name: string, words: AckWords) => remove(name, words, context))
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
  const detail = await (await context.connect()).functions.get(refText(text, context.globals().namespace))
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
    ...(detail.promotion === null ? [] : [['canary', canaryText(detail.promotion)]]),
    ...Object.entries(detail.aliases).map(([alias, targets]) => [
      `@${alias}`,
      targets.map((each) => `${each.version.slice(0, 12)} ${each.weight} %`).join(', '),
    ]),
  ]
  return rows.filter((row) => row[1] !== '')
}

function canaryText({ alias, version, weight, state, why, since }: CanaryStatus): string {
  const what = `${version.slice(0, 12)} of @${alias}`
  if (state === 'running') return `${what}: ${weight} % since ${timeOf(since)}`
  return printableLine(`${what}: ${state} at ${timeOf(since)}, ${why}`)
}

async function versions(text: string, context: Context): Promise<void> {
  const all = await (await context.connect()).functions.versions(wholeRef(text, context.globals().namespace))
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

async function diff(text: string, from: string | undefined, to: string | undefined, context: Context): Promise<void> {
  const found = await (await context.connect()).functions.diff(wholeRef(text, context.globals().namespace), from, to)
  if (context.globals().json === true) return context.json(found)
  const [before, after] = [`v${found.from.ordinal}`, `v${found.to.ordinal}`]
  if (found.changes.length === 0) return context.io.err(`No difference: ${before} and ${after} run the same\n`)
  context.io.out(
    renderTable(
      ['CHANGED', before, after],
      found.changes.map((each) => [each.key, cellOf(each.from, each.to), cellOf(each.to, each.from)]),
    ),
  )
}

/** Of lists, what the other side does not have (all of it where only the order differs); of digests, as much as tells them apart. */
function cellOf(value: VersionChange['from'], other: VersionChange['from']): string {
  if (value === null || value === '') return value === null ? '-' : '""'
  if (typeof value === 'string') return /^[0-9a-f]{64}$/.test(value) ? value.slice(0, 12) : value
  if (typeof value !== 'object') return String(value)
  const own = value.filter((each) => !Array.isArray(other) || !other.includes(each))
  return (own.length > 0 || (Array.isArray(other) && other.length > value.length) ? own : value).join(', ') || '-'
}

interface PromoteWords extends CanaryWords {
  weight?: string
}

async function promote(text: string, version: string | undefined, words: PromoteWords & AckWords, context: Context): Promise<void> {
  const ref = wholeRef(text, context.globals().namespace)
  const { weight, alias } = words
  const choice = await ackOf(words)
  if (words.abort === true) return abort(ref, await context.connect(), choice, context)
  if (version === undefined) throw new OsirisError('invalid_argument', "missing required argument 'version'")
  if (words.canary !== undefined) return canary(ref, version, words, choice, context)
  if (words.watch !== undefined || words.detach === true)
    throw new OsirisError('invalid_argument', '--watch and --detach are about a canary: give --canary too')
  const share = weight === undefined ? {} : { weight: wholeNumber(weight, '--weight', 1, 100) }
  const { functions } = await context.connect()
  const pointed = await functions.promote(ref, version, { ...share, ...(alias === undefined ? {} : { alias }) }, choice)
  if (context.globals().json === true) return context.json(pointed)
  const targets = pointed.record.aliases[alias ?? LIVE] ?? []
  context.io.err(`${ref}@${alias ?? LIVE}: ${targets.map((each) => `${each.version.slice(0, 12)} ${each.weight} %`).join(', ')}\n`)
  context.io.err(`${sentenceOf(pointed.receipt)}\n`)
}

async function canary(ref: string, version: string, words: PromoteWords, choice: WriteChoice, context: Context): Promise<void> {
  if (words.weight !== undefined) throw new OsirisError('invalid_argument', '--weight and --canary are two ways: give one of them')
  const plan = await planFrom(version, words)
  const api = await context.connect()
  const { promotion, receipt } = await api.functions.canary(ref, plan, choice)
  if (context.globals().json !== true) context.io.err(`${sentenceOf(receipt)}\n`)
  if (words.detach !== true) return follow(ref, api, promotion, context)
  if (context.globals().json === true) return context.json({ promotion, receipt })
  context.io.err(`${sentenceAbout(ref, promotion)}; it goes on by itself: osiris function show ${ref}\n`)
}

async function rollback(text: string, version: string | undefined, words: AckWords, context: Context): Promise<void> {
  const ref = wholeRef(text, context.globals().namespace)
  const choice = await ackOf(words)
  const pointed = await (await context.connect()).functions.rollback(ref, version, choice)
  if (context.globals().json === true) return context.json(pointed)
  const { ordinal, version: name } = pointed.record
  context.io.err(pointed.changed ? `Live again: ${ref} v${ordinal}\n` : `${ref} v${ordinal} was live already\n`)
  context.io.err(`${sentenceOf(pointed.receipt)}\n`)
  context.io.out(`${name}\n`)
}

async function remove(text: string, words: AckWords, context: Context): Promise<void> {
  const ref = wholeRef(text, context.globals().namespace)
  const choice = await ackOf(words)
  const removed = await (await context.connect()).functions.remove(ref, choice)
  if (context.globals().json === true) return context.json(removed)
  context.io.err(`Removed ${ref}: ${sentenceOf(removed)}\n`)
}
