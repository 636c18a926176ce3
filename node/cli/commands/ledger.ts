/** `osiris ledger …`: what was signed, by whom, and whether all of it holds. */
import type { Command } from 'commander'
import type { LedgerConflicts, LedgerPage } from '#sdk'
import { sentenceOf } from '../acknowledging.ts'
import { wholeNumber } from '../arguments.ts'
import type { Context } from '../context.ts'
import { printableLine } from '../printable.ts'
import { renderTable } from '../table.ts'

/** Entries asked for at once. */
const PAGE = 500
type Line = LedgerPage['lines'][number]
type Marked = LedgerConflicts['lost'][number]['lost']

export function register(program: Command, context: Context): void {
  const noun = program.command('ledger').description('The signed, replicated record of every change.')
  noun
    .command('log')
    .description('Print entries, oldest first (one JSON object per line with --json).')
    .option('--after <hash>', 'begin after this entry')
    .option('--limit <count>', 'at most so many', '1000')
    .action((options: { after?: string; limit: string }) => log(options, context))
  noun
    .command('verify')
    .description('Check every signature, chain and receipt of the whole ledger, believing nobody, and print who signed what.')
    .option('--data <dir>', 'of the data directory of a node that does not run, instead of from a running one')
    .addHelpText(
      'after',
      `
Ends with 1 when anything is damaged, missing or forged; --json has all of it. With --data, built code is read too. What was cut
off the end of a feed, with every record that names it, shows only beside another node's ledger.
Examples:
  $ osiris ledger verify --node http://127.0.0.1:4748
  $ osiris ledger verify --data /var/lib/osiris`,
    )
    .action((options: { data?: string }) => verify(options, context))
  noun
    .command('conflicts')
    .description(
      'Print what stands in the ledger without effect: edits and routes that lost, entries whose authority ended, frozen authors.',
    )
    .action(() => conflicts(context))
}

async function conflicts(context: Context): Promise<void> {
  const report = await (await context.connect()).ledgerConflicts()
  if (context.globals().json === true) return context.json(report)
  const { lost, voided, routes, frozen } = report
  if (lost.length + voided.length + routes.length + frozen.length === 0)
    return context.io.err('No conflicts: everything in the ledger has its effect\n')
  if (lost.length > 0) {
    const rows = lost.map((each) => [
      `${each.namespace}/${each.name}${each.alias === null ? '' : `@${each.alias}`}`,
      markOf(each.lost),
      markOf(each.won),
    ])
    context.io.out(renderTable(['EDIT OF', 'LOST', 'AGAINST'], rows))
  }
  if (voided.length > 0)
    context.io.out(
      renderTable(
        ['WITHOUT EFFECT', 'BECAUSE'],
        voided.map((each) => [markOf(each), each.reason]),
      ),
    )
  if (routes.length > 0)
    context.io.out(
      renderTable(
        ['ROUTE', 'LOST BY', 'HELD BY', 'AS'],
        routes.map(({ route, namespace, name, holder }) => [
          ...[route, `${namespace}/${name}`, `${holder.namespace}/${holder.name}`, holder.route],
        ]),
      ),
    )
  if (frozen.length > 0) {
    const rows = frozen.map(({ author, seq, hashes }) => [
      author.slice(0, 16),
      String(seq),
      hashes.map((hash) => hash.slice(0, 12)).join(' and '),
    ])
    context.io.out(renderTable(['FROZEN', 'FROM', 'WROTE BOTH'], rows))
  }
}

const markOf = ({ type, by, author, seq, atMs }: Marked): string => `${type} by ${by}, ${author.slice(0, 8)}#${seq}, ${timeOf(atMs)}`

async function log(options: { after?: string; limit: string }, context: Context): Promise<void> {
  const limit = wholeNumber(options.limit, '--limit', 1, 1_000_000)
  const node = await context.connect()
  const rows: string[][] = []
  let after = options.after
  for (let left = limit; left > 0;) {
    const asked = Math.min(left, PAGE)
    const { lines } = await node.ledger({ limit: asked, ...(after === undefined ? {} : { after }) })
    for (const line of lines) {
      if (context.globals().json === true) context.line(line)
      else rows.push(rowOf(line))
    }
    left -= lines.length
    after = lines.at(-1)?.hash
    if (lines.length < asked) break
  }
  if (context.globals().json === true) return
  if (rows.length === 0) return context.io.err('The ledger holds no entries yet\n')
  context.io.out(renderTable(['WHEN', 'WHAT', 'OF', 'BY', 'FEED', 'GRANT', 'HASH', 'STATE'], rows))
}

