/** Two attempts at one call under way at the same time: the first answer counts, and the other attempt is cancelled. */
import type { FailedOutcome, Outcome } from '#protocols/invocation'
import { isStream } from './replay.ts'
import { mayStartAgain, mayTryElsewhere } from './retry.ts'

export interface Running {
  readonly outcome: Promise<Outcome>
  cancel(): void
}

/** How both together ended. */
export interface Ended {
  outcome: Outcome
  /** Whether both were started, as far as is known. */
  isStartedTwice: boolean
}

/** Of two failures that say nothing about the function, one that was started; of two such, the first attempt's. Never rejects, as long as neither does. */
export async function firstAnswer(one: Running, other: Running): Promise<Ended> {
  const ends = [one, other].map(async (each) => ({ each, outcome: await each.outcome }))
  const first = await Promise.race(ends)
  const rest = first.each === one ? other : one
  if (isAnswer(first.outcome)) {
    rest.cancel()
    void rest.outcome.then(discard)
    return { outcome: first.outcome, isStartedTwice: true }
  }
  const [mine, its] = [await one.outcome, await other.outcome]
  const answer = [mine, its].find(isAnswer)
  if (answer !== undefined) return { outcome: answer, isStartedTwice: true }
  return { outcome: !isStart(mine) && isStart(its) ? its : mine, isStartedTwice: isStart(mine) && isStart(its) }
}

const isStart = (outcome: Outcome) => (outcome as FailedOutcome).started

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
