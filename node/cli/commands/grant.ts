/** `osiris grant …`: who may do what. */
import type { Command } from 'commander'
import { OsirisError } from '#protocols/errors'
import { ackOf, type AckWords, sentenceOf, withAck } from '../acknowledging.ts'
import type { Context } from '../context.ts'
import { capabilitiesFrom, expiryFrom, patternsFrom, textOfGrants } from '../granting.ts'
import { publicKeyFrom } from '../keys.ts'
import { renderTable, timeOf } from '../table.ts'

/** As few characters of a hash as tables show. */
const HASH_CHARS_MIN = 8

export function register(program: Command, context: Context): void {
  const noun = program.command('grant').description('Who may do what, by key.')
  withAck(noun.command('add <key>'))
    .description('Give a key rights in --namespace; it signs tokens with them. Prints the hash that revokes them.')
    .requiredOption('--can <list>', 'comma-separated: invoke, read, deploy (includes both), admin (includes all, and giving)')
    .option('--expires <duration>', 'when it ends, such as 12h or 30d; default: never')
    .addHelpText(
      'after',
      '\nExamples:\n  $ osiris grant add KEY --can deploy --namespace demo --expires 30d\n  $ osiris grant add KEY --can invoke --namespace "team-*,demo"',
    )
    .action((key: string, words: AckWords & { can: string; expires?: string }) => add(key, words, context))
  noun
    .command('list')
    .description('List what keys hold (in --namespace, or wherever you may read).')
    .option('--key <key>', 'of this key only')
    .action((words: { key?: string }) => list(words, context))
  withAck(noun.command('revoke <hash>'))
    .description('End a grant: every node refuses tokens that stand on it within seconds. What they deployed stays.')
    .action((hash: string, words: AckWords) => revoke(hash, words, context))
}

async function add(text: string, words: AckWords & { can: string; expires?: string }, context: Context): Promise<void> {
  const can = capabilitiesFrom(words.can)
  const namespaces = patternsFrom(context.globals().namespace)
  const expiresAtMs = words.expires === undefined ? null : expiryFrom(words.expires, Date.now())
  const key = await publicKeyFrom(context.io.env, text)
  const choice = await ackOf(words)
  const receipt = await (await context.connect()).grants.add({ key, can, namespaces, expiresAtMs }, choice)
  if (context.globals().json === true) return context.json({ key, can, namespaces, expiresAtMs, receipt })
  const end = expiresAtMs === null ? '' : ` until ${timeOf(expiresAtMs)}`
  context.io.err(`${key.slice(0, 12)} may ${textOfGrants([{ can, namespaces }])}${end}\n${sentenceOf(receipt)}\n`)
  context.io.out(`${receipt.hash}\n`)
}

async function list({ key }: { key?: string }, context: Context): Promise<void> {
  const { json, namespace } = context.globals()
  const of = key === undefined ? {} : { key: await publicKeyFrom(context.io.env, key) }
  const grants = await (await context.connect()).grants.list({ ...of, ...(namespace === undefined ? {} : { namespace }) })
  if (json === true) return context.json({ grants })
  if (grants.length === 0) return context.io.err('No grants there. Give one: osiris grant add KEY --can deploy --namespace demo\n')
  context.io.out(
    renderTable(
      ['HASH', 'KEY', 'AS', 'MAY', 'SINCE', 'UNTIL'],
      grants.map((each) => [
        each.hash.slice(0, 12),
        each.key.slice(0, 12),
        { admit: 'node', grant: 'grant', namespace: 'owner' }[each.type],
        textOfGrants(each.grants),
        timeOf(each.since),
        each.expiresAtMs === null ? '' : timeOf(each.expiresAtMs),
      ]),
    ),
  )
}

async function revoke(text: string, words: AckWords, context: Context): Promise<void> {
  const choice = await ackOf(words)
  const { grants } = await context.connect()
  const found = /^[0-9a-f]{64}$/.test(text)
    ? [text]
    : (await grants.list()).map((each) => each.hash).filter((each) => each.startsWith(text))
  const [hash] = found
  if (hash === undefined || text.length < HASH_CHARS_MIN)
    throw new OsirisError(
      'not_found',
      `Cannot find a grant "${text}": give the hash, or at least ${HASH_CHARS_MIN} characters of it (osiris grant list)`,
    )
  if (found.length > 1) throw new OsirisError('invalid_argument', `Cannot tell which grant "${text}" is: ${found.length} begin with it`)
  const receipt = await grants.revoke(hash, choice)
  if (context.globals().json === true) return context.json({ grant: hash, receipt })
  context.io.err(`Revoked ${hash.slice(0, 12)}\n${sentenceOf(receipt)}\n`)
}
