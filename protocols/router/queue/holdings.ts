/** What this router holds, and what other routers may do to it: bring copies, tell of them, claim attempts, compare. */
import { OsirisError } from '#protocols/errors'
import type { Peer } from '#protocols/network'
import { adopted, type Asked, grant, released } from './lease.ts'
import type { ClaimAnswer } from './copies.ts'
import type { Compared, Part } from './messages.ts'
import { type Head, isLater, isOver, namespaceOf, type Stored } from './record.ts'
import type { Shelf } from './shelf.ts'

export interface HoldingsInit {
  self: Peer
  shelf: Shelf
  /** Whether an attempt of it is under way here. */
  isRunning: (id: string) => boolean
  /** Hears of every item that another router's word changed here. */
  onChanged: (stored: Stored) => void
}

export class Holdings {
  readonly #self: Peer
  readonly #shelf: Shelf
  readonly #isRunning: (id: string) => boolean
  readonly #onChanged: (stored: Stored) => void

  constructor(init: HoldingsInit) {
    this.#self = init.self
    this.#shelf = init.shelf
    this.#isRunning = init.isRunning
    this.#onChanged = init.onChanged
  }

  /** Resolves when all are on disk here. All or none. Throws `quota_exceeded`, `overloaded`, `storage_full`, `unavailable`, `invalid_argument`. */
  async takeCopies(parts: readonly Part[], repair: boolean): Promise<void> {
    const news = parts.filter(({ head }) => this.#wants(head, repair))
    for (const { head, bytes } of news) this.#requireFit(head, bytes)
    await this.#shelf.putAll(
      news.map(({ head, bytes }) => {
        const known = this.#shelf.get(head.id)
        return { stored: known === undefined ? { head, claim: null } : adopted(known, head), parts: { payload: bytes } }
      }),
    )
    for (const { head } of news) this.#changed(head.id)
    // What was known may be on its way to the disk.
    if (news.length < parts.length) await this.#shelf.settled()
  }

  #wants(head: Head, repair: boolean): boolean {
    const known = this.#shelf.get(head.id)
    if (known !== undefined) return isLater(head, known.head)
    return head.holders.includes(this.#self) && !isOver(head) && !(repair && head.once)
  }

  #requireFit(head: Head, bytes: Uint8Array): void {
    if (bytes.length !== head.bytes)
      throw new OsirisError('invalid_argument', `Cannot hold "${head.id}": it has ${bytes.length} bytes and says ${head.bytes}`)
    if (this.#shelf.get(head.id) === undefined) this.#shelf.usage.requireRoom(namespaceOf(head.key), 1, head.bytes)
  }

  /** What owners say; what is older than what is known here, or of items not held here, is passed over. */
  async hear(parts: readonly Part[]): Promise<void> {
    await Promise.all(parts.map(({ head, bytes }) => this.adopt(head, bytes)))
  }

  /** Takes over a later head. Of one that lost its answer on the way the end counts all the same. */
  async adopt(head: Head, answer: Uint8Array): Promise<void> {
    const known = this.#shelf.get(head.id)
    if (known === undefined || !isLater(head, known.head)) return
    const isWhole = answer.length === head.answerBytes
    const written = this.#shelf.put(adopted(known, isWhole ? head : { ...head, answerBytes: 0 }), isWhole ? { answer } : {})
    this.#changed(head.id)
    await written
  }

  /** Resolves when what is granted is on disk. */
  async claimed({ id, release, ...asked }: Asked & { id: string; release: boolean }): Promise<ClaimAnswer> {
    const stored = this.#shelf.get(id)
    if (stored === undefined) return { grant: 'unknown', by: null, head: null }
    if (release) {
      await this.#shelf.put(released(stored, asked))
      return { grant: 'granted', by: null, head: null }
    }
    const granted = grant(stored, asked)
    if (granted.kind === 'taken') {
      // What this router was granted and is not making, it began in an earlier life, or without an end that it knows.
      const isOver = granted.by === this.#self && !this.#isRunning(id)
      return { grant: 'taken', by: isOver ? null : granted.by, head: null }
    }
    if (granted.kind !== 'granted') return { grant: granted.kind, by: null, head: stored.head }
    const written = this.#shelf.put(granted.stored)
    if (granted.stored.head.epoch !== stored.head.epoch) this.#changed(id)
    await written
    return { grant: 'granted', by: null, head: null }
  }

  async payloadOf(id: string): Promise<Uint8Array | undefined> {
    const stored = this.#shelf.get(id)
    return stored === undefined || isOver(stored.head) ? undefined : this.#shelf.payload(stored.head)
  }

  compared(theirs: Compared): { later: Head[]; wanted: string[] } {
    const later: Head[] = []
    const wanted: string[] = []
    for (const each of theirs) {
      const ours = this.#shelf.get(each.id)?.head
      if (ours === undefined) {
        if (!isOver(each)) wanted.push(each.id)
      } else if (isLater(ours, { ...ours, ...each })) later.push(ours)
      else if (isLater({ ...ours, ...each }, ours)) wanted.push(each.id)
    }
    return { later, wanted }
  }

  #changed(id: string): void {
    const stored = this.#shelf.get(id)
    if (stored !== undefined) this.#onChanged(stored)
  }
}
