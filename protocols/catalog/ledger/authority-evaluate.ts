/** From all facts about authority to what each grant is worth. Pure: any order of arrival gives the same. README.md has the rules with their reasons. */
import {
  type AuthorityFact,
  type AuthorityFacts,
  byPlace,
  type CancelFact,
  type GrantFact,
  listIn,
  type Pins,
  type RevokeFact,
  tokenKey,
} from './authority-facts.ts'
import { Keys } from './authority-keys.ts'
import { ADMIN_EVERYWHERE, faultOf, type Needs, needsOfGrant } from './authority-rules.ts'
import type { Asker } from './asker.ts'
import { comparePlaces, compareText, type Place } from './entry.ts'

/** What one grant is worth. */
export interface GrantState {
  fact: GrantFact
  /** The grant it ends with; `undefined` for the root's own. */
  parent: GrantState | undefined
  /** The grant of whoever asked for it, which it ends with as well; `undefined` where nobody but its author, or the root, did. */
  giver: GrantState | undefined
  /** Whether it has an effect as an entry. */
  counts: boolean
  /** What ends it, by itself or with one above it. */
  pins: readonly Pins[]
  /** Nobody gets anything new from it. */
  ended: boolean
}

/** One reason for which entries of an author count that name a grant: those after `since`, up to `seq`, before `expiresAtMs`. */
export interface Way {
  since: Place | undefined
  seq: number
  expiresAtMs: number | null
}

/** What an author may do by naming a grant (or none). */
export interface Standing {
  ways: readonly Way[]
  /** `undefined`: everything. */
  grant: GrantFact | undefined
}

const NOBODY: ReadonlySet<string> = new Set()
const NOTHING: Standing = Object.freeze({ ways: Object.freeze([]), grant: undefined })

export class Verdict {
  readonly keys: Keys
  readonly grants = new Map<string, GrantState>()
  /** The grants that make a namespace's first owner. */
  readonly #creations = new Map<string, GrantState>()
  /** The transfer that won, by the grant it ends. */
  readonly #transfers = new Map<string, GrantFact>()
  /** Admissions that count, by member. */
  readonly #admits = new Map<string, GrantState[]>()
  /** Nodes that each invitation let in, by issuer and id. */
  readonly #guests = new Map<string, Set<string>>()
  /** Revocations that count. */
  readonly #endings = new Set<string>()
  readonly #facts: AuthorityFacts

  constructor(facts: AuthorityFacts, frozen: ReadonlyMap<string, number>) {
    this.#facts = facts
    this.keys = new Keys(facts, frozen)
    for (const fact of [...facts.grants.values()].toSorted(byPlace)) this.extend(fact)
  }

