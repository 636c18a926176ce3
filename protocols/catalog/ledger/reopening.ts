/**
 * A store that is opened again after a write failed: LevelDB takes no write after one that did not reach the disk (full, EIO), until it is closed
 * and opened. Reads go on from the broken one, which therefore is not closed before there is hope that it opens. A table that cannot be read
 * is a reason to open it again, too: on that way it is mended.
 */
import { isCorruption, isDamage, type Storage } from '#protocols/storage'

export interface Reopenable extends Storage {
  /** Whether a file can be written and synced beside the store. */
  hasRoom(): Promise<boolean>
  /** Closes and opens; may mend what is damaged. On failure it may be tried again. */
  reopen(after: unknown): Promise<void>
}

export class ReopeningStorage implements Storage {
  readonly #store: Reopenable
  /** Why the store is opened again before the next write; nothing while it is whole. */
  #failure: { error: unknown } | undefined
  #isClosed = false
  #mending: Promise<void> | undefined
  #reads = 0
  #onIdle: (() => void) | undefined

  constructor(store: Reopenable) {
    this.#store = store
  }

  getMany(...parameters: Parameters<Storage['getMany']>): ReturnType<Storage['getMany']> {
    return this.#reading(() => this.#store.getMany(...parameters))
  }

  async *iterator(...parameters: Parameters<Storage['iterator']>): AsyncGenerator<[string, Uint8Array]> {
    await this.#begin()
    try {
      yield* this.#store.iterator(...parameters)
    } catch (error) {
      throw this.#noted(error)
    } finally {
      this.#end()
    }
  }

  /** Throws what the store threw, or why it cannot be opened again. A write that met an old table which cannot be read is made again once that is mended. */
  async batch(...parameters: Parameters<Storage['batch']>): Promise<void> {
    if (this.#failure !== undefined) await this.#mend()
    try {
      await this.#store.batch(...parameters)
    } catch (error) {
      this.#failure ??= { error }
      if (!isCorruption(error)) throw error
      await this.#mend()
      await this.#store.batch(...parameters)
    }
  }

  async #reading<T>(read: () => Promise<T>): Promise<T> {
    await this.#begin()
    try {
      return await read()
    } catch (error) {
      throw this.#noted(error)
    } finally {
      this.#end()
    }
  }

  async #begin(): Promise<void> {
    if (this.#isClosed) await this.#mend()
    this.#reads += 1
  }

  #noted(error: unknown): unknown {
    if (isDamage(error)) this.#failure ??= { error }
    return error
  }

  #end(): void {
    this.#reads -= 1
    if (this.#reads === 0) this.#onIdle?.()
  }

  #mend(): Promise<void> {
    this.#mending ??= this.#reopen().finally(() => (this.#mending = undefined))
    return this.#mending
  }

  async #reopen(): Promise<void> {
    const error = this.#failure?.error
    if (!this.#isClosed && !(await this.#store.hasRoom())) throw error
    this.#isClosed = true
    while (this.#reads > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve))
    await this.#store.reopen(error)
    this.#isClosed = false
    this.#failure = undefined
  }
}
