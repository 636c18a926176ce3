/** Who has the key of the mesh and was never let in, on real sockets: it connects, names every role, and is nobody. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createIdentity, type Identity, invite, issueTokenBy, type JoinToken, parseJoinToken, universeId } from '#protocols/access'
import { askToJoin, signEntry } from '#protocols/catalog'
import { collect } from '#protocols/body'
import { decode, encode } from '#protocols/codec'
import { createEvents } from '#protocols/events'
import type { Body } from '#protocols/invocation'
import { ROLES, type Role, systemClock } from '#protocols/lifecycle'
import { createLibp2pNetwork, type Network } from '#protocols/network'
import { until } from '#protocols/until'
import type { RunningNode } from '#node/universe'
import { connect, type Osiris } from '#sdk'
import { TestMesh } from './components.fixture.ts'

const HOUR_MS = 3_600_000
const GREET = 'export default function greet(name: string) { return `hello ${name}` }'

let mesh: TestMesh
let founder: RunningNode
/** Keeps no ledger. */
let bare: RunningNode
let runner: RunningNode
let root: Identity
let door: JoinToken
let owner: Osiris
let stranger: Network
let strangerKey: Identity
/** Calls that came to the stranger. */
let placed = 0

beforeAll(async () => {
  mesh = await TestMesh.create()
  founder = await mesh.add(['router', 'catalog', 'builder'], { developer: false })
  root = await mesh.root()
  door = parseJoinToken(founder.joinToken)
  bare = await mesh.enterBy(root, founder, 'bare', ['router'])
  runner = await mesh.enterBy(root, founder, 'runner', ['executor'])
  owner = await connect({ url: founder.http, token: await rootToken() })
  await owner.deploy({ namespace: 'demo', name: 'greet', source: GREET })
  strangerKey = createIdentity()
  stranger = await createLibp2pNetwork({
    ...{ seed: strangerKey.seed, universe: door.universe, listen: ['/ip4/127.0.0.1/tcp/0'], bootstrap: [...founder.p2p, ...bare.p2p] },
    ...{ beat: { name: 'sybil', roles: [...ROLES], capacity: 10_000 }, dht: false },
    ...{ clock: systemClock, random: Math.random, events: createEvents() },
  })
  stranger.handle('executor/1', async () => {
    placed += 1
    throw new Error('nothing of yours ran here')
  })
  await stranger.start()
  await until(async () => (await seenBy(founder)) !== undefined && (await seenBy(bare)) !== undefined)
}, 40_000)
afterAll(async () => {
  await stranger.stop()
  await mesh.stop()
})

const rootToken = () => issueTokenBy(root, universeId(door.universe), 'root', [{ can: ['admin'], namespaces: ['*'] }], Date.now() + HOUR_MS)
const inviting = (roles: Role[]) => invite(root, universeId(door.universe), { roles, uses: 1, expiresAtMs: Date.now() + HOUR_MS })

/** The roles that a node takes the stranger to have; nothing where it has not heard of it. */
async function seenBy(node: RunningNode): Promise<readonly string[] | undefined> {
  const osiris = await connect({ url: node.http, token: await rootToken() })
  return (await osiris.nodes()).find((each) => each.name === 'sybil')?.roles
}

async function ask(message: Record<string, unknown>, body?: Uint8Array): Promise<string> {
  const request = { head: encode(message), ...(body === undefined ? {} : { body }) }
  const [peer] = [founder.peer]
  return stranger.request(peer, 'catalog/1', request, { timeoutMs: 3000 }).then(
    async (answer) => ((await listed(answer)) === 0 ? 'nothing' : 'answered'),
    (error: unknown) => (error as { code: string }).code,
  )
}

/** How much of a list came; lists are cut to what the asker may read. */
async function listed({ body }: { body?: Body }): Promise<number | undefined> {
  if (body === undefined) return undefined
  const list = decode(await collect(body, 1024 * 1024, 'the answer'))
  return Array.isArray(list) ? list.length : undefined
}

async function call(node: RunningNode, times: number): Promise<number> {
  const osiris = await connect({ url: node.http, token: await rootToken() })
  let right = 0
  for (let at = 0; at < times; at += 20) {
    const said = await Promise.allSettled(Array.from({ length: 20 }, () => osiris.call('demo/greet', 'Ada')))
    right += said.filter((each) => each.status === 'fulfilled' && each.value === 'hello Ada').length
  }
  return right
}

