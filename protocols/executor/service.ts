/** The executor that lives on this node: lets calls in, finds each one an instance, and answers for all of them. */
import type { FunctionRecord } from '#protocols/catalog'
import { OsirisError } from '#protocols/errors'
import type { Events } from '#protocols/events'
import { failed, type Outcome, type PlacedInvocation } from '#protocols/invocation'
import type { Clock, MaybePromise, Random, Startable } from '#protocols/lifecycle'
import { Admission } from './admission.ts'
import { answerAsk } from './asks.ts'
import { Call, type CallOwner } from './call.ts'
import type { CallOut, CodeSource, Executor, ExecutorStatus } from './executor.ts'
import { FunctionState, type InstanceSlot } from './function-state.ts'
import { DEFAULT_LIMITS, type ExecutorLimits } from './limits.ts'
import { Pool } from './pool.ts'
import { startRequest } from './request.ts'
import { Watch } from './watch.ts'
import { errorFor, WORKER_ENTRY, type WorkerEnd, type WorkerListener, type WorkerProcess } from './worker-process.ts'

export interface ExecutorServiceInit {
  code: CodeSource
  callOut: CallOut
  clock: Clock
  random: Random
  events: Events
  nodeName: string
  /** Calls that may run at once, over all functions. */
  capacity: number
  /** Worker processes started ahead of need. */
  spares: number
  limits?: Partial<ExecutorLimits>
  /** Another program to run as worker: how tests show what a worker that was taken over can do. */
  workerEntry?: string
}

export class ExecutorService implements Executor, Startable, CallOwner, WorkerListener {
  readonly nodeName: string
  readonly limits: ExecutorLimits
  readonly #init: ExecutorServiceInit
  readonly #clock: Clock
  readonly #admission: Admission
  readonly #pool: Pool
  readonly #watch: Watch
  readonly #functions = new Map<string, FunctionState>()
  /** Functions with calls that wait, in the order their turn comes. */
  readonly #waiting = new Set<FunctionState>()
  #running = false

