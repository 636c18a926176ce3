/** Built code by the SHA-256 of its bytes. */
import { createHash } from 'node:crypto'
import { digestOf } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import { type Clock, systemClock } from '#protocols/lifecycle'

export interface StoredArtifact {
  digest: string
  bytes: number
  /** When it was kept or last touched; wall clock, milliseconds since the epoch. */
  atMs: number
}

export interface ArtifactStore {
  has(digest: string): Promise<boolean>
  /** The bytes, verified; `undefined` when they are not here or damaged (then they are dropped, and may be put again). */
  get(digest: string): Promise<Uint8Array | undefined>
  /** Some of the bytes, NOT verified, and how many there are; `undefined` when they are not here. */
  read(digest: string, from: number, length: number): Promise<{ bytes: Uint8Array; total: number } | undefined>
  /** Resolves when the bytes are kept as well as this store can. They must match the digest. Throws `storage_full`, `unavailable`. */
  put(digest: string, bytes: Uint8Array): Promise<void>
  /** Takes an artifact in piece by piece. Throws as `put` does. */
  receive(digest: string): Promise<IncomingArtifact>
  /** It is not here afterwards. */
  drop(digest: string): Promise<void>
  /** Says that it is of use now. */
  touch(digest: string): Promise<void>
  /** Rests after every `slice` files, where there are files to look at. */
  list(slice?: number, rest?: () => Promise<void>): Promise<StoredArtifact[]>
}

export interface IncomingArtifact {
  write(bytes: Uint8Array): Promise<void>
  /** Keeps it, as `put` does. Throws `unavailable` when the bytes are not those of the digest. */
  commit(): Promise<void>
  /** Forgets it. Never throws; nothing after `commit()`. */
  discard(): Promise<void>
}

/** Opens a place only when there are bytes for it: looking for what nobody has makes no file. */
export function receiveLate(open: () => Promise<IncomingArtifact>): IncomingArtifact {
  let opened: IncomingArtifact | undefined
  return {
    write: async (bytes) => (opened ??= await open()).write(bytes),
    commit: async () => (opened ??= await open()).commit(),
    discard: async () => opened?.discard(),
  }
}

/** Keeps nothing over a restart. */
export class MemoryArtifacts implements ArtifactStore {
  readonly #all = new Map<string, { bytes: Uint8Array; atMs: number }>()
  readonly #clock: Clock

  constructor(init: { clock: Clock } = { clock: systemClock }) {
    this.#clock = init.clock
  }

  async has(digest: string): Promise<boolean> {
    return this.#all.has(digest)
  }

  async get(digest: string): Promise<Uint8Array | undefined> {
    const bytes = this.#all.get(digest)?.bytes
    if (bytes === undefined || digestOf(bytes) === digest) return bytes
    this.#all.delete(digest)
    return undefined
  }

  async read(digest: string, from: number, length: number): Promise<{ bytes: Uint8Array; total: number } | undefined> {
    const bytes = this.#all.get(digest)?.bytes
    return bytes && { bytes: bytes.subarray(from, from + length), total: bytes.length }
  }

  async put(digest: string, bytes: Uint8Array): Promise<void> {
    this.#all.set(digest, { bytes, atMs: this.#clock.now() })
  }

  async receive(digest: string): Promise<IncomingArtifact> {
    const parts: Uint8Array[] = []
    return {
      write: async (bytes) => void parts.push(bytes),
      commit: async () => {
        const bytes = Buffer.concat(parts)
        assertNamed(digest, digestOf(bytes))
        await this.put(digest, bytes)
      },
      discard: async () => void parts.splice(0),
    }
  }

  async drop(digest: string): Promise<void> {
    this.#all.delete(digest)
  }

  async touch(digest: string): Promise<void> {
    const known = this.#all.get(digest)
    if (known !== undefined) known.atMs = this.#clock.now()
  }

  async list(): Promise<StoredArtifact[]> {
    return [...this.#all].map(([digest, { bytes, atMs }]) => ({ digest, bytes: bytes.length, atMs }))
  }
}

/** Throws `unavailable` unless the bytes that came are those of the digest. */
export function assertNamed(digest: string, found: string): void {
  if (found === digest) return
  throw new OsirisError('unavailable', `Cannot keep artifact ${digest.slice(0, 8)}: what came has another digest`)
}

/** Digest of an artifact read in pieces of `pieceBytes`, `between` which the reader may rest; `undefined` when it is not here. */
export async function digestInPieces(
  store: Pick<ArtifactStore, 'read'>,
  digest: string,
  pieceBytes: number,
  between: (bytes: number) => Promise<void>,
): Promise<string | undefined> {
  const hash = createHash('sha256')
  for (let at = 0; ; at += pieceBytes) {
    const piece = await store.read(digest, at, pieceBytes)
    if (piece === undefined) return undefined
    hash.update(piece.bytes)
    if (at + pieceBytes >= piece.total) return hash.digest('hex')
    await between(piece.bytes.length)
  }
}
