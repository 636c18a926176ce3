/** `osiris ledger log`: what was signed, by whom. */
import type { Command } from 'commander'
import { wholeNumber } from '../arguments.ts'
import type { Context } from '../context.ts'
import { renderTable } from '../table.ts'

/** Entries asked for at once. */
const PAGE = 500

export function register(program: Command, context: Context): void {
  const noun = program.command('ledger').description('The signed, replicated record of every change.')
  noun
    .command('log')
    .description('Print entries, oldest first (one JSON object per line with --json).')
    .option('--after <hash>', 'begin after this entry')
    .option('--limit <count>', 'at most so many', '1000')
    .action((options: { after?: string; limit: string }) => log(options, context))
}

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
      else
        rows.push([
          timeOf(line.atMs),
          line.type,
          subjectOf(line.content),
          line.by,
          `${line.author.slice(0, 8)}#${line.seq}`,
          line.hash.slice(0, 12),
        ])
    }
    left -= lines.length
    after = lines.at(-1)?.hash
    if (lines.length < asked) break
  }
  if (context.globals().json === true) return
  if (rows.length === 0) return context.io.err('The ledger holds no entries yet\n')
  context.io.out(renderTable(['WHEN', 'WHAT', 'OF', 'BY', 'FEED', 'HASH'], rows))
}

function subjectOf(content: Record<string, unknown>): string {
  const manifest = content['manifest'] as { namespace?: unknown; name?: unknown } | undefined
  const { namespace, name } = { namespace: content['namespace'] ?? manifest?.namespace, name: content['name'] ?? manifest?.name }
  return typeof namespace === 'string' && typeof name === 'string' ? `${namespace}/${name}` : ''
}

const timeOf = (atMs: number) => new Date(atMs).toISOString()
