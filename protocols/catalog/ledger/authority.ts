/** Who holds what, as the ledger says. The rules and their reasons are in the room's README.md; here is what is kept, and what is asked. */
import type { Capability, Grant } from '#protocols/access'
import { digestOf, encode } from '#protocols/codec'
import type { GrantRecord } from '../catalog.ts'
import type { Asker } from './asker.ts'
import { judgeAtDoor, type DoorVerdict } from './authority-door.ts'
import { type GrantState, type Standing, Verdict } from './authority-evaluate.ts'
import { type AuthorityFact, authorityFactOf, AuthorityFacts, byPlace, type GenesisFact, type GrantFact } from './authority-facts.ts'
import { isOwnRotation } from './authority-keys.ts'
import { covers, EVERYWHERE, isExpired, type Need } from './authority-rules.ts'
import { compareText, comparePlaces, type Entry, type Line, type Place } from './entry.ts'

/** A namespace and its owner: the key that holds `admin` on it. */
export interface NamespaceRecord {
  namespace: string
  owner: string
  /** Wall clock of the entry that made it so, milliseconds since the epoch. */
  since: number
}

/** A pure function of the set of entries here; two nodes with the same entries answer the same. Times are wall-clock milliseconds since the epoch. */
export interface Authority {
  /** What a key holds now: grants, admissions and namespaces of which every link up to the root stands and has not expired. */
  grantsOf(key: string, nowMs: number): readonly Grant[]
  /** Admitted, and neither banned, frozen, rotated away nor expired. The root and the recovery key are members. */
  isMember(key: string, nowMs: number): boolean
  isBanned(key: string): boolean
  /** The root, the recovery key, or who took over from one of them. */
  isTop(key: string): boolean
  /** The key that took over from this one, if any. */
  heirOf(key: string): string | undefined
  /** The entry to name for acting as `key` on a namespace (`*`: on all): its hash, `null` for the root and the recovery key, `undefined` where it holds none. */
  standingFor(key: string, can: Capability, namespace: string, nowMs: number): string | null | undefined
  /** By name. */
  namespaces(): readonly NamespaceRecord[]
  /** Called after authority changed, when the change is on disk. Returns the way to stop. */
  onChange(listener: () => void): () => void
}

const EVERYTHING: readonly Grant[] = Object.freeze([{ can: ['admin'], namespaces: [EVERYWHERE] }])

export class LedgerAuthority implements Authority {
  /** What came through the door, the disk's word still out. */
  #known: AuthorityFacts
  /** What is on disk. */
  #facts: AuthorityFacts
  readonly #frozen = new Map<string, number>()
  readonly #listeners = new Set<() => void>()
  readonly #giving = new Map<string, Promise<void>>()
  #verdict: Verdict
  /** Grants that came last of all since the last `settle`; `undefined` when everything must be weighed again. */
  #added: GrantFact[] | undefined = []
  #last: Place | undefined
  #standings = new Map<string, Standing>()
  #held: Map<string, GrantState[]> | undefined
  #digest: string | undefined

  constructor(root: string) {
    this.#known = new AuthorityFacts(root)
    this.#facts = new AuthorityFacts(root)
    this.#verdict = new Verdict(this.#facts, this.#frozen)
  }

