/** What was asked and what was promised: everything the checkers compare the disks and views with. */
import type { Receipt } from '#protocols/catalog'
import type { Outcome } from '#protocols/invocation'

/** An entry somebody was told is kept. */
export interface Kept {
  receipt: Receipt
  /** Name of the node on whose disk it was accepted. */
  writer: string
  /** Digest of the code it publishes. */
  artifact: string | undefined
  atMs: number
}

export interface Call {
  id: string
  node: string
  idempotent: boolean
  /** Virtual time by which it must have ended. */
  dueMs: number
  outcome?: Outcome
  starts: number
  /** Its node went away: nobody is left to be told. */
  lost: boolean
}

export class History {
  readonly promises: Kept[] = []
  /** Versions somebody with the right to deploy asked for. */
  readonly versions = new Set<string>()
  /** The entry that lent the hostile member a namespace. */
  loan: string | undefined
  /** What it published there: versions, and its seq. */
  readonly loans = new Map<string, number>()
  /** How far its feed is. */
  hostileSeq = 0
  readonly calls = new Map<string, Call>()
  /** How things went, for the trace and to see that a run did something. */
  readonly counts = {
    written: 0,
    refused: 0,
    values: 0,
    failures: 0,
    loans: 0,
    hints: 0,
    checkpoints: 0,
    guests: 0,
    rotations: 0,
    joins: 0,
  }

  started(id: string): void {
    const call = this.calls.get(id)
    if (call !== undefined) call.starts += 1
  }
}
