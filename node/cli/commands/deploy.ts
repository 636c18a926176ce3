/** `osiris deploy PATH` */
import type { Command } from 'commander'
import { OsirisError } from '#protocols/errors'
import type { Deployed, WriteChoice } from '#sdk'
import { ackOf, type AckWords, sentenceOf, withAck } from '../acknowledging.ts'
import type { NodeApi } from '../api.ts'
import type { Context } from '../context.ts'
import { type Planned, planDeploy } from '../deploying.ts'
import { exitCodeOf } from '../exit-codes.ts'
import { printable } from '../printable.ts'
import { waysToReach } from '../reaching.ts'
import { reportError } from '../report.ts'
import { renderTable } from '../table.ts'

export function register(program: Command, context: Context): void {
  const command = program
    .command('deploy <path>')
    .description("Publish a source file (its name is the function's name), or every function of a folder with osiris.yaml.")
    .option('--name <name>', 'name of the function; with a folder, deploy only this one')
    .addHelpText(
      'after',
      `
Examples:
  $ osiris deploy greet.ts --namespace demo
  $ osiris deploy .                                every function of ./osiris.yaml
  $ osiris deploy . --name greet --node http://127.0.0.1:4748
  $ osiris deploy greet.ts --ack accepted          does not wait for the other nodes`,
    )
  withAck(command).action(async (path: string, { name, ...words }: { name?: string } & AckWords) => {
    const { namespace } = context.globals()
    const choice = await ackOf(words)
    const planned = await planDeploy(path, { ...(name === undefined ? {} : { name }), ...(namespace === undefined ? {} : { namespace }) })
    const done = await deployAll(planned, await context.connect(), context, choice)
    if (done.length > 0) show(done, planned.length, context)
  })
}

/** One after the other, in the order written; a failure is told and the others go on. */
export async function deployAll(
  planned: readonly Planned[],
  node: NodeApi,
  context: Context,
  choice: WriteChoice = {},
): Promise<Deployed[]> {
  const done: Deployed[] = []
  for (const each of planned) {
    try {
      done.push(await deployOne(each, node, choice))
    } catch (error) {
      if (planned.length === 1) throw error
      const wrapped = OsirisError.from(error, `Cannot deploy "${each.namespace}/${each.name}"`)
      reportError(wrapped, context.io, context.globals().json === true)
      context.exitCode ||= exitCodeOf(wrapped.code)
    }
  }
  return done
}

async function deployOne({ namespace, name, entryPath, config }: Planned, node: NodeApi, choice: WriteChoice): Promise<Deployed> {
  const { collectSources } = await import('#protocols/builder')
  const { files, entry } = await collectSources(entryPath)
  return node.deploy({ ...choice, namespace, name, files, entry, ...(config === undefined ? {} : { config }) })
}

function show(done: readonly Deployed[], asked: number, context: Context): void {
  const { url } = context.target()
  for (const each of done) for (const text of each.warnings) context.io.err(`warning: ${printable(text)}\n`)
  for (const { namespace, name, lostRoutes } of done)
    for (const { route, holder } of lostRoutes) {
      const held = `route "${route}" is held by ${holder.namespace}/${holder.name}: ${namespace}/${name} is reached by name only`
      context.io.err(`warning: ${printable(held)}\n`)
    }
  if (context.globals().json === true) return context.json(asked === 1 ? done[0] : { deployed: done })
  context.io.out(
    renderTable(
      ['FUNCTION', 'LIVE', 'VERSION', '', 'ROUTES'],
      done.map((each) => [
        `${each.namespace}/${each.name}`,
        `v${each.ordinal}`,
        each.version.slice(0, 12),
        each.changed ? 'new' : 'unchanged',
        each.routes.join(', '),
      ]),
    ),
  )
  const sentences = new Set(done.map((each) => sentenceOf(each.receipt)))
  for (const sentence of sentences) context.io.err(`${sentence}\n`)
  context.io.err(`\n${waysToReach(done, url)}`)
}
