/** Letting nodes into a closed universe: real nodes, over real sockets. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  createIdentity,
  formatJoinToken,
  type Identity,
  invite,
  issueTokenBy,
  type JoinToken,
  parseJoinToken,
  universeId,
} from '#protocols/access'
import type { Role } from '#protocols/lifecycle'
import { until } from '#protocols/until'
import type { RunningNode } from '#node/universe'
import { connect } from '#sdk'
import { startNode } from './components.ts'
import { TestMesh } from './components.fixture.ts'

const HOUR_MS = 3_600_000

let mesh: TestMesh
let founder: RunningNode
let root: Identity
let door: JoinToken
let count = 0

beforeAll(async () => {
  mesh = await TestMesh.create()
  founder = await mesh.add(['router', 'catalog'], { developer: false })
  root = await mesh.root()
  door = parseJoinToken(founder.joinToken)
})
afterAll(() => mesh.stop())

const id = () => universeId(door.universe)
const terms = (part: { roles?: Role[]; uses?: number; expiresAtMs?: number } = {}) => ({
  ...{ roles: ['executor'] as Role[], uses: 1, expiresAtMs: Date.now() + HOUR_MS },
  ...part,
})
const tokenWith = (part: Parameters<typeof terms>[0], issuer = root) =>
  formatJoinToken({ ...door, invited: invite(issuer, id(), terms(part)) })

const joining = (token: string, roles: Role[] = ['executor'], name = `guest-${++count}`) => mesh.enter(name, roles, token)

it('a node is let in by its token once, comes back without it, and as nothing else', async () => {
  const token = tokenWith({})
  const node = await joining(token, ['executor'], 'again')
  expect(node.admission.state()).toEqual({ state: 'admitted' })
  await expect(joining(token)).rejects.toMatchObject({ code: 'forbidden', details: { reason: 'used_up' } })
  await node.stop()
  const back = await startNode({ ...mesh.config('again', ['executor']), developer: false })
  mesh.nodes.push(back)
  await until(() => back.admission.state().state === 'admitted')
  await back.stop()
  const more = await startNode({ ...mesh.config('again', ['executor', 'catalog']), developer: false })
  mesh.nodes.push(more)
  await until(() => more.admission.state().state === 'refused')
  expect(more.admission.state().reason).toMatch(/not good for these roles/)
}, 20_000)

it('tells a node with no token, or one that is no good, what is wrong with it, and counts', async () => {
  const eve = createIdentity()
  const other = { ...door, invited: invite(root, 'f'.repeat(16), terms()) }
  for (const [token, reason] of [
    [founder.joinToken, 'uninvited'],
    [tokenWith({ expiresAtMs: Date.now() - 1 }), 'expired'],
    [tokenWith({ roles: ['router'] }), 'roles'],
    [tokenWith({}, eve), 'issuer'],
    [tokenWith({}, { ...eve, id: root.id }), 'forged'],
    [formatJoinToken(other), 'foreign'],
  ] as const)
    await expect(joining(token)).rejects.toMatchObject({ code: 'forbidden', details: { reason } })
  expect((await fetch(`${founder.http}/metrics`)).status).toBe(401)
  const reader = await issueTokenBy(root, id(), 'root', [{ can: ['read'], namespaces: ['*'] }], Date.now() + HOUR_MS)
  const text = await (await fetch(`${founder.http}/metrics`, { headers: { 'osiris-token': reader } })).text()
  const counted = text.split('\n').filter((line) => line.startsWith('osiris_join_refusals_total'))
  for (const reason of ['uninvited', 'expired', 'roles', 'issuer', 'forged', 'foreign'])
    expect(counted.join('\n')).toMatch(new RegExp(`reason="${reason}",node="node-1"} [1-9]`))
}, 30_000)

it('a join token that was revoked lets nobody in any more; who came by it stays', async () => {
  const rooted = await issueTokenBy(root, id(), 'root', [{ can: ['admin'], namespaces: ['*'] }], Date.now() + HOUR_MS)
  const osiris = await connect({ url: founder.http, token: rooted })
  const token = tokenWith({ uses: 5 })
  const before = await joining(token)
  await osiris.tokens.revoke(root.id, parseJoinToken(token).invited?.invitation.id ?? '')
  await expect(joining(token)).rejects.toMatchObject({ details: { reason: 'cancelled' } })
  expect(before.admission.state()).toEqual({ state: 'admitted' })
}, 20_000)

it('whoever holds admin on everything may invite, until that is taken back', async () => {
  const ada = createIdentity()
  const rooted = await issueTokenBy(root, id(), 'root', [{ can: ['admin'], namespaces: ['*'] }], Date.now() + HOUR_MS)
  const osiris = await connect({ url: founder.http, token: rooted })
  await expect(joining(tokenWith({}, ada))).rejects.toMatchObject({ details: { reason: 'issuer' } })
  await osiris.grants.add({ key: ada.id, can: ['admin'], namespaces: ['*'] })
  const node = await joining(tokenWith({ uses: 5 }, ada))
  expect(node.admission.state()).toEqual({ state: 'admitted' })
  const [held] = await osiris.grants.list({ key: ada.id })
  await osiris.grants.revoke(held?.hash ?? '')
  await expect(joining(tokenWith({ uses: 5 }, ada))).rejects.toMatchObject({ details: { reason: 'issuer' } })
}, 30_000)

it('where nobody is there who lets nodes in, a node waits and says so, and is let in when one returns', async () => {
  const member = await joining(tokenWith({ roles: ['router', 'catalog'] }), ['router', 'catalog'])
  await until(async () => (await connect({ join: member.joinToken })).close().then(() => true))
  const token = formatJoinToken({ ...parseJoinToken(tokenWith({})), bootstrap: [...member.p2p, ...door.bootstrap] })
  await founder.stop()
  const waiting = await joining(token)
  expect(waiting.admission.state()).toMatchObject({ state: 'waiting', reason: expect.stringContaining('nobody who lets nodes in') })
  const returned = await startNode({ ...mesh.config('node-1', ['router', 'catalog']), developer: false, join: member.p2p })
  mesh.nodes.push(returned)
  await until(() => waiting.admission.state().state === 'admitted', 15_000)
}, 40_000)
