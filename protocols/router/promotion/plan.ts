/** What is to be done about a canary now. Pure: whoever owns it does it, and whoever owns it next goes on from the ledger alone. */
import type { Canary } from '#protocols/canary'
import type { AliasTargets } from '#protocols/catalog'
import { promoted } from '#protocols/promotion'
import { CALLS_MIN, type Verdict } from './judge.ts'

/** A step that nobody's calls reach is waited out so many times its length. */
const PATIENCE = 10

export interface Seen {
  /** What the alias means now; absent: nothing. */
  targets: Readonly<AliasTargets> | undefined
  verdict: Verdict
  /** Calls of the canary in this step. */
  calls: number
  /** Wall clock. */
  nowMs: number
}

export type Action = { kind: 'wait' } | { kind: 'point'; targets: AliasTargets } | { kind: 'write'; canary: Canary }

const WAIT: Action = Object.freeze({ kind: 'wait' })

/**
 * First it is written where the canary is, then the alias follows: so an owner that dies in between leaves behind what the next one ends. An alias that
 * means neither what this step says nor what the one before it said was changed by somebody, who knows better.
 */
export function nextOf(canary: Canary, seen: Seen): Action {
  if (canary.state !== 'running') return canary.settled ? WAIT : settle(canary, seen)
  const { targets } = seen
  if (targets === undefined) return end(canary, 'aborted', `"${canary.alias}" means nothing any more`, seen)
  const here = targetsAt(canary, canary.step)
  if (!isSame(targets, here)) {
    const before = canary.step === 0 ? canary.base : targetsAt(canary, canary.step - 1)
    if (isSame(targets, before)) return { kind: 'point', targets: here }
    return end(canary, 'aborted', `somebody else changed "${canary.alias}"`, seen)
  }
  if (seen.verdict.worse) return end(canary, 'turned back', seen.verdict.why, seen)
  return seen.nowMs < canary.since + canary.watchMs ? WAIT : advance(canary, seen)
}

/** What the alias means at a step. */
export function targetsAt({ base, version, steps }: Canary, step: number): AliasTargets {
  return promoted(base, version, steps[step] ?? 100)
}

function advance(canary: Canary, seen: Seen): Action {
  if (seen.calls < CALLS_MIN) {
    if (seen.nowMs < canary.since + PATIENCE * canary.watchMs) return WAIT
    return end(canary, 'turned back', `only ${seen.calls} calls reached it, too few to judge it by (${CALLS_MIN})`, seen)
  }
  const next = { ...canary, step: canary.step + 1, since: seen.nowMs }
  if (next.step < canary.steps.length - 1) return { kind: 'write', canary: next }
  return end(next, 'done', 'it did no worse than the others', seen)
}

function end(canary: Canary, state: Canary['state'], why: string, { nowMs }: Seen): Action {
  return { kind: 'write', canary: { ...canary, state, why: why.slice(0, 512), since: nowMs, settled: false } }
}

/** The alias comes to mean what the end says, unless somebody changed it meanwhile. */
function settle(canary: Canary, { targets }: Seen): Action {
  const goal = canary.state === 'done' ? targetsAt(canary, canary.steps.length - 1) : canary.base
  const settled: Action = { kind: 'write', canary: { ...canary, settled: true } }
  if (targets === undefined || isSame(targets, goal)) return settled
  const last = canary.state === 'done' ? canary.step - 1 : canary.step
  const wasLeft = [last - 1, last].some((step) => step >= 0 && isSame(targets, targetsAt(canary, step)))
  return wasLeft ? { kind: 'point', targets: [...goal] } : settled
}

function isSame(a: Readonly<AliasTargets>, b: Readonly<AliasTargets>): boolean {
  return a.length === b.length && b.every((each) => a.some((other) => other.version === each.version && other.weight === each.weight))
}
