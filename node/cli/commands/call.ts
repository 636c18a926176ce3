/** `osiris call NS/NAME [ARG…]` */
import type { Command } from 'commander'
import { refText, valueOf } from '../arguments.ts'
import type { Context } from '../context.ts'

export function register(program: Command, context: Context): void {
  program
    .command('call <function> [args...]')
    .description('Call a function and print its value as JSON.\nAn argument that parses as JSON is that value, anything else a text.')
    .option('--idempotency-key <key>', 'the same key again within ten minutes, through any node, is the same call')
    .addHelpText(
      'after',
      `
Examples:
  $ osiris call demo/greet Ada 2
  $ osiris call demo/greet@v1 '{"name":"Ada"}'
  $ osiris call demo/greet -- --json              an argument that looks like an option`,
    )
    .action(async (name: string, args: string[], { idempotencyKey }: { idempotencyKey?: string }) => {
      const ref = refText(name, context.globals().namespace)
      const node = await context.connect()
      const caller = idempotencyKey === undefined ? node : node.once(idempotencyKey)
      context.json(await caller.call(ref, ...args.map(valueOf)))
    })
}
