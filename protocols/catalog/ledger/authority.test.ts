import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { allows, createIdentity } from '#protocols/access'
import { agreeToRotation } from './authority-facts.ts'
import { LedgerAuthority } from './authority.ts'
import { authorityOf, EVES, Feeds, moves, NODES, play, RECOVERY, ROOT, scope, UNIVERSE, admission } from './authority.world.ts'
import { type Line, placeOf } from './entry.ts'
import { isWithin } from './authority-evaluate.ts'

const [A, B, C] = NODES
const [EVE] = EVES
const LATER = 1_000_000

const counts = (authority: LedgerAuthority, line: Line) => isWithin(authority.standing(line.author, line.grant), placeOf(line))
const told = (authority: LedgerAuthority) => ({
  digest: authority.digest(),
  voids: authority.voids().map((fact) => fact.place.hash),
  held: [...NODES, ...EVES].map(({ id }) => [authority.grantsOf(id, 0), authority.isMember(id, 0), authority.isBanned(id)]),
  namespaces: authority.namespaces(),
})

describe('any set of entries', () => {
  it('comes to the same in any order of arrival and any batches: digest, voids, holdings, and which entries count', () => {
    fc.assert(
      fc.property(moves(), fc.infiniteStream(fc.nat(1000)), fc.integer({ min: 1, max: 5 }), (all, random, groups) => {
        const feeds = new Feeds()
        play(feeds, all)
        const whole = authorityOf(feeds.lines)
        const dealt = feeds.lines.map((line) => ({ line, at: random.next().value as number })).toSorted((a, b) => a.at - b.at)
        const piecewise = new LedgerAuthority(ROOT.id)
        for (const [at, { line }] of dealt.entries()) {
          piecewise.insert(line)
          if (at % groups === 0) piecewise.settle()
        }
        piecewise.settle()
        expect(told(piecewise)).toEqual(told(whole))
        expect(feeds.lines.map((line) => counts(piecewise, line))).toEqual(feeds.lines.map((line) => counts(whole, line)))
      }),
      { numRuns: 400 },
    )
  })

  it('changes nothing when keys that were never given anything write into it', () => {
    fc.assert(
      fc.property(moves(), moves(EVES), (honest, hostile) => {
        const feeds = new Feeds()
        play(feeds, honest)
        const before = told(authorityOf(feeds.lines))
        const known = feeds.lines.length
        play(feeds, hostile, false)
        const after = authorityOf(feeds.lines)
        expect({ ...told(after), voids: [] }).toEqual({ ...before, voids: [] })
        for (const line of feeds.lines.slice(known)) expect(counts(after, line)).toBe(false)
      }),
      { numRuns: 300 },
    )
  })

  it('never gives more, or longer, than the grant it was given by', () => {
    fc.assert(
      fc.property(moves(), (all) => {
        const feeds = new Feeds()
        play(feeds, all)
        for (const { fact, counts: given } of authorityOf(feeds.lines).verdict.grants.values()) {
          if (!given || fact.basis === null) continue
          const by = feeds.lines.find((line) => line.hash === fact.basis) as Line
          const giver = by.type === 'admit' ? (by.body['grants'] as typeof fact.scopes) : [scopeOf(by)]
          const principal = { subject: '', grants: giver }
          for (const each of fact.scopes) for (const namespace of each.namespaces) expect(allows(principal, 'admin', namespace)).toBe(true)
          const end = (at: unknown) => (at ?? Number.POSITIVE_INFINITY) as number
          expect(end(fact.expiresAtMs)).toBeLessThanOrEqual(end(by.body['expiresAtMs']))
        }
      }),
      { numRuns: 300 },
    )
  })

  it('of two that end each other, at most one does', () => {
    fc.assert(
      fc.property(moves(), (all) => {
        const feeds = new Feeds()
        play(feeds, all)
        const { verdict } = authorityOf(feeds.lines)
        const revokes = feeds.lines.filter((line) => line.type === 'revoke' && line.grant !== null)
        const standsOn = (line: Line, hash: string) => {
          const state = verdict.grants.get(line.grant ?? '')
          return state !== undefined && verdict.chainOf(state).some((fact) => fact.place.hash === hash)
        }
        const ending = new Set(
          revokes.filter(
            (line) =>
              !authorityOf(feeds.lines)
                .voids()
                .some((fact) => fact.place.hash === line.hash),
          ),
        )
        for (const one of ending)
          for (const other of ending) {
            const mutual = standsOn(one, other.body['grant'] as string) && standsOn(other, one.body['grant'] as string)
            expect(mutual).toBe(false)
          }
      }),
      { numRuns: 200 },
    )
  })
})

