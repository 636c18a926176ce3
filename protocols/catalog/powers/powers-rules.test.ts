import fc from 'fast-check'
import { expect, it } from 'vitest'
import { CAPABILITIES, type Grant, type Principal } from '#protocols/access'
import type { OsirisError } from '#protocols/errors'
import type { AuthorityChange, GrantRecord, Powers } from '../catalog.ts'
import { assertMayAmend, visiblePowers } from './powers.ts'

/** Enough names that every pattern below matches some and, but for the last, not all. */
const NAMES = ['a', 'ab', 'abc', 'b', 'bc']
const PATTERNS = ['a', 'ab', 'b', 'a*', 'ab*', 'b*', '*']
const KEYS = ['1', '2', '3'].map((each) => each.repeat(64)) as [string, string, string]

const pattern = fc.constantFrom(...PATTERNS)
const scope = fc.record({
  can: fc.subarray([...CAPABILITIES], { minLength: 1 }),
  namespaces: fc.array(pattern, { minLength: 1, maxLength: 2 }),
})
const expiry = fc.constantFrom(null, 100, 200)
const owned = fc.uniqueArray(fc.record({ namespace: fc.constantFrom(...NAMES), owner: fc.constantFrom(...KEYS) }), {
  selector: (each) => each.namespace,
  maxLength: 3,
})
const given = fc.array(
  fc.record({ type: fc.constantFrom('grant' as const, 'admit' as const), key: fc.constantFrom(...KEYS), scope, expiresAtMs: expiry }),
  { maxLength: 4 },
)

const world: fc.Arbitrary<Powers> = fc.tuple(owned, given).map(([owners, grants]) => {
  const common = { since: 0, author: KEYS[0], under: null }
  const records = grants.map((each) => ({ type: each.type, key: each.key, grants: [each.scope], expiresAtMs: each.expiresAtMs }))
  const ownership = owners.map((each) => ({
    ...{ type: 'namespace' as const, key: each.owner, expiresAtMs: null },
    grants: [{ can: ['admin' as const], namespaces: [each.namespace] }],
  }))
  const all: GrantRecord[] = [...records, ...ownership].map((each, at) => ({ ...each, ...common, hash: String(at).padStart(64, '0') }))
  return { namespaces: owners.map((each) => ({ ...each, since: 0 })), grants: all }
})

const change: fc.Arbitrary<AuthorityChange> = fc.oneof(
  fc.record({
    type: fc.constantFrom('create' as const, 'transfer' as const),
    namespace: fc.constantFrom(...NAMES),
    owner: fc.constantFrom(...KEYS),
  }),
  fc.record({
    type: fc.constant('grant' as const),
    subject: fc.constantFrom(...KEYS),
    can: fc.subarray([...CAPABILITIES], { minLength: 1 }),
    namespaces: fc.array(pattern, { minLength: 1, maxLength: 2 }),
    expiresAtMs: expiry,
  }),
  fc.record({ type: fc.constant('revoke' as const), grant: fc.nat(7).map((at) => String(at).padStart(64, '0')) }),
)

const heldBy = (powers: Powers, key: string): GrantRecord[] => powers.grants.filter((each) => each.key === key)
/** As a token of this key that leaves nothing out. */
const principalOf = (powers: Powers, key: string): Principal => ({
  ...{ subject: 'somebody', issuer: key },
  grants: heldBy(powers, key).flatMap((each) => each.grants),
})

function codeOf(...asked: Parameters<typeof assertMayAmend>): string {
  try {
    assertMayAmend(...asked)
    return 'ok'
  } catch (error) {
    return (error as OsirisError).code
  }
}

/** The rules once more, by names that a pattern stands for instead of by patterns. `*` also stands for names nobody thought of. */
const namesOf = (each: string): string[] =>
  [...NAMES, 'zz'].filter((name) => (each.endsWith('*') ? name.startsWith(each.slice(0, -1)) : name === each))
const within = (inner: string, outer: string) =>
  inner === outer || (outer.endsWith('*') && namesOf(inner).length > 0 && namesOf(inner).every((name) => namesOf(outer).includes(name)))
const isAdmin = (grants: readonly Grant[], of: string) =>
  grants.some((each) => each.can.includes('admin') && each.namespaces.some((outer) => within(of, outer)))
const lasts = (record: GrantRecord, untilMs: number | null) => (record.expiresAtMs ?? Infinity) >= (untilMs ?? Infinity)