function rowOf({ atMs, type, content, by, author, seq, grant, hash, commitment }: Line): string[] {
  return [
    timeOf(atMs),
    type,
    subjectOf(content),
    by,
    `${author.slice(0, 8)}#${seq}`,
    grant === null ? 'root' : grant.slice(0, 12),
    hash.slice(0, 12),
    sentenceOf(commitment),
  ]
}

function subjectOf(content: Record<string, unknown>): string {
  const manifest = content['manifest'] as { namespace?: unknown; name?: unknown } | undefined
  const { namespace, name } = { namespace: content['namespace'] ?? manifest?.namespace, name: content['name'] ?? manifest?.name }
  return [namespace, name].filter((each) => typeof each === 'string').join('/')
}

async function verify(options: { data?: string }, context: Context): Promise<void> {
  const { auditFolder, auditNode } = await import('#node/audit')
  const summary = options.data === undefined ? await fromNode() : await auditFolder(options.data)
  if (!summary.ok) context.exitCode = 1
  if (context.globals().json === true) return context.json(summary)
  const { keys, askers, artifacts, entries, committed, receipts, proofs, counts, damage } = summary
  const rows = keys.map((each) => [
    each.name ?? '',
    each.key.slice(0, 16),
    String(each.entries),
    String(each.committed),
    each.first === null ? '' : timeOf(each.first.atMs),
    each.last === null ? '' : timeOf(each.last.atMs),
    String(each.receipts),
    each.frozenFrom === null ? '' : `frozen from ${each.frozenFrom}`,
  ])
  if (rows.length > 0) context.io.out(renderTable(['NAME', 'KEY', 'ENTRIES', 'COMMITTED', 'FIRST', 'LAST', 'RECEIPTS', ''], rows))
  if (askers.length > 0)
    context.io.out(
      renderTable(
        ['ASKED BY', 'KEY', 'ENTRIES'],
        askers.map(({ by, key, entries: asked }) => [by, key, String(asked)]),
      ),
    )
  for (const each of damage)
    context.io.err(
      `${each.class}: ${each.author === '' ? 'a record' : `${each.author.slice(0, 8)}#${each.seq}`}: ${printableLine(each.sentence)}\n`,
    )
  const found = Object.entries(counts).map(([kind, count]) => `${count} × ${kind}`)
  const code = options.data === undefined ? '' : `, ${artifacts} files of built code`
  const beyond =
    options.data === undefined
      ? 'Not checked: built code, and whether the node has more, or others do, than it handed out'
      : 'Not checked: entries at the end of a feed that were lost together with all that names them (a store whose log was cut); compare with another node: osiris ledger verify --node URL'
  const what = `${entries} entries (${committed} committed), ${receipts} receipts, ${proofs} proofs`
  if (summary.ok) context.io.err(`All that is here holds: ${what}${code}\n${beyond}\n`)
  else context.io.err(`The ledger is damaged: ${found.join(', ')} (${what}${code})\n`)

  async function fromNode() {
    const node = await context.connect()
    const { unproven, refusedCheckpoints } = (await node.ledger({ limit: 1 })).status
    if (unproven > 0)
      context.io.err(`${unproven} entries came to this node by a checkpoint of other catalogs; it is still verifying them itself\n`)
    for (const { checkpoint, signers, sentence } of refusedCheckpoints)
      context.io.err(
        `The checkpoint ${checkpoint.slice(0, 12)} did not hold: ${printableLine(sentence)}; signed by ${signers.join(', ')}\n`,
      )
    return auditNode((await node.network()).universe.id, (from) => node.ledgerRecords(from))
  }
}

const timeOf = (atMs: number) => new Date(atMs).toISOString()
