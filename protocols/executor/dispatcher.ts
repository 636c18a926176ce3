/** Finds each call an instance: one with room, one to be started, or a place in the queue until either is there. */
import { OsirisError } from '#protocols/errors'
import type { Clock } from '#protocols/lifecycle'
import { type Admission, maySettle, nextInTurn } from './admission.ts'
import type { Call } from './call.ts'
import type { CodeSource } from './executor.ts'
import { DO } from './frames.ts'
import type { FunctionState, InstanceSlot } from './function-state.ts'
import type { ExecutorLimits } from './limits/limits.ts'
import type { MemoryBudget } from './memory/budget.ts'
import type { Pool } from './pool.ts'
import { callerGone, shortOfMemory } from './refusals.ts'
import { startRequest } from './request.ts'
import { Shortage } from './memory/shortage.ts'
import { errorFor, type WorkerEnd } from './worker-end.ts'
import type { WorkerProcess } from './worker-process.ts'

/** An instance that is kept and cannot be loaded fails for nobody: it costs no more than a load now and then. */
const KEEP_AGAIN_MS = 10_000

export interface DispatcherInit {
  clock: Clock
  code: CodeSource
  limits: ExecutorLimits
  admission: Admission
  pool: Pool
  memory: MemoryBudget
  /** Compiled code of its artifact, where there is some. */
  compiledOf: (fn: FunctionState) => Promise<Uint8Array | undefined> | undefined
  /** Something is under way: the watch is to look at it. */
  wake: () => void
  /** An instance is about to go into this worker. */
  makeRoom: (worker: WorkerProcess) => void
}

export class Dispatcher {
  readonly #init: DispatcherInit
  readonly #admission: Admission
  /** Functions with calls that wait, in the order their turn comes. */
  readonly waiting = new Set<FunctionState>()
  readonly #memory: MemoryBudget
  readonly #shortage = new Shortage()
  #stopped = false
  /** Whether there is memory is being found out, which may end workers that hold nothing. */
  #isAsking = false

  constructor(init: DispatcherInit) {
    this.#init = init
    this.#admission = init.admission
    this.#memory = init.memory
  }

  start(): void {
    this.#stopped = false
  }

  /** Whoever waits is told why not. */
  stop(error: OsirisError): void {
    this.#stopped = true
    for (const fn of this.waiting) this.#failWaiting(fn, error, false)
  }

