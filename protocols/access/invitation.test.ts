import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createIdentity, createUniverse, faultOfInvitation, formatJoinToken, invite, parseJoinToken, present, universeId } from './index.ts'

const root = createIdentity()
const universe = createUniverse('default', root.id)
const id = universeId(universe)
const [node, thief] = [createIdentity(), createIdentity()]
const terms = { roles: ['router', 'executor'], uses: 2, expiresAtMs: 1000 }
const invited = invite(root, id, terms)
const member = { member: node.id, roles: ['executor'] }

it('an invitation lets in whoever holds its secret, as what it says, until it ends', () => {
  const shown = present(invited, node.id)
  expect(faultOfInvitation(shown, member, id, 999)).toBeUndefined()
  expect(faultOfInvitation(shown, member, id, 1000)).toBe('expired')
  expect(faultOfInvitation(shown, { ...member, roles: ['executor', 'catalog'] }, id, 0)).toBe('roles')
  expect(faultOfInvitation(shown, member, universeId({ root: thief.id }), 0)).toBe('foreign')
})

it('what a node showed lets in nobody else, and nobody makes more of it', () => {
  const shown = present(invited, node.id)
  expect(faultOfInvitation(shown, { ...member, member: thief.id }, id, 0)).toBe('stolen')
  expect(faultOfInvitation({ ...shown, uses: 3 }, member, id, 0)).toBe('forged')
  expect(faultOfInvitation({ ...shown, roles: [...shown.roles, 'catalog'] }, { ...member, roles: ['catalog'] }, id, 0)).toBe('forged')
  expect(faultOfInvitation({ ...shown, expiresAtMs: 9000 }, member, id, 2000)).toBe('forged')
  const own = present({ invitation: invite(thief, id, terms).invitation, secret: invited.secret }, node.id)
  expect(faultOfInvitation({ ...own, issuer: root.id }, member, id, 0)).toBe('forged')
  expect(faultOfInvitation(own, member, id, 0)).toBe('stolen')
})

it('a join token carries it whole; no bytes whatever make the judge throw or say yes', () => {
  const join = { universe, bootstrap: ['/ip4/127.0.0.1/tcp/1/p2p/x'], invited }
  expect(parseJoinToken(formatJoinToken(join))).toEqual(join)
  const shown = present(invited, node.id)
  fc.assert(
    fc.property(fc.constantFrom('signature', 'proof'), fc.nat(63), fc.integer({ min: 1, max: 255 }), (key, at, flip) => {
      const bytes = Uint8Array.from(shown[key as 'proof'])
      bytes[at] = (bytes[at] as number) ^ flip
      return faultOfInvitation({ ...shown, [key]: bytes }, member, id, 0) !== undefined
    }),
  )
})
