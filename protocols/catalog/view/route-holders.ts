/**
 * Who holds which route when several functions ask for it, as two sides of a partition may: the one that has asked for longest in the total order of
 * entries. The others stay callable by name, wait, and get it when it is let go. Pure: the same entries give the same holders, in whatever order they came.
 */
import { collide } from '#protocols/route'
import type { LostRoute, RouteRecord } from '../catalog.ts'
import type { Claim } from '../ledger/claims.ts'
import { comparePlaces, compareText } from '../ledger/entry.ts'

export interface FunctionClaim extends Claim {
  namespace: string
  name: string
}

export interface Holders {
  /** By route, namespace and name. */
  held: RouteRecord[]
  lost: LostRoute[]
}

export function settleRoutes(claims: Iterable<FunctionClaim>): Holders {
  const byPath = new Map<string, FunctionClaim[]>()
  for (const each of claims) {
    const others = byPath.get(each.claim.path)
    if (others === undefined) byPath.set(each.claim.path, [each])
    else others.push(each)
  }
  const held: FunctionClaim[] = []
  const lost: LostRoute[] = []
  for (const [only, ...others] of byPath.values()) {
    if (only === undefined) continue
    if (others.length === 0) held.push(only)
    else settleOne([only, ...others], held, lost)
  }
  return { held: held.map(recordOf).toSorted(compareRecords), lost: lost.toSorted(compareRecords) }
}

/** Of claims to one path, oldest first: each is granted unless one granted before it, to another function, takes a method of it. */
function settleOne(claims: FunctionClaim[], held: FunctionClaim[], lost: LostRoute[]): void {
  const granted: FunctionClaim[] = []
  for (const each of claims.toSorted((a, b) => comparePlaces(a.since, b.since) || compareRecords(a, b))) {
    const holder = granted.find((other) => !isSameFunction(other, each) && collide(other.claim, each.claim))
    if (holder === undefined) granted.push(each)
    else lost.push({ ...recordOf(each), holder: recordOf(holder) })
  }
  held.push(...granted)
}

function recordOf({ route, namespace, name }: FunctionClaim): RouteRecord {
  return { route, namespace, name }
}

function isSameFunction(a: FunctionClaim, b: FunctionClaim): boolean {
  return a.name === b.name && a.namespace === b.namespace
}

function compareRecords(a: RouteRecord, b: RouteRecord): number {
  return compareText(a.route, b.route) || compareText(a.namespace, b.namespace) || compareText(a.name, b.name)
}
