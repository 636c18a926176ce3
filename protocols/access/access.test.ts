import fc from 'fast-check'
import { SignJWT } from 'jose'
import { expect, it } from 'vitest'
import { OsirisError } from '#protocols/errors'
import { systemClock } from '#protocols/lifecycle'
import {
  Access,
  allows,
  CAPABILITIES,
  createIdentity,
  createUniverse,
  formatJoinToken,
  type Grant,
  issueToken,
  issueTokenBy,
  narrowed,
  parseJoinToken,
  publicKeyOf,
  swarmKeyOf,
  universeId,
  verifySignature,
} from './index.ts'

const root = createIdentity()
const access = new Access({ root: root.id, clock: systemClock })
const soon = () => Date.now() + 60_000

it('a token of the root gives its grants, and only those', async () => {
  const token = await issueToken(root, 'ada', [{ can: ['deploy'], namespaces: ['demo', 'team-*'] }], soon())
  const principal = await access.principalOf({ subject: 'ada', token })
  expect(allows(principal, 'invoke', 'demo')).toBe(true)
  expect(allows(principal, 'deploy', 'team-blue')).toBe(true)
  expect(allows(principal, 'admin', 'demo')).toBe(false)
  expect(allows(principal, 'invoke', 'other')).toBe(false)
  expect(access.principalOf({ subject: 'ada', token })).toBe(principal)
})

it('a token of another root, an expired one and garbage are unauthenticated', async () => {
  const foreign = await issueToken(createIdentity(), 'eve', [{ can: ['admin'], namespaces: ['*'] }], soon())
  const expired = await issueToken(root, 'ada', [], Date.now() - 5000)
  for (const token of [foreign, expired, 'x.y.z', ''])
    await expect(access.principalOf({ subject: '', token })).rejects.toMatchObject({ code: 'unauthenticated' })
})

it('a token that is not good yet is not called one of another universe', async () => {
  const early = await new SignJWT({ grants: [] })
    .setProtectedHeader({ alg: 'EdDSA' })
    .setSubject('ada')
    .setAudience(universeId({ root: root.id }))
    .setNotBefore(Math.floor(soon() / 1000))
    .setExpirationTime(Math.floor(soon() / 1000) + 60)
    .sign(root.privateKey)
  await expect(access.principalOf({ subject: '', token: early })).rejects.toThrow('Cannot accept the token: it is not good yet')
})

it('no token may do nothing', async () => {
  await expect(access.require({ subject: 'anonymous' }, 'invoke', 'demo')).rejects.toMatchObject({ code: 'unauthenticated' })
})

it('a join token survives the trip, and a cut one is refused', () => {
  const universe = createUniverse('default', root.id)
  const join = { universe, bootstrap: ['/ip4/127.0.0.1/tcp/1/p2p/x'] }
  const text = formatJoinToken(join)
  expect(parseJoinToken(text)).toEqual(join)
  expect(() => parseJoinToken(text.slice(0, -5))).toThrow(/Cannot read the join token/)
  expect(() => parseJoinToken('hello')).toThrow(/does not begin with/)
})

it('two universes have different swarm keys, one universe always the same', () => {
  const one = createUniverse('default', root.id)
  expect(swarmKeyOf(one)).toEqual(swarmKeyOf({ ...one }))
  expect(swarmKeyOf(one)).not.toEqual(swarmKeyOf(createUniverse('default', root.id)))
})

it('a signature holds for its key and bytes only', () => {
  const bytes = Buffer.from('entry')
  const signature = root.sign(bytes)
  expect(verifySignature(publicKeyOf(root.id), bytes, signature)).toBe(true)
  expect(verifySignature(publicKeyOf(root.id), Buffer.from('other'), signature)).toBe(false)
  expect(verifySignature(publicKeyOf(createIdentity().id), bytes, signature)).toBe(false)
})

