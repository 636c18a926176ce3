/** Judging an entry when it comes in, by what never changes: the grant it names is here, covers it, and goes back to the root. */
import { type AuthorityFact, type AuthorityFacts, type GrantFact, isGenesis } from './authority-facts.ts'
import { isOwnRotation } from './authority-keys.ts'
import { CHAIN_MAX, faultOf, isExpired, needsOf, needsOfGrant } from './authority-rules.ts'
import { comparePlaces, type Line, type Place, placeOf } from './entry.ts'

/** `unknown`: what it stands on is not here yet; whose key took over from whose may be among that. Otherwise why it is refused, or nothing. */
export type DoorVerdict = { unknown: string } | { refused: string } | undefined

/**
 * `facts` came through this door themselves, so that a link that is here is a link that holds. What ended meanwhile is the fold's to judge: it may
 * depend on entries that come later.
 */
export function judgeAtDoor(entry: Line, fact: AuthorityFact | undefined, facts: AuthorityFacts): DoorVerdict {
  const verdict = judgeAuthor(entry, fact, facts) ?? judgeAsker(entry, fact, facts)
  return verdict ?? (fact?.kind === 'grant' ? (judgeGiver(fact, facts) ?? judgeInvitation(fact, facts)) : undefined)
}

function judgeAuthor(entry: Line, fact: AuthorityFact | undefined, facts: AuthorityFacts): DoorVerdict {
  const place = placeOf(entry)
  if (hasGivenOn(place, facts)) return { refused: 'its author has given on its key already' }
  const fault = fact?.kind === 'rotate' ? rotateFault(fact) : undefined
  if (fault !== undefined) return { refused: fault }
  if (entry.grant === null) return judgeTop(place, fact, facts)
  const chain = chainOf(entry.grant, facts)
  const [by] = chain
  if (by === undefined) return { unknown: 'the grant it names is not here' }
  if (!reaches(by.subject, place.author, place, facts))
    return { unknown: "the grant it names is not its author's, as far as is known here" }
  const uncovered = faultOf(place, needsOf(entry, fact), fact, by, chain)
  if (uncovered !== undefined) return { refused: uncovered }
  return judgeAdmission(place, by, facts) ?? (fact === undefined ? undefined : judgeTarget(fact, chain, facts))
}

function judgeTop(place: Place, fact: AuthorityFact | undefined, facts: AuthorityFacts): DoorVerdict {
  if (fact?.kind === 'genesis' && !isGenesis(fact, facts.root)) return { refused: 'only the root may write a genesis, as its first entry' }
  if (isTop(place.author, place, facts)) return undefined
  if (facts.genesis === undefined) return { unknown: 'the genesis is not here' }
  return { unknown: 'it names no grant, and its author is not the root, as far as is known here' }
}

/** The root, the recovery key, or who took over from one of them before this place, as far as is known here. */
function isTop(key: string, place: Place, facts: AuthorityFacts): boolean {
  const recovery = facts.genesis?.recovery ?? facts.root
  return [facts.root, recovery].some((each) => each === key || reaches(each, key, place, facts))
}

/** Nobody may say that a key asked for what that key could not ask for. Of what ends a grant or a token, the key must have held anything at all. */
function judgeAsker(entry: Line, fact: AuthorityFact | undefined, facts: AuthorityFacts): DoorVerdict {
  const { asker } = entry
  if (asker === undefined) return undefined
  const place = placeOf(entry)
  if (asker.grant === null) {
    if (isTop(asker.key, place, facts)) return undefined
    return {
      unknown: facts.genesis === undefined ? 'the genesis is not here' : 'whoever asked for it is not the root, as far as is known here',
    }
  }
  const chain = chainOf(asker.grant, facts, (each) => each.under ?? each.basis)
  const [held] = chain
  if (held === undefined) return { unknown: 'the grant of whoever asked for it is not here' }
  if (!reaches(held.subject, asker.key, place, facts))
    return { unknown: 'the grant it names is not of the key that asked for it, as far as is known here' }
  const needs = fact === undefined ? needsOf(entry, fact) : fact.kind === 'grant' ? needsOfGrant(fact) : []
  const fault = faultOf(place, needs, undefined, held, chain)
  return fault === undefined ? undefined : { refused: `of the key that asked for it: ${fault}` }
}

