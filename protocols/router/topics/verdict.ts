/** What becomes of a delivery after an attempt, and which function of a group an attempt goes to. Pure. */
import { hash } from 'node:crypto'
import { type ErrorCode, OsirisError } from '#protocols/errors'
import type { Outcome } from '#protocols/invocation'
import type { Random } from '#protocols/lifecycle'
import { backoffMs } from '../queue/lease.ts'
import type { Verdict } from '../queue/queue.ts'
import { ANOTHER_TIME } from '../retry.ts'
import type { Delivery } from './message.ts'
import type { Subscriber } from './subscriptions.ts'

/** Publishes below one from outside; a message beyond that is a loop, or as good as one. */
export const DEPTH_MAX = 16
/** Between two attempts at most: whatever was mended meanwhile is found a quarter of an hour later. */
const PAUSE_MS_MAX = 900_000

/** The function said no, or was asked for what it cannot do: it would the next time. */
const FOR_GOOD: ReadonlySet<ErrorCode> = new Set([
  'invalid_argument',
  'payload_too_large',
  'depth_exceeded',
  'forbidden',
  'unauthenticated',
  'method_not_allowed',
])
/** Of no meaning for the message, where nothing was started. */
const NO_ATTEMPT: ReadonlySet<ErrorCode> = new Set([...ANOTHER_TIME, 'deadline_exceeded'])

export function verdictOf(outcome: Outcome, delivery: Delivery, attempts: number, random: Random): Verdict {
  if (outcome.kind !== 'failed') return { kind: 'done' }
  const { error, started } = outcome
  const { attemptsMax, backoffMs: baseMs } = delivery.subscriber
  const pauseMs = (ended: number) => backoffMs(ended, { baseMs, capMs: PAUSE_MS_MAX }, random)
  if (FOR_GOOD.has(error.code)) return { kind: 'dead', error }
  if (!started && NO_ATTEMPT.has(error.code)) return { kind: 'again', error, afterMs: pauseMs(1), counts: false }
  if (attempts >= attemptsMax) return { kind: 'dead', error }
  return { kind: 'again', error, afterMs: pauseMs(attempts) }
}

/**
 * The function that gets this attempt: by rendezvous hash of the message's key, or of its id, so that those with one key go to the same one while it is of
 * the group, and who leaves gives away only its own. The next attempt goes to the next of them, so that one function that fails does not keep a message.
 */
export function memberFor({ members }: Pick<Subscriber, 'members'>, seed: string, attempt: number): string {
  if (members.length === 1) return members[0] as string
  const ranked = members
    .map((name) => ({ name, score: hash('sha256', `${name}/${seed}`, 'hex') }))
    .toSorted((a, b) => (a.score < b.score ? 1 : -1))
  return (ranked[(attempt - 1) % ranked.length] as { name: string }).name
}

export function loopError({ message, subscriber }: Delivery): OsirisError {
  const what = `"${message.namespace}/${message.topic}" to "${subscriber.id}"`
  return new OsirisError(
    'depth_exceeded',
    `Cannot deliver ${what}: it is ${message.depth} publishes and calls deep (at most ${DEPTH_MAX}), a loop`,
    {
      details: { limit: 'depth' },
    },
  )
}
