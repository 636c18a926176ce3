/** People with keys, on real nodes: through HTTP of a node with the ledger, of one without, and as a peer. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { createIdentity, type Grant, type Identity, issueTokenBy, parseJoinToken, tokenNameOf, universeId } from '#protocols/access'
import { until } from '#protocols/until'
import { connect, type Osiris } from '#sdk'
import type { RunningNode } from '#node/universe'
import { TestMesh } from './components.fixture.ts'

const GREET = 'export default function greet(name: string) { return `hello ${name}` }'
const [ada, bob, eve] = [createIdentity(), createIdentity(), createIdentity()]
const DAY_MS = 86_400_000

let mesh: TestMesh
let founder: RunningNode
let bare: RunningNode
let root: Osiris

beforeAll(async () => {
  mesh = await TestMesh.create()
  founder = await mesh.add(['router', 'catalog', 'builder', 'executor'])
  bare = await mesh.add(['router'])
  root = await connect(founder.http)
  await root.namespaces.create('demo', ada.id)
  await root.grants.add({ key: bob.id, can: ['deploy'], namespaces: ['demo'] })
})
afterAll(() => mesh.stop())

const tokenOf = (key: Identity, options: { grants?: Grant[]; expiresAtMs?: number; universe?: string } = {}) =>
  issueTokenBy(
    key,
    options.universe ?? universeId(parseJoinToken(founder.joinToken).universe),
    'somebody',
    options.grants ?? [{ can: ['admin'], namespaces: ['*'] }],
    options.expiresAtMs ?? Date.now() + DAY_MS,
  )

/** The same caller at each door. */
async function doorsOf(token: string): Promise<Osiris[]> {
  return [
    await connect({ url: founder.http, token }),
    await connect({ url: bare.http, token }),
    await connect({ join: founder.joinToken, token }),
  ]
}

/** What each door says, as a code; `ok` where it does it. */
async function codesOf(doors: readonly Osiris[], act: (door: Osiris) => Promise<unknown>): Promise<string[]> {
  const codes: string[] = []
  for (const door of doors)
    codes.push(
      await act(door).then(
        () => 'ok',
        (error: unknown) => (error as { code: string }).code,
      ),
    )
  return codes
}

const thrice = (code: string) => [code, code, code]
const deploy = (door: Osiris, namespace = 'demo') => door.deploy({ namespace, name: 'greet', source: GREET })

it('three doors give one answer for the same grants', async () => {
  const doors = await doorsOf(await tokenOf(bob))
  try {
    expect(await codesOf(doors, (door) => deploy(door))).toEqual(thrice('ok'))
    expect(await codesOf(doors, (door) => door.call('demo/greet', 'Ada'))).toEqual(thrice('ok'))
    expect(await codesOf(doors, (door) => deploy(door, 'other'))).toEqual(thrice('forbidden'))
    expect(await codesOf(doors, (door) => door.namespaces.create('other', bob.id))).toEqual(thrice('forbidden'))
    expect(await codesOf(doors, (door) => door.namespaces.transfer('demo', bob.id))).toEqual(thrice('forbidden'))
    expect(await codesOf(doors, (door) => door.grants.add({ key: eve.id, can: ['read'], namespaces: ['demo'] }))).toEqual(
      thrice('forbidden'),
    )
    for (const door of doors) expect((await door.namespaces.list()).map((each) => [each.name, each.owner])).toEqual([['demo', ada.id]])
    for (const door of doors)
      expect((await door.grants.list({ key: bob.id })).map((each) => each.grants)).toEqual([[{ can: ['deploy'], namespaces: ['demo'] }]])
  } finally {
    await Promise.all(doors.map((each) => each.close()))
  }
})

it.each([
  ['whose issuer holds nothing', () => tokenOf(eve)],
  ['that has expired', () => tokenOf(bob, { expiresAtMs: Date.now() - 5000 })],
  ['of another universe', () => tokenOf(bob, { universe: universeId({ root: eve.id }) })],
])('a token %s is refused at every door', async (_what, token) => {
  const doors = await doorsOf(await token())
  try {
    expect(await codesOf(doors, (door) => deploy(door))).toEqual(thrice('unauthenticated'))
    expect(await codesOf(doors, (door) => door.call('demo/greet', 'Ada'))).toEqual(thrice('unauthenticated'))
    expect(await codesOf(doors, (door) => door.namespaces.create('squat', eve.id))).toEqual(thrice('unauthenticated'))
  } finally {
    await Promise.all(doors.map((each) => each.close()))
  }
})

