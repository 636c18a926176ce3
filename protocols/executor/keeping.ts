/** Orders to keep instances: taken, or refused because there is no room for them. */
import type { FunctionRecord } from '#protocols/catalog'
import type { OsirisError } from '#protocols/errors'
import type { Clock } from '#protocols/lifecycle'
import type { Dispatcher } from './dispatcher.ts'
import type { InstanceCount, ScaleOrder } from './executor.ts'
import type { FunctionState, ScaleShare } from './function-state.ts'
import { limitMet } from './limits/function-limits.ts'
import type { ExecutorLimits } from './limits/limits.ts'

export interface KeepingInit {
  clock: Clock
  dispatcher: Dispatcher
  limits: ExecutorLimits
  /** This node's part of a function's scale. */
  shareOf: (record: FunctionRecord) => ScaleShare
}

export class Keeping {
  readonly #init: KeepingInit

  constructor(init: KeepingInit) {
    this.#init = init
  }

  /** Throws `overloaded` where there is no room for all of it; what there is room for is kept. */
  take(fn: FunctionState, { instances, lapseMs }: ScaleOrder): InstanceCount {
    const { clock, dispatcher, limits } = this.#init
    const now = clock.monotonic()
    fn.kept = Math.min(instances, fn.instancesMax)
    fn.keptUntil = fn.kept > 0 ? now + lapseMs : 0
    const needed = Math.ceil((fn.running + fn.waiting.length) / fn.concurrencyMax)
    dispatcher.trim(fn, Math.min(fn.instancesMax, Math.max(fn.kept, needed)))
    const fits = dispatcher.keep(fn)
    const count = fn.count(clock.monotonic())
    if (fn.kept < instances) throw beyondPart(fn, instances)
    if (!fits && count.ready < fn.kept) throw noRoom(fn, limits.memoryMbMax)
    return count
  }

  /** The members, or the function's settings, are others than before. */
  adopt(fn: FunctionState): void {
    const { dispatcher, limits, shareOf } = this.#init
    fn.adopt(shareOf(fn.record), limits)
    dispatcher.trim(fn, fn.instancesMax)
  }
}

function beyondPart(fn: FunctionState, instances: number): OsirisError {
  const has = `this node has ${fn.instancesMax} of them`
  return limitMet('overloaded', 'concurrency', `Cannot keep ${instances} instances of "${fn.title}": ${has} (scale.max, its part of it)`)
}

function noRoom(fn: FunctionState, budgetMb: number): OsirisError {
  return limitMet(
    'overloaded',
    'memory',
    `Cannot keep ${fn.kept} instances of "${fn.title}": no memory (all together have ${budgetMb} MB), or it could not be loaded`,
  )
}

/** Of a node that knows of no other: all of it. */
export function wholeShare({ manifest: { settings } }: FunctionRecord): ScaleShare {
  return { instancesMax: settings.scale.max, target: settings.scale.target, idleMs: settings.scale.idleMs }
}
