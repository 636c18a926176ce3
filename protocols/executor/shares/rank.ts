/** Which namespaces wait for a processor behind the others. Pure. */

/** Processors used in the last second: from here on a namespace computes. A loop is there 0.3 s after its begin; the start of a worker, and 2,000 small calls a second, are not. */
const BEHIND_FROM = 0.25
/** While processors are short: where many compute, each gets too little to be seen otherwise. */
const BEHIND_FROM_SHORT = 0.1
/** Processors used on average of the window, below which it is back: 15 to 30 s after a loop, so that the next one of the same kind finds it where it belongs. */
const EQUAL_BELOW = 0.05

export interface Rank {
  wasBehind: boolean
  /** Processors used in the last second, and on average of the window. */
  fast: number
  slow: number
  /** No other namespace has functions in use here: there is nobody to give way to. */
  isAlone: boolean
  /** Processors are short. */
  isShort: boolean
}

/** Soon behind, and back when it has been quiet for long: at the wrong place it costs others their latency, and itself nothing while there are processors to spare. */
export function isBehind({ wasBehind, fast, slow, isAlone, isShort }: Rank): boolean {
  return !isAlone && (fast >= (isShort ? BEHIND_FROM_SHORT : BEHIND_FROM) || (wasBehind && slow >= EQUAL_BELOW))
}
