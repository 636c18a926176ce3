/** Who may run, who waits, who is refused at once. Pure decisions over counters; a call enters and leaves exactly once. */

export interface AdmissionLimits {
  /** Calls that run at once, over all functions. */
  capacity: number
  /** Calls that wait for a slot, over all functions. */
  queueMax: number
}

export type Verdict = 'run' | 'wait' | 'refuse'

/** What one function uses of the node. */
export interface Demand {
  running: number
  waiting: number
  /** Calls of this function that may run at once. */
  runningMax: number
}

/** One function may hold at most this part of the queue, so that a flood of it leaves room for others. */
const QUEUE_SHARE = 0.5

export function judge(limits: AdmissionLimits, running: number, waiting: number, demand: Demand): Verdict {
  if (running < limits.capacity && demand.running < demand.runningMax && demand.waiting === 0) return 'run'
  const share = Math.max(1, Math.floor(limits.queueMax * QUEUE_SHARE))
  return waiting < limits.queueMax && demand.waiting < share ? 'wait' : 'refuse'
}

export class Admission {
  readonly limits: AdmissionLimits
  running = 0
  waiting = 0

  constructor(limits: AdmissionLimits) {
    this.limits = limits
  }

  judge(demand: Demand): Verdict {
    return judge(this.limits, this.running, this.waiting, demand)
  }

  /** Whether a waiting call of this function may start now. */
  mayStart(demand: Demand): boolean {
    return this.running < this.limits.capacity && demand.running < demand.runningMax
  }
}