it('a token gives no more than it says', async () => {
  const doors = await doorsOf(await tokenOf(ada, { grants: [{ can: ['invoke'], namespaces: ['*'] }] }))
  try {
    expect(await codesOf(doors, (door) => deploy(door))).toEqual(thrice('forbidden'))
    expect(await codesOf(doors, (door) => door.call('demo/greet', 'Ada'))).toEqual(thrice('ok'))
    expect(await codesOf(doors, (door) => door.grants.add({ key: eve.id, can: ['invoke'], namespaces: ['demo'] }))).toEqual(
      thrice('forbidden'),
    )
  } finally {
    await Promise.all(doors.map((each) => each.close()))
  }
})

it('within 5 s of a revocation every door refuses, and what was deployed stays', async () => {
  const doors = await doorsOf(await tokenOf(bob))
  const owner = await connect({ url: bare.http, token: await tokenOf(ada) })
  try {
    const [grant] = await owner.grants.list({ key: bob.id })
    await owner.grants.revoke(grant?.hash ?? '')
    await until(
      async () => (await codesOf(doors, (door) => door.call('demo/greet', 'Ada'))).join() === thrice('unauthenticated').join(),
      5000,
      50,
    )
    expect(await root.call('demo/greet', 'Ada')).toBe('hello Ada')
    expect(await owner.grants.list({ key: bob.id })).toEqual([])
  } finally {
    await Promise.all(doors.map((each) => each.close()))
  }
})

const LIVE = `export default { fetch(request) {
  if (request.headers.get('upgrade') !== 'websocket') return new Response(new ReadableStream({ async pull(controller) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    controller.enqueue(new TextEncoder().encode('data: tick\\n\\n'))
  } }), { headers: { 'content-type': 'text/event-stream' } })
  const [client, server] = Object.values(new WebSocketPair())
  server.accept()
  server.send('welcome')
  return new Response(null, { status: 101, webSocket: client })
} }`

/** What becomes of a socket and of events that this token opened at that node. */
async function live({ http }: RunningNode, token: string): Promise<{ closed: Promise<number>; ended: Promise<string> }> {
  const path = '/v1/fetch/demo/live/'
  const socket = new WebSocket(http.replace('http', 'ws') + path, { headers: { 'osiris-token': token } })
  const closed = new Promise<number>((resolve) => socket.on('close', resolve))
  await new Promise((resolve, reject) => socket.on('message', resolve).on('error', reject))
  const events = await fetch(http + path, { headers: { 'osiris-token': token } })
  const reader = (events.body as ReadableStream<Uint8Array>).getReader()
  await reader.read()
  const read = async (): Promise<string> => {
    try {
      while (!(await reader.read()).done);
      return 'whole'
    } catch {
      return 'cut'
    }
  }
  return { closed, ended: read() }
}

it('a socket and a stream end with the token that opened them, on nodes with and without router and ledger', async () => {
  const door = await mesh.add(['executor'])
  const owner = await connect({ url: founder.http, token: await tokenOf(ada) })
  const execution = { timeout: '1m', cpu: '1m' } as const
  await owner.deploy({ namespace: 'demo', name: 'live', source: LIVE, language: 'javascript', config: { execution } })
  const revoked = await tokenOf(ada)
  const kept = await live(founder, await tokenOf(ada))
  let isKept = true
  void Promise.race([kept.closed, kept.ended]).then(() => (isKept = false))
  const doors = [founder, bare, door]
  for (const each of doors) await until(async () => (await fetch(`${each.http}/v1/fetch/demo/live/`, { method: 'HEAD' })).ok, 10_000, 50)
  const ending = await Promise.all(doors.map((each) => live(each, revoked)))
  const short = await tokenOf(ada, { expiresAtMs: Date.now() + 6000 })
  const expiring = await Promise.all(doors.map((each) => live(each, short)))
  const { issuer, id } = tokenNameOf(revoked) ?? { issuer: '', id: '' }
  await owner.tokens.revoke(issuer, id)
  const revokedAt = performance.now()
  expect(await Promise.all(ending.map(({ closed }) => closed))).toEqual([1008, 1008, 1008])
  expect(await Promise.all(ending.map(({ ended }) => ended))).toEqual(['cut', 'cut', 'cut'])
  expect(performance.now() - revokedAt).toBeLessThan(6000)
  expect(await Promise.all(expiring.map(({ closed }) => closed))).toEqual([1008, 1008, 1008])
  expect(await Promise.all(expiring.map(({ ended }) => ended))).toEqual(['cut', 'cut', 'cut'])
  expect(isKept).toBe(true)
}, 40_000)
