/** Who holds what, as people see it, and who may change that. Pure; the same answer behind every door. */
import { allows, type Grant, type Principal } from '#protocols/access'
import { type ErrorCode, OsirisError } from '#protocols/errors'
import type { AuthorityChange, GrantRecord, Powers } from '../catalog.ts'
import { EVERYWHERE, needsOfSetting } from '../ledger/authority-rules.ts'

/** What somebody may see of it: namespaces and grants where they may read, and what they hold themselves. */
export function visiblePowers({ namespaces, grants }: Powers, principal: Principal): Powers {
  const reads = (pattern: string): boolean => allows(principal, 'read', pattern)
  return {
    namespaces: namespaces.filter((each) => reads(each.namespace) || each.owner === principal.issuer),
    grants: grants.filter((each) => each.key === principal.issuer || patternsOf(each.grants).some(reads)),
  }
}

type Change<T extends AuthorityChange['type']> = Extract<AuthorityChange, { type: T }>

/**
 * Throws unless `principal` may make this change. Giving needs `admin` on everything given, and no longer than the giver holds it (a namespace has no
 * end); ending a grant needs `admin` on all of it, or to be the one who holds it and a token that gives all of it; what names an owner or another `admin` is for the owner, and for `admin` on all namespaces.
 * A token is ended by the key that signed it, or with `admin` on all namespaces.
 * `isTop`: its key is the root's. Throws `unauthenticated`, `forbidden`, `not_found` (nothing to end or to hand over), `conflict` (the namespace has an owner).
 */
export function assertMayAmend(change: AuthorityChange, principal: Principal, isTop: boolean, powers: Powers): void {
  const asker = new Asker(actOf(change), principal, isTop, powers)
  if (principal.issuer === undefined) throw asker.error('unauthenticated', 'no token was sent')
  switch (change.type) {
    case 'create':
      return asker.mayCreate(change)
    case 'transfer':
      return asker.mayTransfer(change)
    case 'grant':
      return asker.mayGrant(change)
    case 'revoke':
      return asker.mayRevoke(change)
    case 'cancel':
      return asker.mayCancel(change)
    case 'set':
      return asker.maySet(change)
  }
}

class Asker {
  readonly #act: string
  readonly #principal: Principal
  readonly #isTop: boolean
  readonly #powers: Powers

  constructor(act: string, principal: Principal, isTop: boolean, powers: Powers) {
    this.#act = act
    this.#principal = principal
    this.#isTop = isTop
    this.#powers = powers
  }

  error(code: ErrorCode, state: string): OsirisError {
    return new OsirisError(code, `Cannot ${this.#act}: ${state}`)
  }

  mayCreate({ namespace }: { namespace: string }): void {
    this.#needAdmin([namespace])
    const owner = this.#ownerOf(namespace)
    if (owner !== undefined) throw this.error('conflict', `it belongs to ${owner}`)
    this.#needUntil([namespace], null)
  }

