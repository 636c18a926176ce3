/**
 * The items this router holds: heads in memory, everything on disk. A change is seen at once and its promise resolves when it is synced; changes that
 * come together share one sync. What reads damaged counts as not there.
 */
import { OsirisError } from '#protocols/errors'
import {
  GroupCommit,
  readUpToDamage,
  readValues,
  type Storage,
  storageError,
  type StorageOperation,
  unsealRecord,
} from '#protocols/storage'
import { Usage, type QueueBounds } from './bounds.ts'
import {
  answerKey,
  type Head,
  isOver,
  ITEM_PREFIX,
  itemKey,
  namespaceOf,
  payloadKey,
  seal,
  sealBytes,
  type Stored,
  unseal,
} from './record.ts'

/** What goes with a head to the disk. */
export interface Parts {
  payload?: Uint8Array
  answer?: Uint8Array
}

export class Shelf {
  readonly usage: Usage
  readonly #storage: Storage
  readonly #commit: GroupCommit
  readonly #items = new Map<string, Stored>()
  /** Payloads and answers on their way to the disk: whoever sees the head may ask for them. */
  readonly #unwritten = new Map<string, Uint8Array>()
  /** Ids of what is over, and of dead letters, each in the order in which they came to it. */
  readonly #ended = new Set<string>()
  readonly #dead = new Map<string, Set<string>>()
  /** Who waits for a change, by id. */
  readonly #watchers = new Map<string, Set<() => void>>()

  constructor(init: { storage: Storage; bounds: QueueBounds }) {
    this.#storage = init.storage
    this.#commit = new GroupCommit({ storage: init.storage, onSynced: () => {}, onFailed: () => {} })
    this.usage = new Usage(init.bounds)
  }

