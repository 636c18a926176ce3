/** Built code by the SHA-256 of its bytes. */
import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { digestOf } from '#protocols/codec'
import { storageError } from './ledger/storage.ts'

export interface ArtifactStore {
  has(digest: string): Promise<boolean>
  /** The bytes, verified; `undefined` when they are not here or damaged (then they are dropped, and may be put again). */
  get(digest: string): Promise<Uint8Array | undefined>
  /** Resolves when the bytes are kept as well as this store can. They must match the digest. Throws `storage_full`, `unavailable`. */
  put(digest: string, bytes: Uint8Array): Promise<void>
}

/** Keeps nothing over a restart. */
export class MemoryArtifacts implements ArtifactStore {
  readonly #all = new Map<string, Uint8Array>()

  async has(digest: string): Promise<boolean> {
    return this.#all.has(digest)
  }

  async get(digest: string): Promise<Uint8Array | undefined> {
    return this.#all.get(digest)
  }

  async put(digest: string, bytes: Uint8Array): Promise<void> {
    this.#all.set(digest, bytes)
  }
}

/** One file per artifact. A file appears under its name only when all of it is on the disk. */
export class DirectoryArtifacts implements ArtifactStore {
  readonly #directory: string
  #ready: Promise<void> | undefined

  constructor(init: { directory: string }) {
    this.#directory = init.directory
  }

  async has(digest: string): Promise<boolean> {
    return stat(this.#path(digest)).then(
      () => true,
      () => false,
    )
  }

  async get(digest: string): Promise<Uint8Array | undefined> {
    const bytes = await readFile(this.#path(digest)).catch(() => undefined)
    if (bytes === undefined || digestOf(bytes) === digest) return bytes
    await rm(this.#path(digest), { force: true }).catch(() => {})
    return undefined
  }

  async put(digest: string, bytes: Uint8Array): Promise<void> {
    const act = `Cannot store artifact ${digest.slice(0, 8)}`
    const incoming = join(this.#incoming(), `${digest}.${randomBytes(6).toString('hex')}`)
    try {
      await this.#prepared()
      await writeSynced(incoming, bytes)
      await mkdir(dirname(this.#path(digest)), { recursive: true })
      await rename(incoming, this.#path(digest))
      await syncDirectory(dirname(this.#path(digest)))
    } catch (error) {
      await rm(incoming, { force: true }).catch(() => {})
      throw storageError(error, act)
    }
  }

  /** Makes the folder and drops what a crash left half-written; again after a failure. */
  #prepared(): Promise<void> {
    this.#ready ??= this.#prepare().catch((error: unknown) => {
      this.#ready = undefined
      throw error
    })
    return this.#ready
  }

  async #prepare(): Promise<void> {
    await mkdir(this.#incoming(), { recursive: true })
    for (const name of await readdir(this.#incoming())) await rm(join(this.#incoming(), name), { force: true })
  }

  #incoming(): string {
    return join(this.#directory, 'incoming')
  }

  #path(digest: string): string {
    return join(this.#directory, digest.slice(0, 2), digest)
  }
}

async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  await using file = await open(path, 'wx')
  await file.writeFile(bytes)
  await file.sync()
}

/** A rename is on the disk when its folder is. */
async function syncDirectory(path: string): Promise<void> {
  await using folder = await open(path, 'r')
  await folder.sync()
}
