/** What the executor remembers of one version while it is in use. */
import type { FunctionRecord } from '#protocols/catalog'
import type { ColdParts } from '#protocols/invocation'
import { type EgressPattern, parseEgress } from '#protocols/egress'
import { SHARED_ARTIFACT_BYTES_MAX, SHARED_MEMORY_MB } from './bounds.ts'
import type { CodeState } from './compiled/word.ts'
import type { InstanceCount } from './executor.ts'
import type { WireSettings } from './frames.ts'
import { type FunctionLimits, limitsOf } from './limits/function-limits.ts'
import type { ExecutorLimits } from './limits/limits.ts'
import type { NamespaceUse } from './shares/shares.ts'
import type { Call } from './call.ts'
import type { WorkerProcess } from './worker-process.ts'

/** One instance of one version, in one worker. */
export interface InstanceSlot {
  id: number
  fn: FunctionState
  worker: WorkerProcess
  state: 'loading' | 'ready' | 'gone'
  inFlight: number
  /** Takes no more calls; retired when the last one is over. */
  spoiled: boolean
  lastUsedAt: number
  /** When loading began, and what it took. */
  bornAt: number
  /** While it loads: since when, and when somebody last waited for it. */
  loadingSince: number
  wantedAt: number
  coldMs: number
  coldParts: ColdParts
  /** The most memory its worker has told of. */
  peakBytes: number
  /** What it counts in the memory of all workers now. */
  countedMb: number
  /** It shares an isolate with others of its namespace; until it is loaded, it takes the place of this one. */
  isShared: boolean
  insteadOf: InstanceSlot | undefined
  /** Compiled code of its artifact, until its worker has had its word. */
  code: CodeState
}

type NewSlot = Pick<InstanceSlot, 'id' | 'fn' | 'worker' | 'bornAt' | 'insteadOf' | 'code'> & { now: number }

/** An instance that begins to load. */
export function slotOf({ now, ...own }: NewSlot): InstanceSlot {
  return {
    ...own,
    state: 'loading',
    inFlight: 0,
    spoiled: false,
    lastUsedAt: own.bornAt,
    loadingSince: now,
    wantedAt: now,
    coldMs: 0,
    coldParts: { artifact: 0, isolate: 0, compile: 0, first: 0 },
    peakBytes: 0,
    countedMb: 0,
    isShared: own.insteadOf !== undefined,
  }
}

/** A call that takes less than this runs to its end in a turn or two: it hardly ever meets another in its instance, however many wait for theirs. */
const SHORT_RUN_MS = 1
const LATEST_RUN_WEIGHT = 0.1

/** The module must be ready within this, or within the function's own timeout if that is longer. */
const LOAD_MS_MIN = 5000

/** What this node has of a function's scale. */
export interface ScaleShare {
  /** Instances it may have here, all members together having `scale.max`. */
  instancesMax: number
  /** Calls at the same time that one instance should have. */
  target: number
  idleMs: number
}

export class FunctionState {
  readonly record: FunctionRecord
  readonly version: string
  /** `namespace/name`, for sentences. */
  readonly title: string
  readonly concurrencyMax: number
  readonly payloadBytesMax: number
  readonly resultBytesMax: number
  readonly memoryMbMax: number
  readonly timeoutMs: number
  idleMs = 0
  runningMax = 0
  instancesMax = 0
  /** Calls that its ready instances should have at the same time, each. */
  target = 1
  /** Calls others: then one instance serves one caller at a time, so that a call always leaves on the right account. */
  readonly callsOthers: boolean
  /** What it may fetch. */
  readonly egress: readonly EgressPattern[]
  readonly limits: FunctionLimits
  /** What its namespace holds, over all functions. */
  readonly use: NamespaceUse
  readonly settings: Buffer
  readonly loadMs: number
  running = 0
  readonly waiting: Call[] = []
  readonly slots: InstanceSlot[] = []
  starting = 0
  /** The most memory one of its instances was seen to use after a call; 0 before. */
  peakMb = 0
  /** Since when its calls wait for memory; 0 when they do not. */
  shortSince = 0
  lastUsedAt = 0
  /** What a call takes inside its instance, on average of the last few; endless until one has ended. */
  #runMs = Number.POSITIVE_INFINITY
  /** Its calls, running and waiting, summed over time. */
  callMs = 0
  /** Instances that stay, called or not, until then. */
  kept = 0
  keptUntil = 0
  /** One that was to be kept could not be loaded: not tried again before. */
  keepAfter = 0
  /** Its instances may share an isolate with others, from this time on; never when it is infinite. */
  sharesFrom: number

