import { expect, it } from 'vitest'
import { systemClock } from '#protocols/lifecycle'
import {
  Access,
  allows,
  createIdentity,
  createUniverse,
  formatJoinToken,
  issueToken,
  parseJoinToken,
  publicKeyOf,
  swarmKeyOf,
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
