/** Which members have them. Pure. */
import { homesOf } from '../placement.ts'

export interface ScaleMember {
  /** `seedOf` the peer. */
  readonly seed: number
  /** Calls it may run at once: twice the capacity, twice the instances. */
  readonly capacity: number
  /** Instances of the version that are ready, or on their way, there. */
  readonly instances: number
  /** How many it takes at most: its part of `max`, less what it refused. */
  readonly room: number
}

/**
 * How many instances each member may have of a version that may have `max`, by rendezvous rank: the same on every node that knows the same members, so that
 * `max` holds without anybody being asked. With at least as many as there are members everybody has a part; with fewer, the first ranks have one each.
 */
export function allotmentOf<T extends { readonly seed: number }>(version: string, members: readonly T[], max: number): Map<T, number> {
  const ranked = homesOf(version, members)
  const each = Math.floor(max / Math.max(1, ranked.length))
  const rest = max - each * ranked.length
  return new Map(ranked.map((member, rank) => [member, each + (rank < rest ? 1 : 0)]))
}

/**
 * Spreads `total` instances: one after the other to the member that has least for its capacity; of equals to one that has it already, then by rendezvous
 * rank. So nothing moves while members stay, a newcomer gets its part, and two instances are on two members as long as there are two.
 */
export function spread<T extends ScaleMember>(version: string, total: number, members: readonly T[]): Map<T, number> {
  const ranked = homesOf(version, members)
  const given = new Map(ranked.map((member) => [member, 0]))
  for (let placed = 0; placed < total; placed++) {
    let next: T | undefined
    for (const member of ranked) if (hasRoom(member, given) && (next === undefined || isBefore(member, next, given))) next = member
    if (next === undefined) break
    given.set(next, countIn(given, next) + 1)
  }
  return given
}

function hasRoom<T extends ScaleMember>(member: T, given: ReadonlyMap<T, number>): boolean {
  return countIn(given, member) < member.room
}

function isBefore<T extends ScaleMember>(member: T, other: T, given: ReadonlyMap<T, number>): boolean {
  const [ours, theirs] = [fillOf(member, given), fillOf(other, given)]
  if (ours !== theirs) return ours < theirs
  return isThere(member, given) && !isThere(other, given)
}

function fillOf<T extends ScaleMember>(member: T, given: ReadonlyMap<T, number>): number {
  return countIn(given, member) / Math.max(1, member.capacity)
}

/** Whether the next instance it would be given is there already. */
function isThere<T extends ScaleMember>(member: T, given: ReadonlyMap<T, number>): boolean {
  return countIn(given, member) < member.instances
}

function countIn<T>(given: ReadonlyMap<T, number>, member: T): number {
  return given.get(member) ?? 0
}
