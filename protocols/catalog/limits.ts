/** How often, how long and how much a catalog does by itself. */
import type { ArtifactLimits } from './artifacts/artifact-room.ts'
import { CHECKPOINT_LIMITS, type CheckpointLimits } from './checkpoints/checkpoint-room.ts'
import { PLACEMENT_LIMITS } from './artifacts/placement.ts'

export interface CatalogLimits extends ArtifactLimits, CheckpointLimits {
  /** Between two exchanges of heads with a random member; a lost gossip message is made up for within about this time. */
  pullIntervalMs: number
  /** How long a write that counts already goes on waiting for the slower members, so that a deploy is visible everywhere when it returns. */
  visibleMs: number
  /** How long a read of something unknown may ask another member first. */
  askMs: number
  /** Records on disk read and verified a second; a hundred thousand take some three minutes and 0.4 % of a core. */
  scrubPerSecond: number
  /** How long the answer to such a question holds for all reads; bounds what a flood of unknown names costs the mesh. */
  askAgainMs: number
  /** Between two times that all functions are told to the DHT, where members came or went; ten times as long where none did. */
  headsAgainMs: number
  /** How long a write may take to find out from other catalogs that this node's own feed is whole; outlasts the lease of a killed process (2 s). */
  consultMs: number
}

export const CATALOG_LIMITS: CatalogLimits = Object.freeze({
  ...PLACEMENT_LIMITS,
  ...CHECKPOINT_LIMITS,
  scrubBytesPerSecond: 1024 * 1024,
  pullIntervalMs: 2000,
  visibleMs: 250,
  askMs: 200,
  askAgainMs: 250,
  scrubPerSecond: 500,
  consultMs: 4000,
  headsAgainMs: 60_000,
})
