/** `osiris completion SHELL`: scripts made from the command tree. */
import type { Command } from 'commander'
import { OsirisError } from '#protocols/errors'
import type { Context } from '../context.ts'
import { completionScript, SHELLS, treeOf } from '../completion.ts'

export function register(program: Command, context: Context): void {
  program
    .command('completion <shell>')
    .description(`Print a completion script for ${SHELLS.join(', ')}.`)
    .addHelpText(
      'after',
      `
Examples:
  $ osiris completion bash > /etc/bash_completion.d/osiris
  $ osiris completion zsh > "\${fpath[1]}/_osiris"
  $ osiris completion fish > ~/.config/fish/completions/osiris.fish`,
    )
    .action(async (shell: string) => {
      const known = SHELLS.find((each) => each === shell)
      if (known === undefined) throw new OsirisError('invalid_argument', `Cannot complete for "${shell}": expected ${SHELLS.join(', ')}`)
      context.io.out(completionScript(known, treeOf(await context.wholeProgram())))
    })
}
