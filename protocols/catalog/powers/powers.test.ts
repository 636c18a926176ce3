import { afterEach, beforeEach, expect, it } from 'vitest'
import { Access, createIdentity, type Grant, type Identity, issueTokenBy, tokenNameOf, universeId } from '#protocols/access'
import type { Caller } from '#protocols/invocation'
import { systemClock } from '#protocols/lifecycle'
import { until } from '#protocols/until'
import { aFunction, CatalogUniverse, untilMembers } from '../catalog.fixture.ts'
import type { AuthorityChange, Catalog, WriteOptions } from '../catalog.ts'

let universe: CatalogUniverse
beforeEach(() => {
  universe = new CatalogUniverse()
})
afterEach(() => universe.stop())

const [ada, bob, eve] = [createIdentity(), createIdentity(), createIdentity()]
const everything: Grant[] = [{ can: ['admin'], namespaces: ['*'] }]
const HOUR_MS = 3_600_000

async function as(key: Identity, grants = everything): Promise<WriteOptions> {
  const token = await issueTokenBy(key, universeId(universe.universe), key.id.slice(0, 8), grants, Date.now() + HOUR_MS)
  const caller: Caller = { subject: '', token }
  return { caller, ack: 'committed', timeoutMs: 4000 }
}

it('the ledger itself is for who may read everything: a grant in one namespace, or to invoke everywhere, is too little', async () => {
  const { founder } = await doors()
  const of = async (name: string, grants: Grant[]) => {
    const network = await universe.network(name, [])
    await until(() => network.members.withRole('catalog').length === 2)
    return universe.clientOn(network, await as(universe.root, grants))
  }
  const doorsTo = (catalog: Catalog) => [() => catalog.log({ limit: 10 }), () => catalog.records(), () => catalog.conflicts()]
  const little = await of('little', [
    { can: ['read'], namespaces: ['demo'] },
    { can: ['invoke'], namespaces: ['*'] },
  ])
  for (const read of doorsTo(little)) await expect(Promise.resolve(read())).rejects.toMatchObject({ code: 'forbidden' })
  const all = await of('all', [{ can: ['read'], namespaces: ['*'] }])
  for (const read of doorsTo(all)) await read()
  expect((await all.log({ limit: 10 })).length).toBe(founder.status().entries)
})

/** The node with the root key, one without it, and a client of no role: each a door. */
async function doors() {
  const founder = await universe.node('founder', { isFounder: true, admitted: false })
  const other = await universe.node('other', { admitted: false })
  await untilMembers([founder, other], 1)
  for (const each of [founder, other])
    await founder.service.admit(each.identity.id, each.name, ['catalog'], [{ can: ['deploy'], namespaces: ['*'] }])
  universe.access.follow(founder.service)
  founder.service.authority().onChange(() => universe.access.reconsider())
  const network = await universe.network('client', ['router'])
  const client = await universe.clientOn(network)
  await until(() => network.members.withRole('catalog').length === 2)
  await until(() => other.service.status().entries === founder.service.status().entries)
  return { founder: founder.service, other: other.service, client }
}

const grant = (subject: Identity, can: Grant['can'], namespaces: string[], expiresAtMs: number | null = null): AuthorityChange => ({
  ...{ type: 'grant', subject: subject.id },
  ...{ can, namespaces, expiresAtMs },
})

it('a namespace is made, given on, and taken from nobody who owns it, whichever node is asked', async () => {
  const { founder, other, client } = await doors()
  await other.amend({ type: 'create', namespace: 'demo', owner: ada.id }, await as(universe.root))
  expect(other.powers().namespaces).toMatchObject([{ namespace: 'demo', owner: ada.id }])
  for (const door of [founder, other, client] as Catalog[]) {
    const squat = { type: 'create', namespace: 'demo', owner: eve.id } as const
    await expect(door.amend(squat, await as(universe.root))).rejects.toMatchObject({ code: 'conflict' })
    await expect(door.amend(squat, await as(eve))).rejects.toMatchObject({ code: 'unauthenticated' })
    await expect(door.amend({ ...squat, namespace: 'other' }, await as(ada))).rejects.toMatchObject({ code: 'forbidden' })
    await expect(door.amend({ ...squat, type: 'transfer' }, { ...(await as(ada)), caller: { subject: 'ada' } })).rejects.toMatchObject({
      code: 'unauthenticated',
    })
  }
  await client.amend(grant(bob, ['admin'], ['demo']), await as(ada))
  const takeover = { type: 'transfer', namespace: 'demo', owner: bob.id } as const
  await expect(other.amend(takeover, await as(bob))).rejects.toMatchObject({
    code: 'forbidden',
    message: expect.stringContaining('owns') as string,
  })
  await other.amend(takeover, await as(ada))
  expect(founder.powers().namespaces).toMatchObject([{ namespace: 'demo', owner: bob.id }])
  await expect(other.amend(grant(eve, ['read'], ['demo']), await as(ada))).rejects.toMatchObject({ code: 'unauthenticated' })
})

