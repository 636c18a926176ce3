import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createIdentity, invite, present } from '#protocols/access'
import { agreeToRotation } from './authority-facts.ts'
import { LedgerAuthority } from './authority.ts'
import { admission, authorityOf, EVES, Feeds, NODES, ROOT, scope, UNIVERSE } from './authority.world.ts'

const GUESTS = Array.from({ length: 5 }, (_, at) => createIdentity(new Uint8Array(32).fill(60 + at)))
const [A, B, C] = NODES
const [EVE] = EVES
const LATER = 1_000_000
const terms = { roles: ['executor'], uses: 2, expiresAtMs: 100_000 }
const guest = (at: number) => GUESTS[at] as (typeof GUESTS)[number]

/** A and B may both let nodes in. */
function world() {
  const feeds = new Feeds()
  const [a, b] = [A, B].map((each) => feeds.admit(each, [scope('admin', '*')]).hash) as [string, string]
  const letIn = (by: 0 | 1, at: number, invited: ReturnType<typeof invite>, part: object = {}) => {
    const body = { ...admission(guest(at), []), roles: ['executor'], invitation: present(invited, guest(at).id), ...part }
    return feeds.write(by === 0 ? A : B, 'admit', body, { grant: by === 0 ? a : b })
  }
  const inside = (authority = authorityOf(feeds.lines)) => GUESTS.map(({ id }) => authority.isMember(id, LATER))
  return { feeds, a, b, letIn, inside }
}

it('an invitation lets in as many as it says, whoever lets them in at the same time, and the same ones in any order of arrival', () => {
  const tries = fc.array(fc.record({ by: fc.constantFrom(0 as const, 1 as const), at: fc.nat(4) }), { minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(tries, fc.integer({ min: 1, max: 4 }), fc.infiniteStream(fc.nat(1000)), (all, uses, random) => {
      const { feeds, letIn, inside } = world()
      const invited = invite(ROOT, UNIVERSE, { ...terms, uses })
      for (const { by, at } of all) letIn(by, at, invited)
      const whole = inside()
      const first = [...new Set(all.map((each) => each.at))].slice(0, uses)
      expect(whole).toEqual(GUESTS.map((_each, at) => first.includes(at)))
      const piecewise = new LedgerAuthority(ROOT.id)
      for (const line of feeds.lines.map((each) => ({ each, at: random.next().value as number })).toSorted((x, y) => x.at - y.at)) {
        piecewise.insert(line.each)
        piecewise.settle()
      }
      expect(inside(piecewise)).toEqual(whole)
      expect(piecewise.digest()).toBe(authorityOf(feeds.lines).digest())
    }),
    { numRuns: 60 },
  )
})

it('lets in nobody by what others showed, by what nobody may sign, or as more than it says', () => {
  const { feeds, letIn, inside } = world()
  const good = invite(ROOT, UNIVERSE, terms)
  letIn(0, 0, good, { invitation: present(good, guest(1).id) })
  letIn(0, 1, invite(EVE, UNIVERSE, terms))
  letIn(0, 2, good, { roles: ['executor', 'catalog'] })
  letIn(0, 3, invite(ROOT, 'f'.repeat(16), terms))
  letIn(0, 4, invite(ROOT, UNIVERSE, { ...terms, expiresAtMs: 1 }))
  expect(inside()).toEqual([false, false, false, false, false])
  expect(authorityOf(feeds.lines).voids()).toHaveLength(5)
})

it('ends when it is cancelled; who came before stays', () => {
  const { feeds, a, letIn, inside } = world()
  const invited = invite(ROOT, UNIVERSE, { ...terms, uses: 5 })
  letIn(0, 0, invited)
  const named = { issuer: ROOT.id, token: invited.invitation.id }
  feeds.write(C, 'cancel', named, { grant: feeds.admit(C, [scope('deploy', '*')]).hash })
  letIn(1, 1, invited)
  feeds.write(A, 'cancel', { ...named, issuer: EVE.id }, { grant: a })
  letIn(1, 2, invited)
  expect(authorityOf(feeds.lines).isCancelled(ROOT.id, named.token)).toBe(false)
  feeds.write(A, 'cancel', named, { grant: a })
  letIn(1, 3, invited)
  expect(inside()).toEqual([true, true, true, false, false])
  expect(authorityOf(feeds.lines).isCancelled(ROOT.id, named.token)).toBe(true)
})

it("a person's invitation is worth what the person holds: who came by it goes when that is revoked", () => {
  const { feeds, letIn, inside } = world()
  const given = feeds.write(ROOT, 'grant', { subject: EVE.id, ...scope('admin', '*'), expiresAtMs: 50_000 }, { grant: null })
  const invited = invite(EVE, UNIVERSE, terms)
  letIn(0, 0, invited, { under: given.hash, expiresAtMs: 50_000 })
  letIn(0, 1, invited, { under: given.hash })
  letIn(0, 2, invited, { expiresAtMs: 50_000 })
  const at = (nowMs: number) => GUESTS.map(({ id }) => authorityOf(feeds.lines).isMember(id, nowMs))
  expect(at(40_000)).toEqual([true, false, false, false, false])
  expect(at(50_000)).toEqual([false, false, false, false, false])
  feeds.write(ROOT, 'revoke', { grant: given.hash, pins: [] }, { grant: null })
  expect(at(40_000)).toEqual([false, false, false, false, false])
  expect(inside()).toEqual([false, false, false, false, false])
})

it('when the root gives on its key, who was let in stays, and nobody comes by what the old key signed', () => {
  const { feeds, letIn, inside } = world()
  const invited = invite(ROOT, UNIVERSE, { ...terms, uses: 5 })
  letIn(0, 0, invited)
  const proof = agreeToRotation(C, UNIVERSE, ROOT.id)
  feeds.write(ROOT, 'rotate', { from: ROOT.id, to: C.id, seq: feeds.seq(ROOT) + 1, proof }, { grant: null })
  letIn(0, 1, invited)
  letIn(0, 2, invite(C, UNIVERSE, terms))
  expect(inside()).toEqual([true, false, true, false, false])
})
