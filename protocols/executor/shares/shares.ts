/** Processor time between namespaces: who used how much lately, and what that lets each of them run. Time comes in as a parameter; the decision is pure. */
import type { LimitName } from '#protocols/invocation'
import { isBehind } from './rank.ts'

/** What one namespace holds and has used on this node. */
export interface NamespaceUse {
  readonly namespace: string
  /** Calls, over all its functions. */
  running: number
  waiting: number
  /** Open ones that are not among those that run. */
  sockets: number
  /** When a call of it last came in, taken or not. */
  askedAt: number
  /** More calls than this do not run at once; for processor time, and infinite while there is enough for all. */
  runningMax: number
  /** Why, where it is not infinite. */
  throttledBy: LimitName | undefined
  /** Its workers wait for a processor behind those of others. */
  isBehind: boolean
  /** Processors used, on average of the window and of the last second. */
  readonly slow: Average
  readonly fast: Average
  /** Calls that ended since the last round, and per millisecond. */
  ended: number
  readonly calls: Average
}

/** An average over about the last `windowMs`: what is older counts less and less. */
export class Average {
  readonly #windowMs: number
  #sum = 0
  #at = 0

  constructor(windowMs: number) {
    this.#windowMs = windowMs
  }

  add(ms: number, now: number): void {
    this.#sum = this.#at === 0 ? ms : this.at(now) * this.#windowMs + ms
    this.#at = now
  }

  at(now: number): number {
    return (this.#sum * Math.exp(-Math.max(0, now - this.#at) / this.#windowMs)) / this.#windowMs
  }
}

/** Of the host's processors, workers can have this part whatever else runs there: a host that is busy otherwise is no reason to throttle who uses little. */
const OWN_PART = 0.5
/** As soon as what others need is seen. */
const FAST_MS = 1000
/** Who asked within this wants a share. */
const ACTIVE_MS = 1000
/** Of a namespace whose calls use next to nothing. */
const CALL_MS_MIN = 0.01
/** Whoever used more than this part of a processor in the last second wants some. */
const ACTIVE_CORES = 0.01
/** Processors are short from here on, as a part of all that workers can have; and no longer so below the other. */
const SHORT_FROM = 0.9
const SHORT_UNTIL = 0.6

export interface Situation {
  /** Processors workers can have: what they use, and what is idle. */
  cores: number
  /** They are short. */
  isShort: boolean
  /** Namespaces that want some. */
  active: number
  /** Processors this one used lately, and the others in the last second. */
  used: number
  usedByOthers: number
  /** What one of its calls uses, on average; in milliseconds. */
  callMs: number
  /** Over how long use is averaged. */
  windowMs: number
  /** The operator's absolute bound. */
  coresMax: number
}

/**
 * How many calls of a namespace may run at once. Alone, or on a node with processors to spare: as many as there are slots. Else as many as will bring it
 * to an equal share, what they are still going to use counted as used: calls that mostly wait are as good as free. And at least as many as there are
 * processors the others leave, so that nothing stays idle, while what they need, and do not get yet, is there for them.
 */
export function allowance({ cores, isShort, active, used, usedByOthers, callMs, windowMs, coresMax }: Situation): {
  runningMax: number
  throttledBy: LimitName | undefined
} {
  /** Calls that bring use to so many processors. */
  const callsUntil = (coresOwn: number) => Math.ceil(((coresOwn - used) * windowMs) / Math.max(callMs, CALL_MS_MIN))
  const bound = Math.max(0, callsUntil(coresMax))
  const share =
    !isShort || active <= 1 ? Number.POSITIVE_INFINITY : Math.max(callsUntil(cores / active), Math.round(cores - usedByOthers), 0)
  if (bound === share && bound === Number.POSITIVE_INFINITY) return { runningMax: bound, throttledBy: undefined }
  return bound <= share ? { runningMax: bound, throttledBy: 'namespaceCpu' } : { runningMax: share, throttledBy: 'share' }
}

export class Shares {
  readonly #coresMax: number
  readonly #hostCores: number
  readonly #windowMs: number
  readonly #uses = new Map<string, NamespaceUse & { functions: number }>()
  #total = new Average(FAST_MS)
  #isShort = false
  #cores: number