  /** Whether an entry may come in, given what came in before it. */
  judge(entry: Entry): DoorVerdict {
    const verdict = judgeAtDoor(entry, authorityFactOf(entry), this.#known)
    if (verdict !== undefined) return verdict
    if (entry.seq <= this.#verdict.keys.cap(entry.author)) return undefined
    if (this.#verdict.keys.banned.has(entry.author)) return { refused: 'its author is banned' }
    return this.#frozen.has(entry.author) ? { refused: 'its author is frozen: it wrote two entries in one place' } : undefined
  }

  /** What never changes of the same, by what is on disk: why an entry should not have come in. */
  faultOf(entry: Entry): string | undefined {
    const verdict = judgeAtDoor(entry, authorityFactOf(entry), this.#facts)
    return verdict && ('refused' in verdict ? verdict.refused : verdict.unknown)
  }

  /** An entry that came through the door and is on its way to the disk: others may name it already. */
  foresee(entry: Line): void {
    const fact = authorityFactOf(entry)
    if (fact !== undefined) this.#known.add(fact)
  }

  /** Stores an entry that came through the door, which others may name meanwhile. As if it had never come where it does not get to the disk. */
  storing<T>(entry: Line, store: () => Promise<T>): Promise<T> {
    const fact = authorityFactOf(entry)
    if (fact === undefined) return store()
    this.#known.add(fact)
    const stored = store().catch((error: unknown) => {
      const { hash } = fact.place
      if (!this.#facts.all.has(hash)) this.#known = this.#known.without((place) => place.hash === hash)
      throw error
    })
    if (fact.kind === 'rotate' && isOwnRotation(fact)) this.#givenOn(fact.from, stored)
    return stored
  }

  /** While a key gives itself on by an entry on its way to the disk: resolves when it is known whether that came there. Nothing comes behind such an entry. */
  givingOn(key: string): Promise<void> | undefined {
    return this.#giving.get(key)
  }

  #givenOn(key: string, stored: Promise<unknown>): void {
    const ended = stored.then(
      () => void this.#giving.delete(key),
      () => void this.#giving.delete(key),
    )
    this.#giving.set(key, ended)
  }

  /** An entry that is on disk; counts from the next `settle` on. */
  insert(entry: Line): void {
    const fact = authorityFactOf(entry)
    if (fact === undefined) return
    this.#known.add(fact)
    if (this.#facts.add(fact)) this.#note(fact)
  }

  /** Shuts out what an author wrote from `seq` on, once it is proven that it wrote two entries `seq`. Counts from the next `settle` on. */
  freeze(author: string, seq: number): void {
    const before = this.#frozen.get(author)
    if (before !== undefined && before <= seq) return
    this.#frozen.set(author, seq)
    this.#added = undefined
  }

  /** Takes out the entries of these places, as if they had never been. Counts from the next `settle` on. */
  remove(isOut: (place: Place) => boolean): void {
    this.#known = this.#known.without(isOut)
    this.#facts = this.#facts.without(isOut)
    this.#added = undefined
  }

  /** Where the entries about authority are, in their total order. */
  places(): Place[] {
    return [...this.#facts.all.values()].map(({ place }) => place).toSorted(comparePlaces)
  }

  isFrozen(author: string): boolean {
    return this.#frozen.has(author)
  }

  /** Weighs what came in; whether anything changed. */
  settle(): boolean {
    if (this.#added?.length === 0) return false
    if (this.#added === undefined) this.#verdict = new Verdict(this.#facts, this.#frozen)
    else for (const fact of this.#added) this.#verdict.extend(fact)
    this.#added = []
    this.#standings.clear()
    this.#held = undefined
    this.#digest = undefined
    return true
  }

  /** Tells the listeners. */
  announce(): void {
    for (const listener of [...this.#listeners]) listener()
  }

  /** What entries of this author count when they name this grant. The same object until authority changes. */
  standing(author: string, basis: string | null): Standing {
    const key = `${author} ${basis ?? ''}`
    let standing = this.#standings.get(key)
    if (standing === undefined) this.#standings.set(key, (standing = this.#verdict.standing(author, basis)))
    return standing
  }

  get verdict(): Verdict {
    return this.#verdict
  }

  grantsOf(key: string, nowMs: number): readonly Grant[] {
    if (this.isTop(key)) return EVERYTHING
    return this.#holdings(key, nowMs).flatMap((state) => state.fact.scopes)
  }

  /** What a token of this key gives at most: nothing when it was ended. */
  givenBy(key: string, token: string | undefined, nowMs: number): readonly Grant[] {
    return token !== undefined && this.isCancelled(key, token) ? [] : this.grantsOf(key, nowMs)
  }

  isMember(key: string, nowMs: number): boolean {
    return this.isTop(key) || this.#holdings(key, nowMs).some((state) => state.fact.type === 'admit')
  }

  isBanned(key: string): boolean {
    return this.#verdict.keys.banned.has(key)
  }

  /** The entry that the universe began with, where it is here. */
  genesis(): GenesisFact | undefined {
    return this.#facts.genesis
  }

  /** Where the ban of a key stands, of several the first. */
  banOf(key: string): Place | undefined {
    return this.isBanned(key) ? this.#facts.bans.find(({ member }) => member === key)?.place : undefined
  }

  /** Whether what this key writes from now on has no effect, whatever it is given: banned, frozen or rotated away. */
  hasEnded(key: string): boolean {
    return !this.#verdict.keys.isAlive(key)
  }

  heirOf(key: string): string | undefined {
    return this.#verdict.keys.successors.get(key)?.to
  }

  standingFor(key: string, can: Capability, namespace: string, nowMs: number): string | null | undefined {
    return this.standingForAll(key, [{ can, namespace }], nowMs)
  }

  /** The same for several needs, all of which one grant must cover. With none: any grant that shows that the key is a member. */
  standingForAll(key: string, needs: readonly Need[], nowMs: number): string | null | undefined {
    if (this.isTop(key)) return null
    if (!this.isMember(key, nowMs)) return undefined
    return longest(this.#holdings(key, nowMs).filter((state) => covers(state.fact, needs)))
  }

  /** The entry to name for ending a grant. `above` alone where it is a revocation; its holder's own too where a namespace is handed over. */
  standingToEnd(key: string, target: string, above: boolean, nowMs: number): string | null | undefined {
    if (this.isTop(key)) return null
    const state = this.#verdict.grants.get(target)
    const chain = state === undefined ? [] : this.#verdict.chainOf(state).slice(above ? 1 : 0)
    return longest(this.#holdings(key, nowMs).filter((each) => chain.includes(each.fact)))
  }

  /** What a key holds that covers all of this and lasts until then (`null`: for ever), of several the longest; its hash, `undefined` where it holds none. */
  holdingOf(key: string, needs: readonly Need[], untilMs: number | null, nowMs: number): string | undefined {
    return longest(this.#holdings(key, nowMs).filter(({ fact }) => covers(fact, needs) && outlasts(fact.expiresAtMs, untilMs)))
  }

  /** Whose token it was, for the entry it asks for; `undefined` where its key holds by no single grant what the entry needs. */
  askerOf(key: string, needs: readonly Need[], nowMs: number): Asker | undefined {
    const grant = this.isTop(key) ? null : this.holdingOf(key, needs, nowMs, nowMs)
    return grant === undefined ? undefined : { key, grant }
  }

  /** When a grant ends by itself; `null`: never. */
  expiryOf(hash: string): number | null {
    return this.#verdict.grants.get(hash)?.fact.expiresAtMs ?? null
  }

  /** What a node was let in as: roles of all its admissions in force. */
  rolesOf(key: string, nowMs: number): ReadonlySet<string> {
    return new Set(this.#holdings(key, nowMs).flatMap((state) => state.fact.roles))
  }

  /** Whether a token or an invitation that `issuer` signed was ended. */
  isCancelled(issuer: string, id: string): boolean {
    return this.#verdict.isCancelled(issuer, id)
  }

  /** Whether this node is one of those that an invitation let in. */
  isGuest(issuer: string, id: string, member: string): boolean {
    return this.#verdict.guestsOf(issuer, id).has(member)
  }

  /** How many nodes an invitation let in. */
  guestsOf(issuer: string, id: string): number {
    return this.#verdict.guestsOf(issuer, id).size
  }

  /** The entry that made the present owner of a namespace, or the last one where it has none any more. */
  ownershipOf(namespace: string): { hash: string; key: string; under: string | null } | undefined {
    const fact = this.#verdict.owners().find((state) => state.fact.owns?.namespace === namespace)?.fact
    return fact && { hash: fact.place.hash, key: this.#verdict.keys.holderOf(fact.subject) ?? fact.subject, under: fact.under }
  }

  namespaces(): readonly NamespaceRecord[] {
    const owned = this.#verdict.owners().filter((state) => !state.ended)
    const records = owned.map(({ fact }) => ({
      namespace: fact.owns?.namespace ?? '',
      owner: this.#verdict.keys.holderOf(fact.subject) ?? fact.subject,
      since: fact.place.wallMs,
    }))
    return records.toSorted((a, b) => compareText(a.namespace, b.namespace))
  }

  /** All that is in force, oldest first. */
  records(nowMs: number): GrantRecord[] {
    this.#held ??= this.#byHolder()
    const states = [...this.#held].flatMap(([key, held]) => held.map(({ fact }) => ({ key, fact })))
    return states
      .filter(({ fact }) => !isExpired(fact, nowMs))
      .toSorted((a, b) => comparePlaces(a.fact.place, b.fact.place))
      .map(({ key, fact: { place, type, scopes, expiresAtMs, under } }) => ({
        ...{ hash: place.hash, type, key, expiresAtMs, under },
        grants: scopes.map((each) => ({ can: [...each.can], namespaces: [...each.namespaces] })),
        ...{ since: place.wallMs, author: place.author },
      }))
  }

  onChange(listener: () => void): () => void {
    const own = () => listener()
    this.#listeners.add(own)
    return () => this.#listeners.delete(own)
  }

  /** Entries about authority that have no effect, by total order; those of a frozen author from the fork on are left out. */
  voids(): AuthorityFact[] {
    const { keys } = this.#verdict
    const isOut = ({ place: { author, seq } }: AuthorityFact) => this.#frozen.has(author) && seq > keys.cap(author)
    return [...this.#facts.all.values()].filter((fact) => !isOut(fact) && this.#verdict.isVoid(fact)).toSorted(byPlace)
  }

  /** Of all entries about authority that are here; of a frozen author those before the fork. */
  unfrozenPlaces(): Place[] {
    return [...this.#facts.all.values()].flatMap(({ place }) =>
      place.seq < (this.#frozen.get(place.author) ?? Number.POSITIVE_INFINITY) ? [place] : [],
    )
  }

  /** Equal on two nodes exactly when authority is. 64 hex characters. */
  digest(): string {
    this.#digest ??= digestOf(encode(this.#verdict.summary()))
    return this.#digest
  }

  #note(fact: AuthorityFact): void {
    const isLast = this.#last === undefined || comparePlaces(this.#last, fact.place) < 0
    if (isLast) this.#last = fact.place
    // A namespace may have been taken before; and what ends a grant that is not here yet waits among the facts.
    const addsOnly = fact.kind === 'grant' && fact.type !== 'namespace' && isLast && !this.#facts.revokes.has(fact.place.hash)
    if (addsOnly) this.#added?.push(fact)
    else this.#added = undefined
  }

  isTop(key: string): boolean {
    return this.#verdict.keys.top.has(key) && this.#verdict.keys.isAlive(key)
  }

  #holdings(key: string, nowMs: number): GrantState[] {
    this.#held ??= this.#byHolder()
    return (this.#held.get(key) ?? []).filter((state) => !isExpired(state.fact, nowMs))
  }

  #byHolder(): Map<string, GrantState[]> {
    const held = new Map<string, GrantState[]>()
    for (const state of this.#verdict.grants.values()) {
      const holder = state.ended ? undefined : this.#verdict.keys.holderOf(state.fact.subject)
      if (holder === undefined) continue
      const list = held.get(holder)
      if (list === undefined) held.set(holder, [state])
      else list.push(state)
    }
    return held
  }
}

function outlasts(expiresAtMs: number | null, untilMs: number | null): boolean {
  return expiresAtMs === null || (untilMs !== null && untilMs <= expiresAtMs)
}

/** The one that lasts longest; of equals the first. */
function longest(states: readonly GrantState[]): string | undefined {
  const end = (state: GrantState) => state.fact.expiresAtMs ?? Number.POSITIVE_INFINITY
  const best = states.reduce<GrantState | undefined>((a, b) => (a !== undefined && end(a) >= end(b) ? a : b), undefined)
  return best?.fact.place.hash
}
