/** Artifacts in a folder: one file each. A file appears under its name only when all of it is on the disk. */
import { createHash, randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { digestOf } from '#protocols/codec'
import { type Clock, systemClock } from '#protocols/lifecycle'
import { type ArtifactStore, assertNamed, type IncomingArtifact, type StoredArtifact } from './artifacts.ts'
import { storageError } from '#protocols/storage'

export class DirectoryArtifacts implements ArtifactStore {
  readonly #directory: string
  readonly #clock: Clock
  #ready: Promise<void> | undefined

  constructor(init: { directory: string; clock?: Clock }) {
    this.#directory = init.directory
    this.#clock = init.clock ?? systemClock
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
    await this.drop(digest)
    return undefined
  }

  async read(digest: string, from: number, length: number): Promise<{ bytes: Uint8Array; total: number } | undefined> {
    try {
      await using file = await open(this.#path(digest), 'r')
      const { size } = await file.stat()
      const bytes = Buffer.alloc(Math.max(0, Math.min(length, size - from)))
      const { bytesRead } = await file.read(bytes, 0, bytes.length, from)
      return { bytes: bytes.subarray(0, bytesRead), total: size }
    } catch {
      return undefined
    }
  }

  async put(digest: string, bytes: Uint8Array): Promise<void> {
    const incoming = await this.receive(digest)
    try {
      await incoming.write(bytes)
      await incoming.commit()
    } finally {
      await incoming.discard()
    }
  }

  async receive(digest: string): Promise<IncomingArtifact> {
    const path = join(this.#incoming(), `${digest}.${randomBytes(6).toString('hex')}`)
    try {
      await this.#prepared()
      return incomingAt(await open(path, 'wx'), path, digest, () => this.#keep(path, digest))
    } catch (error) {
      throw storageError(error, `Cannot store artifact ${digest.slice(0, 8)}`)
    }
  }

  async drop(digest: string): Promise<void> {
    await rm(this.#path(digest), { force: true }).catch(() => {})
  }

  async touch(digest: string): Promise<void> {
    const at = new Date(this.#clock.now())
    await utimes(this.#path(digest), at, at).catch(() => {})
  }

  async list(slice = Number.POSITIVE_INFINITY, rest = () => Promise.resolve()): Promise<StoredArtifact[]> {
    const found: StoredArtifact[] = []
    for (const folder of await readdir(this.#directory).catch(() => [])) {
      if (!/^[0-9a-f]{2}$/.test(folder)) continue
      for (const digest of await readdir(join(this.#directory, folder)).catch(() => [])) {
        const file = /^[0-9a-f]{64}$/.test(digest) ? await stat(this.#path(digest)).catch(() => undefined) : undefined
        if (file === undefined) continue
        found.push({ digest, bytes: file.size, atMs: file.mtimeMs })
        if (found.length % slice === 0) await rest()
      }
    }
    return found
  }

  async #keep(from: string, digest: string): Promise<void> {
    const path = this.#path(digest)
    const at = new Date(this.#clock.now())
    await utimes(from, at, at)
    await mkdir(dirname(path), { recursive: true })
    await rename(from, path)
    await syncDirectory(dirname(path))
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

/** A half-written file: hashed as it grows, so that nothing is kept under a name that is not its own. */
function incomingAt(file: FileHandle, path: string, digest: string, keep: () => Promise<void>): IncomingArtifact {
  const act = `Cannot store artifact ${digest.slice(0, 8)}`
  const hash = createHash('sha256')
  let open = true
  const close = async () => {
    if (open) await file.close()
    open = false
  }
  return {
    async write(bytes) {
      hash.update(bytes)
      await file.writeFile(bytes).catch((error: unknown) => {
        throw storageError(error, act)
      })
    },
    async commit() {
      assertNamed(digest, hash.digest('hex'))
      try {
        await file.sync()
        await close()
        await keep()
      } catch (error) {
        throw storageError(error, act)
      }
    },
    async discard() {
      await close().catch(() => {})
      await rm(path, { force: true }).catch(() => {})
    },
  }
}

/** A rename is on the disk when its folder is. */
async function syncDirectory(path: string): Promise<void> {
  await using folder = await open(path, 'r')
  await folder.sync()
}
