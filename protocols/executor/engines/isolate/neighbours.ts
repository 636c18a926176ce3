/** Looks after the instances that share isolates: what became slow or large since it moved in is named, so that it can be put elsewhere. */
import type ivm from 'isolated-vm'
import { heapOf } from './heap-watch.ts'
import type { Instance } from './instance.ts'
import { isOvergrown } from './shared.ts'

/** How long after a call it is looked at. Between two looks an isolate's own limit is what stops a function. */
const LOOK_MS = 100

/** Processor time of what may share an isolate, as isolated-vm counts it (on a busy machine several times too much): until it had loaded, and for each turn. */
const MODEST_LOAD_MS = 100
const MODEST_TURN_MS = 2
/** Nobody knows what a large heap is for. 2 MB is what every isolate has. */
const MODEST_BYTES = 6 * 1024 * 1024

/** Whether an instance that has an isolate of its own may go where its turns, and loading it again, hold up others. */
export function mayShare({ isAtRest, isolate, turns }: Instance): boolean {
  if (!isAtRest || isolate.isDisposed || Number(isolate.cpuTime) / 1e6 > MODEST_LOAD_MS + MODEST_TURN_MS * turns.count) return false
  const heap = heapOf(isolate)
  return heap !== undefined && heap.used_heap_size < MODEST_BYTES
}

export class Neighbours {
  readonly #unfit: (instanceId: number) => void
  /** Those that had a call since the last look. */
  readonly #entered = new Set<Instance>()
  /** Everybody who shares one. */
  readonly #known = new Map<ivm.Isolate, Set<Instance>>()
  readonly #named = new WeakSet<Instance>()
  #looking: NodeJS.Timeout | undefined

  /** `unfit` is called at most once for an instance. */
  constructor(unfit: (instanceId: number) => void) {
    this.#unfit = unfit
  }

  movedIn(instance: Instance): void {
    const others = this.#known.get(instance.isolate) ?? new Set()
    this.#known.set(instance.isolate, others.add(instance))
  }

  movedOut(instance: Instance): void {
    const others = this.#known.get(instance.isolate)
    others?.delete(instance)
    if (others?.size === 0) this.#known.delete(instance.isolate)
    this.#entered.delete(instance)
  }

  /** It has a call. */
  entered(instance: Instance): void {
    this.#entered.add(instance)
    if (this.#looking === undefined) this.#looking = setTimeout(() => this.#look(), LOOK_MS)
  }

  /** Everybody else in the isolate. */
  of(instance: Instance): Instance[] {
    return [...(this.#known.get(instance.isolate) ?? [])].filter((each) => each !== instance)
  }

  #look(): void {
    this.#looking = undefined
    const isolates = new Set<ivm.Isolate>()
    for (const instance of this.#entered) {
      if (instance.isolate.isDisposed) continue
      isolates.add(instance.isolate)
      if (instance.turns.isSlow) this.#name(instance)
    }
    this.#entered.clear()
    // Nobody can say whose memory it is: all of them go.
    for (const isolate of isolates) if (isOvergrown(isolate)) for (const each of this.#known.get(isolate) ?? []) this.#name(each)
  }

  #name(instance: Instance): void {
    if (this.#named.has(instance)) return
    this.#named.add(instance)
    this.#unfit(instance.id)
  }
}
