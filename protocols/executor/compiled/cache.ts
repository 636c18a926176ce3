/**
 * Compiled code of large artifacts, made by workers and given to later ones: in memory, and in a folder of this node, authenticated. V8 trusts it like
 * machine code, so it never comes from the network and never serves another version than the one whose worker made it.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '#protocols/lifecycle'
import { CACHED_ARTIFACT_BYTES_MIN, CODE_CACHE_BYTES_MAX } from '../bounds.ts'
import type { FunctionState } from '../function-state.ts'

const MEMORY_BYTES_MAX = 32 * 1024 * 1024
const DISK_BYTES_MAX = 256 * 1024 * 1024
/** Files that may wait to be written; what comes then is kept in memory only. */
const WRITES_MAX = 32
/** A disk that takes longer is slower than compiling. */
const READ_MS = 50
const MAC_BYTES = 32
const NAME = /^[0-9a-f]{64}$/

export interface CodeStore {
  folder: string
  /** Secret of this node. */
  key: Uint8Array
}

/** Since the node started. */
export interface CodeCacheStatus {
  /** Loads that took compiled code instead of compiling. */
  used: number
  /** Taken from workers. */
  made: number
  /** Files that were not what this node had written with this engine; they are gone. */
  forged: number
  /** Given, and not taken by V8. */
  rejected: number
  /** Not written: a full disk, a folder that is not writable. */
  unwritten: number
  /** Bytes in memory and in the folder. */
  memoryBytes: number
  diskBytes: number
}

export interface CodeCacheInit {
  clock: Clock
  /** None: in memory only. */
  store?: CodeStore
  memoryBytesMax?: number
  diskBytesMax?: number
}

export class CodeCache {
  readonly #init: CodeCacheInit
  /** By file name, the one used longest ago first; so is `#files`, with bytes. */
  readonly #memory = new Map<string, Uint8Array>()
  readonly #files = new Map<string, number>()
  readonly #counts = { used: 0, made: 0, forged: 0, rejected: 0, unwritten: 0 }
  /** To be written. */
  readonly #writing = new Map<string, Uint8Array>()
  #engine = ''
  #memoryBytes = 0
  #diskBytes = 0
  #waiting = 0
  /** Everything that changes the folder, one after the other. */
  #work: Promise<void> = Promise.resolve()

  constructor(init: CodeCacheInit) {
    this.#init = init
  }

