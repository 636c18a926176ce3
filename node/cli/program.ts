/** The command tree. Only the file of the noun that was typed is loaded; the others are names with a sentence. */
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { OsirisError } from '#protocols/errors'
import { type Context, createContext, type Hooks } from './context.ts'
import { nouns } from './commands/index.ts'
import { EXIT } from './exit-codes.ts'
import type { Io } from './io.ts'
import { reportError } from './report.ts'

const EXAMPLES = `
Examples:
  $ osiris universe start                          five nodes on this machine, until Ctrl-C
  $ osiris deploy greet.ts --namespace demo
  $ osiris call demo/greet '"Ada"' 2
  $ osiris node start --join osiris1.…             a node that joins a universe elsewhere

The node a command talks to: --node, else OSIRIS_NODE, else the universe that runs here, else http://127.0.0.1:4747.
The token it shows: OSIRIS_TOKEN (osiris token create makes one), else the developer token of a node that runs here.
Exit codes: 1 failure, 2 usage, 3 not found, 4 denied, 5 unreachable, 6 timeout.`

/** Runs one command line; returns the exit code, everything else went through `io`. */
export async function runCommand(argv: readonly string[], io: Io, hooks: Hooks = {}): Promise<number> {
  const json = beforeDashes(argv).includes('--json')
  try {
    const program = emptyProgram(io, json)
    const context = createContext(program, io, hooks, wholeProgram)
    await register(program, context, nounOf(argv))
    if (argv.length === 0) program.outputHelp()
    else await program.parseAsync([...argv], { from: 'user' })
    return context.exitCode
  } catch (error) {
    if (error instanceof CommanderError) return usage(error, io, json)
    return reportError(error, io, json)
  }
}

/** The whole tree, every noun loaded: for completions. */
async function wholeProgram(context: Context): Promise<Command> {
  const program = emptyProgram(context.io, false)
  await register(program, context, 'all')
  return program
}

function emptyProgram(io: Io, json: boolean): Command {
  return new Command('osiris')
    .description('Serverless compute with no centre: deploy functions to a mesh of identical nodes, and call them on any of them.')
    .version(version(), '-V, --version')
    .option('--node <url>', 'node to talk to')
    .option('--namespace <name>', 'namespace, where a command takes one')
    .option('--json', 'print data and errors as JSON')
    .addHelpText('after', EXAMPLES)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => io.out(text),
      writeErr: (text) => io.err(text),
      outputError: (text, write) => (json ? undefined : write(text.replace(/^error: /, 'osiris: '))),
      getOutHasColors: () => io.tty && !io.env['NO_COLOR'],
      getErrHasColors: () => false,
    })
    .exitOverride()
}

async function register(program: Command, context: Context, wanted: string | undefined): Promise<void> {
  for (const noun of nouns) {
    if (wanted === 'all' || wanted === noun.name) (await noun.load()).register(program, context)
    else program.command(noun.name).description(noun.about)
  }
}

/** The first word that is neither an option nor an option's value; the word after `help`. */
export function nounOf(argv: readonly string[]): string | undefined {
  const words = argv.filter((each, index) => !each.startsWith('-') && !['--node', '--namespace'].includes(argv[index - 1] ?? ''))
  return words[0] === 'help' ? words[1] : words[0]
}

function usage(error: CommanderError, io: Io, json: boolean): number {
  if (error.exitCode === 0) return EXIT.ok
  if (json && error.code !== 'commander.help') {
    reportError(new OsirisError('invalid_argument', error.message.replace(/^error: /, '').replace('\n', ' ')), io, true)
  }
  return EXIT.usage
}

const beforeDashes = (argv: readonly string[]) => argv.slice(0, argv.includes('--') ? argv.indexOf('--') : argv.length)

function version(): string {
  let folder = new URL('./', import.meta.url)
  for (let up = 0; up < 4; up++) {
    folder = new URL('../', folder)
    try {
      const found = JSON.parse(readFileSync(new URL('package.json', folder), 'utf8')) as { name?: string; version?: string }
      if (found.name === 'osiris' && found.version !== undefined) return found.version
    } catch {
      // Not here: one folder up.
    }
  }
  return 'unknown'
}
