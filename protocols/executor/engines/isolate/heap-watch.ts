/** How much memory an instance has used at most, as far as is known: looking costs 2 µs, so it is not done for every quick call. */
import type ivm from 'isolated-vm'

/** A power of two. */
const CALLS_PER_LOOK = 256
/** Growth smaller than this part of what was told already is not told. */
const WORTH_TELLING = 1 / 16

export class HeapWatch {
  readonly #isolate: ivm.Isolate
  readonly #tell: (bytes: number) => void
  #calls = 0
  #told = 0

  constructor(isolate: ivm.Isolate, tell: (bytes: number) => void) {
    this.#isolate = isolate
    this.#tell = tell
  }

  /** A call comes in; `isIdle`: nothing runs in the isolate, so that looking does not have to wait. */
  countCall(isIdle: boolean): void {
    if ((++this.#calls & (CALLS_PER_LOOK - 1)) === 0 && isIdle) this.look()
  }

  look(): void {
    const heap = heapOf(this.#isolate)
    if (heap === undefined) return
    const bytes = heap.used_heap_size + heap.externally_allocated_size
    if (bytes <= this.#told * (1 + WORTH_TELLING)) return
    this.#told = bytes
    this.#tell(bytes)
  }
}

/** Nothing for an isolate that is gone: one that passed its limit throws at whoever enters it next, before it says that it is disposed. */
export function heapOf(isolate: ivm.Isolate): ivm.HeapStatistics | undefined {
  if (isolate.isDisposed) return undefined
  try {
    return isolate.getHeapStatisticsSync()
  } catch {
    return undefined
  }
}
