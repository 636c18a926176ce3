/** How an artifact is named: the SHA-256 of its bytes and, of a large one, of each chunk, so that a bad chunk is found when it arrives. */
import { digestOf } from './codec.ts'

/** One chunk in memory on either side of a transfer; a list of 64 of them names the largest artifact in 4 KiB. */
export const ARTIFACT_CHUNK_BYTES = 256 * 1024
export const ARTIFACT_BYTES_MAX = 16 * 1024 * 1024

export interface ArtifactName {
  digest: string
  bytes: number
  /** Of each chunk in order; only of artifacts longer than one. */
  chunks?: string[] | undefined
}

export function nameOfArtifact(bytes: Uint8Array): ArtifactName {
  const name = { digest: digestOf(bytes), bytes: bytes.length }
  if (bytes.length <= ARTIFACT_CHUNK_BYTES) return name
  const chunks = Array.from({ length: chunkCount(bytes.length) }, (_, at) =>
    digestOf(bytes.subarray(at * ARTIFACT_CHUNK_BYTES, (at + 1) * ARTIFACT_CHUNK_BYTES)),
  )
  return { ...name, chunks }
}

/** Whether the list has as many chunks as an artifact of that length. */
export function chunksFit({ bytes, chunks }: Pick<ArtifactName, 'bytes' | 'chunks'>): boolean {
  return bytes <= ARTIFACT_CHUNK_BYTES ? chunks === undefined : chunks?.length === chunkCount(bytes)
}

function chunkCount(bytes: number): number {
  return Math.ceil(bytes / ARTIFACT_CHUNK_BYTES)
}