function scopeOf(line: Line) {
  if (line.type === 'namespace') return scope('admin', line.body['namespace'] as string)
  return { can: line.body['can'], namespaces: line.body['namespaces'] } as ReturnType<typeof scope>
}

describe('a revocation', () => {
  const world = () => {
    const feeds = new Feeds()
    const admitted = feeds.admit(A, [scope('admin', '*')])
    const under = feeds.write(A, 'admit', admission(B, [scope('deploy', '*')]), { grant: admitted.hash })
    return { feeds, admitted, under }
  }
  const retire = { namespace: 'demo', name: 'x', after: null }

  it('leaves what its pins say, and nothing that was back-dated', () => {
    const { feeds, admitted, under } = world()
    const kept = feeds.write(B, 'retire', retire, { grant: under.hash })
    const pins = [A, B].map((each) => ({ author: each.id, seq: feeds.seq(each) }))
    const revoke = feeds.write(ROOT, 'revoke', { grant: admitted.hash, pins }, { grant: null })
    const backdated = [A, B].map((each) =>
      feeds.write(each, 'retire', retire, { grant: each === A ? admitted.hash : under.hash, atMs: 35 }),
    )
    const authority = authorityOf(feeds.lines)
    expect(counts(authority, kept)).toBe(true)
    for (const line of backdated) expect(counts(authority, line)).toBe(false)
    for (const { id } of [A, B]) expect(authority.isMember(id, LATER)).toBe(false)
    expect(authority.voids()).toEqual([])
    expect(counts(authorityOf(feeds.lines.filter((line) => line !== revoke)), backdated[0] as Line)).toBe(true)
  })

  it('counts nobody who is not pinned, and what stands under them falls too', () => {
    const { feeds, admitted, under } = world()
    const line = feeds.write(B, 'retire', retire, { grant: under.hash })
    feeds.write(ROOT, 'revoke', { grant: admitted.hash, pins: [{ author: B.id, seq: 9 }] }, { grant: null })
    expect(counts(authorityOf(feeds.lines), line)).toBe(false)
  })

  it('may come from its issuer or from above, and from nobody else', () => {
    const { feeds, admitted, under } = world()
    const other = feeds.admit(C, [scope('admin', '*')])
    feeds.write(C, 'revoke', { grant: under.hash, pins: [] }, { grant: other.hash })
    feeds.write(B, 'revoke', { grant: admitted.hash, pins: [] }, { grant: under.hash })
    feeds.write(A, 'revoke', { grant: admitted.hash, pins: [] }, { grant: admitted.hash })
    expect(authorityOf(feeds.lines).isMember(B.id, LATER)).toBe(true)
    feeds.write(A, 'revoke', { grant: under.hash, pins: [] }, { grant: admitted.hash })
    const authority = authorityOf(feeds.lines)
    expect([authority.isMember(A.id, LATER), authority.isMember(B.id, LATER)]).toEqual([true, false])
    expect(authority.voids()).toHaveLength(3)
  })

  it('by one who lost its own grant before counts no more; each of two cannot undo the other', () => {
    const feeds = new Feeds()
    const a = feeds.admit(A, [scope('admin', '*')])
    const b = feeds.write(A, 'admit', admission(B, [scope('admin', '*')]), { grant: a.hash })
    const back = feeds.write(B, 'grant', { subject: A.id, ...scope('admin', 'demo'), expiresAtMs: null }, { grant: b.hash })
    feeds.write(B, 'revoke', { grant: back.hash, pins: [] }, { grant: b.hash })
    feeds.write(A, 'revoke', { grant: b.hash, pins: [] }, { grant: back.hash })
    expect(authorityOf(feeds.lines).isMember(B.id, LATER)).toBe(true)
    feeds.write(A, 'revoke', { grant: b.hash, pins: [] }, { grant: a.hash })
    const authority = authorityOf(feeds.lines)
    expect([authority.isMember(A.id, LATER), authority.isMember(B.id, LATER)]).toEqual([true, false])
  })
})

