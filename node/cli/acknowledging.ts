/** How far a write must have come before a command ends, and how that is told. */
import type { Command } from 'commander'
import { OsirisError } from '#protocols/errors'
import type { Commitment, WriteChoice } from '#sdk'
import { durationOf } from './arguments.ts'
import { printableLine } from './printable.ts'

export interface AckWords {
  ack?: string
  timeout?: string
}

const STATES = ['committed', 'accepted'] as const

/** Adds what every command that writes takes. */
export function withAck(command: Command): Command {
  return command
    .option(
      '--ack <state>',
      'wait until it is "committed" (on a majority of the catalogs, at most three; the default), or only "accepted" by one',
    )
    .option('--timeout <duration>', 'how long to wait for that (default 10s); what was accepted stands')
}

/** Throws `invalid_argument` with the option's name. */
export async function ackOf(words: AckWords): Promise<WriteChoice> {
  const { ack, timeout } = words
  const state = STATES.find((each) => each === ack)
  if (ack !== undefined && state === undefined) throw new OsirisError('invalid_argument', '--ack: expected "committed" or "accepted"')
  return {
    ...(state === undefined ? {} : { ack: state }),
    ...(timeout === undefined ? {} : { timeoutMs: await durationOf(timeout, '--timeout', 1, 900_000) }),
  }
}

/** `committed by 3 of 5 (node-1, node-2, node-4)`, `accepted by 1 of 5 (node-1)`; members that joined later may have signed too. */
export function sentenceOf({ state, receipts, members }: Commitment): string {
  const names = receipts.map(({ node, holder }) => node ?? holder.slice(0, 8))
  const count = `${receipts.length} of ${Math.max(members, receipts.length)}`
  return printableLine(`${state} by ${count}${names.length === 0 ? '' : ` (${names.join(', ')})`}`)
}
