/** What ledger and queues ask of a key-value store. `Level` and `MemoryLevel` are such stores as they are. */
import { digestOf } from './codec.ts'
import { OsirisError } from './errors.ts'

export interface StoragePut {
  type: 'put'
  key: string
  value: Uint8Array
}

export interface StorageDel {
  type: 'del'
  key: string
}

export type StorageOperation = StoragePut | StorageDel

interface Encodings {
  keyEncoding: 'utf8'
  valueEncoding: 'view'
}

/** The part of abstract-level's `AbstractLevel` that is used: https://github.com/Level/abstract-level. */
export interface Storage {
  getMany(keys: string[], options: Encodings): Promise<(Uint8Array | undefined)[]>
  /** All or nothing; with `sync`, on the disk when it resolves. */
  batch(operations: StorageOperation[], options: Encodings & { sync: boolean }): Promise<void>
  iterator(options: Encodings & { gte: string; lt: string }): AsyncIterable<[string, Uint8Array]>
}

export const ENCODINGS: Encodings = { keyEncoding: 'utf8', valueEncoding: 'view' }

/** Values by key; one that the store cannot read for damage counts as missing. Throws what else the store throws. */
export async function readValues(storage: Storage, keys: string[]): Promise<(Uint8Array | undefined)[]> {
  try {
    return await storage.getMany(keys, ENCODINGS)
  } catch (error) {
    if (!isDamage(error)) throw error
    return keys.length === 1 ? [undefined] : (await Promise.all(keys.map((key) => readValues(storage, [key])))).flat()
  }
}

/** The rows of a range, as far as the store can read them. */
export async function* readUpToDamage(storage: Storage, range: { gte: string; lt: string }): AsyncGenerator<[string, Uint8Array]> {
  try {
    yield* storage.iterator({ ...ENCODINGS, ...range })
  } catch (error) {
    if (!isDamage(error)) throw error
  }
}

/** https://github.com/Level/classic-level: what LevelDB says of a table or log it cannot read. */
export function isDamage(error: unknown): boolean {
  return isCorruption(error) || (error as { code?: unknown }).code === 'LEVEL_IO_ERROR' || (error as Error).message.startsWith('IO error')
}

/** Of one whose bytes are wrong; not of a disk that is full or fails. */
export function isCorruption(error: unknown): boolean {
  return (error as { code?: unknown }).code === 'LEVEL_CORRUPTION' || (error as Error).message.startsWith('Corruption')
}

/** A stored record carries its own SHA-256 in front: a flipped bit in a table is otherwise served silently (TRAPS.md). */
export function sealRecord(bytes: Uint8Array, hash: string): Uint8Array {
  return Buffer.concat([Buffer.from(hash, 'hex'), bytes])
}

/** The record's bytes and hash, or `undefined` when it is damaged. */
export function unsealRecord(value: Uint8Array | undefined): { bytes: Uint8Array; hash: string } | undefined {
  if (value === undefined || value.length <= 32) return undefined
  const bytes = value.subarray(32)
  const hash = Buffer.from(value.buffer, value.byteOffset, 32).toString('hex')
  return digestOf(bytes) === hash ? { bytes, hash } : undefined
}

/** What the disk refused, in words a caller can act on. */
export function storageError(thrown: unknown, act: string): OsirisError {
  const text = reasonsOf(thrown)
  if (/ENOSPC|EDQUOT|no space left|disk quota exceeded/i.test(text)) {
    return new OsirisError('storage_full', `${act}: the disk of this node is full`, { cause: thrown })
  }
  if (/EROFS|EACCES|EPERM|read-only|permission denied/i.test(text)) {
    return new OsirisError('unavailable', `${act}: the data directory of this node cannot be written to`, { cause: thrown })
  }
  return OsirisError.from(thrown, act, 'unavailable')
}

function reasonsOf(thrown: unknown): string {
  const texts: string[] = []
  for (let at = thrown; at instanceof Error && texts.length < 8; at = at.cause)
    texts.push(at.message, String((at as { code?: unknown }).code))
  return texts.join('\n')
}

interface Waiting {
  operations: StorageOperation[]
  done: () => void
  resolve: () => void
  reject: (error: unknown) => void
}

/**
 * Writes that arrive while one is on its way to the disk share the next sync: a sync costs about seven times the write (TRAPS.md).
 * In order of arrival. A failed write fails everything waiting behind it too, since later entries build on earlier ones.
 */
export class GroupCommit {
  readonly #storage: Storage
  readonly #onSynced: () => void
  readonly #onFailed: () => void
  #waiting: Waiting[] = []
  #running: Promise<void> | undefined

  /** `onSynced` runs once per group, `onFailed` once per failure, both before any of the callers goes on. */
  constructor(init: { storage: Storage; onSynced: () => void; onFailed: () => void }) {
    this.#storage = init.storage
    this.#onSynced = init.onSynced
    this.#onFailed = init.onFailed
  }

  /** Resolves when synced. `done` runs at that moment, in order of arrival, before `onSynced`. */
  write(operations: StorageOperation[], done: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ operations, done, resolve, reject })
      this.#running ??= this.#run()
    })
  }

  /** Resolves when nothing is on its way. */
  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) await this.#writeGroup(this.#waiting.splice(0))
    this.#running = undefined
  }

  async #writeGroup(group: Waiting[]): Promise<void> {
    const operations = group.flatMap((each) => each.operations)
    try {
      await this.#storage.batch(operations, { ...ENCODINGS, sync: true })
    } catch (error) {
      this.#onFailed()
      for (const each of [...group, ...this.#waiting.splice(0)]) each.reject(error)
      return
    }
    try {
      for (const each of group) each.done()
      this.#onSynced()
      for (const each of group) each.resolve()
    } catch (error) {
      for (const each of group) each.reject(error)
    }
  }
}
