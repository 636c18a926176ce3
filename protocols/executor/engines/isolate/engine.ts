/** V8 isolates behind the engine's contract: one isolate per instance, all of them in this worker process. */
import ivm from 'isolated-vm'
import type { EventHandler } from '#protocols/invocation'
import type { MaybePromise } from '#protocols/lifecycle'
import type { Engine, EngineReports, LoadRequest } from '../engine.ts'
import { CACHED_ARTIFACT_BYTES_MAX, CACHED_ARTIFACT_BYTES_MIN } from '../../bounds.ts'
import { Blanks, makeSnapshot } from './blank.ts'
import { CacheMaker } from './cache-maker.ts'
import type { Blank } from './context.ts'
import { Gate } from './crypto/gate.ts'
import { errorJson } from './host-error.ts'
import { Instance } from './instance.ts'
import { mayShare, Neighbours } from './neighbours.ts'
import { EVENT } from './runtime/codes.ts'
import { SharedIsolates } from './shared.ts'
import { Timeouts } from './timeouts.ts'

/** How late the end of a call that waits for nothing may be noticed. */
const SWEEP_MS = 10
/** A blank takes 3 ms to make, in which nothing else happens here: not between a load and its first call… */
const REFILL_LATER_MS = 20
/** …but right after that call's answer has left, so that the next load finds one. */
const REFILL_SOON_MS = 1
/** A burst of loads finds this many; each holds 1.3 MB. */
const BLANKS = 4
/** The next burst, after one that found too few. */
const BLANKS_MOST = 24

/** For every engine of this host: compiled code of one fits another then. */
export function snapshotOf(runtime: string): Uint8Array {
  return new Uint8Array(makeSnapshot(runtime).copy())
}

export class IsolateEngine implements Engine {
  readonly #reports: EngineReports
  readonly #blanks: Blanks
  readonly #shared: SharedIsolates
  readonly #neighbours: Neighbours
  readonly #caches: CacheMaker
  readonly #timeouts = new Timeouts()
  readonly #gate = new Gate()
  readonly #instances = new Map<number, Instance>()
  /** Asked for, and without an isolate yet. */
  readonly #expected = new Set<number>()
  /** Calls that did not end in the turn they came in. */
  readonly #open = new Map<number, Instance>()
  #sweeping: NodeJS.Timeout | undefined
  #refilling: NodeJS.Timeout | undefined
  /** Loaded, not called yet. */
  #isFresh = false

  /** `snapshot` as `snapshotOf` made it; none: it is made here, of `runtime`. */
  constructor(init: { runtime: string; snapshot?: Uint8Array | undefined; random: () => string; reports: EngineReports }) {
    this.#reports = init.reports
    const snapshot = init.snapshot === undefined ? makeSnapshot(init.runtime) : new ivm.ExternalCopy(new Uint8Array(init.snapshot).buffer)
    this.#blanks = new Blanks({ snapshot, keep: BLANKS, keepMost: BLANKS_MOST, random: init.random })
    const made = (instanceId: number, bytes: Uint8Array) => this.#instances.has(instanceId) && init.reports.codeCache(instanceId, bytes)
    this.#caches = new CacheMaker({ snapshot: this.#blanks.snapshot, made })
    this.#shared = new SharedIsolates({ snapshot: this.#blanks.snapshot, random: init.random })
    this.#neighbours = new Neighbours((instanceId) => init.reports.unfit(instanceId))
  }

