/** `osiris function scale`: how many instances a function may have, and has. */
import type { Command } from 'commander'
import { OsirisError } from '#protocols/errors'
import { parseRef } from '#protocols/function'
import type { ScaleConfig, ScaleSummary } from '#sdk'
import { ackOf, type AckWords, sentenceOf, withAck } from './acknowledging.ts'
import { durationOf, wholeNumber, wholeRef } from './arguments.ts'
import type { Context } from './context.ts'
import { renderTable } from './table.ts'

interface Words extends AckWords {
  min?: string
  max?: string
  target?: string
  idle?: string
  reset?: boolean
}

export function registerScale(noun: Command, context: Context): void {
  withAck(noun.command('scale <function>'))
    .description(
      'Show how many instances a function may have and has; with options, set it, on every node within seconds and without a new version.',
    )
    .option('--min <n>', 'instances that are always there; 1 or more is always on')
    .option('--max <n>', 'instances there are at most, on all nodes together')
    .option('--target <n>', 'calls at the same time that one instance should have')
    .option('--idle <duration>', 'how long without a call until what is above min goes, such as 30s or 5m')
    .option('--reset', 'back to what the version was published with')
    .addHelpText('after', '\nExamples:\n  $ osiris function scale demo/greet\n  $ osiris function scale demo/greet --min 1 --max 8')
    .action((name: string, words: Words) => scale(name, words, context))
}

async function scale(text: string, words: Words, context: Context): Promise<void> {
  const ref = wholeRef(text, context.globals().namespace)
  const said = await configOf(words)
  const isSet = Object.keys(said).length > 0
  if (isSet && words.reset === true)
    throw new OsirisError('invalid_argument', 'Cannot combine --reset with --min, --max, --target or --idle')
  const { functions } = await context.connect()
  if (!isSet && words.reset !== true) {
    const summary = await functions.scale(ref)
    return context.globals().json === true ? context.json(summary) : context.io.out(tableOf(summary))
  }
  const choice = await ackOf(words)
  // What is not named stays as it was set.
  const set: ScaleConfig = isSet ? { ...(await functions.scale(ref)).set, ...said } : {}
  const receipt = await functions.setScale(ref, set, choice)
  if (context.globals().json === true) return context.json({ ...parseRef(ref), set, receipt })
  context.io.err(`Set the scale of ${ref}: every node keeps it within seconds\n${sentenceOf(receipt)}\n`)
}

async function configOf({ min, max, target, idle }: Words): Promise<ScaleConfig> {
  return {
    ...(min === undefined ? {} : { min: wholeNumber(min, '--min', 0, 1000) }),
    ...(max === undefined ? {} : { max: wholeNumber(max, '--max', 1, 1000) }),
    ...(target === undefined ? {} : { target: wholeNumber(target, '--target', 1, 10_000) }),
    ...(idle === undefined ? {} : { idle: await durationOf(idle, '--idle', 1000, 86_400_000) }),
  }
}

function tableOf(summary: ScaleSummary): string {
  const { published, set } = summary
  const row = (what: string, value: number, before: number, isSet: boolean) => [
    what,
    String(value),
    isSet ? `published with ${before}` : '',
  ]
  const rows = [
    row('min', summary.min, published.min, set.min !== undefined),
    row('max', summary.max, published.max, set.max !== undefined),
    row('target', summary.target, published.target, set.target !== undefined),
    row('idle ms', summary.idleMs, published.idleMs, set.idle !== undefined),
    ['decider', summary.decider ?? 'none', ''],
    ...summary.versions.map(({ version, instances, ready, isPanic, nodes }) => [
      version.slice(0, 12),
      `${ready} ready, ${instances} wanted${isPanic ? ', in panic' : ''}`,
      nodes.map((each) => `${each.node} ${each.ready}`).join(', '),
    ]),
  ]
  return renderTable(['SCALE', `${summary.namespace}/${summary.name}`, ''], rows)
}
