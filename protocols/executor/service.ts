/** The executor that lives on this node: lets calls in, has each one run, and answers for all of them. */
import { availableParallelism, totalmem } from 'node:os'
import type { FunctionRecord } from '#protocols/catalog'
import { digestOf } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { LogLevel } from '#protocols/events'
import { failed, type LimitName, type Outcome, type PlacedInvocation } from '#protocols/invocation'
import type { Clock, MaybePromise, Startable } from '#protocols/lifecycle'
import { fits } from '#protocols/traits'
import { Admission } from './admission.ts'
import { answerAsk } from './chain/asks.ts'
import { Chains } from './chain/chains.ts'
import { Call, type CallOwner } from './call.ts'
import { CodeCache } from './compiled/cache.ts'
import { sharedSnapshot } from './compiled/snapshot.ts'
import { Dispatcher } from './dispatcher.ts'
import type { Executor, ExecutorStatus, InstanceCount, ScaleOrder } from './executor.ts'
import { Egress, systemResolve, takeFrame } from './egress/index.ts'
import { FunctionState, type InstanceSlot } from './function-state.ts'
import { Keeping, wholeShare } from './keeping.ts'
import { DEFAULT_LIMITS, type ExecutorLimits, memoryOf, workerBytesMax } from './limits/limits.ts'
import { MemoryBudget } from './memory/budget.ts'
import { Pool } from './pool.ts'
import { notFitting, notRunning, otherFunction, overloaded, refusalOf, throttled } from './refusals.ts'
import { Sharing } from './memory/sharing.ts'
import { engineTag, WORKER_ENTRY } from './walls/places.ts'
import { Walls } from './walls/walls.ts'
import type { ExecutorServiceInit } from './service-init.ts'
import { ShareRounds } from './shares/share-rounds.ts'
import { type NamespaceUse, Shares } from './shares/shares.ts'
import { tellFinished, tellLimit, tellLine } from './telling.ts'
import { Watch } from './watch.ts'
import type { WorkerEnd } from './worker-end.ts'
import type { WorkerListener, WorkerProcess } from './worker-process.ts'

export class ExecutorService implements Executor, Startable, CallOwner, WorkerListener {
  readonly nodeName: string
  /** How many calls chains have made that began here. */
  readonly chains: Chains
  /** The version as the catalog has it now, in use here or not. Throws or rejects with `not_found`, `unavailable`. */
  readonly versionOf: ExecutorServiceInit['code']['record'] = (...words) => this.#init.code.record(...words)
  readonly #init: ExecutorServiceInit
  readonly #clock: Clock
  readonly #limits: ExecutorLimits
  readonly #admission: Admission
  readonly #pool: Pool
  readonly #walls: Walls
  readonly #dispatcher: Dispatcher
  readonly #watch: Watch
  readonly #egress: Egress
  readonly #sharing: Sharing
  readonly #compiled: CodeCache
  readonly #shares: Shares
  readonly #rounds: ShareRounds
  readonly #keeping: Keeping
  readonly #functions = new Map<string, FunctionState>()
  #running = false
  #isDraining = false
  #snapshot: Uint8Array | undefined