describe('what people give through a node', () => {
  const people = Array.from({ length: 8 }, (_, at) => createIdentity(new Uint8Array(32).fill(100 + at)))
  /** Each gives to the next what one before it holds. */
  const giving = fc.array(fc.record({ by: fc.nat(7), to: fc.nat(7), cut: fc.boolean() }), { minLength: 1, maxLength: 20 })

  it('ends with what they held, however many hands it went through, whenever the news come', () => {
    fc.assert(
      fc.property(giving, (all) => {
        const feeds = new Feeds()
        const held: { hash: string; key: string; above: number | undefined }[] = []
        const give = (to: number, above: number | undefined) => {
          const under = above === undefined ? {} : { under: held[above]?.hash ?? '' }
          const subject = (people[to] as (typeof people)[number]).id
          const line = feeds.write(ROOT, 'grant', { subject, ...scope('admin', 'demo'), expiresAtMs: null, ...under }, { grant: null })
          held.push({ hash: line.hash, key: subject, above })
        }
        give(0, undefined)
        for (const { by, to } of all) give(to, by % held.length)
        const cut = new Set(all.flatMap((each, at) => (each.cut ? [at + 1] : [])))
        for (const at of cut) feeds.write(ROOT, 'revoke', { grant: held[at]?.hash ?? '', pins: [] }, { grant: null })
        const isOut = (at: number | undefined): boolean => at !== undefined && (cut.has(at) || isOut(held[at]?.above))
        const authority = authorityOf(feeds.lines.toReversed())
        const inForce = new Set(authority.records(0).map((each) => each.hash))
        for (const [at, each] of held.entries()) expect(inForce.has(each.hash)).toBe(!isOut(at))
        for (const { id } of people)
          expect(authority.grantsOf(id, 0).length > 0).toBe(held.some((each, at) => each.key === id && !isOut(at)))
      }),
      { numRuns: 300 },
    )
  })

  it('goes no further and lasts no longer than what they hold, and a grant of nobody gives nothing', () => {
    const feeds = new Feeds()
    const [ada, bob] = people as [typeof A, typeof A]
    const given = feeds.write(ROOT, 'grant', { subject: ada.id, ...scope('admin', 'demo'), expiresAtMs: 500 }, { grant: null })
    const to = (part: object) => ({ subject: bob.id, ...scope('deploy', 'demo'), expiresAtMs: 500, under: given.hash, ...part })
    const wrong = [to({ namespaces: ['other'] }), to({ expiresAtMs: null }), to({ expiresAtMs: 501 }), to({ under: 'f'.repeat(64) })]
    for (const body of wrong) feeds.write(ROOT, 'grant', body, { grant: null })
    feeds.write(ROOT, 'namespace', { namespace: 'demo', owner: bob.id, of: null, pins: [], under: given.hash }, { grant: null })
    feeds.write(ROOT, 'admit', { ...admission(B, [], 400), under: given.hash }, { grant: null })
    const authority = authorityOf(feeds.lines)
    expect(authority.voids()).toHaveLength(6)
    expect(authority.grantsOf(bob.id, 0)).toEqual([])
    feeds.write(ROOT, 'grant', to({}), { grant: null })
    expect(authorityOf(feeds.lines).grantsOf(bob.id, 0)).toEqual([scope('deploy', 'demo')])
  })

  it('a namespace whose maker lost what they held is given anew, with what was there before', () => {
    const feeds = new Feeds()
    const [ada, bob] = people as [typeof A, typeof A]
    const given = feeds.write(ROOT, 'grant', { subject: ada.id, ...scope('admin', 'team-*'), expiresAtMs: null }, { grant: null })
    feeds.write(ROOT, 'namespace', { namespace: 'team-a', owner: bob.id, of: null, pins: [], under: given.hash }, { grant: null })
    expect(authorityOf(feeds.lines).namespaces()).toMatchObject([{ owner: bob.id }])
    feeds.write(ROOT, 'revoke', { grant: given.hash, pins: [] }, { grant: null })
    const without = authorityOf(feeds.lines)
    expect(without.namespaces()).toEqual([])
    const { hash = '' } = without.ownershipOf('team-a') ?? {}
    feeds.write(ROOT, 'namespace', { namespace: 'team-a', owner: ada.id, of: hash, pins: [] }, { grant: null })
    expect(authorityOf(feeds.lines).namespaces()).toMatchObject([{ owner: ada.id }])
  })
})