const pattern = fc.constantFrom('*', 'a*', 'ab*', 'abc', 'a', 'b', 'b*')
const grants = fc.array(
  fc.record({ can: fc.subarray([...CAPABILITIES], { minLength: 1 }), namespaces: fc.array(pattern, { minLength: 1, maxLength: 3 }) }),
  { maxLength: 3 },
)

it('what two lists of grants have in common allows what both allow, and nothing else', () => {
  const namespaces = ['a', 'ab', 'abc', 'abcd', 'b', 'bc', 'c']
  fc.assert(
    fc.property(grants, grants, fc.constantFrom(...CAPABILITIES), fc.constantFrom(...namespaces), (one, other, action, namespace) => {
      const may = (held: readonly Grant[]) => allows({ subject: '', grants: held }, action, namespace)
      return may(narrowed(one, other)) === (may(one) && may(other))
    }),
    { numRuns: 2000 },
  )
})

it('a token of a person gives what it says and the ledger gives its key, until the ledger takes that back', async () => {
  const ada = createIdentity()
  const held = new Map<string, Grant[]>([[ada.id, [{ can: ['deploy'], namespaces: ['demo'] }]]])
  const judge = new Access({ root: root.id, clock: systemClock })
  const tokenOf = (issuer = ada, universe = universeId({ root: root.id })) =>
    issueTokenBy(issuer, universe, 'ci', [{ can: ['admin'], namespaces: ['*'] }], soon())
  const token = await tokenOf()
  await expect(judge.principalOf({ subject: '', token })).rejects.toMatchObject({ code: 'unauthenticated' })
  judge.follow({ grantsOf: (key) => held.get(key) ?? [] })
  const principal = await judge.principalOf({ subject: '', token })
  expect([allows(principal, 'deploy', 'demo'), allows(principal, 'admin', 'demo'), allows(principal, 'invoke', 'other')]).toEqual([
    true,
    false,
    false,
  ])
  expect(judge.principalOf({ subject: '', token })).toBe(principal)

  held.clear()
  judge.reconsider()
  await expect(judge.principalOf({ subject: '', token })).rejects.toMatchObject({ code: 'unauthenticated' })
  for (const wrong of [await tokenOf(createIdentity()), await tokenOf(ada, universeId({ root: ada.id }))])
    await expect(judge.principalOf({ subject: '', token: wrong })).rejects.toMatchObject({ code: 'unauthenticated' })
})

it('nobody signs in the name of another key', async () => {
  const [ada, eve] = [createIdentity(), createIdentity()]
  const judge = new Access({ root: root.id, clock: systemClock })
  judge.follow({ grantsOf: () => [{ can: ['admin'], namespaces: ['*'] }] })
  const forged = await issueTokenBy({ ...eve, id: ada.id }, universeId({ root: root.id }), 'eve', [], soon())
  const asRoot = await issueTokenBy({ ...eve, id: root.id }, universeId({ root: root.id }), 'eve', [], soon())
  for (const token of [forged, asRoot])
    await expect(judge.principalOf({ subject: '', token })).rejects.toThrow('its signature is not by its issuer')
})

it('a token of the root gives nothing any more when another key took over, nor after that while nobody can be asked', async () => {
  const judge = new Access({ root: root.id, clock: systemClock })
  let held: Grant[] | undefined = [{ can: ['admin'], namespaces: ['*'] }]
  judge.follow({
    grantsOf: () => {
      if (held === undefined) throw new OsirisError('unavailable', 'Cannot reach the catalog: nobody is there')
      return held
    },
  })
  const tokenOf = (subject: string) => issueToken(root, subject, [{ can: ['deploy'], namespaces: ['demo'] }], soon())
  const [token, other] = [await tokenOf('ada'), await tokenOf('bob')]
  const may = async (text: string) => allows(await judge.principalOf({ subject: '', token: text }), 'deploy', 'demo')
  held = undefined
  expect(await may(token)).toBe(true)

  held = []
  judge.reconsider()
  await expect(may(token)).rejects.toMatchObject({ code: 'unauthenticated' })
  held = undefined
  await expect(may(other)).rejects.toMatchObject({ code: 'unavailable' })
})
