/** One timer for everything that must not depend on a worker's good will: deadlines, memory, idleness. */
import type { Clock } from '#protocols/lifecycle'
import type { Dispatcher } from './dispatcher.ts'
import { oldestIn, SHRINK_TO } from './memory/eviction.ts'
import { limitMet } from './limits/function-limits.ts'
import type { FunctionState, InstanceSlot } from './function-state.ts'
import { type ExecutorLimits, workerBytesMax } from './limits/limits.ts'
import type { MemoryBudget } from './memory/budget.ts'
import type { Pool } from './pool.ts'
import type { Sharing } from './memory/sharing.ts'
import type { ShareRounds } from './shares/share-rounds.ts'
import type { Shares } from './shares/shares.ts'
import type { WorkerProcess } from './worker-process.ts'

/** While calls run. A runaway allocation gains about 1 MB per millisecond: this bounds what it can take before it is seen. */
const BUSY_MS = 20
/** A round this late means that the process itself stood still. */
const HELD_UP_MS = 100
/** A worker that leaves a ping unanswered for so many rounds is held up by one of its functions. */
const BLOCKED_ROUNDS = 6
/** A load that nobody waits for any more goes on so long: the next caller may come soon, and it costs a processor meanwhile. */
const UNWANTED_MS = 500
/** Idle instances and workers are looked at this often. */
const IDLE_MS = 1000
/** A call may hold up its worker, known to be quick as it was, for its deadline; what was ended beside it is not waited for longer than this. */
const HELD_MS_MAX = 10_000
const MIB = 1024 * 1024
/** The part of a worker's memory that instances may fill; the rest is for what they do. */
const FULL = 0.75

export interface WatchInit {
  clock: Clock
  limits: ExecutorLimits
  pool: Pool
  memory: MemoryBudget
  functions: Map<string, FunctionState>
  dispatcher: Dispatcher
  sharing: Sharing
  shares: Shares
  rounds: ShareRounds
}

export class Watch {
  readonly #init: WatchInit
  #cancelBusy: (() => void) | undefined
  #cancelIdle: (() => void) | undefined
  #lastRoundAt = 0
  /** What each might have resident when that was last looked at, in bytes. */
  readonly #allowed = new WeakMap<WorkerProcess, number>()

  constructor(init: WatchInit) {
    this.#init = init
  }

  start(): void {
    this.#cancelIdle ??= this.#init.clock.after(IDLE_MS, () => this.#idleRound())
  }

  stop(): void {
    this.#cancelBusy?.()
    this.#cancelIdle?.()
    this.#cancelBusy = undefined
    this.#cancelIdle = undefined
  }

  /** A call runs or waits: look until none does. */
  wake(): void {
    if (this.#cancelBusy !== undefined) return
    this.#lastRoundAt = this.#init.clock.monotonic()
    this.#cancelBusy = this.#init.clock.after(BUSY_MS, () => this.#busyRound())
  }

  /** Before another instance goes into a worker that is nearly full: the least recently used ones go. */
  makeRoom(worker: WorkerProcess): void {
    const excessMb = worker.memory.residentBytes() / MIB - this.#init.limits.workerMemoryMbMax * FULL
    if (excessMb > 0) this.#retireOldest([worker], excessMb)
  }

  #busyRound(): void {
    this.#cancelBusy = undefined
    const now = this.#init.clock.monotonic()
    const { dispatcher, functions, pool } = this.#init
    let busy = dispatcher.waiting.size > 0
    for (const fn of dispatcher.waiting) this.#expireWaiting(fn, now)
    // A round that comes late says that this process was held up: answers may lie unread, and nobody is judged for that.
    const sinceMs = now - this.#lastRoundAt
    const wasHeldUp = sinceMs > HELD_UP_MS
    for (const fn of functions.values()) fn.callMs += (fn.running + fn.waiting.length) * sinceMs
    this.#lastRoundAt = now
    for (const worker of pool.workers) {
      if (worker.calls.size === 0 && worker.loading === 0 && worker.unconfirmed.size === 0) continue
      busy = true
      if (!wasHeldUp) this.#judge(worker, now)
    }
    dispatcher.memoryRound(now)
    if (this.#init.rounds.round(pool.workers, now) && dispatcher.waiting.size > 0) dispatcher.advance()
    if (busy) this.#cancelBusy = this.#init.clock.after(BUSY_MS, () => this.#busyRound())
  }

  #expireWaiting(fn: FunctionState, now: number): void {
    for (const call of fn.waiting.filter((each) => each.invocation.deadlineAt <= now)) {
      const ms = Math.round(now - call.arrivedAt)
      const why = isLoading(fn) ? 'its module was not ready' : 'no instance was free'
      this.#init.dispatcher.unqueue(call, limitMet('deadline_exceeded', 'timeout', `Cannot run "${fn.title}": ${why} within ${ms} ms`))
    }
  }