describe('a namespace', () => {
  it("is whose who was first; a later one is void until the first one's maker turns out to be banned", () => {
    const feeds = new Feeds()
    const [a, b] = [A, B].map((each) => feeds.admit(each, [scope('admin', '*')])) as [Line, Line]
    feeds.write(A, 'namespace', { namespace: 'demo', owner: A.id, of: null, pins: [] }, { grant: a.hash })
    const second = feeds.write(B, 'namespace', { namespace: 'demo', owner: B.id, of: null, pins: [] }, { grant: b.hash })
    const authority = authorityOf(feeds.lines)
    expect(authority.namespaces()).toMatchObject([{ namespace: 'demo', owner: A.id }])
    expect(authority.voids().map((fact) => fact.place.hash)).toEqual([second.hash])
    feeds.write(ROOT, 'ban', { member: A.id, seq: 0 }, { grant: null })
    expect(authorityOf(feeds.lines).namespaces()).toMatchObject([{ owner: B.id }])
  })

  it('is handed over by its owner once, the former ends at its pins, and the new one hands it on', () => {
    const feeds = new Feeds()
    const keys = [A, B, C].map((each) => feeds.admit(each, [])) as [Line, Line, Line]
    expect(keys).toHaveLength(3)
    const made = feeds.write(ROOT, 'namespace', { namespace: 'demo', owner: A.id, of: null, pins: [] }, { grant: null })
    const hand = (from: typeof A, to: typeof A, of: Line) =>
      feeds.write(from, 'namespace', { namespace: 'demo', owner: to.id, of: of.hash, pins: [{ author: A.id, seq: 1 }] }, { grant: of.hash })
    const toB = hand(A, B, made)
    const twice = hand(A, C, made)
    const late = feeds.write(A, 'retire', { namespace: 'demo', name: 'x', after: null }, { grant: made.hash })
    const authority = authorityOf(feeds.lines)
    expect(authority.namespaces()).toMatchObject([{ owner: B.id }])
    expect(authority.voids().map((fact) => fact.place.hash)).toEqual([twice.hash])
    expect(counts(authority, late)).toBe(false)
    hand(B, C, toB)
    expect(authorityOf(feeds.lines).namespaces()).toMatchObject([{ owner: C.id }])
    feeds.write(ROOT, 'namespace', { namespace: 'demo', owner: A.id, of: (feeds.lines.at(-1) as Line).hash, pins: [] }, { grant: null })
    expect(authorityOf(feeds.lines).namespaces()).toMatchObject([{ owner: A.id }])
  })
})