  constructor(init: ExecutorServiceInit) {
    const { clock, code, capacity, spares } = init
    this.#init = init
    this.#clock = clock
    this.nodeName = init.nodeName
    const limits = { ...DEFAULT_LIMITS, queueMax: capacity, memoryMbMax: memoryOf(totalmem()), ...init.limits }
    this.#limits = { ...limits, instanceMemoryMbMax: Math.min(limits.instanceMemoryMbMax, limits.workerMemoryMbMax, limits.memoryMbMax) }
    this.chains = new Chains({ network: init.network, callsMax: this.#limits.chainCallsMax })
    this.#admission = new Admission({ capacity, queueMax: this.#limits.queueMax })
    const hostCores = init.hostCores ?? availableParallelism()
    this.#shares = new Shares({ hostCores, coresMax: this.#limits.namespaceCpuMax, windowMs: this.#limits.shareWindowMs })
    const onStarted = (worker: WorkerProcess) => this.#started(worker)
    this.#walls = new Walls({
      mode: init.walls ?? 'auto',
      warn: (text) => init.events.emit('log', { level: 'warn', room: 'executor', text }),
      ...(init.wallsHost === undefined ? {} : { host: init.wallsHost }),
    })
    const entry = init.workerEntry ?? WORKER_ENTRY
    this.#compiled = new CodeCache({ clock, ...(init.codeStore === undefined ? {} : { store: init.codeStore }) })
    const launch = () => this.#walls.launch(entry, workerBytesMax([], this.#limits))
    this.#pool = new Pool({
      clock,
      spares,
      launch,
      listener: this,
      snapshot: () => this.#snapshot,
      mayRefill: () => memory.admitsSpare(),
      onStarted,
    })
    const retire = (slot: InstanceSlot) => this.#dispatcher.retire(slot)
    const memory = new MemoryBudget({ budgetMb: this.#limits.memoryMbMax, pool: this.#pool, retire })
    const shared = { clock, limits: this.#limits, pool: this.#pool, memory }
    this.#dispatcher = new Dispatcher({
      ...shared,
      code,
      compiledOf: (fn) => (this.#snapshot === undefined || this.#pool.isQuarantined(fn.version) ? undefined : this.#compiled.find(fn)),
      admission: this.#admission,
      wake: () => this.#watch.wake(),
      makeRoom: (worker) => this.#watch.makeRoom(worker),
    })
    this.#egress = new Egress({
      ...{ clock, events: init.events, limits: this.#limits },
      resolve: init.resolve ?? systemResolve(),
      allowPrivate: init.egressPrivate ?? false,
      doors: init.doors ?? (() => []),
    })
    this.#sharing = new Sharing({ clock, pool: this.#pool, aloneMax: this.#limits.aloneMax, share: (slot) => this.#dispatcher.share(slot) })
    this.#rounds = new ShareRounds(this.#shares, hostCores)
    const watched = {
      functions: this.#functions,
      dispatcher: this.#dispatcher,
      sharing: this.#sharing,
      shares: this.#shares,
      rounds: this.#rounds,
    }
    this.#watch = new Watch({ ...shared, ...watched })
    this.#keeping = new Keeping({ clock, limits: this.#limits, dispatcher: this.#dispatcher, shareOf: init.shareOf ?? wholeShare })
  }

  async start(): Promise<void> {
    if (this.#running) return
    this.#running = true
    this.#isDraining = false
    await Promise.all([this.#walls.raise(), this.#openCode()])
    if (!this.#running) return
    this.#dispatcher.start()
    this.#pool.start()
    this.#watch.start()
  }

  /** Without a snapshot that all workers have, nothing that one compiled fits another. */
  async #openCode(): Promise<void> {
    const { codeStore, workerEntry = WORKER_ENTRY } = this.#init
    if (codeStore === undefined) return
    const tag = engineTag(workerEntry)
    this.#snapshot = await sharedSnapshot(codeStore, tag, workerEntry)
    if (this.#snapshot !== undefined) await this.#compiled.start(JSON.stringify([tag, digestOf(this.#snapshot)]))
  }

  async stop(): Promise<void> {
    this.#running = false
    this.#watch.stop()
    this.#sharing.stop()
    this.#dispatcher.stop(notRunning('the call'))
    await this.#pool.stop()
    this.#walls.lower()
    this.#egress.stop()
    await this.#compiled.stop()
    for (const fn of this.#functions.values()) this.#shares.release(fn.record.namespace)
    this.#functions.clear()
  }

  /** From now on it takes nothing more: new calls are refused, orders too; what is under way ends as it would. */
  drain(): void {
    this.#isDraining = true
  }

  isWarm(version: string): boolean {
    return this.#functions.get(version)?.isWarm === true
  }

  hasRoom(version: string): boolean {
    return !this.#isDraining && this.#functions.get(version)?.hasRoom === true
  }

  isFull(version: string): boolean {
    return this.#functions.get(version)?.isFull === true
  }

  instances(): InstanceCount[] {
    const now = this.#clock.monotonic()
    return [...this.#functions.values()].map((fn) => fn.count(now))
  }

  async scale(order: ScaleOrder): Promise<InstanceCount> {
    const record = await this.recordOf({ target: order, version: order.version })
    if (!this.#running || this.#isDraining) throw notRunning(`instances of "${order.namespace}/${order.name}"`)
    return this.#keeping.take(this.#stateOf(record), order)
  }

  /** Members came or went, or the scale of a function was set: asks for this node's part of each again. */
  rescale(of?: { namespace: string; name: string }): void {
    for (const fn of [...this.#functions.values()]) {
      const { namespace, name } = fn.record
      if (of === undefined || (of.namespace === namespace && of.name === name)) this.#keeping.adopt(fn)
    }
  }

  status(): ExecutorStatus {
    const warm = [...this.#functions.values()].filter((fn) => fn.isWarm).toSorted((a, b) => b.wantedAt - a.wantedAt)
    return {
      capacity: this.#isDraining ? 0 : this.#admission.limits.capacity,
      inFlight: this.#admission.running,
      queued: this.#admission.waiting,
      workers: this.#pool.report(),
      warm: warm.map((fn) => fn.version),
      walls: this.#walls.report(),
      compiled: this.#compiled.status(),
    }
  }

  invoke(invocation: PlacedInvocation): Promise<Outcome> {
    const fn = this.#functions.get(invocation.version)
    return fn === undefined ? this.#invokeFirst(invocation) : this.#invoke(invocation, fn)
  }

  /** The record of the version to run: at once when it is in use here. Throws or rejects with `not_found`, `unavailable`. */
  recordOf(invocation: Pick<PlacedInvocation, 'target' | 'version'>): MaybePromise<FunctionRecord> {
    const known = this.#functions.get(invocation.version)?.record
    const { namespace, name } = invocation.target
    if (known === undefined) return this.#init.code.record(namespace, name, invocation.version)
    // A version belongs to one function: naming another one must not borrow its access.
    if (known.namespace === namespace && known.name === name) return known
    throw otherFunction(invocation, `${known.namespace}/${known.name}`)
  }

  #invoke(invocation: PlacedInvocation, fn: FunctionState): Promise<Outcome> {
    const now = this.#clock.monotonic()
    const { use } = fn
    const refusal = this.#running && !this.#isDraining ? refusalOf(invocation, fn, now, this.#limits.depthMax) : notRunning(`"${fn.title}"`)
    if (refusal !== undefined) return this.#refuse(invocation, refusal, fn)
    use.askedAt = now
    if (use.running >= use.runningMax && this.#isThrottled(use, now)) return this.#refuse(invocation, throttled(fn), fn)
    const demand = { running: fn.running, waiting: fn.waiting.length, runningMax: fn.runningMax }
    const verdict = this.#admission.judge(demand, use, this.#shares)
    if (verdict === 'refuse') return this.#refuse(invocation, overloaded(fn, this.#admission), fn)
    return new Promise((resolve) => {
      const call = new Call(invocation, fn, this, resolve)
      if (invocation.signal !== undefined) call.watch(invocation.signal, () => this.#dispatcher.callerGone(call))
      this.#dispatcher.place(call, verdict === 'run')
    })
  }

  /** The version is not in use here: its record comes from the catalog. */
  async #invokeFirst(invocation: PlacedInvocation): Promise<Outcome> {
    const { namespace, name } = invocation.target
    try {
      const record = await this.recordOf(invocation)
      const { place } = record.manifest.settings
      if (place !== undefined && !fits(place, this.#init.traits ?? {})) return await this.#refuse(invocation, notFitting(record))
      return await this.#invoke(invocation, this.#stateOf(record))
    } catch (error) {
      return this.#refuse(invocation, OsirisError.from(error, `Cannot run "${namespace}/${name}"`))
    }
  }

  #stateOf(record: FunctionRecord): FunctionState {
    const known = this.#functions.get(record.version)
    if (known !== undefined) return known
    const fn = new FunctionState(record, this.#limits, this.#shares.use(record.namespace), (this.#init.shareOf ?? wholeShare)(record))
    this.#functions.set(fn.version, fn)
    return fn
  }

  async #refuse(invocation: PlacedInvocation, error: OsirisError, fn?: FunctionState): Promise<Outcome> {
    if (fn !== undefined) tellLimit(this.#init.events, fn.record, error)
    return failed(error, { version: invocation.version, node: this.nodeName, hops: invocation.hops })
  }

  #started(worker: WorkerProcess): void {
    this.#rounds.began(worker)
    this.#init.events.emit('worker.started', { namespace: worker.namespace ?? '', pid: worker.pid })
  }

  // CallOwner

  now(): number {
    return this.#clock.monotonic()
  }

  memoryFor(worker: WorkerProcess): number {
    return workerBytesMax(worker.slots.values(), this.#limits)
  }

  over(call: Call): void {
    this.#dispatcher.over(call)
    this.#egress.over(call)
  }

  settled(call: Call): void {
    this.#dispatcher.settle(call)
  }

  answered(call: Call, outcome: Outcome): void {
    const { events } = this.#init
    if (outcome.kind === 'failed') tellLimit(this.#init.events, call.fn.record, outcome.error)
    if (outcome.kind === 'failed' && outcome.error.code === 'memory_exceeded') call.fn.peakMb = call.fn.memoryMbMax
    if (events.has('call.finished')) tellFinished(events, call, outcome, this.#clock.monotonic() - call.arrivedAt)
  }

  /** Judged again by what is so now: nobody looks while nothing runs. */
  #isThrottled(use: NamespaceUse, now: number): boolean {
    this.#shares.judge(use, now)
    return use.running >= use.runningMax
  }

  // WorkerListener

  loaded(slot: InstanceSlot): void {
    this.#dispatcher.loaded(slot)
    this.#sharing.wake()
  }

  loadFailed(slot: InstanceSlot, error: OsirisError): void {
    this.#dispatcher.loadFailed(slot, error)
  }

  gone(slot: InstanceSlot): void {
    this.#dispatcher.gone(slot)
  }

  unfit(slot: InstanceSlot): void {
    this.#dispatcher.unfit(slot)
  }

  left(call: Call): void {
    call.slot?.worker.cancel(call)
    call.end()
    this.#watch.wake()
  }

  log(slot: InstanceSlot, call: Call | undefined, level: LogLevel, text: string): void {
    const { events } = this.#init
    if (events.has('function.log'))
      tellLine(events, slot.fn.record, { id: call?.invocation.id ?? '', level, text, atMs: this.#clock.now() })
  }

  met(slot: InstanceSlot, limit: LimitName): void {
    const { namespace, name } = slot.fn.record
    this.#init.events.emit('limit.hit', { namespace, name, limit })
  }

  ask(slot: InstanceSlot, askId: number, text: string, callId: number): void {
    const met = (limit: LimitName) => this.met(slot, limit)
    answerAsk(slot, askId, text, callId, { ...this.#init, met, chains: this.chains, depthMax: this.#limits.depthMax })
  }

  codeSeen(slot: InstanceSlot, isUsed: boolean): void {
    return isUsed ? this.#compiled.used() : this.#compiled.rejected(slot.fn)
  }

  codeMade(slot: InstanceSlot, bytes: Uint8Array): void {
    const { fn, worker } = slot
    if (this.#snapshot === undefined || this.#pool.isQuarantined(fn.version)) return
    worker.compiled.add(fn)
    this.#compiled.give(fn, bytes)
  }

  egress(slot: InstanceSlot, kind: number, fetchId: number, b: number, payload: Buffer): void {
    takeFrame(this.#egress, slot, kind, fetchId, b, payload)
  }

  ended(worker: WorkerProcess, end: WorkerEnd): void {
    this.#pool.remove(worker)
    this.#rounds.ended(worker, this.now(), end.blamed.size > 0)
    for (const fn of end.blamed) this.#pool.quarantine(fn.version)
    const { namespace, pid } = worker
    if (namespace !== null) this.#init.events.emit('worker.ended', { namespace, pid, reason: end.reason })
    if (end.code !== 'stopped')
      for (const fn of [...end.blamed, ...worker.compiled, ...[...worker.slots.values()].map((slot) => slot.fn)]) this.#compiled.drop(fn)
    this.#dispatcher.ended(worker, end)
  }
}
