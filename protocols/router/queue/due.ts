/** Which item is next: of each kind the one that is due longest, namespaces in turn, so that nobody's backlog is in everybody's way. */

interface Waiting {
  id: string
  at: number
  order: number
}

/** Of one namespace: a binary heap by time, then by arrival. What was removed stays until it comes up. */
type Heap = Waiting[]

interface Place {
  kind: string
  namespace: string
  waiting: Waiting
}

export class Due {
  readonly #kinds = new Map<string, Map<string, Heap>>()
  readonly #places = new Map<string, Place>()
  #order = 0

  get size(): number {
    return this.#places.size
  }

  has(id: string): boolean {
    return this.#places.has(id)
  }

  /** From `at` on it is due; an item that waits already moves. */
  put(id: string, kind: string, namespace: string, at: number): void {
    const waiting = { id, at, order: (this.#order += 1) }
    this.#places.set(id, { kind, namespace, waiting })
    const ofKind = this.#kinds.get(kind)
    const heap = ofKind?.get(namespace)
    if (heap !== undefined) push(heap, waiting)
    else if (ofKind !== undefined) ofKind.set(namespace, [waiting])
    else this.#kinds.set(kind, new Map([[namespace, [waiting]]]))
  }

  remove(id: string): void {
    this.#places.delete(id)
  }

  /** Takes out the next item of a kind that is due, of the namespaces that may have one. The namespace it came from has its next turn after the others. */
  take(kind: string, now: number, mayHave: (namespace: string) => boolean = () => true): string | undefined {
    const ofKind = this.#kinds.get(kind)
    if (ofKind === undefined) return undefined
    for (const [namespace, heap] of ofKind) {
      const first = this.#first(heap)
      if (first !== undefined && (first.at > now || !mayHave(namespace))) continue
      ofKind.delete(namespace)
      if (first === undefined) continue
      pop(heap)
      this.#places.delete(first.id)
      if (heap.length > 0) ofKind.set(namespace, heap)
      return first.id
    }
    return undefined
  }

  /** When the next item of a kind is due, of the namespaces that may have one; undefined where none waits. */
  nextAt(kind: string, mayHave: (namespace: string) => boolean = () => true): number | undefined {
    let next: number | undefined
    for (const [namespace, heap] of this.#kinds.get(kind) ?? []) {
      const at = this.#first(heap)?.at
      if (at !== undefined && (next === undefined || at < next) && mayHave(namespace)) next = at
    }
    return next
  }

  /** The first that was neither removed nor moved. */
  #first(heap: Heap): Waiting | undefined {
    for (let first = heap[0]; first !== undefined; first = heap[0]) {
      if (this.#places.get(first.id)?.waiting === first) return first
      pop(heap)
    }
    return undefined
  }
}

function push(heap: Heap, waiting: Waiting): void {
  let at = heap.push(waiting) - 1
  while (at > 0) {
    const parent = (at - 1) >>> 1
    if (!isBefore(waiting, heap[parent] as Waiting)) break
    heap[at] = heap[parent] as Waiting
    at = parent
  }
  heap[at] = waiting
}

function pop(heap: Heap): void {
  const last = heap.pop() as Waiting
  if (heap.length === 0) return
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && isBefore(heap[child + 1] as Waiting, heap[child] as Waiting)) child += 1
    if (!isBefore(heap[child] as Waiting, last)) break
    heap[at] = heap[child] as Waiting
    at = child
  }
  heap[at] = last
}

function isBefore(a: Waiting, b: Waiting): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