  /** Reads what is on disk. Returns how many records were damaged: they are gone, and come back from other holders. */
  async load(): Promise<number> {
    let damaged = 0
    const over: Stored[] = []
    for await (const [key, value] of readUpToDamage(this.#storage, { gte: ITEM_PREFIX, lt: 'queue/item0' })) {
      const stored = unseal(value)
      if (stored === undefined || itemKey(stored.head.id) !== key) damaged += 1
      else if (isOver(stored.head) || stored.head.state === 'dead') over.push(stored)
      else this.#place(stored)
    }
    // In the order in which the oldest are dropped.
    for (const each of over.toSorted((a, b) => (a.head.endedAt ?? 0) - (b.head.endedAt ?? 0))) this.#place(each)
    return damaged
  }

  get(id: string): Stored | undefined {
    return this.#items.get(id)
  }

  all(): IterableIterator<Stored> {
    return this.#items.values()
  }

  /** Called with each change of what is seen of the item. Returns the way to stop. */
  watch(id: string, changed: () => void): () => void {
    const watchers = this.#watchers.get(id) ?? new Set()
    this.#watchers.set(id, watchers.add(changed))
    return () => {
      if (watchers.delete(changed) && watchers.size === 0 && this.#watchers.get(id) === watchers) this.#watchers.delete(id)
    }
  }

  /** Takes the place of what was there. Throws `storage_full` or `unavailable` when the disk refuses; what is seen stays. */
  put(stored: Stored, parts: Parts = {}): Promise<void> {
    return this.putAll([{ stored, parts }])
  }

  async putAll(all: readonly { stored: Stored; parts?: Parts }[]): Promise<void> {
    const operations = all.flatMap(({ stored, parts }) => this.#operations(stored, parts ?? {}))
    for (const { stored } of all) this.#place(stored)
    const dropped = all.flatMap(({ stored }) => this.#dropped(stored.head))
    const parts = all.flatMap(({ stored, parts: { payload, answer } = {} }) => {
      const { id } = stored.head
      return [
        ...(payload === undefined ? [] : [[payloadKey(id), payload] as const]),
        ...(answer === undefined ? [] : [[answerKey(id), answer] as const]),
      ]
    })
    for (const [key, bytes] of parts) this.#unwritten.set(key, bytes)
    try {
      await this.#write([...operations, ...dropped])
    } finally {
      for (const [key, bytes] of parts) if (this.#unwritten.get(key) === bytes) this.#unwritten.delete(key)
    }
  }

  /** It was never here. */
  async forget(ids: readonly string[]): Promise<void> {
    await this.#write(ids.flatMap((id) => this.#forgotten(id)))
  }

  /** Resolves when what was seen before is on disk, or was refused. */
  settled(): Promise<void> {
    return this.#commit.settled()
  }

  payload({ id, bytes }: Head): Promise<Uint8Array | undefined> {
    return this.#read(payloadKey(id), bytes)
  }

  answer({ id, answerBytes }: Head): Promise<Uint8Array | undefined> {
    return this.#read(answerKey(id), answerBytes)
  }

  async #read(key: string, bytes: number): Promise<Uint8Array | undefined> {
    if (bytes === 0) return new Uint8Array()
    const unwritten = this.#unwritten.get(key)
    if (unwritten !== undefined) return unwritten
    const [value] = await readValues(this.#storage, [key])
    const record = unsealRecord(value)
    return record?.bytes.length === bytes ? record.bytes : undefined
  }

  #operations({ head, claim }: Stored, { payload, answer }: Parts): StorageOperation[] {
    const operations: StorageOperation[] = [{ type: 'put', key: itemKey(head.id), value: seal({ head, claim }) }]
    if (payload !== undefined && payload.length > 0) operations.push({ type: 'put', key: payloadKey(head.id), value: sealBytes(payload) })
    if (answer !== undefined && answer.length > 0) operations.push({ type: 'put', key: answerKey(head.id), value: sealBytes(answer) })
    if (isOver(head) && head.bytes > 0) operations.push({ type: 'del', key: payloadKey(head.id) })
    return operations
  }

  #place(stored: Stored): void {
    const { head } = stored
    this.usage.change(this.#items.get(head.id)?.head, head)
    this.#items.set(head.id, stored)
    this.#unlist(head)
    if (isOver(head)) this.#ended.add(head.id)
    for (const changed of [...(this.#watchers.get(head.id) ?? [])]) changed()
    if (head.state !== 'dead') return
    const namespace = namespaceOf(head.key)
    const dead = this.#dead.get(namespace)
    if (dead === undefined) this.#dead.set(namespace, new Set([head.id]))
    else dead.add(head.id)
  }

  #unlist({ id, key, state }: Head): void {
    if (state !== 'done' && state !== 'cancelled') this.#ended.delete(id)
    const dead = this.#dead.get(namespaceOf(key))
    if (dead?.delete(id) === true && dead.size === 0) this.#dead.delete(namespaceOf(key))
  }

  /** What has to go for this one: of its namespace the oldest answers and dead letters, of all the oldest that are over. */
  #dropped(head: Head): StorageOperation[] {
    const { bounds } = this.usage
    const namespace = namespaceOf(head.key)
    const operations: StorageOperation[] = []
    const dead = this.#dead.get(namespace)
    const excess = Math.max(0, (dead?.size ?? 0) - bounds.namespaceDead)
    for (const id of [...(dead ?? [])].slice(0, excess)) operations.push(...this.#forgotten(id))
    while (this.#ended.size > bounds.nodeEnded) operations.push(...this.#forgotten(this.#ended.values().next().value as string))
    if (head.answerBytes === 0 || this.usage.of(namespace).answerBytes <= bounds.namespaceAnswerBytes) return operations
    for (const id of this.#ended) {
      if (this.usage.of(namespace).answerBytes <= bounds.namespaceAnswerBytes) break
      const old = this.#items.get(id)?.head
      if (old !== undefined && old.answerBytes > 0 && namespaceOf(old.key) === namespace && id !== head.id)
        operations.push(...this.#forgotten(id))
    }
    return operations
  }

  #forgotten(id: string): StorageOperation[] {
    const stored = this.#items.get(id)
    if (stored === undefined) return []
    const { head } = stored
    this.usage.change(head, undefined)
    this.#items.delete(id)
    this.#ended.delete(id)
    this.#unlist(head)
    return [itemKey(id), payloadKey(id), answerKey(id)].map((key) => ({ type: 'del', key }))
  }

  async #write(operations: StorageOperation[]): Promise<void> {
    if (operations.length === 0) return
    try {
      await this.#commit.write(operations, () => {})
    } catch (error) {
      throw storageError(error, 'Cannot write to the queue')
    }
  }
}

/** What damage took cannot be handed out. */
export function payloadLost(id: string): OsirisError {
  return new OsirisError('unavailable', `Cannot hand out "${id}": its payload was damaged on this node, and no other holder has it`)
}
