/** Pieces of this node's artifacts for others: a chunk is verified before any of it leaves; a damaged file counts as missing from then on. */
import { ARTIFACT_CHUNK_BYTES, type ArtifactName } from '#protocols/artifact'
import { dropOldest } from '#protocols/bounded'
import { digestOf } from '#protocols/codec'
import type { ArtifactStore } from './artifacts.ts'

/** Chunks kept because their other pieces will be asked for next: 2 MiB. */
const KEPT_MAX = 8

interface Piece {
  bytes: Uint8Array
  /** Of the whole artifact. */
  total: number
}

export interface ArtifactServerInit {
  store: ArtifactStore
  /** Its chunks, where an entry names them. */
  chunksOf: (digest: string) => ArtifactName['chunks']
  onDamage: (digest: string) => void
}

export class ArtifactServer {
  readonly #init: ArtifactServerInit
  readonly #kept = new Map<string, Piece>()

  constructor(init: ArtifactServerInit) {
    this.#init = init
  }

  /** At most `length` bytes from `from` on, of one chunk; `undefined`: not here. */
  async piece(digest: string, from: number, length: number): Promise<Piece | undefined> {
    const at = Math.floor(from / ARTIFACT_CHUNK_BYTES)
    const chunk = await this.#chunk(digest, at)
    if (chunk === undefined) return undefined
    const start = from - at * ARTIFACT_CHUNK_BYTES
    return { bytes: chunk.bytes.subarray(start, start + length), total: chunk.total }
  }

  async #chunk(digest: string, at: number): Promise<Piece | undefined> {
    const key = `${digest} ${at}`
    const kept = this.#kept.get(key)
    if (kept !== undefined) return kept
    const chunk = await this.#verified(digest, at)
    if (chunk === undefined) return undefined
    dropOldest(this.#kept, KEPT_MAX)
    this.#kept.set(key, chunk)
    return chunk
  }

  async #verified(digest: string, at: number): Promise<Piece | undefined> {
    const { store, chunksOf, onDamage } = this.#init
    const chunk = await store.read(digest, at * ARTIFACT_CHUNK_BYTES, ARTIFACT_CHUNK_BYTES)
    if (chunk === undefined) return undefined
    const expected = chunk.total <= ARTIFACT_CHUNK_BYTES ? digest : chunksOf(digest)?.[at]
    if (expected !== undefined && digestOf(chunk.bytes) === expected) return chunk
    // No list, or one that its publisher got wrong: the whole decides.
    const whole = await store.get(digest)
    if (whole === undefined) {
      onDamage(digest)
      return undefined
    }
    return { bytes: whole.subarray(at * ARTIFACT_CHUNK_BYTES, (at + 1) * ARTIFACT_CHUNK_BYTES), total: whole.length }
  }
}
