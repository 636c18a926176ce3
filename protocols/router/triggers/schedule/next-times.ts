/** Keys by the time they are next due: a binary heap, so that a thousand of them cost as little as one, and one timer is enough. */
interface Entry {
  key: string
  at: number
  /** It was set anew, or deleted: what is in the heap is passed over when its turn comes. */
  isOld: boolean
}

export class NextTimes {
  readonly #heap: Entry[] = []
  readonly #byKey = new Map<string, Entry>()

  set(key: string, at: number): void {
    this.delete(key)
    const entry = { key, at, isOld: false }
    this.#byKey.set(key, entry)
    this.#push(entry)
  }

  delete(key: string): void {
    const known = this.#byKey.get(key)
    if (known !== undefined) known.isOld = true
    this.#byKey.delete(key)
  }

  /** When the first is due. */
  first(): number | undefined {
    while (this.#heap[0]?.isOld === true) this.#pop()
    return this.#heap[0]?.at
  }

  /** Takes out those that are due. */
  take(now: number): string[] {
    const due: string[] = []
    for (let at = this.first(); at !== undefined && at <= now; at = this.first()) {
      const { key } = this.#pop()
      this.#byKey.delete(key)
      due.push(key)
    }
    return due
  }

  get size(): number {
    return this.#byKey.size
  }

  #push(entry: Entry): void {
    const heap = this.#heap
    let at = heap.push(entry) - 1
    while (at > 0) {
      const parent = (at - 1) >>> 1
      if ((heap[parent] as Entry).at <= entry.at) break
      heap[at] = heap[parent] as Entry
      at = parent
    }
    heap[at] = entry
  }

  #pop(): Entry {
    const heap = this.#heap
    const top = heap[0] as Entry
    const last = heap.pop() as Entry
    if (heap.length === 0) return top
    let at = 0
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && (heap[child + 1] as Entry).at < (heap[child] as Entry).at) child++
      if (last.at <= (heap[child] as Entry).at) break
      heap[at] = heap[child] as Entry
      at = child
    }
    heap[at] = last
    return top
  }
}
