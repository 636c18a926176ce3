/**
 * Isolates with several contexts: an isolate holds 2.4 MB before its function does, a further context in it 0.3. Functions of one namespace that were
 * found quick and small share them, on the worker's main thread. README.md says what that costs.
 */
import { heapOf } from './heap-watch.ts'
import ivm from 'isolated-vm'
import { SHARED_MEMORY_MB } from '../../bounds.ts'
import { type Blank, closeContext, type Opened, openContext } from './context.ts'

/** Contexts in one isolate. Beyond this little is saved, and more would go down with a neighbour. */
const PLACES = 24
/** What the functions of one isolate may hold together, with what they have not let go of yet; a context takes 0.4 MB of it. Above this they part. */
const TOGETHER_MB_MAX = 40
const MIB = 1024 * 1024

interface Shared {
  isolate: ivm.Isolate
  /** Contexts that were opened in it. Places are not given twice: nobody knows when the collector has been there. */
  taken: number
  live: number
}

export class SharedIsolates {
  readonly #snapshot: ivm.ExternalCopy<ArrayBuffer>
  readonly #random: () => string
  #current: Shared | undefined

  constructor(init: { snapshot: ivm.ExternalCopy<ArrayBuffer>; random: () => string }) {
    this.#snapshot = init.snapshot
    this.#random = init.random
  }

  /** A new context, made here and now. Whoever shares an isolate can still have all that its own limit promises. */
  take(): Blank {
    let shared = this.#current
    if (shared === undefined || shared.taken >= PLACES || shared.isolate.isDisposed) {
      const isolate = new ivm.Isolate({ memoryLimit: SHARED_MEMORY_MB + TOGETHER_MB_MAX, snapshot: this.#snapshot })
      shared = this.#current = { isolate, taken: 0, live: 0 }
    }
    const { isolate } = shared
    const opened = openContext(isolate, isolate.createContextSync(), this.#random)
    shared.taken++
    shared.live++
    let isOpen = true
    const release = () => {
      if (isOpen) this.#release(shared, opened)
      isOpen = false
    }
    return { ...opened, isShared: true, release }
  }

  #release(shared: Shared, opened: Opened): void {
    shared.live--
    if (shared.isolate.isDisposed) return
    if (shared.live > 0) return closeContext(opened)
    if (this.#current === shared) this.#current = undefined
    shared.isolate.dispose()
  }
}

/** Whether those who share this isolate have too much together. */
export function isOvergrown(isolate: ivm.Isolate): boolean {
  const heap = heapOf(isolate)
  return heap !== undefined && heap.used_heap_size + heap.externally_allocated_size > TOGETHER_MB_MAX * MIB
}