  /**
   * `engine`: what else decides whether compiled code fits (V8, the processor, the worker's program and snapshot).
   * Resolves when the folder has been looked through; what is looked for before is not found.
   */
  start(engine: string): Promise<void> {
    const { store } = this.#init
    this.#engine = engine
    if (store !== undefined && this.#files.size === 0) this.#change(() => this.#open(store.folder))
    return this.#work
  }

  /** Resolves when nothing is being written any more. */
  stop(): Promise<void> {
    return this.#work
  }

  status(): CodeCacheStatus {
    return { ...this.#counts, memoryBytes: this.#memoryBytes, diskBytes: this.#diskBytes }
  }

  /** Undefined when there is none, or none soon. */
  async find(fn: FunctionState): Promise<Uint8Array | undefined> {
    if (fn.record.manifest.artifact.bytes <= CACHED_ARTIFACT_BYTES_MIN) return undefined
    const name = nameOf(fn)
    const held = this.#memory.get(name)
    if (held !== undefined) {
      this.#hold(name, held)
      return held
    }
    const { store, clock } = this.#init
    if (store === undefined || !this.#files.has(name)) return undefined
    let cancel = () => {}
    const late = new Promise<undefined>((resolve) => {
      cancel = clock.after(READ_MS, () => resolve(undefined))
    })
    const read = this.#read(store, name).finally(() => cancel())
    return Promise.race([read, late])
  }

  /** `bytes` are a worker's word, within the bounds of bounds.ts, and not shared with anybody. */
  give(fn: FunctionState, bytes: Uint8Array): void {
    const { store } = this.#init
    const name = nameOf(fn)
    this.#counts.made++
    this.#hold(name, bytes)
    if (store === undefined) return
    if (this.#waiting >= WRITES_MAX) return void this.#counts.unwritten++
    this.#writing.set(name, bytes)
    this.#change(() => this.#write(store, name, bytes))
  }

  used(): void {
    this.#counts.used++
  }

  /** V8 did not take it. */
  rejected(fn: FunctionState): void {
    this.#counts.rejected++
    this.drop(fn)
  }

  /** It is not given to anybody from now on. */
  drop(fn: FunctionState): void {
    this.#forget(nameOf(fn))
  }

  #forget(name: string): void {
    this.#memoryBytes -= this.#memory.get(name)?.length ?? 0
    this.#memory.delete(name)
    const { store } = this.#init
    this.#writing.delete(name)
    if (store === undefined || !this.#files.has(name)) return
    this.#count(name, 0)
    this.#change(async () => {
      if (!this.#files.has(name)) await this.#remove(store, name)
    })
  }

  #hold(name: string, bytes: Uint8Array): void {
    const max = this.#init.memoryBytesMax ?? MEMORY_BYTES_MAX
    this.#memoryBytes += bytes.length - (this.#memory.get(name)?.length ?? 0)
    this.#memory.delete(name)
    this.#memory.set(name, bytes)
    for (const [oldest, { length }] of this.#memory) {
      if (this.#memoryBytes <= max) return
      this.#memory.delete(oldest)
      this.#memoryBytes -= length
    }
  }

  async #read(store: CodeStore, name: string): Promise<Uint8Array | undefined> {
    const path = join(store.folder, name)
    const file = await readFile(path).catch(() => Buffer.alloc(0))
    // Dropped while it was read.
    if (!this.#files.has(name)) return undefined
    const bytes = file.subarray(MAC_BYTES)
    if (
      bytes.length === 0 ||
      bytes.length > CODE_CACHE_BYTES_MAX ||
      !timingSafeEqual(this.#mac(store, name, bytes), file.subarray(0, MAC_BYTES))
    ) {
      this.#counts.forged++
      this.#forget(name)
      return undefined
    }
    this.#hold(name, bytes)
    this.#files.delete(name)
    this.#files.set(name, file.length)
    const now = new Date(this.#init.clock.now())
    this.#change(() => utimes(path, now, now))
    return bytes
  }

  async #write(store: CodeStore, name: string, bytes: Uint8Array): Promise<void> {
    // Dropped, or made anew, while it waited; asked again once it is there.
    if (this.#writing.get(name) !== bytes) return
    const path = join(store.folder, name)
    const temporary = `${path}.new`
    try {
      await writeFile(temporary, Buffer.concat([this.#mac(store, name, bytes), bytes]), { mode: 0o600 })
      await rename(temporary, path)
    } catch {
      this.#counts.unwritten++
      this.#writing.delete(name)
      return rm(temporary, { force: true })
    }
    if (this.#writing.get(name) !== bytes) return this.#remove(store, name)
    this.#writing.delete(name)
    this.#count(name, MAC_BYTES + bytes.length)
    for (const oldest of this.#files.keys()) {
      if (this.#diskBytes <= (this.#init.diskBytesMax ?? DISK_BYTES_MAX)) return
      this.#count(oldest, 0)
      await this.#remove(store, oldest)
    }
  }

  /** 0: it is no more. */
  #count(name: string, bytes: number): void {
    this.#diskBytes += bytes - (this.#files.get(name) ?? 0)
    this.#files.delete(name)
    if (bytes > 0) this.#files.set(name, bytes)
  }

  #remove({ folder }: CodeStore, name: string): Promise<void> {
    return rm(join(folder, name), { force: true })
  }

  /** What was being written when an earlier node ended goes. */
  async #open(folder: string): Promise<void> {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const found: { name: string; bytes: number; at: number }[] = []
    for (const name of await readdir(folder)) {
      const { size, mtimeMs } = await stat(join(folder, name))
      if (NAME.test(name) && size > MAC_BYTES) found.push({ name, bytes: size, at: mtimeMs })
      else if (name !== 'snapshot') await rm(join(folder, name), { force: true })
    }
    for (const { name, bytes } of found.toSorted((a, b) => a.at - b.at)) this.#count(name, bytes)
  }

  #mac({ key }: CodeStore, name: string, bytes: Uint8Array): Buffer {
    return createHmac('sha256', key)
      .update(`${JSON.stringify([this.#engine, name])}\n`)
      .update(bytes)
      .digest()
  }

  #change(work: () => Promise<void>): void {
    this.#waiting++
    // A folder that cannot be used costs the cache and nothing else.
    this.#work = this.#work
      .then(work)
      .catch(() => {})
      .finally(() => this.#waiting--)
  }
}

function nameOf({ record, version }: FunctionState): string {
  return createHash('sha256')
    .update(JSON.stringify([record.namespace, record.name, version, record.manifest.artifact.digest]))
    .digest('hex')
}
