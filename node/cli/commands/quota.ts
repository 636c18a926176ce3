/** `osiris quota …`: what namespaces may use. */
import type { Command } from 'commander'
import { OsirisError } from '#protocols/errors'
import type { Quota, QuotaSummary } from '#sdk'
import { ackOf, type AckWords, sentenceOf, withAck } from '../acknowledging.ts'
import type { Context } from '../context.ts'
import { renderTable } from '../table.ts'

interface Words {
  callsPerSecond?: string
  concurrent?: string
  cpuSecondsPerHour?: string
}

export function register(program: Command, context: Context): void {
  const noun = program.command('quota').description('What namespaces may use, on all nodes together. For administrators.')
  noun
    .command('show [namespace]')
    .description('Show quotas, and the part of each that the asked node gives out now.')
    .action((namespace: string | undefined) => show(namespace, context))
  withAck(noun.command('set <namespace>'))
    .description('Set the quota of a namespace ("*": of every one without a quota of its own). What is not named has no bound.')
    .option('--calls-per-second <n>', 'calls let in per second; as many may come at once')
    .option('--concurrent <n>', 'calls under way')
    .option('--cpu-seconds-per-hour <n>', 'processor time; an hour’s worth may be used at once')
    .addHelpText(
      'after',
      '\nExamples:\n  $ osiris quota set demo --calls-per-second 100 --concurrent 50\n  $ osiris quota set "*" --cpu-seconds-per-hour 600',
    )
    .action((namespace: string, words: Words & AckWords) => set(namespace, words, context))
  withAck(noun.command('clear <namespace>'))
    .description('Take a quota away.')
    .action((namespace: string, words: AckWords) => clear(namespace, words, context))
}

async function show(namespace: string | undefined, context: Context): Promise<void> {
  const all = await (await context.connect()).quotas.list()
  const quotas = namespace === undefined ? all : all.filter((each) => each.namespace === namespace)
  if (context.globals().json === true) return context.json({ quotas })
  if (quotas.length === 0) {
    const whose = namespace === undefined ? 'No namespace has a quota' : `"${namespace}" has no quota of its own`
    return context.io.err(`${whose}. Set one: osiris quota set ${namespace ?? 'demo'} --calls-per-second 100\n`)
  }
  context.io.out(renderTable(['NAMESPACE', 'CALLS/S', 'AT ONCE', 'CPU S/H', 'PART HERE', 'UNDER WAY HERE'], quotas.map(rowOf)))
}

function rowOf({ namespace, callsPerSecond, concurrent, cpuSecondsPerHour, here }: QuotaSummary): string[] {
  const part = here === null ? '' : `${Math.round(here.share * 100)} %`
  return [
    namespace,
    ...[callsPerSecond, concurrent, cpuSecondsPerHour].map((each) => String(each ?? '-')),
    part,
    String(here?.inFlight ?? ''),
  ]
}

async function set(namespace: string, words: Words & AckWords, context: Context): Promise<void> {
  const quota: Quota = {
    ...numberAt('callsPerSecond', '--calls-per-second', words.callsPerSecond),
    ...numberAt('concurrent', '--concurrent', words.concurrent),
    ...numberAt('cpuSecondsPerHour', '--cpu-seconds-per-hour', words.cpuSecondsPerHour),
  }
  if (Object.keys(quota).length === 0)
    throw new OsirisError(
      'invalid_argument',
      'Cannot set a quota of nothing: give --calls-per-second, --concurrent or --cpu-seconds-per-hour',
    )
  const choice = await ackOf(words)
  const receipt = await (await context.connect()).quotas.set(namespace, quota, choice)
  if (context.globals().json === true) return context.json({ namespace, quota, receipt })
  context.io.err(`Set the quota of ${namespace}: every node keeps it within seconds\n${sentenceOf(receipt)}\n`)
}

async function clear(namespace: string, words: AckWords, context: Context): Promise<void> {
  const choice = await ackOf(words)
  const receipt = await (await context.connect()).quotas.clear(namespace, choice)
  if (context.globals().json === true) return context.json({ namespace, receipt })
  context.io.err(`Took the quota of ${namespace} away\n${sentenceOf(receipt)}\n`)
}

function numberAt(key: keyof Quota, flag: string, text: string | undefined): Quota {
  if (text === undefined) return {}
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value <= 0)
    throw new OsirisError('invalid_argument', `${flag}: expected a number above 0 (got "${text}")`)
  return { [key]: value }
}
