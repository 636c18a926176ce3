/** Two attempts at one call under way at the same time: the first answer counts, and the other attempt is cancelled. */
import type { Outcome } from '#protocols/invocation'
import { isStream } from './replay.ts'
import { mayStartAgain, mayTryElsewhere } from './retry.ts'

export interface Running {
  readonly outcome: Promise<Outcome>
  cancel(): void
}

/** Of two failures that say nothing about the function, the first attempt's. Never rejects, as long as neither does. */
export async function firstAnswer(one: Running, other: Running): Promise<Outcome> {
  const ends = [one, other].map(async (each) => ({ each, outcome: await each.outcome }))
  const first = await Promise.race(ends)
  const rest = first.each === one ? other : one
  if (isAnswer(first.outcome)) {
    rest.cancel()
    void rest.outcome.then(discard)
    return first.outcome
  }
  const second = await rest.outcome
  return isAnswer(second) ? second : await one.outcome
}

/** A value, a response, or a failure that another member would have ended in too. */
function isAnswer(outcome: Outcome): boolean {
  return outcome.kind !== 'failed' || !(mayTryElsewhere(outcome) || mayStartAgain(outcome))
}

/** Nobody reads it. */
function discard(outcome: Outcome): void {
  if (outcome.kind !== 'response' || !isStream(outcome.body)) return
  outcome.body[Symbol.asyncIterator]()
    .return?.()
    .catch(() => {})
}