it('nobody gives more than they hold, nor for longer, and nobody ends what stands above them', async () => {
  const { founder, other } = await doors()
  const soon = Date.now() + HOUR_MS
  await founder.amend({ type: 'create', namespace: 'demo', owner: ada.id }, await as(universe.root))
  await other.amend(grant(bob, ['admin'], ['demo'], soon), await as(ada))
  const asBob = await as(bob)
  await expect(other.amend(grant(eve, ['deploy'], ['demo']), asBob)).rejects.toThrow('only until')
  await expect(other.amend(grant(eve, ['deploy'], ['*'], soon), asBob)).rejects.toMatchObject({ code: 'forbidden' })
  await other.amend(grant(eve, ['deploy'], ['demo'], soon), asBob)
  const hashOf = (key: Identity) => founder.powers().grants.find((each) => each.key === key.id)?.hash ?? ''
  await expect(other.amend({ type: 'revoke', grant: hashOf(ada) }, asBob)).rejects.toMatchObject({ code: 'forbidden' })
  await expect(other.amend({ type: 'revoke', grant: hashOf(bob) }, await as(eve))).rejects.toMatchObject({ code: 'forbidden' })
  await other.amend({ type: 'revoke', grant: hashOf(eve) }, await as(eve))
  await other.amend({ type: 'revoke', grant: hashOf(bob) }, await as(ada))
  expect(founder.powers().grants.filter((each) => each.type === 'grant')).toEqual([])
  await expect(founder.amend({ type: 'revoke', grant: 'f'.repeat(64) }, await as(universe.root))).rejects.toMatchObject({
    code: 'not_found',
  })
})

it('what somebody gave ends when what they held ends, on every node; a namespace of theirs can be given anew', async () => {
  const { founder, other } = await doors()
  const asRoot = await as(universe.root)
  await founder.amend(grant(ada, ['admin'], ['team-*']), asRoot)
  const asAda = await as(ada)
  await other.amend(grant(bob, ['admin'], ['team-a']), asAda)
  await other.amend(grant(eve, ['deploy'], ['team-a']), await as(bob))
  await other.amend({ type: 'create', namespace: 'team-b', owner: eve.id }, asAda)
  const mine = founder.powers().grants.find((each) => each.key === ada.id)?.hash ?? ''
  expect(founder.powers().grants.filter((each) => each.under === mine)).toHaveLength(2)
  await founder.amend({ type: 'revoke', grant: mine }, asRoot)
  await until(() => other.status().entries === founder.status().entries)
  for (const { powers } of [founder, other].map((each) => ({ powers: each.powers() }))) {
    expect(powers.grants.filter((each) => each.type !== 'admit')).toEqual([])
    expect(powers.namespaces).toEqual([])
  }
  for (const key of [ada, bob, eve]) expect(other.grantsOf(key.id)).toEqual([])
  await founder.amend({ type: 'create', namespace: 'team-b', owner: bob.id }, asRoot)
  expect(founder.powers().namespaces).toMatchObject([{ namespace: 'team-b', owner: bob.id }])
})