/** What somebody gives through a node must be theirs to give, too. */
function judgeGiver(fact: GrantFact, facts: AuthorityFacts): DoorVerdict {
  if (fact.under === null) return undefined
  const chain = chainOf(fact.under, facts, (each) => each.under ?? each.basis)
  const [by] = chain
  if (by === undefined) return { unknown: 'the grant of its giver is not here' }
  const fault = faultOf(fact.place, needsOfGrant(fact), fact, by, chain)
  return fault === undefined ? undefined : { refused: `of its giver: ${fault}` }
}

/** Whoever signed an invitation must be who lets in by it: the root, or the holder of the grant that the admission stands under. */
function judgeInvitation({ place, under, invited }: GrantFact, facts: AuthorityFacts): DoorVerdict {
  if (invited === undefined) return undefined
  if (invited.fault !== undefined) return { refused: `its invitation is not good for it (${invited.fault})` }
  const giver = under === null ? undefined : facts.grants.get(under)
  if (giver === undefined && facts.genesis === undefined) return { unknown: 'the genesis is not here' }
  const issuers = giver === undefined ? [facts.root, facts.genesis?.recovery ?? facts.root] : [giver.subject]
  return issuers.some((each) => reaches(each, invited.issuer, place, facts))
    ? undefined
    : { unknown: 'whoever signed its invitation may not invite, as far as is known here' }
}

/** Only members have feeds: a grant alone lets a person sign tokens, not write. */
function judgeAdmission(place: Place, by: GrantFact, facts: AuthorityFacts): DoorVerdict {
  if (by.type === 'admit') return undefined
  const admitted = [...facts.admits].some(
    ([member, admits]) =>
      admits.some((each) => comparePlaces(each.place, place) < 0 && !isExpired(each, place.wallMs)) &&
      reaches(member, place.author, place, facts),
  )
  return admitted ? undefined : { unknown: "its author's admission is not here" }
}

/** Whoever ends a grant must stand above it. */
function judgeTarget(fact: AuthorityFact, chain: readonly GrantFact[], facts: AuthorityFacts): DoorVerdict {
  const target = fact.kind === 'revoke' ? fact.target : fact.kind === 'grant' ? (fact.owns?.of ?? undefined) : undefined
  if (target === undefined) {
    const outlives = fact.kind === 'grant' && fact.type === 'namespace' && chain[0]?.expiresAtMs !== null
    return outlives ? { refused: 'it would outlive the grant it names' } : undefined
  }
  const targets = chainOf(target, facts)
  if (targets.length === 0) return { unknown: 'what it ends is not here' }
  const above = fact.kind === 'revoke' ? targets.slice(1) : targets
  return above.some((each) => each === chain[0]) ? undefined : { refused: 'it stands on nothing above what it ends' }
}

function rotateFault(fact: Extract<AuthorityFact, { kind: 'rotate' }>): string | undefined {
  if (!fact.given) return 'what it carries is no signature of the key that ends'
  if (fact.place.author !== fact.from) return fact.basis === null ? undefined : 'only the root may give on the key of another'
  return isOwnRotation(fact) ? undefined : 'the key that takes over has not signed for it'
}

/** Nothing comes behind the entry by which a key was given on by itself: whoever has the rest of its feed has that one, so every node refuses the same. */
function hasGivenOn({ author, seq }: Place, facts: AuthorityFacts): boolean {
  return facts.rotates.some((each) => each.from === author && isOwnRotation(each) && each.place.seq < seq)
}

/** A grant and those above it as far as they are here, the nearest first. */
function chainOf(hash: string, facts: AuthorityFacts, above = (fact: GrantFact) => fact.basis): GrantFact[] {
  const chain: GrantFact[] = []
  for (let at: string | null = hash; at !== null && chain.length < CHAIN_MAX;) {
    const fact: GrantFact | undefined = facts.grants.get(at)
    if (fact === undefined) break
    chain.push(fact)
    at = above(fact)
  }
  return chain
}

/** Whether `key` is `subject`, or took over from it before this place. */
function reaches(subject: string, key: string, place: Place, facts: AuthorityFacts): boolean {
  const holders = new Set([subject])
  for (const rotate of facts.rotates) {
    if (holders.has(key) || comparePlaces(rotate.place, place) >= 0) break
    if (holders.has(rotate.from)) holders.add(rotate.to)
  }
  return holders.has(key)
}