  /** Takes in a grant that comes after all others in total order and that no entry has named yet. */
  extend(fact: GrantFact): GrantState {
    const parent = this.#parentOf(fact)
    const giver = fact.under === null ? undefined : this.grants.get(fact.under)
    const counts = this.#isGiven(fact) && this.#isFirst(fact) && this.#isInvited(fact)
    const pins = giver === undefined ? (parent?.pins ?? []) : [...new Set([...(parent?.pins ?? []), ...giver.pins])]
    const state: GrantState = { fact, parent, giver, counts, pins, ended: true }
    this.grants.set(fact.place.hash, state)
    if (!counts) return state
    if (fact.type === 'admit') listIn(this.#admits, fact.subject).push(state)
    if (fact.owns?.of === null) this.#creations.set(fact.owns.namespace, state)
    this.#end(state)
    return state
  }

  /** What entries of this author count when they name this grant. */
  standing(author: string, basis: string | null): Standing {
    if (basis === null) {
      if (!this.keys.top.has(author)) return NOTHING
      return { ways: [{ since: this.keys.top.get(author), seq: this.keys.cap(author), expiresAtMs: null }], grant: undefined }
    }
    const state = this.grants.get(basis)
    const way = state === undefined ? undefined : this.#wayBy(author, state)
    if (state === undefined || way === undefined) return NOTHING
    const { fact } = state
    const admissions = fact.type === 'admit' ? [way] : this.#admissionsOf(author).map((each) => both(way, each))
    return { ways: admissions, grant: fact }
  }

  /** Whether a token or an invitation was ended before this place; `undefined`: at all. */
  isCancelled(issuer: string, id: string, place?: Place): boolean {
    const cancels = this.#facts.cancels.get(tokenKey(issuer, id)) ?? []
    return cancels.some((each) => (place === undefined || comparePlaces(each.place, place) < 0) && this.#isEffective(each))
  }

  /** Whether the key that asked for an entry held what it names: not yet revoked, rotated away or expired then. */
  isAskedFor(asker: Asker, place: Place): boolean {
    if (asker.grant === null) return this.keys.speaksFor(undefined, asker.key, place)
    const state = this.grants.get(asker.grant)
    if (state?.counts !== true || !this.keys.speaksFor(state.fact.subject, asker.key, place)) return false
    return state.pins.every((pins) => place.seq <= (pins.get(place.author) ?? 0))
  }

  /** The nodes that an invitation let in. */
  guestsOf(issuer: string, id: string): ReadonlySet<string> {
    return this.#guests.get(tokenKey(issuer, id)) ?? NOBODY
  }

  /** The present owner's entry of each namespace. */
  owners(): GrantState[] {
    return [...this.#creations.values()].map((creation) => {
      let state = creation
      for (let next = this.#next(state); next !== undefined; next = this.#next(state)) state = next
      return state
    })
  }

  /** A grant and those above it; ends early where one is not here. */
  chainOf(state: GrantState): GrantFact[] {
    const chain: GrantFact[] = []
    for (let at: GrantState | undefined = state; at !== undefined; at = at.parent) chain.push(at.fact)
    return chain
  }

  /** What has an effect, in a form that is the same on every node. */
  summary(): unknown {
    const { caps, top, successors, banned } = this.keys
    const matters = this.#keysThatMatter()
    const grants = [...this.grants.values()].filter((state) => state.counts)
    return {
      grants: grants.map(({ fact, pins, ended }) => [
        fact.place.hash,
        ended,
        pins.map((each) => [...each].toSorted(byKey)).toSorted(byText),
      ]),
      ended: [...this.#endings].toSorted(compareText),
      cancelled: [...this.#facts.cancels]
        .flatMap(([key, all]) => (all.some((each) => this.#isEffective(each)) ? [key] : []))
        .toSorted(compareText),
      keys: [...caps].filter(([key]) => matters.has(key)).toSorted(byKey),
      banned: [...banned].toSorted(compareText),
      top: [...top.keys()].toSorted(compareText),
      successors: [...successors].flatMap(([from, { to }]) => (matters.has(from) ? [[from, to] as const] : [])).toSorted(byKey),
    }
  }

  /** Whether an entry about authority has no effect. */
  isVoid(fact: AuthorityFact): boolean {
    const { hash } = fact.place
    if (fact.kind === 'grant') return this.grants.get(hash)?.counts !== true
    if (fact.kind === 'revoke') return !this.#endings.has(hash)
    if (fact.kind === 'cancel') return !this.#isEffective(fact)
    if (fact.kind === 'rotate') return this.keys.successors.get(fact.from)?.place.hash !== hash || !this.#keysThatMatter().has(fact.from)
    if (fact.kind === 'ban') return !this.keys.isTopAct(fact) || !this.keys.banned.has(fact.member)
    return this.#facts.genesis !== fact
  }

  /** Keys that were ever given anything, banned, or took over from such a key: what the others do to themselves is nothing. */
  #keysThatMatter(): ReadonlySet<string> {
    const keys = new Set([...this.keys.top.keys(), ...this.keys.banned])
    for (const state of this.grants.values()) if (state.counts) keys.add(state.fact.subject)
    // A set that grows while it is walked is walked to its new end.
    for (const key of keys) {
      const next = this.keys.successors.get(key)
      if (next !== undefined) keys.add(next.to)
    }
    return keys
  }

  #next(state: GrantState): GrantState | undefined {
    const transfer = this.#transfers.get(state.fact.place.hash)
    return transfer === undefined ? undefined : this.grants.get(transfer.place.hash)
  }

  #isGiven(fact: GrantFact): boolean {
    const of = fact.owns?.of ?? null
    if (of !== null) return this.#transfers.get(of) === fact
    if (!this.#isTheirs(fact)) return false
    if (fact.basis === null) return this.keys.isTopAct(fact)
    const parent = this.grants.get(fact.basis)
    return parent !== undefined && this.#isCarried(fact, parent, needsOfGrant(fact))
  }

  /** A namespace that was handed over stands where it stood before: not under the owner that is gone. */
  #parentOf(fact: GrantFact): GrantState | undefined {
    const basis = fact.basis === null ? undefined : this.grants.get(fact.basis)
    return basis !== undefined && basis.fact.place.hash === fact.owns?.of ? basis.parent : basis
  }

  /** Whether whoever asked for it could give it: their grant covers it and lasts as long. Whether that one has ended is told by `ended`. */
  #isTheirs(fact: GrantFact): boolean {
    if (fact.under === null) return true
    const giver = this.grants.get(fact.under)
    return giver?.counts === true && faultOf(fact.place, needsOfGrant(fact), fact, giver.fact, this.#giversOf(giver)) === undefined
  }

  /** A grant and those it was given by, one person after the other. */
  #giversOf(state: GrantState): GrantFact[] {
    const chain: GrantFact[] = []
    for (let at: GrantState | undefined = state; at !== undefined; at = at.giver ?? at.parent) chain.push(at.fact)
    return chain
  }

  #isFirst(fact: GrantFact): boolean {
    return fact.owns?.of !== null || !this.#creations.has(fact.owns.namespace)
  }

  /** The first nodes in total order that come with an invitation are let in, as many as it says, whoever admits them and wherever. One that comes again counts once. */
  #isInvited({ place, subject, under, invited }: GrantFact): boolean {
    if (invited === undefined) return true
    const { issuer, id, uses, fault } = invited
    const giver = under === null ? undefined : this.grants.get(under)?.fact.subject
    if (fault !== undefined || !this.keys.speaksFor(giver, issuer, place) || this.isCancelled(issuer, id, place)) return false
    const key = tokenKey(issuer, id)
    const guests = this.#guests.get(key) ?? new Set()
    if (!guests.has(subject) && guests.size >= uses) return false
    this.#guests.set(key, guests.add(subject))
    return true
  }

  #isEffective(fact: CancelFact): boolean {
    if (fact.basis === null) return this.keys.isTopAct(fact)
    const by = this.grants.get(fact.basis)
    return by !== undefined && this.#isCarried(fact, by, ADMIN_EVERYWHERE)
  }