  constructor(record: FunctionRecord, node: ExecutorLimits, use: NamespaceUse, share: ScaleShare) {
    this.use = use
    const { settings, parameters } = record.manifest
    const { execution } = settings
    this.record = record
    this.version = record.version
    this.title = `${record.namespace}/${record.name}`
    const limits = limitsOf(execution, node)
    this.limits = limits
    this.concurrencyMax = limits.concurrencyMax
    this.payloadBytesMax = limits.payloadBytesMax
    this.resultBytesMax = limits.resultBytesMax
    this.memoryMbMax = limits.memoryMbMax
    this.timeoutMs = limits.timeoutMs
    this.adopt(share, node)
    this.callsOthers = settings.calls.length > 0
    this.egress = settings.egress.flatMap(readable)
    this.loadMs = Math.max(LOAD_MS_MIN, limits.timeoutMs)
    const wire: WireSettings = {
      name: record.name,
      env: settings.env,
      resultBytesMax: this.resultBytesMax,
      parameters,
      loadMs: this.loadMs,
      cpuMs: limits.cpuMs,
      logBytesMax: limits.logBytesMax,
      timersMax: limits.timersMax,
    }
    const isSmall = execution.memoryMbMax === SHARED_MEMORY_MB && record.manifest.artifact.bytes <= SHARED_ARTIFACT_BYTES_MAX
    this.sharesFrom = isSmall ? 0 : Number.POSITIVE_INFINITY
    this.settings = Buffer.from(JSON.stringify(wire))
  }

  /** From now on it has this part of the function's scale. */
  adopt({ instancesMax, target, idleMs }: ScaleShare, node: Pick<ExecutorLimits, 'instancesMax'>): void {
    this.instancesMax = Math.min(node.instancesMax, instancesMax)
    this.runningMax = this.instancesMax * this.concurrencyMax
    this.target = Math.min(target, this.concurrencyMax)
    this.idleMs = idleMs
  }

  /** How many instances stay, called or not. */
  keptAt(now: number): number {
    return now < this.keptUntil ? Math.min(this.kept, this.instancesMax) : 0
  }

  /** A call took so long inside its instance; what is not known counts as long. */
  ran(runMs: number): void {
    const known = Math.min(runMs, this.timeoutMs)
    this.#runMs = this.#runMs === Number.POSITIVE_INFINITY ? known : this.#runMs + (known - this.#runMs) * LATEST_RUN_WEIGHT
  }

  /**
   * The instance that takes this call: the one with most room; where calls are short, the one with least, so that one isolate is at work and in the
   * processor's caches instead of several that run nothing at the same time.
   */
  choose(call: Call): InstanceSlot | undefined {
    const { slots } = this
    const isShort = this.#runMs < SHORT_RUN_MS
    let best: InstanceSlot | undefined
    for (let index = 0; index < slots.length; index++) {
      const slot = slots[index] as InstanceSlot
      if (slot.state !== 'ready' || slot.spoiled || slot.worker.isBlocked || slot.inFlight >= this.concurrencyMax) continue
      if (this.callsOthers && slot.inFlight > 0 && !servesCallerOf(slot, call)) continue
      if (best === undefined || (isShort ? slot.inFlight > best.inFlight : slot.inFlight < best.inFlight)) best = slot
    }
    return best
  }

  get isWarm(): boolean {
    return this.slots.some(isReady)
  }

  /** Whether another call would find its instances with fewer than they should have. */
  get hasRoom(): boolean {
    const calls = this.running + this.waiting.length
    let wanted = 0
    for (const slot of this.slots) if (isReady(slot)) wanted += this.target
    return calls < wanted
  }

  /** Last called, or until when it is kept: what is told of the node names those first that others should know of. */
  get wantedAt(): number {
    return Math.max(this.lastUsedAt, this.keptUntil)
  }

  get isFull(): boolean {
    return this.running + this.waiting.length >= this.runningMax
  }

  /** What is there, and what it is used for. */
  count(now: number): InstanceCount {
    const { namespace, name } = this.record
    const [running, waiting] = [this.running, this.waiting.length]
    const ready = this.slots.filter(isReady).length
    const quietMs = running + waiting > 0 ? 0 : Math.round(now - this.lastUsedAt)
    return {
      namespace,
      name,
      version: this.version,
      ready,
      starting: this.starting,
      kept: this.keptAt(now),
      running,
      waiting,
      quietMs,
      callMs: this.callMs,
    }
  }

  /** Instances that take calls, or soon will. */
  usableSlots(): number {
    let usable = 0
    for (const slot of this.slots) if (!slot.spoiled && !slot.worker.isBlocked) usable++
    return usable
  }

  get isBusy(): boolean {
    return this.running > 0 || this.waiting.length > 0 || this.starting > 0
  }

  remove(slot: InstanceSlot): void {
    const at = this.slots.indexOf(slot)
    if (at >= 0) this.slots.splice(at, 1)
  }
}

function isReady(slot: InstanceSlot): boolean {
  return slot.state === 'ready' && !slot.spoiled && !slot.worker.isBlocked
}

/** A record may be older than the rules, or of a builder without any: what cannot be read allows nothing. */
function readable(entry: string): EgressPattern[] {
  try {
    return [parseEgress(entry)]
  } catch {
    return []
  }
}

function servesCallerOf(slot: InstanceSlot, call: Call): boolean {
  for (const other of slot.worker.callsOf(slot)) return other.invocation.caller.token === call.invocation.caller.token
  return true
}
