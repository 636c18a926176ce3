/**
 * What shows, to whoever knows nothing but the first root's key, that a catalog was let in: the entry that did, by a key of the root's; before it the rotations
 * by which that key took over, with the genesis where the recovery key wrote one; behind it those by which the catalog changed its own key. Pure, but for reading.
 */
import type { Grant } from '#protocols/access'
import { authorityFactOf, isGenesis } from '../ledger/authority-facts.ts'
import { isOwnRotation, type Keys } from '../ledger/authority-keys.ts'
import type { Entry, Place } from '../ledger/entry.ts'

/** A universe whose root was replaced more often tells no records of catalogs let in since. */
export const BASIS_MAX = 12

export interface Basis {
  signer: string
  roles: readonly string[]
  grants: readonly Grant[]
  expiresAtMs: number | null
}

/** Throws for a chain that does not hold. `entries`: each verified by itself, of one universe. */
export function basisIn(entries: readonly Entry[], root: string): Basis {
  let holder = root
  let recovery: string | null = null
  let basis: Basis | undefined
  const pins = new Map<string, number>()
  const ended = (author: string, seq: number) => seq > (pins.get(author) ?? Number.POSITIVE_INFINITY)
  const tops = new Set([root])
  for (const entry of entries) {
    const fact = authorityFactOf(entry)
    const isTops = tops.has(entry.author) && entry.grant === null && !ended(entry.author, entry.seq)
    if (fact?.kind === 'genesis' && isGenesis(fact, root)) recovery = fact.recovery
    else if (fact?.kind === 'rotate' && basis === undefined) {
      const isFromAbove = entry.author === recovery && entry.grant === null
      if (fact.from !== holder || !fact.agreed || !(isFromAbove || (isOwnRotation(fact) && isTops))) throw unproven()
      pins.set(fact.from, fact.seq)
      tops.add(fact.to)
      holder = fact.to
    } else if (fact?.kind === 'rotate') {
      const isFromAbove = isTops || (entry.author === recovery && entry.grant === null)
      if (basis?.signer !== fact.from || !(isFromAbove || isOwnRotation(fact))) throw unproven()
      basis = { ...basis, signer: fact.to }
    } else if (fact?.kind === 'grant' && fact.type === 'admit' && basis === undefined && isTops) {
      const { subject, roles, scopes, expiresAtMs } = fact
      basis = { signer: subject, roles, grants: scopes, expiresAtMs }
    } else throw unproven()
  }
  if (basis === undefined) throw unproven()
  return basis
}

/** Where the entries are that show it; nothing where it cannot be shown. `admission` is by a key of the root's, of `signer` or one that it took over from. */
export function basisPlaces(
  keys: Keys,
  { root, recovery, genesis }: { root: string; recovery: string | null; genesis: Place | undefined },
  admission: { place: Place; subject: string },
  signer: string,
): Place[] | undefined {
  const before = hops(keys, root, admission.place.author)
  const behind = hops(keys, admission.subject, signer)
  if (before === undefined || behind === undefined) return undefined
  const isFromAbove = [...before, ...behind].some(({ author }) => author === recovery)
  const places = [...(isFromAbove && genesis !== undefined ? [genesis] : []), ...before, admission.place, ...behind]
  return places.length <= BASIS_MAX ? places : undefined
}

/** The rotations from one key to another. */
function hops(keys: Keys, from: string, to: string): Place[] | undefined {
  const places: Place[] = []
  for (let at = from; at !== to && places.length <= BASIS_MAX;) {
    const next = keys.successors.get(at)
    if (next === undefined) return undefined
    places.push(next.place)
    at = next.to
  }
  return places
}

function unproven(): Error {
  return new Error('the root did not let its signer in')
}