  /** Whether an entry that names this grant has an effect. */
  #isCarried(fact: GrantFact | RevokeFact | CancelFact, by: GrantState, needs: Needs): boolean {
    const grant = fact.kind === 'grant' ? fact : undefined
    if (faultOf(fact.place, needs, grant, by.fact, this.chainOf(by)) !== undefined) return false
    return isWithin(this.standing(fact.place.author, by.fact.place.hash), fact.place)
  }

  /** What ends this grant: revocations by those above it, then the first transfer that counts. */
  #end(state: GrantState): void {
    const { hash } = state.fact.place
    const revokes = (this.#facts.revokes.get(hash) ?? []).filter((revoke) => this.#mayEnd(revoke, state.parent, state))
    for (const revoke of revokes) this.#endings.add(revoke.place.hash)
    state.pins = [...revokes.map(({ pins }) => pins), ...state.pins]
    state.ended = revokes.length > 0 || (state.parent?.ended ?? false) || (state.giver?.ended ?? false)
    if (state.fact.owns === undefined) return
    const { namespace } = state.fact.owns
    const transfer = this.#facts.transfers.get(hash)?.find((each) => each.owns?.namespace === namespace && this.#mayEnd(each, state, state))
    if (transfer?.owns === undefined) return
    this.#transfers.set(hash, transfer)
    state.pins = [transfer.owns.pins, ...state.pins]
    state.ended = true
  }

  /** Whether it ends `state`: by the root, or by who holds `lowest` or a grant above it. Standing on what it ends, it could undo itself. */
  #mayEnd(fact: GrantFact | RevokeFact, lowest: GrantState | undefined, state: GrantState): boolean {
    if (comparePlaces(state.fact.place, fact.place) >= 0) return false
    if (fact.kind === 'grant' && !this.#isTheirs(fact)) return false
    if (fact.basis === null) return this.keys.isTopAct(fact)
    for (let at = lowest; at !== undefined; at = at.parent)
      if (at.fact.place.hash === fact.basis) return this.#isCarried(fact, at, fact.kind === 'grant' ? needsOfGrant(fact) : [])
    return false
  }

  #wayBy(author: string, state: GrantState): Way | undefined {
    const since = this.keys.holdsFor(state.fact.subject, author)
    if (!state.counts || since === false) return undefined
    const seqs = state.pins.map((pins) => pins.get(author) ?? 0)
    const from = since !== undefined && comparePlaces(since, state.fact.place) > 0 ? since : state.fact.place
    return { since: from, seq: Math.min(this.keys.cap(author), ...seqs), expiresAtMs: state.fact.expiresAtMs }
  }

  #admissionsOf(author: string): Way[] {
    const members = this.keys.successors.size === 0 ? [author] : [...this.#admits.keys()]
    return members.flatMap((member) => this.#admits.get(member) ?? []).flatMap((state) => this.#wayBy(author, state) ?? [])
  }
}

/** Whether an entry at this place is one of those that count. */
export function isWithin(standing: Standing, place: Place): boolean {
  return standing.ways.some(
    ({ since, seq, expiresAtMs }) =>
      place.seq <= seq && (since === undefined || comparePlaces(since, place) < 0) && (expiresAtMs === null || place.wallMs < expiresAtMs),
  )
}

function byKey(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return compareText(a[0], b[0])
}

function byText(a: unknown, b: unknown): number {
  return compareText(JSON.stringify(a), JSON.stringify(b))
}

function both(a: Way, b: Way): Way {
  return {
    since: a.since !== undefined && (b.since === undefined || comparePlaces(a.since, b.since) > 0) ? a.since : b.since,
    seq: Math.min(a.seq, b.seq),
    expiresAtMs: a.expiresAtMs === null ? b.expiresAtMs : b.expiresAtMs === null ? a.expiresAtMs : Math.min(a.expiresAtMs, b.expiresAtMs),
  }
}
