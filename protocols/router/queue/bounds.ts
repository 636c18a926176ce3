/** How much a node keeps, for whom. */
import { OsirisError } from '#protocols/errors'
import { type Head, isOver, namespaceOf } from './record.ts'

const MIB = 1024 * 1024

export interface QueueBounds {
  /** Items of one namespace that wait, are handed out, or are dead letters; copies for other routers included. */
  namespaceItems: number
  /** Bytes of their payloads. */
  namespaceBytes: number
  /** Bytes of the answers of one namespace; the oldest go first. */
  namespaceAnswerBytes: number
  /** Dead letters of one namespace; the oldest go first. */
  namespaceDead: number
  /** Items of all namespaces, copies included: about 1 KiB of memory each. */
  nodeItems: number
  nodeBytes: number
  /** Ended items that are still known; the oldest are forgotten first. */
  nodeEnded: number
}

export const BOUNDS: QueueBounds = {
  namespaceItems: 10_000,
  namespaceBytes: 64 * MIB,
  namespaceAnswerBytes: 64 * MIB,
  namespaceDead: 1000,
  nodeItems: 50_000,
  nodeBytes: 512 * MIB,
  nodeEnded: 50_000,
}

interface Used {
  items: number
  bytes: number
  dead: number
  answerBytes: number
}

export class Usage {
  readonly bounds: QueueBounds
  readonly #namespaces = new Map<string, Used>()
  readonly #node: Used = none()

  constructor(bounds: QueueBounds) {
    this.bounds = bounds
  }

  /** Throws `quota_exceeded` or `overloaded` where so many more are too many. */
  requireRoom(namespace: string, items: number, bytes: number): void {
    const { namespaceItems, namespaceBytes, nodeItems, nodeBytes } = this.bounds
    const used = this.of(namespace)
    if (used.items + items > namespaceItems || used.bytes + bytes > namespaceBytes)
      throw new OsirisError(
        'quota_exceeded',
        `Cannot queue ${items} more of namespace "${namespace}": it has ${used.items} (at most ${namespaceItems}) with ${used.bytes} bytes (at most ${namespaceBytes})`,
      )
    if (this.#node.items + items > nodeItems || this.#node.bytes + bytes > nodeBytes)
      throw new OsirisError(
        'overloaded',
        `Cannot queue ${items} more: this node has ${this.#node.items} (at most ${nodeItems}) with ${this.#node.bytes} bytes (at most ${nodeBytes})`,
      )
  }

  of(namespace: string): Readonly<Used> {
    return this.#namespaces.get(namespace) ?? none()
  }

  /** One head takes the place of another. */
  change(before: Head | undefined, after: Head | undefined): void {
    const key = (before ?? after)?.key
    if (key === undefined) return
    const namespace = namespaceOf(key)
    const used = this.#namespaces.get(namespace) ?? none()
    for (const each of [used, this.#node]) {
      if (before !== undefined) count(each, before, -1)
      if (after !== undefined) count(each, after, 1)
    }
    if (Object.values(used).every((each) => each === 0)) this.#namespaces.delete(namespace)
    else this.#namespaces.set(namespace, used)
  }
}

function none(): Used {
  return { items: 0, bytes: 0, dead: 0, answerBytes: 0 }
}

function count(used: Used, head: Head, sign: 1 | -1): void {
  used.answerBytes += sign * head.answerBytes
  if (isOver(head)) return
  used.items += sign
  used.bytes += sign * head.bytes
  if (head.state === 'dead') used.dead += sign
}
