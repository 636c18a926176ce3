/**
 * Which artifacts this node keeps: the one place that decides. Pure: members, what the view needs and what is here in; what to get, what to forget and
 * what is only a cached copy out. Every node ranks the same members for an artifact in the same order, so nobody has to be asked who keeps what.
 */
import type { Peer } from '#protocols/network'
import type { StoredArtifact } from './artifacts.ts'
import { compareText } from '../ledger/entry.ts'
import { rendezvous } from '../rendezvous.ts'

/** Survives the loss of two holders at once. */
export const COPIES = 3

/** The members that keep a copy. */
export function keepersOf(digest: string, members: readonly Peer[]): Peer[] {
  return rendezvous(digest, members).slice(0, COPIES)
}

export interface KeepingFacts {
  self: Peer
  /** All that may keep copies, this node among them. */
  members: readonly Peer[]
  nowMs: number
  /** Wall clock until when the view needs it (`ArtifactIndex.neededUntil`); `undefined`: nothing speaks of it. */
  neededUntil: number | undefined
  here: StoredArtifact | undefined
  /** Since when this process has seen that nobody needs it; wall clock. */
  idleSinceMs: number | undefined
  /** A publish of it is under way. */
  pinned: boolean
  /** What nobody needs stays so long after it was kept or used last: a publish elsewhere may still name it. */
  graceMs: number
  /** …and so long after this process noticed: the ledger may not have been whole. */
  settleMs: number
}

/**
 * `fetch`: it belongs here and is missing. `keep`: it belongs here. `cached`: others keep it; stays while there is room. `idle`: nobody needs it, not yet to be
 * forgotten. `forget`: nobody needs it. `none`: not here, and need not be.
 */
export type Verdict = 'fetch' | 'keep' | 'cached' | 'idle' | 'forget' | 'none'

export function verdictOn(digest: string, facts: KeepingFacts): Verdict {
  const { here, neededUntil, nowMs } = facts
  if (neededUntil !== undefined && neededUntil > nowMs) {
    const isKeeper = keepersOf(digest, facts.members).includes(facts.self)
    if (here === undefined) return isKeeper ? 'fetch' : 'none'
    return isKeeper ? 'keep' : 'cached'
  }
  if (here === undefined) return 'none'
  const isOld = nowMs - here.atMs >= facts.graceMs && facts.idleSinceMs !== undefined && nowMs - facts.idleSinceMs >= facts.settleMs
  return isOld && !facts.pinned ? 'forget' : 'idle'
}

/** What must go so that the rest fits: the longest unused first. */
export function excess(cached: readonly StoredArtifact[], bytesMax: number): StoredArtifact[] {
  let over = cached.reduce((sum, each) => sum + each.bytes, 0) - bytesMax
  const going: StoredArtifact[] = []
  for (const each of cached.toSorted((a, b) => a.atMs - b.atMs || compareText(a.digest, b.digest))) {
    if (over <= 0) break
    over -= each.bytes
    going.push(each)
  }
  return going
}

/** Who may keep copies: members of now, and those gone so lately that they may only be restarting. */
export class Residents {
  readonly #leaveMs: number
  /** Since when it is gone. */
  readonly #goneAt = new Map<Peer, number | undefined>()

  constructor(init: { leaveMs: number }) {
    this.#leaveMs = init.leaveMs
  }

  /** In order; to be called when members change. `nowMs` is monotonic. */
  look(present: readonly Peer[], nowMs: number): Peer[] {
    for (const [peer, at] of this.#goneAt) if (at === undefined) this.#goneAt.set(peer, nowMs)
    for (const peer of present) this.#goneAt.set(peer, undefined)
    for (const [peer, at] of this.#goneAt) if (at !== undefined && nowMs - at >= this.#leaveMs) this.#goneAt.delete(peer)
    return [...this.#goneAt.keys()].toSorted(compareText)
  }
}