  /** Blank isolates made, code compiled: the next first call finds everything ready. */
  async warmUp(): Promise<void> {
    while (await this.#blanks.refill());
  }

  load(request: LoadRequest): void {
    this.#expected.add(request.instanceId)
    const { insteadOf } = request
    if (insteadOf !== undefined) return void this.#share(request, insteadOf)
    void this.#load(request, () => this.#blanks.take(request.memoryMbMax)).finally(() => {
      this.#isFresh = true
      this.#refillIn(REFILL_LATER_MS)
    })
  }

  retire(instanceId: number): void {
    const instance = this.#instances.get(instanceId)
    this.#instances.delete(instanceId)
    this.#expected.delete(instanceId)
    if (instance?.isShared === true) this.#neighbours.movedOut(instance)
    if (instance === undefined) this.#reports.retired(instanceId)
    else instance.dispose(() => this.#reports.retired(instanceId))
  }

  call(instanceId: number, callId: number, msLeft: number, args: string, from?: string): void {
    const instance = this.#instances.get(instanceId)
    if (instance === undefined) return this.#unknown(callId)
    this.#entered(instance, callId, instance.call(callId, msLeft, args, from))
  }

  handle(instanceId: number, callId: number, msLeft: number, handler: EventHandler, event: string): void {
    const instance = this.#instances.get(instanceId)
    if (instance === undefined) return this.#unknown(callId)
    this.#entered(instance, callId, instance.handle(callId, msLeft, handler, event))
  }

  request(instanceId: number, callId: number, msLeft: number, head: string, body: Uint8Array | undefined): void {
    const instance = this.#instances.get(instanceId)
    if (instance === undefined) return this.#unknown(callId)
    this.#entered(instance, callId, instance.request(callId, msLeft, head, body))
  }

  chunk(callId: number, bytes: Uint8Array): void {
    this.#open.get(callId)?.feed(EVENT.chunk, callId, bytes)
  }

  end(callId: number): void {
    this.#open.get(callId)?.feed(EVENT.end, callId, undefined)
  }

  broken(callId: number, reason: string): void {
    this.#open.get(callId)?.feed(EVENT.broken, callId, reason)
  }

  credit(callId: number, bytes: number): void {
    this.#open.get(callId)?.feed(EVENT.credit, callId, bytes)
  }

  cancel(callId: number): void {
    const instance = this.#open.get(callId)
    if (instance === undefined) this.#reports.heard(callId)
    else instance.cancel(callId)
  }

  answer(instanceId: number, askId: number, json: string, failed: boolean): void {
    this.#instances.get(instanceId)?.told(askId, failed ? EVENT.failure : EVENT.answer, json)
  }

  fetched(instanceId: number, fetchId: number, event: number, value: string | Uint8Array | number | undefined): void {
    this.#instances.get(instanceId)?.told(fetchId, event, value)
  }

  async #share(request: LoadRequest, insteadOf: number): Promise<void> {
    const old = this.#instances.get(insteadOf)
    if (old !== undefined && mayShare(old)) return this.#load(request, () => this.#shared.take())
    this.#expected.delete(request.instanceId)
    this.#reports.loadFailed(
      request.instanceId,
      errorJson({ code: 'unavailable', message: 'Cannot share an isolate: it is not at rest, or not small' }),
    )
  }

  async #load(request: LoadRequest, take: () => MaybePromise<Blank>): Promise<void> {
    const { instanceId } = request
    let instance: Instance | undefined
    try {
      const startedAt = performance.now()
      const blank = await take()
      const isolate = performance.now() - startedAt
      instance = new Instance({
        id: instanceId,
        blank,
        timeouts: this.#timeouts,
        gate: this.#gate,
        reports: this.#reports,
        onDone: (callId) => this.#open.delete(callId),
        onGone: () => this.#gone(instanceId),
      })
      if (!this.#expected.delete(instanceId)) return instance.dispose()
      this.#instances.set(instanceId, instance)
      const { importsFunction, ...parts } = await instance.load(request)
      if (instance.isShared) this.#neighbours.movedIn(instance)
      this.#reports.loaded(instanceId, { isolate, ...parts })
      if (!parts.fromCache) this.#keepCode(request, importsFunction)
    } catch (error) {
      this.#instances.delete(instanceId)
      instance?.dispose()
      this.#reports.loadFailed(instanceId, errorJson(error))
    }
  }

  #keepCode({ instanceId, artifact }: LoadRequest, importsFunction: boolean): void {
    const { length } = artifact
    if (length > CACHED_ARTIFACT_BYTES_MIN && length <= CACHED_ARTIFACT_BYTES_MAX)
      this.#caches.later({ instanceId, artifact, importsFunction })
  }

  /** Its isolate is no more, and neither are those it shared it with. */
  #gone(instanceId: number): void {
    const gone = this.#instances.get(instanceId)
    this.#instances.delete(instanceId)
    if (gone?.isShared !== true) return
    for (const other of this.#neighbours.of(gone)) other.isolateGone()
    this.#neighbours.movedOut(gone)
  }

  #entered(instance: Instance, callId: number, isOpen: boolean): void {
    if (isOpen) this.#opened(callId, instance)
    if (instance.isShared) this.#neighbours.entered(instance)
    if (this.#isFresh) this.#refillSoon()
  }

  #opened(callId: number, instance: Instance): void {
    this.#open.set(callId, instance)
    if (this.#sweeping === undefined) this.#sweeping = setTimeout(() => this.#sweep(), SWEEP_MS)
  }

  /** One timer for all deadlines: calls that wait for something the isolate's own timeout does not see. */
  #sweep(): void {
    const now = performance.now()
    for (const [callId, instance] of this.#open) instance.expire(callId, now)
    this.#sweeping = this.#open.size === 0 ? undefined : setTimeout(() => this.#sweep(), SWEEP_MS)
  }

  #refillSoon(): void {
    this.#isFresh = false
    this.#refillIn(REFILL_SOON_MS)
  }

  #refillIn(delayMs: number): void {
    clearTimeout(this.#refilling)
    this.#refilling = setTimeout(() => void this.#blanks.refill().then((more) => more && this.#refillIn(REFILL_LATER_MS)), delayMs)
  }

  #unknown(callId: number): void {
    this.#reports.failed(callId, 0, 0, errorJson({ code: 'worker_crashed', message: 'Cannot run the call: its instance is gone' }), true)
  }
}