const READS = [
  { type: 'get', ref: { namespace: 'demo', name: 'greet' } },
  { type: 'list' },
  { type: 'versions', namespace: 'demo', name: 'greet' },
  { type: 'routes' },
  { type: 'status' },
  { type: 'log', limit: 10 },
  { type: 'records' },
  { type: 'conflicts' },
  { type: 'heads', known: '0'.repeat(64) },
  { type: 'entries', wants: [{ author: 'a'.repeat(64), from: 1 }] },
  { type: 'proofs', known: [] },
  { type: 'compare', set: 'heads' },
  { type: 'objects', set: 'heads', ids: new Uint8Array(32) },
  { type: 'receipts', of: [{ author: 'a'.repeat(64), seq: 1 }] },
  { type: 'holds', digests: ['0'.repeat(64)] },
  { type: 'artifact', digest: '0'.repeat(64), from: 0, length: 1 },
  { type: 'grants', key: 'a'.repeat(64) },
  { type: 'authority', skip: 0 },
  { type: 'standing' },
  { type: 'witness', known: null, instance: 'a', leaseMs: 0 },
]

it('a stranger with the key of the mesh reads nothing, by whatever question', async () => {
  for (const question of READS)
    expect([question.type, await ask(question)]).toEqual([question.type, expect.stringMatching(/^(forbidden|unauthenticated|nothing)$/)])
  expect(await seenBy(founder)).toEqual([])
  expect(await seenBy(bare)).toEqual([])
})

it('a stranger hears nothing of what is published but beats: no entry, no receipt, no event', async () => {
  const heard: string[] = []
  const stops = ['ledger', 'receipts', 'platform-events', 'schedules', 'canaries', 'quotas'].map((topic) =>
    stranger.subscribe(topic, () => void heard.push(topic)),
  )
  const seenAt = () => stranger.members.get(founder.peer)?.seenAt ?? 0
  const before = seenAt()
  await owner.deploy({ namespace: 'demo', name: 'quiet', source: GREET })
  await until(async () => (await owner.ledger({ limit: 1 })).status.functions === 2, 20_000, 50)
  await until(() => seenAt() > before, 20_000, 50)
  expect(heard).toEqual([])
  for (const stop of stops) stop()
}, 60_000)

it('of 1,000 calls none is placed on a stranger, and what it brings changes nothing', async () => {
  const before = (await owner.ledger()).status.viewDigest
  const own = { member: strangerKey.id, name: 'sybil', roles: [...ROLES], grants: [], expiresAtMs: null }
  const place = { format: 1 as const, universe: universeId(door.universe), hlc: { wallMs: Date.now(), counter: 0 }, by: 'me', grant: null }
  const forged = signEntry(strangerKey, { ...place, author: strangerKey.id, seq: 1, prev: null, type: 'admit', body: own })
  expect(await ask({ type: 'push' }, forged.bytes)).toBe('forbidden')
  await stranger.publish('ledger', forged.bytes)
  expect(await call(founder, 500)).toBe(500)
  expect(await call(bare, 500)).toBe(500)
  expect(placed).toBe(0)
  expect((await owner.ledger()).status.viewDigest).toBe(before)
  expect(await seenBy(bare)).toEqual([])
}, 40_000)

it('let in by a token it takes part within 2 s, and banned it is out everywhere within 5 s', async () => {
  const signal = new AbortController().signal
  const joined = await askToJoin(stranger, {
    name: 'sybil',
    roles: ['executor'],
    invited: inviting(['executor']),
    root: (await mesh.root()).id,
    signal,
  })
  expect(joined.state).toBe('admitted')
  // What it was let in as, not what it says.
  for (const node of [founder, bare]) await until(async () => (await seenBy(node))?.join() === 'executor', 2000)
  expect(await ask({ type: 'heads', known: '0'.repeat(64) })).toBe('answered')
  await runner.stop()
  await until(async () => (await call(bare, 20)) === 0 && placed > 0, 6000)

  const head = (await owner.ledger({ limit: 1 })).status.heads.find((each) => each.author === root.id)
  if (head === undefined) throw new Error('the root has no feed')
  const place = {
    format: 1 as const,
    universe: universeId(door.universe),
    hlc: { wallMs: Date.now(), counter: 0 },
    by: 'root',
    grant: null,
  }
  const ban = signEntry(root, {
    ...{ ...place, author: root.id, seq: head.seq + 1, prev: head.hash },
    ...{ type: 'ban', body: { member: strangerKey.id, seq: 0 } },
  })
  expect(await ask({ type: 'push' }, ban.bytes)).toBe('answered')
  for (const node of [founder, bare]) await until(async () => (await seenBy(node))?.length === 0, 5000)
  expect(await ask({ type: 'heads', known: '0'.repeat(64) })).toBe('forbidden')
  const so = placed
  await Promise.all([call(founder, 20), call(bare, 20)])
  expect(placed).toBe(so)
}, 40_000)