it('a token is ended by its id, for its key and for administrators of everything, on every node; others of that key go on', async () => {
  const { founder, other, client } = await doors()
  await founder.amend(grant(ada, ['admin'], ['demo']), await as(universe.root))
  const [lost, kept] = [await as(ada), await as(ada)]
  const { issuer, id: token } = tokenNameOf(lost.caller.token ?? '') ?? { issuer: '', id: '' }
  expect(issuer).toBe(ada.id)
  const cancel = { type: 'cancel', issuer, token } as const
  await founder.amend(grant(bob, ['admin'], ['team']), await as(universe.root))
  await expect(other.amend(cancel, await as(bob))).rejects.toMatchObject({ code: 'forbidden' })
  await client.amend(cancel, kept)
  await until(() => other.status().entries === founder.status().entries)
  for (const catalog of [founder, other, client]) {
    const access = new Access({ root: universe.root.id, clock: systemClock })
    access.follow(catalog)
    await access.require(kept.caller, 'admin', 'demo')
    await expect(access.require(lost.caller, 'admin', 'demo')).rejects.toThrow('the token was revoked')
  }
  await founder.amend({ ...cancel, token: 'f'.repeat(32) }, await as(universe.root))
})

it('a token that gives part of what its key holds ends no grant of that key; one that gives all of it does', async () => {
  const { founder } = await doors()
  const root = await as(universe.root)
  const given = await founder.amend(grant(bob, ['deploy', 'read'], ['demo', 'shop']), root)
  const end: AuthorityChange = { type: 'revoke', grant: given.hash }
  const parts: Grant[] = [
    { can: ['invoke'], namespaces: ['*'] },
    { can: ['admin'], namespaces: ['demo'] },
    { can: ['read'], namespaces: ['demo', 'shop'] },
  ]
  for (const part of parts) await expect(founder.amend(end, await as(bob, [part]))).rejects.toMatchObject({ code: 'forbidden' })
  expect(founder.powers().grants.some((each) => each.hash === given.hash)).toBe(true)
  await founder.amend(end, await as(bob, [{ can: ['deploy'], namespaces: ['demo', 'shop'] }]))
  expect(founder.powers().grants.some((each) => each.hash === given.hash)).toBe(false)
})

it('a grant that has ended before it is given, or ends at no date, is refused, and writes nothing', async () => {
  const { founder } = await doors()
  const before = founder.status().entries
  for (const expiresAtMs of [0, 1, Date.now() - 1000, Number.MAX_SAFE_INTEGER])
    await expect(founder.amend(grant(bob, ['deploy'], ['demo'], expiresAtMs), await as(universe.root))).rejects.toMatchObject({
      code: 'invalid_argument',
    })
  expect(founder.status().entries).toBe(before)
})

it('what lasts for ever is not made of what ends, and what takes two grants is given one at a time', async () => {
  const { founder } = await doors()
  const asRoot = await as(universe.root)
  await founder.amend(grant(ada, ['admin'], ['team-*'], Date.now() + HOUR_MS), asRoot)
  await founder.amend(grant(ada, ['admin'], ['demo']), asRoot)
  const asAda = await as(ada)
  await expect(founder.amend({ type: 'create', namespace: 'team-a', owner: bob.id }, asAda)).rejects.toThrow('only until')
  const both = grant(bob, ['read'], ['demo', 'team-a'], Date.now() + HOUR_MS / 2)
  await expect(founder.amend(both, asAda)).rejects.toMatchObject({ code: 'forbidden', message: expect.stringContaining('one at a time') })
  await founder.amend({ type: 'create', namespace: 'demo', owner: bob.id }, asAda)
  await founder.amend({ type: 'transfer', namespace: 'demo', owner: eve.id }, await as(bob))
  const held = founder.powers().grants.find((each) => each.grants[0]?.namespaces[0] === 'demo' && each.type === 'grant')
  expect(founder.powers().grants.find((each) => each.key === eve.id)?.under).toBe(held?.hash)
})

it('within 5 s of a revocation no node takes the token, with a ledger or without; what was deployed stays', async () => {
  const { founder, other, client } = await doors()
  await founder.amend({ type: 'create', namespace: 'demo', owner: ada.id }, await as(universe.root))
  await other.amend(grant(bob, ['deploy'], ['demo']), await as(ada))
  const judges = [founder, other, client].map((catalog) => {
    const access = new Access({ root: universe.root.id, clock: systemClock })
    access.follow(catalog)
    return access
  })
  const options = await as(bob)
  await until(async () =>
    (await Promise.allSettled(judges.map((each) => each.require(options.caller, 'deploy', 'demo')))).every(
      (each) => each.status === 'fulfilled',
    ),
  )
  const { manifest, artifact } = aFunction('greet')
  await other.publish(manifest, artifact, options)
  for (const judge of judges) await expect(judge.require(options.caller, 'deploy', 'other')).rejects.toMatchObject({ code: 'forbidden' })

  const hash = founder.powers().grants.find((each) => each.key === bob.id)?.hash ?? ''
  await client.amend({ type: 'revoke', grant: hash }, await as(ada))
  await until(async () => {
    const said = await Promise.allSettled(judges.map((each) => each.require(options.caller, 'deploy', 'demo')))
    return said.every((each) => each.status === 'rejected' && (each.reason as { code: string }).code === 'unauthenticated')
  }, 5000)
  expect(other.list({})).toHaveLength(1)
})

