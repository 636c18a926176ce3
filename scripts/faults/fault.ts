/** What a fault is: something bad that is done to a universe of real node processes under load, and what must hold all the same. */
import type { Cleanup } from '../bench/cleanup.ts'

export interface FaultRun {
  /** Of everything that is left to chance: who is hit, when, and what is deployed meanwhile. Processes keep their own time, so a seed repeats the plan, not the run. */
  seed: number
  /** How often the fault strikes. */
  strikes: number
  /** Instead: until so many calls were made that must not be started twice; then how soon anything is answered does not count. */
  calls?: number
  nodes: number
  /** Strikes between two looks at what must hold; there is one at the end in any case. */
  lookEvery: number
  /** From when every node is ready again until all must agree. */
  settleMs: number
  /** Whether figures count that a busy machine spoils: how soon something is answered, and what share in time. */
  isTimed: boolean
  /** A folder of this run's own. */
  dir: string
  /** Ends every process that was started. */
  cleanup: Cleanup
  /** Messages for whoever watches. */
  say: (text: string) => void
}

export interface Verdict {
  /** One sentence for whoever counts. */
  summary: string
  /** What did not hold; empty when all did. */
  problems: string[]
}

export interface Fault {
  name: string
  does: string
  holds: string
  /** A few strikes of it are part of `npm test`. */
  isQuick: boolean
  /** How many, if not three. */
  quickStrikes?: number
  /** How often it strikes in a long run, unless somebody says. */
  strikes?: number
  /** Whether it goes on until so many calls were made (`FaultRun.calls`). */
  countsCalls?: boolean
  /** Why this host cannot play it; nothing when it can. Absent: every host can. */
  unable?(): string | undefined
  run(run: FaultRun): Promise<Verdict>
}
