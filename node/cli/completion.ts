/** Completion scripts from a tree of commands. Pure: no shell runs `osiris` to complete a word. */
import type { Command } from 'commander'

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

export interface Tree {
  /** Words from the root: `osiris node start`. */
  path: string[]
  about: string
  flags: { flag: string; about: string }[]
  children: Tree[]
}

export function treeOf(command: Command, above: readonly string[] = [], inherited: Tree['flags'] = []): Tree {
  const path = [...above, command.name()]
  const own = command.options.flatMap((each) => (each.long ? [{ flag: each.long, about: each.description }] : []))
  const flags = [...own, ...inherited]
  const passedOn = above.length === 0 ? own : inherited
  return { path, about: firstLine(command.description()), flags, children: command.commands.map((each) => treeOf(each, path, passedOn)) }
}

export function completionScript(shell: Shell, tree: Tree): string {
  if (shell === 'bash') return bash(tree)
  return shell === 'zsh' ? zsh(tree) : fish(tree)
}

const firstLine = (text: string) => (text.split('\n')[0] ?? '').replace(/["'`$\\[\]:]/g, '')
const all = (tree: Tree): Tree[] => [tree, ...tree.children.flatMap(all)]
const wordsOf = (tree: Tree) =>
  [...tree.children.map((each) => each.path.at(-1) ?? ''), ...tree.flags.map((each) => each.flag), '--help'].join(' ')

function bash(tree: Tree): string {
  const known = all(tree)
    .slice(1)
    .map((each) => `"${each.path.join(' ')}"`)
  const cases = all(tree).map((each) => `    "${each.path.join(' ')}") words="${wordsOf(each)}" ;;`)
  return `# bash completion for osiris
_osiris() {
  local path=osiris words="" word i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case "$path $word" in
      ${known.join('|')}) path="$path $word" ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _osiris osiris
`
}

function zsh(tree: Tree): string {
  const known = all(tree)
    .slice(1)
    .map((each) => `"${each.path.join(' ')}"`)
  const cases = all(tree).map((each) => {
    const entries = [
      ...each.children.map((child) => `"${child.path.at(-1) ?? ''}:${child.about}"`),
      ...each.flags.map(({ flag, about }) => `"${flag}:${firstLine(about)}"`),
    ]
    return `    "${each.path.join(' ')}") entries=(${entries.join(' ')}) ;;`
  })
  return `#compdef osiris
_osiris() {
  local path_so_far=osiris word
  local -a entries
  for word in \${words[2,CURRENT-1]}; do
    case "$path_so_far $word" in
      ${known.join('|')}) path_so_far="$path_so_far $word" ;;
    esac
  done
  case "$path_so_far" in
${cases.join('\n')}
  esac
  _describe 'osiris' entries || _files
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _osiris "$@"; else compdef _osiris osiris; fi
`
}

function fish(tree: Tree): string {
  const lines = all(tree).flatMap((each) => {
    const names = each.children.map((child) => child.path.at(-1) ?? '')
    const seen = each.path.slice(1).map((word) => `__fish_seen_subcommand_from ${word}`)
    const condition = [...seen, ...(names.length === 0 ? [] : [`not __fish_seen_subcommand_from ${names.join(' ')}`])].join('; and ')
    const when = condition === '' ? '' : ` -n "${condition}"`
    return [
      ...each.children.map((child) => `complete -c osiris${when} -a ${child.path.at(-1) ?? ''} -d "${child.about}"`),
      ...each.flags.map(({ flag, about }) => `complete -c osiris${when} -l ${flag.slice(2)} -d "${firstLine(about)}"`),
    ]
  })
  return `# fish completion for osiris\n${lines.join('\n')}\n`
}
