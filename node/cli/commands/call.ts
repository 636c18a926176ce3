/** `osiris call NS/NAME [ARG…]` */
import type { Command } from 'commander'
import { OsirisError } from '#protocols/errors'
import { refText, valueOf } from '../arguments.ts'
import type { Context } from '../context.ts'

interface CallWords {
  idempotencyKey?: string
  async?: boolean
  callback?: string
}

export function register(program: Command, context: Context): void {
  program
    .command('call <function> [args...]')
    .description('Call a function and print its value as JSON.\nAn argument that parses as JSON is that value, anything else a text.')
    .option('--idempotency-key <key>', 'the same key again within ten minutes, through any node, is the same call')
    .option('--async', 'do not wait: print the id of the call once it is on several disks (osiris calls show ID)')
    .option('--callback <url>', 'with --async: post what came of it to this URL, signed')
    .addHelpText(
      'after',
      `
Examples:
  $ osiris call demo/greet Ada 2
  $ osiris call demo/greet@v1 '{"name":"Ada"}'
  $ osiris call demo/greet Ada --async            prints an id: osiris calls show ID
  $ osiris call demo/greet -- --json              an argument that looks like an option`,
    )
    .action(async (name: string, args: string[], words: CallWords) => {
      const ref = refText(name, context.globals().namespace)
      const values = args.map(valueOf)
      return words.async === true ? start(ref, values, words, context) : call(ref, values, words, context)
    })
}

async function call(ref: string, values: unknown[], { idempotencyKey, callback }: CallWords, context: Context): Promise<void> {
  if (callback !== undefined) throw new OsirisError('invalid_argument', 'Cannot call back: --callback goes with --async')
  const node = await context.connect()
  const caller = idempotencyKey === undefined ? node : node.once(idempotencyKey)
  context.json(await caller.call(ref, ...values))
}

async function start(ref: string, values: unknown[], { idempotencyKey, callback }: CallWords, context: Context): Promise<void> {
  if (idempotencyKey !== undefined)
    throw new OsirisError('invalid_argument', 'Cannot start the call: --idempotency-key goes without --async')
  const { id } = await (await context.connect()).start(ref, values, callback === undefined ? {} : { callback })
  if (context.globals().json === true) return context.json({ id })
  context.io.out(`${id}\n`)
}
