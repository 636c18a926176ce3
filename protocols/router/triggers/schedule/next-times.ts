/** Keys by the time they are next due, so that a thousand of them cost as little as one, and one timer is enough. */
import { Heap } from '../../heap.ts'

interface Entry {
  key: string
  at: number
}

export class NextTimes {
  /** What was set anew, or deleted, is passed over when its turn comes. */
  readonly #heap = new Heap<Entry>((a, b) => a.at < b.at)
  readonly #byKey = new Map<string, Entry>()

  set(key: string, at: number): void {
    const entry = { key, at }
    this.#byKey.set(key, entry)
    this.#heap.push(entry)
  }

  delete(key: string): void {
    this.#byKey.delete(key)
  }

  /** When the first is due. */
  first(): number | undefined {
    for (let first = this.#heap.first(); first !== undefined; first = this.#heap.first()) {
      if (this.#byKey.get(first.key) === first) return first.at
      this.#heap.pop()
    }
    return undefined
  }

  /** Takes out those that are due. */
  take(now: number): string[] {
    const due: string[] = []
    for (let at = this.first(); at !== undefined && at <= now; at = this.first()) {
      const { key } = this.#heap.pop() as Entry
      this.#byKey.delete(key)
      due.push(key)
    }
    return due
  }
}
