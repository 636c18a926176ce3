/**
 * How many instances of one version the mesh should have. Pure: everything it judges by is in its arguments, so a recorded series can be replayed.
 *
 * After Knative's pod autoscaler (knative.dev/docs/serving/autoscaling/kpa-specific; pkg/autoscaler/scaling): instances = mean concurrency / target, over a
 * long window in calm and over a short one in panic, and never fewer while in panic. README.md has where this differs, and why.
 */
import type { ScaleSettings } from '#protocols/scale'

/** One look at one version, over all members. */
export interface Sample {
  /** On the decider's monotonic clock; grows from one to the next. */
  readonly atMs: number
  /** Calls running and waiting, on average since the look before. */
  readonly concurrency: number
}

/** What a decision needs to know of those before it. */
export interface ScaleMemory {
  /** When the panic window was last above its threshold; `null` in calm. */
  readonly panickedAtMs: number | null
  /** The most that was wanted in this panic. */
  readonly panicFloor: number
  /** What was wanted lately, before anything was held back; oldest first, none older than `DOWN_DELAY_MS`. */
  readonly recent: readonly { readonly atMs: number; readonly instances: number }[]
}

export interface Observed {
  readonly nowMs: number
  /** Oldest first; what is older than `STABLE_MS` is not looked at. */
  readonly series: readonly Sample[]
  /** Instances that are ready now. */
  readonly ready: number
  /** Since the last call began, or was still running. */
  readonly quietMs: number
}

export interface Decision {
  readonly instances: number
  readonly isPanic: boolean
  readonly memory: ScaleMemory
}

/** Knative's stable window… */
export const STABLE_MS = 60_000
/** …and its panic window, a tenth of it. */
export const PANIC_MS = 6000
/** Panic begins when the short window wants so many times what is ready. */
const PANIC_THRESHOLD = 2
/** So much of an instance may be missing: a load that is just what some instances should have is not measured to the last bit. */
const TOLERATED = 0.05
/** At most halved from one look to the next, as in Knative. Upward nothing is bounded but by `max`: an instance takes milliseconds to start. */
const DOWN_RATE = 2
/** Fewer only when for so long neither window had use for more: a load that swings does not start and end an instance with each swing. */
export const DOWN_DELAY_MS = 30_000

/** Where nothing is known of the past: `ready` instances stand, somebody wanted them, and a full window passes before fewer are believed. */
export function memoryAt(nowMs: number, ready: number): ScaleMemory {
  return ready > 1 ? { panickedAtMs: nowMs, panicFloor: ready, recent: [] } : { panickedAtMs: null, panicFloor: 0, recent: [] }
}

export function decide(settings: ScaleSettings, observed: Observed, memory: ScaleMemory): Decision {
  const { nowMs, series } = observed
  const ready = Math.max(1, observed.ready)
  const isSilent = observed.quietMs >= settings.idleMs
  const forShort = wantedFor(meanOf(series, nowMs, PANIC_MS), settings.target)
  const forLong = wantedFor(meanOf(series, nowMs, STABLE_MS), settings.target)
  const isOver = forShort / ready >= PANIC_THRESHOLD
  const panickedAtMs = isSilent ? null : isOver ? nowMs : stillPanicking(memory.panickedAtMs, nowMs)
  const isPanic = panickedAtMs !== null
  const wanted = isSilent ? 0 : Math.max(1, isPanic ? Math.max(forLong, forShort) : forLong)
  const panicFloor = isPanic ? Math.max(wanted, memory.panickedAtMs === null ? observed.ready : memory.panicFloor) : 0
  // What the short window makes use of is not taken away by the long one.
  const held = Math.max(wanted, panicFloor, Math.min(forShort, observed.ready))
  const recent = isSilent ? [] : [...memory.recent.filter(({ atMs }) => nowMs - atMs < DOWN_DELAY_MS), { atMs: nowMs, instances: held }]
  const most = recent.reduce((sum, each) => Math.max(sum, each.instances), held)
  const instances = isSilent ? 0 : Math.max(most, Math.floor(observed.ready / DOWN_RATE))
  return { instances: bounded(instances, settings), isPanic, memory: { panickedAtMs, panicFloor, recent } }
}

/** `min` yields to `max`, should somebody set one above the other. */
function bounded(instances: number, { min, max }: ScaleSettings): number {
  return Math.min(max, Math.max(min, instances))
}

function stillPanicking(panickedAtMs: number | null, nowMs: number): number | null {
  return panickedAtMs !== null && nowMs - panickedAtMs <= STABLE_MS ? panickedAtMs : null
}

function wantedFor(concurrency: number, target: number): number {
  return Math.max(0, Math.ceil(concurrency / target - TOLERATED))
}

/**
 * The mean of the last `windowMs`, each sample weighing as long as it stands for; of a series that is younger, over its age. A gap
 * (the decider stood still, or nobody told anything) counts as the sample after it, and for no longer than the window.
 */
export function meanOf(series: readonly Sample[], nowMs: number, windowMs: number): number {
  let area = 0
  let lengthMs = 0
  for (let index = series.length - 1; index >= 0; index--) {
    const sample = series[index] as Sample
    const before = series[index - 1]
    const from = Math.max(before?.atMs ?? sample.atMs - SAMPLE_MS, nowMs - windowMs)
    const spanMs = Math.min(sample.atMs, nowMs) - from
    if (spanMs <= 0) break
    area += sample.concurrency * spanMs
    lengthMs += spanMs
  }
  return lengthMs === 0 ? 0 : area / lengthMs
}

/** How often a look is taken. */
export const SAMPLE_MS = 1000
