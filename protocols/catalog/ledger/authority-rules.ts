/** What each type of entry needs, and what one grant covers. Pure; the door and the fold ask here. */
import { allows, type Capability } from '#protocols/access'
import type { AuthorityFact, GrantFact } from './authority-facts.ts'
import { comparePlaces, type Entry, type Place } from './entry.ts'

/** Links from a grant up to the root. Bounds every walk along a chain. */
export const CHAIN_MAX = 16
/** Stands for all namespaces in a need: only a grant on `*` covers it. */
export const EVERYWHERE = '*'

/** One thing a grant must cover; `namespace` may be a pattern, all of which must be covered. */
export interface Need {
  can: Capability
  namespace: string
}

/** What letting nodes in takes, and ending what others signed. */
export const ADMIN_EVERYWHERE: readonly Need[] = Object.freeze([{ can: 'admin', namespace: EVERYWHERE }])

/** `root`: nobody but the root and the recovery key. */
export type Needs = readonly Need[] | 'root'

/** What an entry needs to have an effect. None: any grant that names its author, which says that it is a member. */
export function needsOf(entry: Pick<Entry, 'type' | 'body'>, fact: AuthorityFact | undefined): Needs {
  if (fact !== undefined) return authorityNeeds(fact)
  if (entry.type === 'setting') return needsOfSetting(entry.body)
  const on = namespaceOf(entry)
  return on === undefined ? [] : deployOn(on)
}

function authorityNeeds(fact: AuthorityFact): Needs {
  if (fact.kind === 'genesis' || fact.kind === 'ban') return 'root'
  if (fact.kind === 'cancel') return ADMIN_EVERYWHERE
  return fact.kind === 'grant' ? needsOfGrant(fact) : []
}

/** Who admits a node must hold everything everywhere; who gives anything else must hold `admin` there. */
export function needsOfGrant(fact: GrantFact): readonly Need[] {
  if (fact.type === 'admit') return ADMIN_EVERYWHERE
  return adminOn(fact.scopes.flatMap((scope) => scope.namespaces))
}

export function adminOn(namespaces: readonly string[]): readonly Need[] {
  return namespaces.map((namespace) => ({ can: 'admin', namespace }))
}

const deployNeeds = new Map<string, readonly Need[]>()
/** The same array for the same namespace: facts by the hundred thousand share it. */
export function deployOn(namespace: string): readonly Need[] {
  let needs = deployNeeds.get(namespace)
  if (needs === undefined) {
    if (deployNeeds.size >= DEPLOY_NEEDS_MAX) deployNeeds.clear()
    deployNeeds.set(namespace, (needs = [{ can: 'deploy', namespace }]))
  }
  return needs
}
const DEPLOY_NEEDS_MAX = 10_000

/** What a body that does not fit needs is of no matter: it has no effect. */
export function needsOfSetting({ namespace, key }: Record<string, unknown>): readonly Need[] {
  return key === 'quota' || typeof namespace !== 'string' || namespace === EVERYWHERE ? ADMIN_EVERYWHERE : deployOn(namespace)
}

/** The namespace of which an entry changes something; nothing for other types and for bodies that name none, which have no effect. */
function namespaceOf({ type, body }: Pick<Entry, 'type' | 'body'>): string | undefined {
  const holder = type === 'publish' ? body['manifest'] : ON_NAMESPACE.has(type) ? body : undefined
  const namespace = (holder as { namespace?: unknown } | null | undefined)?.namespace
  return typeof namespace === 'string' ? namespace : undefined
}
const ON_NAMESPACE: ReadonlySet<string> = new Set(['point', 'retire', 'secret', 'hook'])

export function covers(grant: Pick<GrantFact, 'scopes'>, needs: readonly Need[]): boolean {
  const principal = { subject: '', grants: grant.scopes }
  return needs.every(({ can, namespace }) => allows(principal, can, namespace))
}

/**
 * Why a grant cannot carry an entry, by what neither ever changes; nothing when it can. `by`: the grant; `chain`: it and those above it.
 * A child may not outlive its grant, and ownership, which has no end, may not come from one that has.
 */
export function faultOf(
  place: Place,
  needs: Needs,
  fact: AuthorityFact | undefined,
  by: GrantFact,
  chain: readonly GrantFact[],
): string | undefined {
  if (comparePlaces(by.place, place) >= 0) return 'the grant it names comes after it'
  if (chain.length >= CHAIN_MAX) return `its grant is ${chain.length} links from the root, at most ${CHAIN_MAX - 1} may be`
  if (isExpired(by, place.wallMs)) return 'the grant it names had expired'
  if (needs === 'root') return 'only the root may write it'
  if (!covers(by, needs)) return `the grant it names does not cover "${textOf(needs)}"`
  if (fact?.kind !== 'grant' || by.expiresAtMs === null) return undefined
  if (fact.expiresAtMs === null || fact.expiresAtMs > by.expiresAtMs) return 'it would outlive the grant it names'
  return undefined
}

export function isExpired(grant: GrantFact, nowMs: number): boolean {
  return grant.expiresAtMs !== null && nowMs >= grant.expiresAtMs
}

export function textOf(needs: readonly Need[]): string {
  return needs.map(({ can, namespace }) => `${can} ${namespace}`).join(', ')
}
