/** Time that passes when a test says so, and a disk in memory: routers in one process, the same run every time. */
import type { Clock } from '#protocols/lifecycle'
import type { Storage } from '#protocols/storage'

/** 2026-01-01T00:00:00Z, and nothing is due at it. */
export const EPOCH_MS = Date.UTC(2026, 0, 1) + 500

/** Time that passes only when it is told to. */
export class VirtualTime {
  nowMs = 0
  #order = 0
  readonly #tasks = new Set<Task>()

  clock(skewMs: () => number = () => 0, isAlive: () => boolean = () => true): Clock {
    return {
      now: () => Math.floor(EPOCH_MS + this.nowMs + skewMs()),
      monotonic: () => this.nowMs,
      after: (delayMs, run) => {
        const task = { at: this.nowMs + Math.max(0, delayMs), order: this.#order++, run: () => isAlive() && run() }
        this.#tasks.add(task)
        return () => this.#tasks.delete(task)
      },
    }
  }

  async pass(ms: number): Promise<void> {
    const end = this.nowMs + ms
    await settled()
    for (;;) {
      const next = this.#first()
      if (next === undefined || next.at > end) break
      this.#tasks.delete(next)
      this.nowMs = Math.max(this.nowMs, next.at)
      next.run()
      await settled()
    }
    this.nowMs = end
  }

  #first(): Task | undefined {
    let first: Task | undefined
    for (const task of this.#tasks)
      if (first === undefined || task.at < first.at || (task.at === first.at && task.order < first.order)) first = task
    return first
  }
}

interface Task {
  at: number
  order: number
  run: () => void
}

/** All promises that can settle have. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

export class MapStorage implements Storage {
  readonly #rows = new Map<string, Uint8Array>()

  async getMany(keys: string[]): Promise<(Uint8Array | undefined)[]> {
    return keys.map((key) => this.#rows.get(key))
  }

  async batch(operations: Parameters<Storage['batch']>[0]): Promise<void> {
    for (const each of operations) {
      if (each.type === 'put') this.#rows.set(each.key, each.value)
      else this.#rows.delete(each.key)
    }
  }

  async *iterator({ gte, lt }: { gte: string; lt: string }): AsyncGenerator<[string, Uint8Array]> {
    for (const key of [...this.#rows.keys()].toSorted()) if (key >= gte && key < lt) yield [key, this.#rows.get(key) as Uint8Array]
  }
}
