/** `osiris key …`: who you are. */
import type { Command } from 'commander'
import { OsirisError } from '#protocols/errors'
import { withAck } from '../acknowledging.ts'
import type { Context } from '../context.ts'
import { chosenKey, createKey, DEFAULT_KEY, keyNames, keysDir, readKey } from '../keys.ts'
import type { GiveWords } from '../giving.ts'
import { printableLine } from '../printable.ts'
import type { RecoverWords } from '../recovering.ts'
import type { RotateWords } from '../rotating.ts'
import { renderTable } from '../table.ts'

export function register(program: Command, context: Context): void {
  const noun = program
    .command('key')
    .description('Your keys: who you are to a universe. The secret half stays in a file only you can read.')
  noun
    .command('new [name]')
    .description(`Make a key (without a name: "${DEFAULT_KEY}") and print its public half.`)
    .addHelpText('after', '\nWhoever gives you rights needs what this prints:\n  $ osiris grant add KEY --can deploy --namespace demo')
    .action((name: string | undefined) => make(name ?? DEFAULT_KEY, context))
  noun
    .command('list')
    .description('List the keys that are here.')
    .action(() => list(context))
  noun
    .command('show [name]')
    .description(`Print the public half of a key (without a name: of "${DEFAULT_KEY}", or of the only one).`)
    .action((name: string | undefined) => show(name ?? chosenKey(context.io.env, 'osiris key show NAME'), context))
  withAck(noun.command('rotate'))
    .description(
      'Replace a key while it is safe: one of yours (--key), or, without, the root key, on the running node that holds it, which makes and keeps the next one.',
    )
    .option('--key <file>', 'key of yours that ends: its name, or its file; what it holds in the universe goes to the next one')
    .option('--to <file>', 'with --key: the key that takes over (default: one made now, which takes the place of the file)')
    .option('--from <key>', 'root key that ends (default: the one that holds the root now); the same again changes nothing')
    .addHelpText(
      'after',
      `
What is in the ledger stands: members, grants, namespaces. Tokens and join tokens that the old key signed end.
Of a root key that is lost or stolen: osiris key recover. Of your own: whoever gave you your rights revokes them (osiris grant revoke).
Ended on the way, the same command goes on where it was.
Examples:
  $ osiris key rotate --node http://127.0.0.1:4747
  $ osiris key rotate --key default`,
    )
    .action(async ({ key, ...words }: RotateWords & Partial<GiveWords>) => {
      if (key !== undefined && words.from !== undefined)
        throw new OsirisError('invalid_argument', '--from: it names a root key; with --key, the key of yours that ends is meant')
      if (key === undefined && words.to !== undefined)
        throw new OsirisError('invalid_argument', '--to: the node that holds the root makes the next key itself; --to goes with --key')
      if (key !== undefined) {
        const { giveKey } = await import('../giving.ts')
        return giveKey({ ...words, key }, context)
      }
      const { rotate } = await import('../rotating.ts')
      await rotate(words, context)
    })
  noun
    .command('recover')
    .description('Replace a root key that is lost or stolen, with the recovery key that the universe was founded with.')
    .requiredOption('--key <file>', 'recovery key: its file, or the name of one of yours')
    .requiredOption('--to <file>', 'key that takes over: its file, or the name of one of yours')
    .option('--pin <seq>', 'last entry of the old key that counts (default: the last that the node has)')
    .option('--from <key>', 'key that ends (default: the one that holds the root now)')
    .addHelpText(
      'after',
      `
The recovery key signs on this machine; any node of the universe takes the result in, without a token. What was signed is kept beside the
recovery key (FILE.rotation-SEQ): keep it with the key. The same command again sends the same bytes, and changes nothing.
Of a stolen key, find its last good entry first: osiris ledger log
Examples:
  $ osiris key new root-2
  $ osiris key recover --node http://127.0.0.1:4747 --key /media/stick/recovery.key --to root-2 --pin 17`,
    )
    .action(async (words: RecoverWords) => {
      const { recover } = await import('../recovering.ts')
      await recover(words, context)
    })
}

async function make(name: string, context: Context): Promise<void> {
  const { id: key } = await createKey(context.io.env, name)
  if (context.globals().json === true) return context.json({ name, key })
  context.io.err(`Made key "${name}" in ${printableLine(keysDir(context.io.env))}: keep a copy of the file, nobody can make it again\n`)
  context.io.out(`${key}\n`)
}

async function show(name: string, context: Context): Promise<void> {
  const { id: key } = await readKey(context.io.env, name)
  if (context.globals().json === true) return context.json({ name, key })
  context.io.out(`${key}\n`)
}

async function list(context: Context): Promise<void> {
  const keys: { name: string; key: string }[] = []
  for (const name of keyNames(context.io.env)) keys.push({ name, key: (await readKey(context.io.env, name)).id })
  if (context.globals().json === true) return context.json({ keys })
  if (keys.length === 0) return context.io.err('No keys yet. Make one: osiris key new\n')
  context.io.out(
    renderTable(
      ['NAME', 'KEY'],
      keys.map((each) => [each.name, each.key]),
    ),
  )
}
