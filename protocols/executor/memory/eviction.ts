/** Which instances go when memory is short: those that were not used for longest, as many as hold what is to be freed. Pure. */
import type { InstanceSlot } from '../function-state.ts'

const MIB = 1024 * 1024
/** An instance that shares an isolate weighs this part of one that has its own (README.md, "Memory of an instance"). */
const SHARED_WEIGHT = 0.25
/** Where nothing is known, about what an instance with nothing but its code holds. */
const USUAL_MB = 2.5
const LEAST_MB = 0.25
/** What is above the budget is brought this far below it, so that the next instance does not cost another one its place. */
export const SHRINK_TO = 0.9

export interface Held {
  restingBytes: number
  slots: Map<number, Pick<InstanceSlot, 'isShared'>>
  memory: { residentBytes(): number }
}

/** What one instance of this worker holds on average, by what the kernel says of the process. */
export function sizesIn(worker: Held): (slot: Pick<InstanceSlot, 'isShared'>) => number {
  let weight = 0
  for (const slot of worker.slots.values()) weight += slot.isShared ? SHARED_WEIGHT : 1
  const heldMb = (worker.memory.residentBytes() - worker.restingBytes) / MIB
  const aloneMb = weight === 0 || heldMb <= 0 ? USUAL_MB : heldMb / weight
  return (slot) => Math.max(LEAST_MB, slot.isShared ? aloneMb * SHARED_WEIGHT : aloneMb)
}

/** Least recently used first, and no more than needed to free `excessMb`. */
export function toRetire<S extends Pick<InstanceSlot, 'state' | 'inFlight' | 'lastUsedAt'>>(
  slots: Iterable<S>,
  excessMb: number,
  sizeMb: (slot: S) => number,
): S[] {
  const idle = [...slots].filter((slot) => slot.state === 'ready' && slot.inFlight === 0).toSorted((a, b) => a.lastUsedAt - b.lastUsedAt)
  const chosen: S[] = []
  let left = excessMb
  for (const slot of idle) {
    if (left <= 0) break
    chosen.push(slot)
    left -= sizeMb(slot)
  }
  return chosen
}

/** The same over the instances of these workers that may go, each at the size it has in its own. */
export function oldestIn(
  workers: (Omit<Held, 'slots'> & { slots: Map<number, InstanceSlot> })[],
  excessMb: number,
  mayGo: (slot: InstanceSlot) => boolean = () => true,
): InstanceSlot[] {
  const sizes = new Map<InstanceSlot, number>()
  for (const worker of workers) {
    const sizeMb = sizesIn(worker)
    for (const slot of worker.slots.values()) if (mayGo(slot)) sizes.set(slot, sizeMb(slot))
  }
  return toRetire(sizes.keys(), excessMb, (slot) => sizes.get(slot) ?? 0)
}
