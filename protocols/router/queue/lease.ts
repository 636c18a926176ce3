/** Who may make which attempt, and when the next one is made. Pure: what is on disk goes in, a decision comes out. */
import type { Random } from '#protocols/lifecycle'
import type { Peer } from '#protocols/network'
import { type Claim, type Head, isOver, type Stored } from './record.ts'

/** A router asks for an attempt, as owner of this epoch. */
export interface Asked {
  by: Peer
  epoch: number
  attempt: number
}

/**
 * `granted`: on disk here, this router makes it. `over`, `superseded`: there is a later head here. `behind`: attempts have ended that the asker has not
 * heard of. `taken`: another router was granted this very attempt, and may have begun it.
 */
export type Grant = { kind: 'granted'; stored: Stored } | { kind: 'over' | 'superseded' | 'behind' } | { kind: 'taken'; by: Peer }

/** A holder's answer. Each attempt is granted to one router only, so that of two quorums for it there is one. */
export function grant({ head, claim }: Stored, { by, epoch, attempt }: Asked): Grant {
  // Whoever replayed a dead letter counts one attempt more than there were.
  if (isOver(head) || (head.state === 'dead' && attempt <= head.ended + 1)) return { kind: 'over' }
  if (epoch < head.epoch || epoch % head.holders.length !== head.holders.indexOf(by)) return { kind: 'superseded' }
  if (attempt <= head.ended || (claim !== null && claim.attempt > attempt)) return { kind: 'behind' }
  if (claim?.attempt === attempt && claim.by !== by) return { kind: 'taken', by: claim.by }
  const rev = epoch === head.epoch ? head.rev : 0
  return { kind: 'granted', stored: { head: { ...head, state: 'waiting', owner: by, epoch, rev }, claim: { by, attempt } } }
}

/** The asker has begun nothing and lets the attempt go. */
export function released({ head, claim }: Stored, { by, attempt }: Claim): Stored {
  return claim?.by === by && claim.attempt === attempt ? { head, claim: null } : { head, claim }
}

/** A later head as told by its owner; a claim on an attempt that ended is over. */
export function adopted({ claim }: Stored, head: Head): Stored {
  return { head, claim: claim === null || claim.attempt <= head.ended || isOver(head) ? null : claim }
}

/**
 * Whether these holders decide. Any two quorums have a holder in common. Of two, the second alone: the first took the item and began it with the
 * second's word only, so that the second knows what became of it when the first is lost.
 */
export function isQuorum(holders: readonly Peer[], granted: ReadonlySet<Peer>): boolean {
  if (holders.length === 2) return granted.has(holders[1] as Peer)
  return 2 * holders.filter((each) => granted.has(each)).length > holders.length
}

/** Milliseconds until the attempt after `ended` ones: doubled each time, between a half and all of it by chance, so that what failed together does not come back together. */
export function backoffMs(ended: number, { baseMs, capMs }: { baseMs: number; capMs: number }, random: Random): number {
  const whole = Math.min(capMs, baseMs * 2 ** Math.min(ended - 1, 30))
  return Math.round(whole * (0.5 + random() / 2))
}
