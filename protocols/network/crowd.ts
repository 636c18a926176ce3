/**
 * How beats travel among more members than a node is connected to: from hand to hand, by asking. All hear all, so beats told to everybody cost each node as much
 * as there are members, several times over; asked for, each comes once, many in one message, and how often a node asks does not depend on how many there are
 * (after van Renesse, Minsky, Hayden 1998, A gossip-style failure detection service; the direct question before a member is given up is SWIM's).
 */
import { OsirisError } from '#protocols/errors'
import type { Clock, Random } from '#protocols/lifecycle'
import type { Introductions } from './introductions.ts'
import { CONNECTIONS_TARGET, CROWD_ASKS, CROWD_MARGIN, STALE_FAR_MS, STALE_MS } from './limits.ts'
import type { Member, Members, Peer } from './network.ts'

export interface CrowdInit {
  members: Pick<Members, 'list'>
  introductions: Pick<Introductions, 'greet'>
  clock: Clock
  random: Random
  /** Who did not answer. */
  doubted: (peer: Peer) => void
}

/** Nobody waits for it, and the next round asks others. */
const ASK_TIMEOUT_MS = 1_500

export const isCrowd = (members: number): boolean => members > CONNECTIONS_TARGET

/** The same ones; in a crowd beginning anywhere, or all nodes would choose the same. */
export function fromAnywhere<T>(list: readonly T[], random: Random): T[] {
  const from = isCrowd(list.length) ? Math.floor(random() * list.length) : 0
  return [...list.slice(from), ...list.slice(0, from)]
}

/**
 * Whom to ask in this round: some by chance, and instead of one of them, whoever has been silent longest when that is too long. Pure but for `random`.
 * Nobody in a small universe: there all hear all.
 */
export function whomToAsk(members: readonly Member[], now: number, random: Random): Peer[] {
  if (members.length <= CONNECTIONS_TARGET - CROWD_MARGIN) return []
  const overdue = members.filter(({ seenAt, connected }) => now - seenAt >= (connected ? STALE_MS : STALE_FAR_MS))
  const silent = overdue.reduce<Member | undefined>(
    (oldest, each) => (oldest !== undefined && oldest.seenAt <= each.seenAt ? oldest : each),
    undefined,
  )
  const stale = silent === undefined ? [] : [silent.peer]
  if (stale.length === 0 && !isCrowd(members.length)) return []
  const near = members.filter(({ connected, peer }) => connected && peer !== stale[0])
  const chosen: Peer[] = []
  while (near.length > 0 && chosen.length + stale.length < CROWD_ASKS) {
    const [one] = near.splice(Math.floor(random() * near.length), 1)
    chosen.push((one as Member).peer)
  }
  return [...chosen, ...stale]
}

export class Crowd {
  readonly #init: CrowdInit
  readonly #asked = new Set<Peer>()

  constructor(init: CrowdInit) {
    this.#init = init
  }

  /** Twice a second. One after the other: what the first told is not asked of the second. Until now this node could hear nobody for `deafMs`: so long nobody was silent. */
  round(deafMs = 0): void {
    const { members, clock, random } = this.#init
    const peers = whomToAsk(members.list(), clock.monotonic() - deafMs, random).filter((peer) => !this.#asked.has(peer))
    if (peers.length > 0) void this.#ask(peers)
  }

  async #ask(peers: readonly Peer[]): Promise<void> {
    for (const peer of peers) this.#asked.add(peer)
    for (const peer of peers) {
      try {
        await this.#init.introductions.greet(peer, ASK_TIMEOUT_MS)
      } catch (error) {
        // Whoever is slow is given until it expires.
        if (OsirisError.from(error, 'Cannot ask a member').code === 'unavailable') this.#init.doubted(peer)
      }
      this.#asked.delete(peer)
    }
  }
}