  constructor(init: ExecutorServiceInit) {
    this.#init = init
    this.nodeName = init.nodeName
    this.limits = { ...DEFAULT_LIMITS, queueMax: init.capacity, ...init.limits }
    this.#clock = init.clock
    this.#admission = new Admission({ capacity: init.capacity, queueMax: this.limits.queueMax })
    this.#pool = new Pool({
      clock: init.clock,
      spares: init.spares,
      entry: init.workerEntry ?? WORKER_ENTRY,
      listener: this,
      onStarted: (worker) => this.#started(worker),
    })
    this.#watch = new Watch({
      clock: init.clock,
      limits: this.limits,
      pool: this.#pool,
      functions: this.#functions,
      waiting: this.#waiting,
      expired: (call, error) => this.#dropWaiting(call, error),
      stuck: (slot) => this.#spoil(slot),
    })
  }

  async start(): Promise<void> {
    if (this.#running) return
    this.#running = true
    this.#pool.start()
    this.#watch.start()
  }

  async stop(): Promise<void> {
    this.#running = false
    this.#watch.stop()
    const stopping = new OsirisError('unavailable', 'Cannot run the call: the node is stopping')
    for (const fn of this.#waiting) for (const call of fn.waiting.splice(0)) this.#dropWaiting(call, stopping)
    this.#waiting.clear()
    await this.#pool.stop()
    this.#functions.clear()
  }

  isWarm(version: string): boolean {
    return this.#functions.get(version)?.isWarm === true
  }

  status(): ExecutorStatus {
    const warm = [...this.#functions.values()].filter((fn) => fn.isWarm).toSorted((a, b) => b.lastUsedAt - a.lastUsedAt)
    return {
      capacity: this.#admission.limits.capacity,
      inFlight: this.#admission.running,
      queued: this.#admission.waiting,
      workers: [...this.#pool.workers].map((worker) => ({
        pid: worker.pid,
        namespace: worker.namespace,
        instances: worker.slots.size,
        memoryBytes: worker.memory.residentBytes(),
      })),
      warm: warm.map((fn) => fn.version),
    }
  }

  invoke(invocation: PlacedInvocation): Promise<Outcome> {
    const fn = this.#functions.get(invocation.version)
    if (fn === undefined) return this.#invokeFirst(invocation)
    return this.#invoke(invocation, fn)
  }

  #invoke(invocation: PlacedInvocation, fn: FunctionState): Promise<Outcome> {
    const refusal = this.#refusal(invocation, fn)
    if (refusal !== undefined) return Promise.resolve(refusal)
    const { waiting } = fn
    const verdict = this.#admission.judge({ running: fn.running, waiting: waiting.length, runningMax: fn.runningMax })
    if (verdict === 'refuse') return Promise.resolve(this.#refuse(invocation, overloaded(fn, this.#admission)))
    return new Promise((resolve) => {
      const call = new Call(invocation, fn, this, resolve)
      if (invocation.signal !== undefined) call.watch(invocation.signal, () => this.#callerGone(call))
      const slot = verdict === 'run' ? fn.choose(call) : undefined
      if (slot !== undefined) this.#run(call, slot)
      else this.#wait(call)
    })
  }

  /** The record of the version to run: at once when it is in use here. Throws or rejects with `not_found`, `unavailable`. */
  recordOf(invocation: PlacedInvocation): MaybePromise<FunctionRecord> {
    const known = this.#functions.get(invocation.version)?.record
    const { namespace, name } = invocation.target
    if (known === undefined) return this.#init.code.record(namespace, name, invocation.version)
    // A version belongs to one function: naming another one must not borrow its access.
    if (known.namespace === namespace && known.name === name) return known
    throw otherFunction(invocation, `${known.namespace}/${known.name}`)
  }

  /** The version is not in use here: its record comes from the catalog. */
  async #invokeFirst(invocation: PlacedInvocation): Promise<Outcome> {
    const { namespace, name } = invocation.target
    try {
      const record = await this.recordOf(invocation)
      const fn = this.#functions.get(invocation.version) ?? new FunctionState(record, this.limits.instancesMax)
      this.#functions.set(invocation.version, fn)
      return await this.#invoke(invocation, fn)
    } catch (error) {
      return this.#refuse(invocation, OsirisError.from(error, `Cannot run "${namespace}/${name}"`))
    }
  }

  #refusal(invocation: PlacedInvocation, fn: FunctionState): Outcome | undefined {
    const { payload, target } = invocation
    if (target.name !== fn.record.name || target.namespace !== fn.record.namespace)
      return this.#refuse(invocation, otherFunction(invocation, fn.title))
    if (!this.#running)
      return this.#refuse(invocation, new OsirisError('unavailable', `Cannot run "${fn.title}": the executor is not running`))
    if (invocation.depth > this.limits.depthMax)
      return this.#refuse(
        invocation,
        new OsirisError(
          'depth_exceeded',
          `Cannot run "${fn.title}": it is ${invocation.depth} calls deep (at most ${this.limits.depthMax})`,
        ),
      )
    const bytes = payload.kind === 'call' ? payload.args.length : payload.body instanceof Uint8Array ? payload.body.length : 0
    if (bytes > fn.payloadBytesMax) return this.#refuse(invocation, tooLarge(fn, bytes))
    if (invocation.deadlineAt <= this.#clock.monotonic())
      return this.#refuse(invocation, new OsirisError('deadline_exceeded', `Cannot run "${fn.title}": its deadline has passed already`))
    if (invocation.signal?.aborted === true) return this.#refuse(invocation, callerGone(fn))
    return undefined
  }

  #refuse(invocation: PlacedInvocation, error: OsirisError): Outcome {
    return failed(error, { version: invocation.version, node: this.nodeName, hops: invocation.hops })
  }

  #run(call: Call, slot: InstanceSlot): void {
    const { fn, invocation } = call
    const now = this.#clock.monotonic()
    this.#admission.running++
    fn.running++
    fn.lastUsedAt = now
    slot.inFlight++
    slot.lastUsedAt = now
    call.startedAt = now
    const msLeft = Math.max(1, Math.ceil(Math.min(invocation.deadlineAt - now, fn.record.manifest.settings.execution.timeoutMs)))
    call.deadlineAt = now + msLeft
    this.#watch.wake()
    if (invocation.payload.kind === 'call') slot.worker.call(call, slot, msLeft, invocation.payload.args)
    else startRequest(call, slot, invocation.payload, msLeft)
  }

  #wait(call: Call): void {
    this.#admission.waiting++
    call.fn.waiting.push(call)
    this.#waiting.add(call.fn)
    this.#watch.wake()
    this.#provide(call.fn)
  }

  /** Another instance, when those that are here have no room and more are allowed. */
  #provide(fn: FunctionState): void {
    const wanted = Math.min(fn.instancesMax, Math.ceil((fn.running + fn.waiting.length) / fn.concurrencyMax))
    const alone = fn.callsOthers ? fn.instancesMax : Math.max(1, wanted)
    const alive = fn.slots.filter((slot) => !slot.spoiled).length
    if (fn.starting > 0 || alive >= alone || this.#admission.running >= this.#admission.limits.capacity) return
    fn.starting++
    void this.#load(fn)
  }

  async #load(fn: FunctionState): Promise<void> {
    const beganAt = this.#clock.monotonic()
    try {
      const artifact = await this.#init.code.artifact(fn.record.manifest.artifact.digest, { timeoutMs: this.limits.artifactMs })
      if (!this.#running) return
      const slot = this.#pool.workerFor(fn).load(fn, artifact, beganAt)
      fn.slots.push(slot)
    } catch (error) {
      fn.starting--
      this.#failWaiting(fn, OsirisError.from(error, `Cannot load "${fn.title}"`, 'unavailable'), false)
    }
  }

  /** Gives free slots to calls that wait, one function after the other. */
  #advance(): void {
    for (const fn of [...this.#waiting]) {
      if (this.#admission.running >= this.#admission.limits.capacity) return
      this.#waiting.delete(fn)
      this.#advanceOne(fn)
      if (fn.waiting.length > 0) this.#waiting.add(fn)
    }
  }

  #advanceOne(fn: FunctionState): void {
    while (fn.waiting.length > 0) {
      const next = fn.waiting[0] as Call
      if (!this.#admission.mayStart({ running: fn.running, waiting: 0, runningMax: fn.runningMax })) return
      const slot = fn.choose(next)
      if (slot === undefined) return this.#provide(fn)
      fn.waiting.shift()
      this.#admission.waiting--
      next.coldMs = Math.max(0, Math.min(slot.bornAt + slot.coldMs - next.arrivedAt, slot.coldMs))
      this.#run(next, slot)
    }
  }

  #failWaiting(fn: FunctionState, error: OsirisError, started: boolean): void {
    for (const call of fn.waiting.splice(0)) this.#dropWaiting(call, error, started)
    this.#waiting.delete(fn)
  }

  /** The call has been taken off its function's queue. */
  #dropWaiting(call: Call, error: OsirisError, started = false): void {
    this.#admission.waiting--
    call.fail(error, 0, started)
  }

  #callerGone(call: Call): void {
    const error = callerGone(call.fn)
    const at = call.fn.waiting.indexOf(call)
    if (at >= 0) {
      call.fn.waiting.splice(at, 1)
      return this.#dropWaiting(call, error)
    }
    call.slot?.worker.cancel(call)
    call.fail(error)
  }

  #started(worker: WorkerProcess): void {
    this.#init.events.emit('worker.started', { namespace: worker.namespace ?? '', pid: worker.pid })
  }

  // CallOwner

  now(): number {
    return this.#clock.monotonic()
  }

  over(call: Call): void {
    const { slot, fn } = call
    if (slot === undefined) return
    slot.worker.calls.delete(call.id)
    this.#admission.running--
    fn.running--
    slot.inFlight--
    if (slot.inFlight === 0) this.#quiet(slot)
    if (this.#waiting.size > 0) this.#advance()
  }

  answered(call: Call, outcome: Outcome): void {
    const { events } = this.#init
    if (!events.has('call.finished')) return
    const { namespace, name } = call.invocation.target
    const code = outcome.kind === 'failed' ? outcome.error.code : null
    events.emit('call.finished', {
      id: call.invocation.id,
      namespace,
      name,
      meta: outcome.meta,
      code,
      wallMs: this.#clock.monotonic() - call.arrivedAt,
    })
  }

  /** It did not take in that a call of it was cancelled: it takes no more of them, and ends with its last one. */
  #spoil(slot: InstanceSlot): void {
    slot.spoiled = true
    if (slot.state === 'ready' && slot.inFlight === 0) this.#quiet(slot)
  }

  #quiet(slot: InstanceSlot): void {
    if (!slot.spoiled || slot.worker.isEnded) return
    slot.fn.remove(slot)
    slot.worker.retire(slot)
    this.#watch.wake()
  }

  // WorkerListener

  loaded(slot: InstanceSlot): void {
    const { fn } = slot
    slot.state = 'ready'
    slot.coldMs = this.#clock.monotonic() - slot.bornAt
    fn.starting--
    this.#advanceOne(fn)
    if (fn.waiting.length === 0) this.#waiting.delete(fn)
  }

  loadFailed(slot: InstanceSlot, error: OsirisError): void {
    slot.fn.starting--
    slot.fn.remove(slot)
    this.#failWaiting(slot.fn, error, true)
  }

  gone(slot: InstanceSlot): void {
    slot.fn.remove(slot)
    this.#advance()
  }

  left(call: Call | undefined): void {
    if (call === undefined) return
    call.slot?.worker.cancel(call)
    call.end()
    this.#watch.wake()
  }

  log(slot: InstanceSlot, call: Call | undefined, level: 'debug' | 'info' | 'warn' | 'error', text: string): void {
    if (!this.#init.events.has('function.log')) return
    const { namespace, name, version } = slot.fn.record
    this.#init.events.emit('function.log', {
      id: call?.invocation.id ?? '',
      namespace,
      name,
      version,
      level,
      text,
      atMs: this.#clock.now(),
    })
  }

  ask(slot: InstanceSlot, askId: number, text: string): void {
    answerAsk(slot, askId, text, this.#init, this.limits.depthMax)
  }

  ended(worker: WorkerProcess, end: WorkerEnd): void {
    this.#pool.remove(worker)
    for (const fn of end.blamed) this.#pool.quarantine(fn.version)
    for (const slot of worker.slots.values()) {
      const { fn, state } = slot
      slot.state = 'gone'
      fn.remove(slot)
      if (state !== 'loading') continue
      fn.starting--
      this.#failWaiting(fn, errorFor(end, fn), true)
    }
    if (worker.namespace !== null)
      this.#init.events.emit('worker.ended', { namespace: worker.namespace, pid: worker.pid, reason: end.reason })
    if (this.#running) this.#advance()
  }
}

function overloaded(fn: FunctionState, admission: Admission): OsirisError {
  const { running, waiting } = admission
  return new OsirisError(
    'overloaded',
    `Cannot take the call of "${fn.title}": the queue is full (running: ${running}, waiting: ${waiting})`,
  )
}

function otherFunction({ target, version }: PlacedInvocation, title: string): OsirisError {
  return new OsirisError('not_found', `Cannot run "${target.namespace}/${target.name}": version ${version.slice(0, 16)} is of "${title}"`)
}

function tooLarge(fn: FunctionState, bytes: number): OsirisError {
  return new OsirisError('payload_too_large', `Cannot call "${fn.title}": the payload has ${bytes} bytes (at most ${fn.payloadBytesMax})`)
}

function callerGone(fn: FunctionState): OsirisError {
  return new OsirisError('unavailable', `Cannot finish "${fn.title}": the caller is gone`)
}