describe('keys', () => {
  const rotation = (from: typeof A, to: typeof A, seq: number) => ({
    ...{ from: from.id, to: to.id, seq },
    proof: agreeToRotation(to, UNIVERSE, from.id),
  })

  it('what a key held goes over to the one that takes over, with its consent only', () => {
    const feeds = new Feeds()
    const admitted = feeds.admit(A, [scope('deploy', '*')])
    const stolen = feeds.write(A, 'rotate', { ...rotation(A, B, 1), proof: null }, { grant: admitted.hash })
    expect(
      authorityOf(feeds.lines)
        .voids()
        .map((fact) => fact.place.hash),
    ).toEqual([stolen.hash])
    feeds.write(A, 'rotate', rotation(A, B, 2), { grant: admitted.hash })
    const authority = authorityOf(feeds.lines)
    expect([A, B].map(({ id }) => authority.isMember(id, LATER))).toEqual([false, true])
    expect(authority.standingFor(B.id, 'deploy', 'demo', LATER)).toBe(admitted.hash)
    const [late, next] = [A, B].map((each) =>
      feeds.write(each, 'retire', { namespace: 'demo', name: 'x', after: null }, { grant: admitted.hash }),
    )
    expect([late, next].map((line) => counts(authorityOf(feeds.lines), line as Line))).toEqual([false, true])
  })

  it('the root outranks a thief who gave the key on, and recovery outranks the root', () => {
    const feeds = new Feeds()
    const admitted = feeds.admit(A, [scope('deploy', '*')])
    feeds.write(A, 'rotate', rotation(A, EVE, 1), { grant: admitted.hash })
    expect(authorityOf(feeds.lines).isMember(EVE.id, LATER)).toBe(true)
    feeds.write(ROOT, 'rotate', rotation(A, B, 0), { grant: null })
    expect([EVE, B].map(({ id }) => authorityOf(feeds.lines).isMember(id, LATER))).toEqual([false, true])
    feeds.write(ROOT, 'rotate', rotation(ROOT, EVE, feeds.seq(ROOT) + 1), { grant: null })
    expect(authorityOf(feeds.lines).standingFor(EVE.id, 'admin', '*', LATER)).toBeNull()
    feeds.write(RECOVERY, 'rotate', rotation(ROOT, C, 3), { grant: null })
    const authority = authorityOf(feeds.lines)
    expect([ROOT, EVE, C, RECOVERY].map(({ id }) => authority.standingFor(id, 'admin', '*', LATER))).toEqual([
      undefined,
      undefined,
      null,
      null,
    ])
  })

  it('a ban ends a key for good and leaves what it gave; nobody but the root may', () => {
    const feeds = new Feeds()
    const a = feeds.admit(A, [scope('admin', '*')])
    feeds.write(A, 'admit', admission(B, [scope('deploy', '*')]), { grant: a.hash })
    feeds.write(A, 'ban', { member: C.id, seq: 0 }, { grant: a.hash })
    feeds.write(ROOT, 'ban', { member: A.id, seq: feeds.seq(A) }, { grant: null })
    feeds.admit(A, [scope('admin', '*')])
    const authority = authorityOf(feeds.lines)
    expect([A, B, C].map(({ id }) => authority.isBanned(id))).toEqual([true, false, false])
    expect([A, B].map(({ id }) => authority.isMember(id, LATER))).toEqual([false, true])
  })

  it('a frozen author counts up to the fork, whatever it wrote after', () => {
    const feeds = new Feeds()
    const admitted = feeds.admit(A, [scope('deploy', '*')])
    const lines = [1, 2].map(() => feeds.write(A, 'retire', { namespace: 'demo', name: 'x', after: null }, { grant: admitted.hash }))
    const authority = authorityOf(feeds.lines)
    authority.freeze(A.id, 2)
    authority.settle()
    expect(lines.map((line) => counts(authority, line))).toEqual([true, false])
    expect(authority.isMember(A.id, LATER)).toBe(false)
  })
})

it('a grant that has expired, by the time of the entry, carries nothing, and stands for nobody afterwards', () => {
  const feeds = new Feeds()
  const admitted = feeds.admit(A, [scope('deploy', '*')], 50)
  const at = (atMs: number) => feeds.write(A, 'retire', { namespace: 'demo', name: 'x', after: null }, { grant: admitted.hash, atMs })
  const [before, after] = [at(49), at(50)]
  const authority = authorityOf(feeds.lines)
  expect([before, after].map((line) => counts(authority, line))).toEqual([true, false])
  expect([49, 50].map((nowMs) => authority.standingFor(A.id, 'deploy', 'demo', nowMs))).toEqual([admitted.hash, undefined])
  expect(authority.grantsOf(createIdentity().id, 0)).toEqual([])
})