  /** A call that was let in; `mayRun` when nobody of its function waits before it. */
  place(call: Call, mayRun: boolean): void {
    const slot = mayRun ? call.fn.choose(call) : undefined
    if (slot !== undefined && this.#mayBegin(slot)) return this.#run(call, slot)
    this.#admission.waiting++
    call.fn.use.waiting++
    call.fn.waiting.push(call)
    this.waiting.add(call.fn)
    this.#init.wake()
    this.#provide(call.fn)
  }

  /** The caller is gone, wherever the call is. */
  callerGone(call: Call): void {
    const error = callerGone(call.fn)
    if (this.unqueue(call, error)) return
    call.slot?.worker.cancel(call)
    call.fail(error)
  }

  /** Ends a call that waits. Whether it did. */
  unqueue(call: Call, error: OsirisError): boolean {
    const at = call.fn.waiting.indexOf(call)
    if (at < 0) return false
    call.fn.waiting.splice(at, 1)
    this.#drop(call, error, false)
    return true
  }

  /** The call holds its slot no more. */
  over(call: Call): void {
    const { slot, fn } = call
    if (slot === undefined) return
    slot.worker.calls.delete(call.id)
    this.#freed(call)
    fn.use.ended++
    fn.running--
    slot.inFlight--
    if (slot.inFlight === 0) this.#memory.end(slot)
    if (slot.inFlight === 0 && slot.spoiled) this.retire(slot)
    if (this.waiting.size > 0 && this.#shortage.mayAdvance(this.waiting.size, this.#memory.roomMb)) this.advance()
  }

  /** It has become a socket, which may be open for a day: its slot is for the next call, its instance and its place in the function stay. */
  settle(call: Call): void {
    const { use } = call.fn
    if (call.isSettled || !maySettle(this.#admission.sockets, use.sockets)) return
    this.#freed(call)
    call.isSettled = true
    this.#admission.sockets++
    use.sockets++
    if (this.waiting.size > 0) this.advance()
  }

  /** What it holds of the node. */
  #freed({ isSettled, fn: { use } }: Call): void {
    if (isSettled) {
      this.#admission.sockets--
      use.sockets--
    } else {
      this.#admission.running--
      use.running--
    }
  }

  loaded(slot: InstanceSlot): void {
    const { fn, insteadOf } = slot
    slot.state = 'ready'
    this.#memory.rest(slot)
    slot.insteadOf = undefined
    if (insteadOf !== undefined) this.spoil(insteadOf)
    slot.coldMs = this.#init.clock.monotonic() - slot.bornAt
    fn.starting--
    // What was promised to the load is its call's, not that of whoever is next.
    if (!this.#shortage.isOver) this.#advanceOne(fn)
    this.advance()
    this.keep(fn)
  }

  /** Starts what is missing of the instances that are to be kept, one after the other. Whether nothing is in the way. */
  keep(fn: FunctionState): boolean {
    const now = this.#init.clock.monotonic()
    if (this.#stopped || fn.starting > 0 || fn.usableSlots() >= fn.keptAt(now)) return true
    if (now < fn.keepAfter || !this.#memory.hasFree(this.#memory.newMb(fn), now)) return false
    fn.starting++
    void this.#load(fn)
    return true
  }

  /** Ends what is there beyond so many, the least busy first: each with its last call. */
  trim(fn: FunctionState, instances: number): void {
    const usable = fn.slots.filter((slot) => slot.state === 'ready' && !slot.spoiled)
    const excess = usable.toSorted((a, b) => a.inFlight - b.inFlight || a.lastUsedAt - b.lastUsedAt)
    for (const slot of excess.slice(0, Math.max(0, usable.length - instances))) this.spoil(slot)
  }

  loadFailed(slot: InstanceSlot, error: OsirisError): void {
    const { fn } = slot
    this.#memory.changed()
    fn.starting--
    fn.remove(slot)
    if (!slot.isShared) {
      fn.keepAfter = this.#init.clock.monotonic() + KEEP_AGAIN_MS
      return this.#failWaiting(fn, error, true)
    }
    this.#keepApart(fn)
    this.#advanceOne(fn)
  }

  /** Has the version of an idle instance loaded where others are too; the new instance takes over when it is ready. */
  async share(old: InstanceSlot): Promise<void> {
    const { fn, worker } = old
    const { clock, code, limits } = this.#init
    const artifact = await code.artifact(fn.record.manifest.artifact.digest, { timeoutMs: limits.artifactMs })
    if (this.#stopped || old.state !== 'ready' || old.inFlight > 0 || worker.isEnded || fn.starting > 0) return
    fn.starting++
    const slot = worker.load(fn, artifact, clock.monotonic(), { insteadOf: old })
    slot.lastUsedAt = old.lastUsedAt
    fn.slots.push(slot)
    this.#init.wake()
  }

  /** It goes with its last call; the next one finds an instance with an isolate of its own. */
  unfit(slot: InstanceSlot): void {
    this.#keepApart(slot.fn)
    if (slot.state === 'ready') this.spoil(slot)
  }

  #keepApart(fn: FunctionState): void {
    fn.sharesFrom = Math.max(fn.sharesFrom, this.#init.clock.monotonic() + this.#init.limits.apartMs)
  }

  gone(slot: InstanceSlot): void {
    this.#memory.changed()
    slot.fn.remove(slot)
    this.advance()
  }

  /** It did not take in that a call of it was cancelled: it takes no more of them, and ends with its last one. */
  spoil(slot: InstanceSlot): void {
    slot.spoiled = true
    if (slot.inFlight === 0) this.retire(slot)
  }

  retire(slot: InstanceSlot): void {
    if (slot.state !== 'ready' || slot.worker.isEnded) return
    slot.fn.remove(slot)
    slot.worker.retire(slot)
    this.#memory.changed()
    this.#init.wake()
  }

  /** Whoever waited for it is gone, and it goes on loading. */
  abandon(slot: InstanceSlot): void {
    slot.fn.starting--
    slot.fn.remove(slot)
    slot.worker.retire(slot)
    this.#memory.changed()
  }

  ended(worker: WorkerProcess, end: WorkerEnd): void {
    this.#memory.changed()
    for (const slot of worker.slots.values()) {
      const { fn, state } = slot
      slot.state = 'gone'
      fn.remove(slot)
      if (state !== 'loading') continue
      fn.starting--
      if (slot.isShared) continue
      // Another function brought it down, and no call of this one had begun: it is loaded again, in another worker.
      if (end.blamed.size > 0 && !end.blamed.has(fn)) continue
      this.#failWaiting(fn, errorFor(end, fn, end.code === 'deadline_exceeded'), true)
    }
    this.advance()
  }

  /** Gives free slots to calls that wait, one at a time: to the namespace that holds least, its functions taking turns. */
  advance(): void {
    if (this.#isAsking) return
    const blocked = new Set<FunctionState>()
    while (!this.#stopped && this.#admission.running < this.#admission.limits.capacity) {
      const fn = nextInTurn(this.waiting, blocked)
      if (fn === undefined) return
      // To the end of the line, if it still waits afterwards.
      this.waiting.delete(fn)
      this.waiting.add(fn)
      if (!this.#advanceOne(fn)) blocked.add(fn)
    }
  }

  /** Now and then while calls wait: asks again whether there is memory for them, and refuses those for whom there will be none. */
  memoryRound(now: number): void {
    this.#memory.round(now)
    if (this.#shortage.isOver) return
    // How long a process takes to start is nobody's doing who was let into it.
    for (const worker of this.#init.pool.workers) if (!worker.isReady && worker.loading > 0) this.#shortage.moves(now)
    this.advance()
    for (const fn of this.#shortage.overdue(now)) this.#failWaiting(fn, shortOfMemory(fn, this.#memory.budgetMb), false)
  }

  /** Whether one of its calls began. */
  #advanceOne(fn: FunctionState): boolean {
    const { use } = fn
    const next = fn.waiting[0]
    const mayStart = this.#admission.mayStart({ running: fn.running, waiting: 0, runningMax: fn.runningMax })
    const chosen = next === undefined || !mayStart || use.running >= use.runningMax ? undefined : fn.choose(next)
    const slot = chosen !== undefined && this.#mayBegin(chosen) ? chosen : undefined
    if (next !== undefined && slot !== undefined) {
      fn.waiting.shift()
      this.#admission.waiting--
      fn.use.waiting--
      next.coldMs = Math.max(0, Math.min(slot.bornAt + slot.coldMs - next.arrivedAt, slot.coldMs))
      if (next.coldMs > 0) next.coldParts = slot.coldParts
      this.#run(next, slot)
    } else if (next !== undefined && mayStart && chosen === undefined) this.#provide(fn)
    if (fn.waiting.length === 0) this.#waitsNoMore(fn)
    return slot !== undefined
  }

  #run(call: Call, slot: InstanceSlot): void {
    const { fn, invocation } = call
    const now = this.#init.clock.monotonic()
    this.#admission.running++
    fn.use.running++
    fn.running++
    fn.lastUsedAt = now
    if (slot.inFlight === 0) this.#memory.begin(slot)
    if (fn.shortSince > 0) this.#shortage.letIn(fn, now)
    slot.inFlight++
    slot.lastUsedAt = now
    const msLeft = Math.max(1, Math.ceil(Math.min(invocation.deadlineAt - now, fn.timeoutMs)))
    call.startedAt = now
    call.deadlineAt = now + msLeft
    this.#init.wake()
    const { payload } = invocation
    if (payload.kind === 'call') slot.worker.call(call, slot, msLeft, payload.args)
    else if (payload.kind === 'event') slot.worker.call(call, slot, msLeft, payload.event, DO[payload.handler])
    else startRequest(call, slot, payload, msLeft, this.#init.clock)
  }

  /** Another instance, when those that are here have no room and more are allowed. */
  #provide(fn: FunctionState): void {
    if (fn.starting > 0 || this.#admission.running >= this.#admission.limits.capacity) return
    const wanted = fn.callsOthers ? fn.instancesMax : Math.ceil((fn.running + fn.waiting.length) / fn.concurrencyMax)
    if (fn.usableSlots() >= Math.min(wanted, fn.instancesMax) || !this.#mayLoad(fn)) return
    fn.starting++
    void this.#load(fn)
  }

  #mayBegin(slot: InstanceSlot): boolean {
    return slot.inFlight > 0 || this.#hasMemory(slot.fn, this.#memory.growthMb(slot))
  }

  #mayLoad(fn: FunctionState): boolean {
    return this.#hasMemory(fn, this.#memory.newMb(fn))
  }

  #hasMemory(fn: FunctionState, wantedMb: number): boolean {
    if (wantedMb <= this.#memory.roomMb) return true
    const now = this.#init.clock.monotonic()
    this.#isAsking = true
    const has = this.#memory.admits(wantedMb, fn, now, this.#shortage.canWait(fn, now))
    this.#isAsking = false
    if (!has) this.#shortage.meets(fn, wantedMb, now)
    return has
  }

  async #load(fn: FunctionState): Promise<void> {
    const { clock, code, limits, pool } = this.#init
    const beganAt = clock.monotonic()
    try {
      const { digest } = fn.record.manifest.artifact
      const [artifact, compiled] = await Promise.all([code.artifact(digest, { timeoutMs: limits.artifactMs }), this.#init.compiledOf(fn)])
      const artifactMs = clock.monotonic() - beganAt
      if (this.#stopped) return
      // Others may have begun meanwhile.
      if (!this.#mayLoad(fn)) return void fn.starting--
      const worker = pool.workerFor(fn)
      this.#init.makeRoom(worker)
      const slot = worker.load(fn, artifact, beganAt, { code: compiled })
      slot.coldParts.artifact = artifactMs
      fn.slots.push(slot)
      this.#memory.begin(slot)
      if (fn.shortSince > 0) this.#shortage.letIn(fn, clock.monotonic())
      this.#init.wake()
    } catch (error) {
      fn.starting--
      fn.keepAfter = clock.monotonic() + KEEP_AGAIN_MS
      this.#failWaiting(fn, OsirisError.from(error, `Cannot load "${fn.title}"`, 'unavailable'), false)
    }
  }

  #failWaiting(fn: FunctionState, error: OsirisError, started: boolean): void {
    for (const call of fn.waiting.splice(0)) this.#drop(call, error, started)
    this.#waitsNoMore(fn)
  }

  #waitsNoMore(fn: FunctionState): void {
    this.waiting.delete(fn)
    if (fn.shortSince > 0) this.#shortage.leaves(fn)
  }

  #drop(call: Call, error: OsirisError, started: boolean): void {
    this.#admission.waiting--
    call.fn.use.waiting--
    call.fail(error, 0, started)
    if (call.fn.waiting.length === 0) this.#waitsNoMore(call.fn)
  }
}