it('somebody without a role sees who holds what only where they may read, and what they hold themselves', async () => {
  const { founder } = await doors()
  const asRoot = await as(universe.root)
  for (const [namespace, owner] of [
    ['demo', ada],
    ['secret', eve],
  ] as const)
    await founder.amend({ type: 'create', namespace, owner: owner.id }, asRoot)
  const of = async (name: string, init: { caller?: Caller }) => {
    const network = await universe.network(name, [])
    await until(() => network.members.withRole('catalog').length === 2)
    return (await universe.clientOn(network, init)).powers()
  }
  expect((await of('ada', await as(ada))).namespaces.map((each) => each.namespace)).toEqual(['demo'])
  expect(await of('nobody', {})).toEqual({ namespaces: [], grants: [] })
})

it('what is set for a namespace holds on every node until it is taken out, and is set by who may', async () => {
  const { founder, other, client } = await doors()
  const root = await as(universe.root)
  await client.amend({ type: 'create', namespace: 'demo', owner: ada.id }, root)
  const set = (key: string, value: string | null, namespace = 'demo'): AuthorityChange => ({ type: 'set', namespace, key, value })
  await until(() => other.powers().namespaces.length === 1)
  // A quota is for who administers all; the owner of a namespace does not lift its own.
  for (const door of [founder, other, client] as Catalog[])
    for (const change of [set('quota', '{}'), set('quota', '{}', '*'), set('domain/shop.example.org', '{"namespace":"demo"}', '*')])
      await expect(door.amend(change, await as(ada))).rejects.toMatchObject({ code: 'forbidden' })
  await expect(other.amend(set('promotion/greet', '{}'), await as(eve))).rejects.toMatchObject({ code: 'unauthenticated' })
  for (const wrong of [
    set('quota', '{}'),
    set('quota', 'x'),
    set('other', '{}'),
    set('promotion/greet', '{}', '*'),
    set('quota', 'x'.repeat(8193)),
  ])
    await expect(other.amend(wrong, root)).rejects.toMatchObject({ code: 'invalid_argument' })

  await other.amend(set('quota', '{"concurrent":1}'), root)
  await client.amend(set('promotion/greet', '{"a":1}'), await as(ada))
  await other.amend(set('quota', '{"concurrent":2}'), root)
  // A claim is for who may deploy there; what it is worth is asked of DNS. Without DNS it is for who administers all.
  await other.amend(set('domain/shop.example.org', '{"function":null}'), await as(ada))
  await other.amend(set('domain/shop.example.org', '{"namespace":"demo","function":null}', '*'), root)
  for (const key of ['domain/shop.example.org', 'domain/other.example.org']) await other.amend(set(key, null, '*'), root)
  await other.amend(set('domain/shop.example.org', null), await as(ada))
  const stands = [
    { namespace: 'demo', key: 'promotion/greet', value: '{"a":1}' },
    { namespace: 'demo', key: 'quota', value: '{"concurrent":2}' },
  ]
  for (const door of [founder, other, client] as Catalog[])
    await until(async () => JSON.stringify(await door.settings()) === JSON.stringify(stands), 15_000)
  expect(other.settings()).toBe(other.settings())
  await until(() => founder.status().viewDigest === other.status().viewDigest)

  await founder.amend(set('quota', null), root)
  await until(() => other.settings().length === 1)
  // What a key set goes with the right it set it by.
  const owned = founder.powers().grants.find((each) => each.key === ada.id)
  await founder.amend({ type: 'revoke', grant: owned?.hash ?? '' }, root)
  await expect(other.amend(set('promotion/greet', null), await as(ada))).rejects.toMatchObject({ code: expect.stringMatching(/un/) })
  // A client asks again every 3 s.
}, 60_000)
