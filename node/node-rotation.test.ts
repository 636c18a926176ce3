/** `osiris node rotate` on real nodes: a node goes on with its next key, is a member as before, and the others follow. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createIdentity, type Identity, issueTokenBy, parseJoinToken, universeId } from '#protocols/access'
import type { OsirisError } from '#protocols/errors'
import { until } from '#protocols/until'
import { connect, type Osiris } from '#sdk'
import { TestMesh } from './components.fixture.ts'
import { startNode } from './components.ts'
import { openNodeKey } from './node-key.ts'
import { atSameDoors } from './renewing.ts'

let mesh: TestMesh
let root: Identity
beforeEach(async () => {
  mesh = await TestMesh.create()
})
afterEach(() => mesh.stop())

const ROLES = ['router', 'catalog', 'builder', 'executor'] as const
const GREET = 'export default () => 1'
const deploy = (client: Osiris, name: string) => client.deploy({ namespace: 'demo', name, source: GREET })
const codeOf = (error: unknown) => (error as OsirisError).code

async function clientOf({ http, joinToken }: { http: string; joinToken: string }): Promise<Osiris> {
  const universe = universeId(parseJoinToken(joinToken).universe)
  const token = await issueTokenBy(root, universe, 'boss', [{ can: ['admin'], namespaces: ['*'] }], Date.now() + 600_000)
  return connect({ url: http, token })
}

/** Resolves when the node is back with another key than this. */
function renewed(client: Osiris, node: { peer: string }, before: string): Promise<void> {
  return until(async () => node.peer !== before && (await client.network().catch(() => undefined))?.peer === node.peer, 30_000, 50)
}

it('nodes with and without the ledger change their keys under way: members as before, what they wrote stands, all follow, also after a restart', async () => {
  const founder = await mesh.add([...ROLES], { developer: false })
  root = await mesh.root()
  const second = await mesh.enterBy(root, founder, 'second', ['router', 'catalog', 'builder'])
  const bare = await mesh.enterBy(root, founder, 'bare', ['router'])
  const clients = await Promise.all([founder, second, bare].map(clientOf))
  const [atFounder, atSecond, atBare] = clients as [Osiris, Osiris, Osiris]
  for (const each of clients) await until(async () => (await each.nodes()).length === 3, 20_000, 50)
  await deploy(atSecond, 'before')
  const olds = [founder, second, bare].map(({ peer }) => peer)

  for (const [at, client] of clients.entries()) {
    const node = [founder, second, bare][at] as typeof founder
    const { http } = node
    const done = await client.rotateNode()
    expect(done).toMatchObject({ changed: true })
    await renewed(client, node, olds[at] ?? '')
    expect([node.http, node.admission.state().state]).toEqual([http, 'admitted'])
    for (const each of clients)
      await until(
        async () => {
          const all = await each.nodes().catch(() => [])
          return all.length === 3 && all.some(({ peer }) => peer === node.peer) && all.every(({ roles }) => roles.length > 0)
        },
        20_000,
        50,
      )
  }
  await Promise.all([atSecond, atFounder].map((client, at) => deploy(client, `after-${at}`)))
  for (const client of clients)
    await until(async () => (await client.functions.list()).map(({ name }) => name).join() === 'after-0,after-1,before', 20_000, 50)
  expect(await atBare.call('demo/before')).toBe(1)
  const published = (await atFounder.ledger({ limit: 1000 })).lines.filter(({ type }) => type === 'publish')
  expect(published.map(({ commitment }) => [commitment.state, commitment.members])).toEqual([
    ['committed', 2],
    ['committed', 2],
    ['committed', 2],
  ])
  expect((await atFounder.ledgerConflicts()).frozen).toEqual([])

  await second.stop()
  const again = await startNode({ ...mesh.config('second', ['router', 'catalog', 'builder']), developer: false, join: founder.p2p })
  mesh.nodes.push(again)
  expect([again.peer, again.admission.state().state]).toEqual([second.peer, 'admitted'])
  expect((await deploy(await clientOf(again), 'later')).changed).toBe(true)
  expect(await (await connect(bare.http)).rotateNode().catch(codeOf)).toBe('unauthenticated')
}, 120_000)

it('a universe of one node goes on with its next key, and lets others in; cut off from most catalogs it keeps its key', async () => {
  const founder = await mesh.add([...ROLES], { developer: false })
  root = await mesh.root()
  const client = await clientOf(founder)
  const { peer } = founder
  await client.rotateNode()
  await renewed(client, founder, peer)
  await deploy(client, 'alone')
  const second = await mesh.enterBy(root, founder, 'second', ['router', 'catalog'])
  await until(async () => (await client.nodes()).length === 2, 20_000, 50)
  await second.stop()
  await until(async () => (await client.nodes()).length === 1, 20_000, 50)
  const kept = founder.peer
  expect(await client.rotateNode().catch(codeOf)).toBe('unavailable')
  await client.deploy({ namespace: 'demo', name: 'still', source: GREET, ack: 'accepted' })
  expect(founder.peer).toBe(kept)
}, 120_000)

it('keys on disk: of two, the one counts that the last entry of the other names; what is damaged is refused', async () => {
  const dir = mesh.config('a', []).stateDir
  await mkdir(dir, { recursive: true })
  const none = () => Promise.resolve(undefined)
  const key = await openNodeKey(dir, none)
  const next = await key.next()
  expect([(await key.next()).id, (await key.waiting())?.id]).toEqual([next.id, next.id])
  expect((await openNodeKey(dir, none)).identity.id).toBe(key.identity.id)
  await key.tookOver(new Uint8Array([1, 2, 3]))
  expect((await openNodeKey(dir, none)).identity.id).toBe(key.identity.id)
  await writeFile(join(dir, 'node.key'), (await readFile(join(dir, 'node.key'), 'utf8')).replace(/^../, 'zz'))
  await expect(openNodeKey(dir, none)).rejects.toMatchObject({ code: 'invalid_argument' })
  expect(createIdentity().id).not.toBe(next.id)
})

it('starts again at the doors it had: ports that were left to the host are kept', () => {
  const config = mesh.config('a', [])
  const node = { http: 'http://127.0.0.1:4711', p2p: ['/ip4/127.0.0.1/tcp/4712/p2p/x'] }
  expect(atSameDoors(config, node)).toMatchObject({ httpPort: 4711, p2pListen: ['/ip4/127.0.0.1/tcp/4712'] })
  const fixed = { ...config, p2pListen: ['/ip4/0.0.0.0/tcp/4001'] }
  expect(atSameDoors(fixed, node).p2pListen).toEqual(fixed.p2pListen)
})
