/** Which item is next: of each kind the one that is due longest, namespaces in turn, so that nobody's backlog is in everybody's way. */
import { Heap } from '../heap.ts'

interface Waiting {
  id: string
  at: number
  order: number
}

export class Due {
  /** By kind and namespace: by time, then by arrival. What was removed stays until it comes up. */
  readonly #kinds = new Map<string, Map<string, Heap<Waiting>>>()
  readonly #waiting = new Map<string, Waiting>()
  #order = 0

  has(id: string): boolean {
    return this.#waiting.has(id)
  }

  /** From `at` on it is due; an item that waits already moves. */
  put(id: string, kind: string, namespace: string, at: number): void {
    const waiting = { id, at, order: (this.#order += 1) }
    this.#waiting.set(id, waiting)
    const ofKind = this.#kinds.get(kind) ?? new Map<string, Heap<Waiting>>()
    this.#kinds.set(kind, ofKind)
    const heap = ofKind.get(namespace) ?? new Heap(isBefore)
    ofKind.set(namespace, heap)
    heap.push(waiting)
  }

  remove(id: string): void {
    this.#waiting.delete(id)
  }

  /** Takes out the next item of a kind that is due, of the namespaces that may have one. The namespace it came from has its next turn after the others. */
  take(kind: string, now: number, mayHave: (namespace: string) => boolean): string | undefined {
    const ofKind = this.#kinds.get(kind)
    if (ofKind === undefined) return undefined
    for (const [namespace, heap] of ofKind) {
      const first = this.#first(heap)
      if (first !== undefined && (first.at > now || !mayHave(namespace))) continue
      ofKind.delete(namespace)
      if (first === undefined) continue
      heap.pop()
      this.#waiting.delete(first.id)
      if (heap.size > 0) ofKind.set(namespace, heap)
      return first.id
    }
    return undefined
  }

  /** When the next item of a kind is due, of the namespaces that may have one; undefined where none waits. */
  nextAt(kind: string, mayHave: (namespace: string) => boolean): number | undefined {
    let next: number | undefined
    for (const [namespace, heap] of this.#kinds.get(kind) ?? []) {
      const at = this.#first(heap)?.at
      if (at !== undefined && (next === undefined || at < next) && mayHave(namespace)) next = at
    }
    return next
  }

  /** The first that was neither removed nor moved. */
  #first(heap: Heap<Waiting>): Waiting | undefined {
    for (let first = heap.first(); first !== undefined; first = heap.first()) {
      if (this.#waiting.get(first.id) === first) return first
      heap.pop()
    }
    return undefined
  }
}

function isBefore(a: Waiting, b: Waiting): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
