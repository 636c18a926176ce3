/** Whose key counts how far: the root and the recovery key with their successors, bans, forks, and keys that were given on. Pure. */
import { type AuthorityFacts, listIn, type RotateFact } from './authority-facts.ts'
import { comparePlaces, type Place } from './entry.ts'

export interface Successor {
  to: string
  place: Place
}

/**
 * Worked out from the top down, so that no two can end each other: recovery ends at its own rotation only, the root at recovery's or its own,
 * members at the root's bans and rotations, or at their own.
 */
export class Keys {
  /** The last seq that counts of a key that ended. */
  readonly caps = new Map<string, number>()
  /** The root, the recovery key and their successors, and since when each. */
  readonly top = new Map<string, Place | undefined>()
  readonly banned = new Set<string>()
  readonly successors = new Map<string, Successor>()
  readonly #root: string

  /** `frozen`: the first seq that an author wrote twice. */
  constructor(facts: AuthorityFacts, frozen: ReadonlyMap<string, number>) {
    this.#root = facts.root
    for (const [author, seq] of frozen) this.#pin(author, seq - 1)
    const byFrom = new Map<string, RotateFact[]>()
    for (const rotate of facts.rotates) listIn(byFrom, rotate.from).push(rotate)
    const recovery = facts.genesis?.recovery
    if (recovery !== undefined && recovery !== null) this.#walkTop(recovery, byFrom, new Set())
    this.#walkTop(facts.root, byFrom, new Set(this.top.keys()))
    for (const ban of facts.bans) if (this.isTopAct(ban) && !this.top.has(ban.member)) this.#ban(ban.member, ban.seq)
    for (const [from, rotates] of byFrom) {
      if (this.top.has(from)) continue
      const chosen = this.#choose(from, rotates, (rotate) => this.isTopAct(rotate))
      if (chosen !== undefined) this.#succeed(chosen)
    }
  }

  cap(key: string): number {
    return this.caps.get(key) ?? Number.POSITIVE_INFINITY
  }

  /** Whether the key has not ended. */
  isAlive(key: string): boolean {
    return !this.caps.has(key)
  }

  /** Whether an entry is the root's or the recovery key's and counts. */
  isTopAct(fact: { place: Place; basis: string | null }): boolean {
    const { author, seq } = fact.place
    if (fact.basis !== null || !this.top.has(author) || seq > this.cap(author)) return false
    const since = this.top.get(author)
    return since === undefined || comparePlaces(since, fact.place) < 0
  }

  /** Since when `key` holds what `subject` was given: `undefined` from the start, `false` not at all. */
  holdsFor(subject: string, key: string): Place | undefined | false {
    let since: Place | undefined
    const seen = new Set<string>()
    for (let at = subject; at !== key;) {
      const next = seen.has(at) ? undefined : this.successors.get(at)
      if (next === undefined) return false
      seen.add(at)
      if (since === undefined || comparePlaces(since, next.place) < 0) since = next.place
      at = next.to
    }
    return since
  }

  /** Whether `key` spoke for `subject` (`undefined`: the root) at this place: it had taken over by then, and had not given on before. */
  speaksFor(subject: string | undefined, key: string, place: Place): boolean {
    const since = subject === undefined ? (this.top.has(key) ? this.top.get(key) : false) : this.holdsFor(subject, key)
    if (since === false || (since !== undefined && comparePlaces(since, place) >= 0)) return false
    const next = this.successors.get(key)
    return next === undefined || comparePlaces(place, next.place) <= 0
  }

  /** The key that holds now what `subject` was given; `undefined` when it ended with nobody after it. */
  holderOf(subject: string): string | undefined {
    const seen = new Set<string>()
    let at = subject
    for (let next = this.successors.get(at); next !== undefined && !seen.has(at); next = this.successors.get(at)) {
      seen.add(at)
      at = next.to
    }
    return this.isAlive(at) ? at : undefined
  }

  /** The feeds of the keys above first, the root's before all, since the others stand on them. */
  topFirst<T extends { author: string }>(feeds: readonly T[]): T[] {
    const rank = ({ author }: T) => (author === this.#root ? 2 : Number(this.top.has(author)))
    return feeds.toSorted((a, b) => rank(b) - rank(a))
  }

  #walkTop(start: string, byFrom: Map<string, RotateFact[]>, superiors: ReadonlySet<string>): void {
    let since: Place | undefined
    for (let key = start; !this.top.has(key);) {
      this.top.set(key, since)
      const chosen = this.#choose(key, byFrom.get(key) ?? [], (rotate) => superiors.has(rotate.place.author) && this.isTopAct(rotate))
      if (chosen === undefined) return
      this.#succeed(chosen)
      key = chosen.to
      since = chosen.place
    }
  }

  /** Of those above, the last word; else the key's own first one, beyond which it has ended. */
  #choose(from: string, rotates: readonly RotateFact[], isFromAbove: (rotate: RotateFact) => boolean): RotateFact | undefined {
    const above = rotates.findLast((rotate) => rotate.place.author !== from && rotate.to !== from && isFromAbove(rotate))
    if (above !== undefined) return above
    const own = rotates.filter((rotate) => isOwnRotation(rotate) && rotate.place.seq <= this.cap(from))
    return own.reduce<RotateFact | undefined>((first, each) => (first !== undefined && first.seq <= each.seq ? first : each), undefined)
  }

  #succeed({ from, to, seq, place }: RotateFact): void {
    this.#pin(from, seq)
    this.successors.set(from, { to, place })
  }

  #ban(member: string, seq: number): void {
    this.banned.add(member)
    this.#pin(member, seq)
  }

  #pin(key: string, seq: number): void {
    this.caps.set(key, Math.min(this.cap(key), seq))
  }
}

/** By the key itself, at its own place, with the other's word for it. */
export function isOwnRotation({ place, from, to, seq, agreed }: RotateFact): boolean {
  return place.author === from && to !== from && seq === place.seq && agreed
}
