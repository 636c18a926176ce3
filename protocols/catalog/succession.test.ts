import { afterEach, expect, it } from 'vitest'
import { createIdentity, invite, issueToken, issueTokenBy, present, universeId } from '#protocols/access'
import { until } from '#protocols/until'
import { CatalogUniverse, untilEqual, untilMembers } from './catalog.fixture.ts'
import { agreeToRotation } from './ledger/authority-facts.ts'
import { fixedRootKeys } from './rotating.ts'

const universe = new CatalogUniverse()
afterEach(() => universe.stop())

it('a key that took over from the root lets nodes in and signs tokens; the old one does neither any more, on no node, and what it did stands', async () => {
  const next = createIdentity()
  const id = universeId(universe.universe)
  const founder = await universe.node('founder', { isFounder: true, admitted: false })
  await founder.service.admit(founder.identity.id, 'founder', ['catalog'], [])
  const heir = await universe.node('heir', { founding: [], admitted: false, rootKeys: fixedRootKeys(next) })
  await untilMembers([founder, heir], 1)
  await founder.service.admit(heir.identity.id, 'heir', ['catalog'], [])
  await untilEqual([founder, heir])
  const options = { by: 'ada', ack: 'accepted', timeoutMs: 2000 } as const
  const grants = [{ can: ['deploy' as const], namespaces: ['*'] }]
  const [old, young] = [
    await issueToken(universe.root, 'ada', grants, Date.now() + 60_000),
    await issueTokenBy(next, id, 'ada', grants, Date.now() + 60_000),
  ]
  const guest = createIdentity().id
  const terms = { roles: ['router'], uses: 1, expiresAtMs: Date.now() + 60_000 }
  const comer = (issuer: typeof next, member: string) => ({
    ...{ member, name: 'guest', roles: ['router' as const] },
    invitation: present(invite(issuer, id, terms), member),
  })
  await expect(heir.service.admit(guest, 'guest', ['router'], [])).rejects.toMatchObject({ code: 'forbidden' })

  const rotation = { from: universe.root.id, to: next.id, seq: 0, proof: agreeToRotation(next, id, universe.root.id) }
  await expect(heir.service.record('rotate', rotation, options)).rejects.toMatchObject({ code: 'forbidden' })
  const forged = { ...rotation, proof: agreeToRotation(createIdentity(), id, universe.root.id) }
  await expect(founder.service.record('rotate', forged, options)).rejects.toMatchObject({ code: 'forbidden' })
  await founder.service.record('rotate', rotation, options)
  await until(() => heir.service.authority().isTop(next.id))

  for (const { service } of [founder, heir]) {
    expect([service.grantsOf(universe.root.id), service.grantsOf(next.id).length]).toEqual([[], 1])
    universe.access.follow(service)
    universe.access.reconsider()
    await expect(universe.access.principalOf({ subject: '', token: old })).rejects.toMatchObject({ code: 'unauthenticated' })
    expect(await universe.access.principalOf({ subject: '', token: young })).toMatchObject({ subject: 'ada', issuer: next.id })
  }
  await expect(founder.service.admitter.admit(comer(next, guest))).rejects.toMatchObject({ details: { standing: false } })
  await expect(heir.service.admitter.admit(comer(universe.root, guest))).rejects.toMatchObject({ details: { reason: 'issuer' } })
  await heir.service.admitter.admit(comer(next, guest))
  await untilEqual([founder, heir])
  for (const { service } of [founder, heir])
    for (const key of [founder.identity.id, heir.identity.id, guest]) expect(service.authority().isMember(key, Date.now())).toBe(true)
})