function expected(asked: AuthorityChange, powers: Powers, key: string): boolean {
  const mine = heldBy(powers, key)
  const grants = mine.flatMap((each) => each.grants)
  const admins = (patterns: readonly string[]) => patterns.every((each) => isAdmin(grants, each))
  const longEnough = (patterns: readonly string[], untilMs: number | null) =>
    patterns.every((each) => mine.some((record) => isAdmin(record.grants, each) && lasts(record, untilMs)))
  const ownerOf = (namespace: string) => powers.namespaces.find((each) => each.namespace === namespace)?.owner
  if (asked.type === 'create') {
    const { namespace } = asked
    return admins([namespace]) && ownerOf(namespace) === undefined && longEnough([namespace], null)
  }
  if (asked.type === 'transfer') {
    const { namespace } = asked
    const owner = ownerOf(namespace)
    return admins([namespace]) && owner !== undefined && (owner === key || admins(['*'])) && longEnough([namespace], null)
  }
  if (asked.type === 'grant') return admins(asked.namespaces) && longEnough(asked.namespaces, asked.expiresAtMs)
  if (asked.type !== 'revoke') return false
  const target = powers.grants.find((each) => each.hash === asked.grant)
  if (target === undefined) return false
  if (target.type !== 'grant') return admins(['*'])
  if (target.key === key) return true
  const patterns = target.grants.flatMap((each) => each.namespaces)
  if (!admins(patterns)) return false
  const makesAdmin = target.grants.some((each) => each.can.includes('admin'))
  return !makesAdmin || admins(['*']) || patterns.every((each) => ownerOf(each) === key)
}

it('assertMayAmend() lets through exactly what the rules say, for any powers, change and asker', () => {
  let allowed = 0
  fc.assert(
    fc.property(world, change, fc.constantFrom(...KEYS), (powers, asked, key) => {
      const code = codeOf(asked, principalOf(powers, key), false, powers)
      allowed += Number(code === 'ok')
      expect(code === 'ok').toBe(expected(asked, powers, key))
      expect(['ok', 'forbidden', 'not_found', 'conflict']).toContain(code)
    }),
    { numRuns: 5000 },
  )
  expect(allowed).toBeGreaterThan(200)
})

it('whoever may make a change with some grants may make it with more of them, and nobody without a token may make any', () => {
  fc.assert(
    fc.property(world, change, fc.constantFrom(...KEYS), scope, (powers, asked, key, more) => {
      const principal = principalOf(powers, key)
      const { issuer: _issuer, ...nobody } = principal
      expect(codeOf(asked, nobody, false, powers)).toBe('unauthenticated')
      fc.pre(codeOf(asked, principal, false, powers) === 'ok')
      const extra: GrantRecord = {
        hash: 'f'.repeat(64),
        type: 'grant',
        key,
        grants: [more],
        expiresAtMs: null,
        since: 0,
        author: key,
        under: null,
      }
      const richer = { ...powers, grants: [...powers.grants, extra] }
      expect(codeOf(asked, principalOf(richer, key), false, richer)).toBe('ok')
    }),
    { numRuns: 1000 },
  )
})

it('a token that says less lets do no more than one that says everything', () => {
  fc.assert(
    fc.property(world, change, fc.constantFrom(...KEYS), fc.nat(10), (powers, asked, key, dropped) => {
      const principal = principalOf(powers, key)
      const less = { ...principal, grants: principal.grants.filter((_each, at) => at !== dropped) }
      fc.pre(codeOf(asked, less, false, powers) === 'ok')
      expect(codeOf(asked, principal, false, powers)).toBe('ok')
    }),
    { numRuns: 1000 },
  )
})

it('what somebody sees is theirs, or of namespaces they may read; all of it for who may read everything', () => {
  fc.assert(
    fc.property(world, fc.constantFrom(...KEYS), (powers, key) => {
      const seen = visiblePowers(powers, principalOf(powers, key))
      for (const each of heldBy(powers, key)) expect(seen.grants).toContain(each)
      expect(visiblePowers(powers, { subject: 'x', issuer: 'nobody', grants: [] })).toEqual({ namespaces: [], grants: [] })
      expect(visiblePowers(powers, { subject: 'x', grants: [{ can: ['read'], namespaces: ['*'] }] })).toEqual(powers)
    }),
  )
})
