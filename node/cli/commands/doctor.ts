/** `osiris doctor`: what this host offers a node, and what to do about the rest. */
import type { Command } from 'commander'
import { loadNodeConfig } from '#node/config'
import { examine, type Finding, isFit, ok, weaker } from '#node/doctor'
import type { NodeState } from '#node/universe'
import type { Context } from '../context.ts'
import { countsOf } from '../counts.ts'
import { EXIT } from '../exit-codes.ts'
import { renderTable } from '../table.ts'
import { localNodes, stateDirOf } from '../target.ts'

export function register(program: Command, context: Context): void {
  program
    .command('doctor')
    .description('Check whether this host can run a node, which walls stand around functions, and what to do about the rest.')
    .option('--config <file>', 'settings file of the node (OSIRIS_CONFIG)')
    .option('--walls <mode>', 'judge as a node with --walls required, auto or off would')
    .addHelpText(
      'after',
      '\nExits with 1 when something is missing that no node runs without.\n\nExamples:\n  $ osiris doctor\n  $ osiris doctor --walls required --json',
    )
    .action((options: { config?: string; walls?: string }) => doctor(options, context))
}

async function doctor({ config: file, walls }: { config?: string; walls?: string }, context: Context): Promise<void> {
  const { env } = context.io
  const config = await loadNodeConfig({ flags: { walls }, env, ...(file === undefined ? {} : { file }) })
  const running = localNodes(stateDirOf(env))
  const findings = [...(await examine(config, portsOf(running))), await reach(context, running.length)]
  const fit = isFit(findings)
  if (!fit) context.exitCode = EXIT.failed
  if (context.globals().json === true) return context.json({ fit, findings })
  context.io.out(
    renderTable(
      ['CHECK', 'STATE', 'FOUND', 'WHAT TO DO'],
      findings.map(({ check, state, found, fix }) => [check, state, found, state === 'ok' ? '' : (fix ?? '')]),
    ),
  )
  if (!fit) context.io.err('Something is missing that no node runs without\n')
}

/** The node that other commands would talk to. */
async function reach(context: Context, running: number): Promise<Finding> {
  const { url, token } = context.target()
  const counts = await countsOf(context.connectTo, url, token)
  if (counts !== undefined) return ok('running node', `${url} answers: ${counts.peers} peers, ${counts.functions} functions`)
  return running === 0 ? ok('running node', 'none') : weaker('running node', `${url} does not answer`, 'osiris node status, and its log')
}

function portsOf(nodes: readonly NodeState[]): Set<number> {
  const texts = nodes.flatMap(({ http, p2p }) => [new URL(http).port, ...p2p.map((address) => /\/tcp\/(\d+)/.exec(address)?.[1] ?? '')])
  return new Set(texts.filter(Boolean).map(Number))
}