  /** `hostCores`: processors of the host; `coresMax`: of one namespace; `windowMs`: over how long use is averaged. */
  constructor(init: { hostCores: number; coresMax: number; windowMs: number }) {
    this.#windowMs = init.windowMs
    this.#hostCores = init.hostCores
    this.#cores = init.hostCores
    this.#coresMax = init.coresMax
  }

  /** Namespaces that have calls here, this one counted whether it has or not. */
  holding(use: NamespaceUse): number {
    let holding = 0
    for (const each of this.#uses.values()) if (each === use || each.running + each.waiting > 0) holding++
    return holding
  }

  /** For one function of the namespace; to be given back by `release`. */
  use(namespace: string): NamespaceUse {
    let use = this.#uses.get(namespace)
    if (use === undefined) {
      const averages = { slow: new Average(this.#windowMs), fast: new Average(FAST_MS), calls: new Average(this.#windowMs) }
      use = {
        namespace,
        running: 0,
        sockets: 0,
        waiting: 0,
        askedAt: 0,
        runningMax: Number.POSITIVE_INFINITY,
        throttledBy: undefined,
        isBehind: false,
        functions: 0,
        ended: 0,
        ...averages,
      }
      this.#uses.set(namespace, use)
    }
    use.functions++
    return use
  }

  release(namespace: string): void {
    const use = this.#uses.get(namespace)
    if (use !== undefined && --use.functions === 0) this.#uses.delete(namespace)
  }

  /** Processor time of a namespace since it was last told. */
  charge(namespace: string, cpuMs: number, now: number): void {
    const use = this.#uses.get(namespace)
    if (use === undefined) return
    use.slow.add(cpuMs, now)
    use.fast.add(cpuMs, now)
    this.#total.add(cpuMs, now)
  }

  /** Judges all of them. `idleCores`: processors nobody used lately. */
  round(now: number, idleCores: number): void {
    const used = this.#total.at(now)
    // What is neither used by workers nor idle is the node's own, and other programs'.
    this.#cores = Math.min(this.#hostCores, Math.max(used + idleCores, this.#hostCores * OWN_PART))
    const part = used / this.#cores
    this.#isShort = this.#isShort ? part >= SHORT_UNTIL : part >= SHORT_FROM
    for (const use of this.#uses.values()) {
      use.calls.add(use.ended, now)
      use.ended = 0
      this.judge(use, now)
      const isAlone = this.#uses.size === 1
      use.isBehind = isBehind({ wasBehind: use.isBehind, fast: use.fast.at(now), slow: use.slow.at(now), isAlone, isShort: this.#isShort })
    }
  }

  /** Since the last round; not a namespace without functions here. */
  isBehind(namespace: string): boolean {
    return this.#uses.get(namespace)?.isBehind === true
  }

  judge(use: NamespaceUse, now: number): void {
    let active = 0
    for (const each of this.#uses.values()) if (each === use || isActive(each, now)) active++
    const used = use.slow.at(now)
    const calls = use.calls.at(now)
    const { runningMax, throttledBy } = allowance({
      cores: this.#cores,
      isShort: this.#isShort,
      active,
      used,
      callMs: calls > 0 ? used / calls : 0,
      usedByOthers: Math.max(0, this.#total.at(now) - use.fast.at(now)),
      windowMs: this.#windowMs,
      coresMax: this.#coresMax,
    })
    use.runningMax = runningMax
    use.throttledBy = throttledBy
  }
}

function isActive(use: NamespaceUse, now: number): boolean {
  return use.running + use.waiting > 0 || now - use.askedAt < ACTIVE_MS || use.fast.at(now) > ACTIVE_CORES
}