  mayTransfer({ namespace }: { namespace: string }): void {
    this.#needAdmin([namespace])
    if (this.#ownerOf(namespace) === undefined) throw this.error('not_found', 'it has no owner; create it first')
    this.#needOwned([namespace])
    this.#needUntil([namespace], null)
  }

  mayGrant({ namespaces, expiresAtMs }: Change<'grant'>): void {
    this.#needAdmin(namespaces)
    this.#needUntil(namespaces, expiresAtMs)
  }

  mayRevoke({ grant }: Change<'revoke'>): void {
    const target = this.#powers.grants.find((each) => each.hash === grant)
    if (target === undefined) throw this.error('not_found', 'no such grant is in force')
    if (target.type !== 'grant') return this.#needAdmin([EVERYWHERE])
    if (target.key === this.#principal.issuer) return this.#needAll(target.grants)
    const patterns = patternsOf(target.grants)
    this.#needAdmin(patterns)
    if (target.grants.some((each) => each.can.includes('admin'))) this.#needOwned(patterns)
  }

  /** Ids cannot be guessed: of those who act by a key, only who has one of its tokens knows that token's. */
  mayCancel({ issuer }: Change<'cancel'>): void {
    if (issuer !== this.#principal.issuer) this.#needAdmin([EVERYWHERE])
  }

  maySet({ namespace, key }: Change<'set'>): void {
    for (const need of needsOfSetting({ namespace, key }))
      if (!allows(this.#principal, need.can, need.namespace)) throw this.#deny(`has no grant of "${need.can}" on "${need.namespace}"`)
  }

  #needAdmin(patterns: readonly string[]): void {
    const missing = patterns.find((pattern) => !allows(this.#principal, 'admin', pattern))
    if (missing !== undefined) throw this.#deny(`has no grant of "admin" on "${missing}"`)
  }

  /** A token that gives part of what its key holds ends nothing of it: whoever has it may not take more from that key than they were given. */
  #needAll(grants: readonly Grant[]): void {
    for (const { can, namespaces } of grants)
      for (const pattern of namespaces) {
        const missing = can.find((each) => !allows(this.#principal, each, pattern))
        if (missing !== undefined) throw this.#deny(`shows a token without "${missing}" on "${pattern}", which is part of that grant`)
      }
  }

  /** What is given ends no later than what it is given by. */
  #needUntil(namespaces: readonly string[], expiresAtMs: number | null): void {
    if (this.#isTop) return
    for (const pattern of namespaces) {
      const until = this.#holdsUntil(pattern)
      if ((expiresAtMs ?? Number.POSITIVE_INFINITY) <= until) continue
      const end = new Date(until).toISOString()
      throw this.#deny(`holds "admin" on "${pattern}" only until ${end}, and what is given must end by then`)
    }
  }

  /** Of those who hold `admin` somewhere, only its owner stands above the others. */
  #needOwned(patterns: readonly string[]): void {
    if (allows(this.#principal, 'admin', EVERYWHERE)) return
    const foreign = patterns.find((pattern) => this.#ownerOf(pattern) !== this.#principal.issuer)
    if (foreign !== undefined) throw this.#deny(`neither owns "${foreign}" nor has a grant of "admin" on "*"`)
  }

  #ownerOf(namespace: string): string | undefined {
    return this.#powers.namespaces.find((each) => each.namespace === namespace)?.owner
  }

  /** 0: not at all. */
  #holdsUntil(pattern: string): number {
    const own = this.#powers.grants.filter((each) => each.key === this.#principal.issuer)
    const covering = own.filter((each) => allows({ subject: '', grants: each.grants }, 'admin', pattern))
    return Math.max(0, ...covering.map((each) => each.expiresAtMs ?? Number.POSITIVE_INFINITY))
  }

  #deny(state: string): OsirisError {
    return this.error('forbidden', `"${this.#principal.subject}" ${state}`)
  }
}

function actOf(change: AuthorityChange): string {
  switch (change.type) {
    case 'create':
      return `create namespace "${change.namespace}"`
    case 'transfer':
      return `hand over namespace "${change.namespace}"`
    case 'revoke':
      return `revoke grant ${change.grant.slice(0, 8)}`
    case 'cancel':
      return `revoke token ${change.token.slice(0, 8)}`
    case 'set':
      return `set the ${change.key.split('/')[0]} of "${change.namespace}"`
    case 'grant':
      return `grant ${change.can.join(', ')} on ${change.namespaces.join(', ')}`
  }
}

const patternsOf = (grants: readonly Grant[]): string[] => grants.flatMap((each) => each.namespaces)

/** Of one key, of one namespace (and of patterns that cover it), or all. */
export function grantsWhere(
  grants: readonly GrantRecord[],
  { key, namespace }: { key?: string | undefined; namespace?: string | undefined },
): GrantRecord[] {
  return grants.filter(
    (each) =>
      (key === undefined || each.key === key) &&
      (namespace === undefined || each.grants.some((grant) => allows({ subject: '', grants: [grant] }, grant.can[0] ?? 'read', namespace))),
  )
}
