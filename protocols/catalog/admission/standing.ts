/**
 * Who counts as a member, and as what: the one rule behind every door. Whatever a node says of itself, it has the roles that the ledger let it in with;
 * banned, frozen, rotated away, expired or never let in, it has none.
 */
import { ROLES } from '#protocols/lifecycle'
import { identityOf, type Network, type Peer } from '#protocols/network'
import type { LedgerAuthority } from '../ledger/authority.ts'

const ALL: ReadonlySet<string> = new Set(ROLES)
const NONE: ReadonlySet<string> = new Set()

/** The roles that a key may have in the mesh now; of the root's all. Pure. */
export function rolesLetIn(authority: LedgerAuthority, key: string | undefined, nowMs: number): ReadonlySet<string> {
  if (key === undefined) return NONE
  if (authority.isTop(key)) return ALL
  return authority.isMember(key, nowMs) ? authority.rolesOf(key, nowMs) : NONE
}

/** What knows the ledger's word, or follows it. */
export interface Standing {
  /** The roles that a peer may have now. */
  rolesOf(peer: Peer): ReadonlySet<string>
  /** Called after the ledger said something else of somebody. Returns the way to stop. */
  onStanding(listener: () => void): () => void
  /** Fetches what this catalog knows and this node does not. Never rejects. */
  catchUp(peer: Peer): Promise<void>
}

/** Has members of the mesh be what the ledger let them in as, and nothing else, on this node. `isClosed`: what is published goes to nobody else. Returns the way to stop following changes. */
export function followStanding(
  network: Pick<Network, 'judgeMembers'>,
  standing: Pick<Standing, 'rolesOf' | 'onStanding'>,
  isClosed = false,
): () => void {
  return standing.onStanding(network.judgeMembers((peer) => standing.rolesOf(peer), isClosed))
}

/** `rolesLetIn` by peer. */
export function rolesOfPeer(authority: LedgerAuthority, peer: Peer, nowMs: number): ReadonlySet<string> {
  return rolesLetIn(authority, identityOf(peer), nowMs)
}
