/** Reads every artifact on disk again and again, slowly, so that damage is found while others still have what is damaged. */
import type { Clock } from '#protocols/lifecycle'
import { type ArtifactStore, digestInPieces } from './artifacts.ts'
import { Rest } from '../rest.ts'

const PIECE_BYTES = 256 * 1024
/** Between two rounds, and where there is nothing to read. */
const ROUND_MS = 60_000
/** What a file counts at least: opening one costs as much as reading so much. So 100,000 small ones take an hour, at half a percent of a core. */
const FILE_BYTES_MIN = 32 * 1024
/** Files listed between two pauses, and what one of them counts. */
const LIST_SLICE = 64
const LISTED_BYTES = 2 * 1024

export interface ArtifactScrubInit {
  store: ArtifactStore
  clock: Clock
  bytesPerSecond: number
  /** Hears of an artifact that was damaged, and is dropped. */
  onDamage: (digest: string) => void
  onError: (error: unknown) => void
}

export class ArtifactScrub {
  readonly #init: ArtifactScrubInit

  constructor(init: ArtifactScrubInit) {
    this.#init = init
  }

  /** Returns the way to stop. */
  start(): () => void {
    const rest = new Rest(this.#init.clock)
    void this.#run(rest)
    return () => rest.end()
  }

  async #run(rest: Rest): Promise<void> {
    while (!rest.ended) {
      await this.#round(rest).catch(this.#init.onError)
      await rest.for(ROUND_MS)
    }
  }

  async #round(rest: Rest): Promise<void> {
    const { store, bytesPerSecond, onDamage } = this.#init
    const pause = (bytes: number) => rest.for((bytes / bytesPerSecond) * 1000)
    for (const { digest, bytes } of await store.list(LIST_SLICE, () => pause(LIST_SLICE * LISTED_BYTES))) {
      if (rest.ended) return
      const found = await digestInPieces(store, digest, PIECE_BYTES, pause)
      if (rest.ended) return
      if (found !== undefined && found !== digest) {
        await store.drop(digest)
        onDamage(digest)
      }
      await pause(Math.max(FILE_BYTES_MIN, Math.min(bytes, PIECE_BYTES)))
    }
  }
}
