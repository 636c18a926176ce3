/**
 * Virtual time. Everything that waits in a run waits here; one thing runs at a time, and whatever promises it settles run to their end before
 * the next. Promises settle in an order fixed by the language, so a run is a function of its seed as long as nothing waits anywhere else.
 */
import type { Trace } from './trace.ts'

/** On whose behalf something waits. What waits for a dead one never runs: a killed process does not continue. */
export interface Owner {
  readonly name: string
  alive: boolean
  /** Things waiting now. */
  waiting: number
}

interface Task {
  at: number
  order: number
  owner: Owner
  run: (() => void) | undefined
}

export class Scheduler {
  readonly trace: Trace
  /** Hears of what a task threw: in a real process that ends it. */
  onThrown: (owner: Owner, error: unknown) => void = () => {}
  /** Milliseconds since the run began. */
  now = 0
  #order = 0
  readonly #heap: Task[] = []

  constructor(trace: Trace) {
    this.trace = trace
  }

  /** Runs once, later. Returns the way to cancel it. */
  after(owner: Owner, delayMs: number, run: () => void): () => void {
    if (!owner.alive) return () => {}
    const task: Task = { at: this.now + Math.max(0, delayMs), order: (this.#order += 1), owner, run }
    owner.waiting += 1
    this.#push(task)
    return () => {
      if (task.run === undefined) return
      task.run = undefined
      owner.waiting -= 1
    }
  }

  /** Runs what is due until then, or until `enough()`, asked after each step. */
  async runUntil(endMs: number, enough: () => boolean = () => false): Promise<void> {
    while (!enough()) {
      const task = this.#heap[0]
      if (task === undefined || task.at > endMs) {
        this.now = endMs
        return
      }
      this.#pop()
      if (task.run === undefined || !task.owner.alive) continue
      this.now = task.at
      this.#run(task)
      await settled()
    }
  }

  #run(task: Task): void {
    const { owner, run } = task
    task.run = undefined
    owner.waiting -= 1
    this.trace.step(this.now, owner.name)
    try {
      run?.()
    } catch (error) {
      this.onThrown(owner, error)
    }
  }

  #push(task: Task): void {
    const heap = this.#heap
    let at = heap.push(task) - 1
    while (at > 0) {
      const parent = (at - 1) >>> 1
      if (isBefore(heap[parent] as Task, task)) break
      heap[at] = heap[parent] as Task
      at = parent
    }
    heap[at] = task
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop() as Task
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Task, heap[child] as Task)) child += 1
      if (isBefore(last, heap[child] as Task)) break
      heap[at] = heap[child] as Task
      at = child
    }
    heap[at] = last
  }
}

function isBefore(a: Task, b: Task): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

/** Resolves when no promise has anything left to run: Node empties the microtask queue before the next tick (https://nodejs.org/api/process.html#processnexttickcallback-args). */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    process.nextTick(resolve)
  })
}
