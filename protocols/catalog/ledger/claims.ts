/**
 * Which routes a function asks for, and since when: what its live versions name, each from the entry on since which that has been so without a break.
 * A route that is written anew with other parameter names is the same one. Pure.
 */
import type { Manifest } from '#protocols/manifest'
import { claimOf, type RouteClaim } from '#protocols/route'
import type { Place } from './entry.ts'

export interface Claim {
  route: string
  claim: RouteClaim
  since: Place
}

export const NO_CLAIMS: readonly Claim[] = Object.freeze([])

/** After the entry at `place` made these manifests live. The same object while nothing changes. Routes that cannot be read ask for nothing. */
export function claimsAfter(before: readonly Claim[], live: readonly Manifest[], place: Place): readonly Claim[] {
  const routes = [...new Set(live.flatMap((each) => each.settings.routes))]
  if (routes.length === before.length && routes.every((route, at) => route === before[at]?.route)) return before
  if (routes.length === 0) return NO_CLAIMS
  const since = new Map(before.map((each) => [keyOf(each.claim), each.since]))
  return routes.flatMap((route) => {
    const claim = readable(route)
    return claim === undefined ? [] : [{ route, claim, since: since.get(keyOf(claim)) ?? place }]
  })
}

function keyOf({ methods, path }: RouteClaim): string {
  return `${methods.join(',')} ${path}`
}

function readable(route: string): RouteClaim | undefined {
  try {
    return claimOf(route)
  } catch {
    return undefined
  }
}
