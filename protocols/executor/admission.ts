/** Who may run, who waits, who is refused at once. Pure decisions over counters; a call enters and leaves exactly once. */

export interface AdmissionLimits {
  /** Calls that run at once, over all functions. */
  capacity: number
  /** Calls that wait for a slot, over all functions. */
  queueMax: number
}

export type Verdict = 'run' | 'wait' | 'refuse'

/** Calls that run and wait. */
export interface Held {
  running: number
  waiting: number
}

/** What one function uses of the node. */
export interface Demand extends Held {
  /** Calls of this function that may run at once. */
  runningMax: number
}

/** What its namespace uses, over all functions, and how many namespaces use anything, itself counted. */
export interface Tenancy extends Held {
  namespaces: number
}

/** One function may hold at most this part of the queue, so that a flood of it leaves room for others. */
const QUEUE_SHARE = 0.5

export function mayRunNow(limits: AdmissionLimits, running: number, demand: Demand): boolean {
  return running < limits.capacity && demand.running < demand.runningMax && demand.waiting === 0
}

/**
 * Whether a call that cannot run now may wait. A namespace may hold as much of the queue as it leaves free, so whoever comes next finds
 * room. One that holds its part of a full node, while others wait, adds nothing to the queue.
 */
export function mayWait(limits: AdmissionLimits, node: Held, demand: Held, tenancy: Tenancy): boolean {
  const { capacity, queueMax } = limits
  const ofFunction = Math.max(1, Math.floor(queueMax * QUEUE_SHARE))
  if (node.waiting >= queueMax || demand.waiting >= ofFunction) return false
  if (tenancy.waiting >= queueMax - node.waiting) return false
  const othersWait = node.waiting > tenancy.waiting
  return !(othersWait && node.running >= capacity && tenancy.running >= Math.ceil(capacity / tenancy.namespaces))
}

/** Open sockets that hold no slot: each is some tens of KiB of the node, and runs only when somebody says something. */
const SOCKETS_MAX = 8192

/** Whether one more may give its slot back. A namespace may have as many as it leaves free, so that whoever comes next finds room. */
export function maySettle(sockets: number, ofNamespace: number, max = SOCKETS_MAX): boolean {
  return ofNamespace < max - sockets
}

export class Admission implements Held {
  readonly limits: AdmissionLimits
  running = 0
  waiting = 0
  /** Open, and no longer among those that run. */
  sockets = 0

  constructor(limits: AdmissionLimits) {
    this.limits = limits
  }

  /** `use`: what its namespace holds; how many hold anything is asked for only when the call cannot run at once. */
  judge<T extends Held>(demand: Demand, use: T, shares: { holding(use: T): number }): Verdict {
    if (mayRunNow(this.limits, this.running, demand)) return 'run'
    const { running, waiting } = use
    return mayWait(this.limits, this, demand, { running, waiting, namespaces: shares.holding(use) }) ? 'wait' : 'refuse'
  }

  /** Whether a waiting call of this function may start now. */
  mayStart(demand: Demand): boolean {
    return mayRunNow(this.limits, this.running, demand)
  }
}

/** Whose turn is before whose: the namespace that holds least, and of those the one that waited longest for its turn (the order they come in). */
export function nextInTurn<T extends { use: Held & { runningMax: number } }>(inLine: Iterable<T>, blocked: ReadonlySet<T>): T | undefined {
  let next: T | undefined
  for (const each of inLine) {
    if (blocked.has(each) || each.use.running >= each.use.runningMax) continue
    if (next === undefined || each.use.running < next.use.running) next = each
  }
  return next
}
