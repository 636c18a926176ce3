/**
 * What exactly one member is to do (a tick, a delivery, a scaling decision): which one, and whether it may.
 *
 * While all see the same members, one of them is the owner of a key. While they do not, two may be: the fence keeps a minority from acting, and what is
 * done carries an id made from its cause, so that whoever receives it twice knows. Both are needed: the fence forgets those it has not seen for long, and
 * members who learn of a change at different times differ for a moment.
 */
import { hash } from 'node:crypto'
import type { Peer } from '#protocols/network'

/**
 * How long a router that is gone without a word counts among those there should be. A minority that is cut off does nothing for so long, and neither do
 * the few that are left of many whose hosts are gone too; after that they are a universe of their own.
 */
export const LATELY_MS = 300_000
/** After a start, until beats of everybody have been heard: they come each second, and a member without any is forgotten after five. */
export const SETTLE_MS = 5000
/** How long the word of a router's host that nothing listens there any more is believed: it is asked again sooner, while that matters. */
export const REFUSED_MS = 6000

/**
 * Rendezvous hashing (Thaler, Ravishankar 1998): the member with the highest score for the key, the same for all who know the same members in whatever
 * order. Who leaves gives away what was its own and nothing else moves; who joins takes a share from everybody. Undefined when there are no members.
 */
export function ownerOf(key: string, members: Iterable<Peer>): Peer | undefined {
  let owner: Peer | undefined
  let best = ''
  for (const member of members) {
    const score = hash('sha256', `${member}/${key}`, 'hex')
    if (owner === undefined || score > best || (score === best && member > owner)) {
      owner = member
      best = score
    }
  }
  return owner
}

/**
 * Whether those who are here are the greater part of all who should be; of two equal parts it is the one with the least name in it. Two parts of one whole
 * are never both. `here` are of `all`; nobody is not a majority of nobody.
 */
export function isMajority(here: ReadonlySet<Peer>, all: ReadonlySet<Peer>): boolean {
  let count = 0
  for (const each of all) if (here.has(each)) count++
  if (count * 2 !== all.size || count === 0) return count * 2 > all.size
  let least: Peer | undefined
  for (const each of all) if (least === undefined || each < least) least = each
  return here.has(least as Peer)
}

/**
 * Whether this member may act for what it owns: it sees a majority of the routers it knew lately, itself included, or never knew another. Those whose hosts
 * say that they are gone do not count: who is cut off hears no such word. Times are monotonic milliseconds.
 */
export class Fence {
  readonly #self: Peer
  readonly #settledAt: number
  readonly #seenAt = new Map<Peer, number>()
  readonly #refusedAt = new Map<Peer, number>()
  #here: ReadonlySet<Peer>

  /** `known`: others it knew before it was started anew, as if seen now. */
  constructor(init: { self: Peer; now: number; known?: Iterable<Peer> }) {
    this.#self = init.self
    this.#settledAt = init.now + SETTLE_MS
    this.#here = new Set([init.self])
    for (const peer of init.known ?? []) this.#seenAt.set(peer, init.now)
  }

  /** Those who are here now, without this member or with it. */
  see(others: Iterable<Peer>, now: number): void {
    const here = new Set([this.#self, ...others])
    for (const peer of this.#here) this.#seenAt.set(peer, now)
    for (const peer of here) {
      this.#seenAt.set(peer, now)
      this.#refusedAt.delete(peer)
    }
    this.#here = here
  }

  /** It said that it goes: nobody waits for it. */
  left(peer: Peer): void {
    this.#seenAt.delete(peer)
    this.#here = new Set([...this.#here].filter((each) => each !== peer))
  }

  /** The host of one that is not here answers that nothing listens where it did. */
  refused(peer: Peer, now: number): void {
    if (this.#seenAt.has(peer) && !this.#here.has(peer)) this.#refusedAt.set(peer, now)
  }

  /** Those who are not here, while without them there is no majority: whose hosts are to be asked. */
  missing(now: number): Peer[] {
    const all = this.lately(now)
    return isMajority(this.#here, all) ? [] : [...all].filter((peer) => !this.#here.has(peer))
  }

  /** Those who should be here: all that are, and all that were lately and may still be somewhere. */
  known(now: number): ReadonlySet<Peer> {
    const all = this.lately(now)
    for (const [peer, at] of this.#refusedAt) {
      if (now - at > REFUSED_MS) this.#refusedAt.delete(peer)
      else all.delete(peer)
    }
    return all
  }

  /** The same with those whose hosts say that they are gone. */
  lately(now: number): Set<Peer> {
    for (const [peer, at] of this.#seenAt) if (now - at > LATELY_MS && !this.#here.has(peer)) this.#seenAt.delete(peer)
    return new Set([...this.#here, ...this.#seenAt.keys()])
  }

  mayAct(now: number): boolean {
    return now >= this.#settledAt && isMajority(this.#here, this.known(now))
  }
}
