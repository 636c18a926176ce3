/** Highest random weight (Thaler, Ravishankar 1998): everyone ranks the same peers for a key in the same order, without talking. */
import { createHash } from 'node:crypto'

export function rendezvous(key: string, peers: readonly string[]): string[] {
  const scored = peers.map((peer) => ({ peer, score: createHash('sha256').update(`${key}/${peer}`).digest('hex') }))
  return scored.toSorted((a, b) => (a.score < b.score ? 1 : -1)).map((each) => each.peer)
}