  #judge(worker: WorkerProcess, now: number): void {
    const { limits } = this.#init
    const late = lateFunctions(worker, now, limits.killGraceMs)
    if (late.size > 0)
      return worker.kill({
        code: 'deadline_exceeded',
        reason: `${limits.killGraceMs} ms past the deadline it was still running`,
        blamed: late,
      })
    const stuck = this.#unconfirmed(worker, now)
    if (stuck.size > 0) return worker.kill({ code: 'deadline_exceeded', reason: 'what was ended in it went on', blamed: stuck })
    if (worker.loading > 0) this.#abandonUnwanted(worker, now)
    if (!worker.isReady) return
    if (worker.ping() === BLOCKED_ROUNDS) this.#init.pool.relieve(worker)
    const resident = worker.memory.residentBytes()
    const entitled = workerBytesMax(worker.slots.values(), limits, worker.restingBytes)
    // Up at once; down when what ended instances held has been given back: until then it is nobody's who runs.
    const allowed = resident <= entitled ? entitled : Math.max(entitled, this.#allowed.get(worker) ?? 0)
    this.#allowed.set(worker, allowed)
    if (resident <= allowed) return
    const busy = worker.busy()
    const reason = `${Math.round(resident / MIB)} MB resident, at most ${Math.round(allowed / MIB)}`
    // With several functions at work nobody can say whose memory it is.
    worker.kill({ code: busy.size === 1 ? 'memory_exceeded' : 'worker_crashed', reason, blamed: busy.size === 1 ? busy : new Set() })
  }

  #abandonUnwanted(worker: WorkerProcess, now: number): void {
    for (const slot of [...worker.slots.values()]) {
      if (slot.state !== 'loading') continue
      if (slot.fn.waiting.length > 0 || slot.fn.keptAt(now) > 0) slot.wantedAt = now
      else if (now - slot.wantedAt > UNWANTED_MS) this.#init.dispatcher.abandon(slot)
    }
  }

  /** Instances that are cancelled but stuck end; functions whose ended instance still runs are returned. */
  #unconfirmed(worker: WorkerProcess, now: number): Set<FunctionState> {
    const stuck = new Set<FunctionState>()
    for (const [key, { slot, since, isRetired }] of worker.unconfirmed) {
      if (now - since <= confirmationMs(worker, this.#init.limits)) continue
      if (isRetired) stuck.add(slot.fn)
      else {
        worker.unconfirmed.delete(key)
        this.#init.dispatcher.spoil(slot)
      }
    }
    return stuck
  }

  #idleRound(): void {
    const { clock, functions, limits, pool } = this.#init
    const now = clock.monotonic()
    for (const fn of functions.values()) {
      // Of those that were kept, from the end of that on.
      for (const slot of [...fn.slots])
        if (mayRetire(slot) && now - Math.max(slot.lastUsedAt, fn.keptUntil) > fn.idleMs) this.#init.dispatcher.retire(slot)
      if (fn.kept > 0) this.#init.dispatcher.keep(fn)
      if (fn.slots.length === 0 && !fn.isBusy && now - Math.max(fn.lastUsedAt, fn.keptUntil) > fn.idleMs) {
        functions.delete(fn.version)
        this.#init.shares.release(fn.record.namespace)
      }
    }
    this.#shrink()
    this.#init.memory.round(now)
    // Nobody comes back to the front by what it does not do, unless somebody looks.
    this.#init.rounds.round(pool.workers, now)
    pool.refill()
    this.#init.sharing.wake()
    for (const worker of [...pool.workers]) {
      if (worker.key === null) continue
      worker.fitMemory()
      if (worker.slots.size > 0) worker.idleSince = now
      else if (now - worker.idleSince > limits.workerIdleMs) worker.kill({ code: 'stopped', reason: 'it was idle', blamed: new Set() })
    }
    this.#cancelIdle = clock.after(IDLE_MS, () => this.#idleRound())
  }

  /** Least recently used instances go when all workers together have too much. */
  #shrink(): void {
    const { limits, pool } = this.#init
    let heldMb = 0
    for (const worker of pool.workers) heldMb += worker.memory.ownBytes() / MIB
    if (heldMb > limits.memoryMbMax) this.#retireOldest([...pool.workers], heldMb - limits.memoryMbMax * SHRINK_TO)
  }

  #retireOldest(workers: WorkerProcess[], excessMb: number): void {
    for (const slot of oldestIn(workers, excessMb)) this.#init.dispatcher.retire(slot)
  }
}

/** Nothing of it has begun to serve yet. */
function isLoading(fn: FunctionState): boolean {
  return fn.slots.length > 0 && fn.slots.every((slot) => slot.state === 'loading')
}

function mayRetire(slot: InstanceSlot): boolean {
  return slot.state === 'ready' && slot.inFlight === 0
}

function lateFunctions(worker: WorkerProcess, now: number, graceMs: number): Set<FunctionState> {
  const late = new Set<FunctionState>()
  let cpuMs: number | undefined
  for (const call of worker.calls.values()) {
    if (now > call.deadlineAt + graceMs) late.add(call.fn)
    if (call.workerCpuMs >= 0) continue
    call.workerCpuMs = cpuMs ??= worker.memory.cpuMs() ?? 0
    call.unseenMs = now - call.startedAt
  }
  for (const slot of worker.slots.values())
    if (slot.state === 'loading' && now > slot.loadingSince + slot.fn.loadMs + graceMs) late.add(slot.fn)
  return late
}

/**
 * How long a worker may take to confirm what was ended in it. While a call that is still open may be what holds up its main thread, the confirmation
 * waits behind it, and nobody is to blame.
 */
export function confirmationMs(worker: Pick<WorkerProcess, 'isHeld' | 'calls' | 'loading'>, limits: ExecutorLimits): number {
  return worker.isHeld && worker.calls.size + worker.loading > 0 ? HELD_MS_MAX : limits.killGraceMs
}
