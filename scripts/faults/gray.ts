/** What becomes of a node that is slow and not gone: its share of the calls, and how long calls take while it is there. */
import { percentile } from '../bench/stats.ts'

/** THREATS 3: ten seconds after it turned slow. */
const SHARE_MAX = 0.1
const SLOWER_MAX = 2
/** Fewer say nothing of one in ten, or of the slowest in a hundred. */
const CALLS_MIN = 100

export interface Seen {
  /** Milliseconds of calls that were answered: in quiet times, and once the slow node should have lost its share. */
  quietMs: number[]
  lateMs: number[]
  /** Of each strike: answers that came from the slow node then, and from all. */
  shares: { node: string; own: number; all: number }[]
}

/** 0 where there is nothing to tell it from. */
export function p99(ms: readonly number[]): number {
  return ms.length === 0 ? 0 : percentile(ms, 99)
}

/** Sentences about what did not hold. */
export function judgeGray({ quietMs, lateMs, shares }: Seen): string[] {
  const grasping = shares.filter(({ own, all }) => all >= CALLS_MIN && own > SHARE_MAX * all)
  const [before, then] = [p99(quietMs), p99(lateMs)]
  return [
    ...grasping.map(({ node, own, all }) => `${node} was slow and ran ${own} of ${all} calls all the same, ten seconds later`),
    ...(lateMs.length >= CALLS_MIN && then > SLOWER_MAX * before
      ? [
          `with one slow node p99 is ${Math.round(then)} ms (of ${lateMs.length}), before it was ${Math.round(before)} ms (of ${quietMs.length})`,
        ]
      : []),
  ]
}

export function toldGray({ quietMs, lateMs, shares }: Seen): string {
  const share = Math.max(0, ...shares.map(({ own, all }) => own / Math.max(1, all)))
  return `slow nodes ran ${(share * 100).toFixed(1)} % at most ten seconds later; p99 ${Math.round(p99(quietMs))} ms before and ${Math.round(p99(lateMs))} ms then`
}
