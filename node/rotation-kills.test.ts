/** Real processes, killed at the steps of a rotation (of a node's key, with and without the ledger, of the root's, of a person's): each comes back with the old key or the new one, and goes on. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createIdentity, type Identity, issueTokenBy, parseJoinToken, universeId } from '#protocols/access'
import { until } from '#protocols/until'
import { connect, type Osiris } from '#sdk'
import { freePort } from './universe/ports.fixture.ts'

const BIN = fileURLToPath(new URL('./cli/bin.js', import.meta.url))
const KILLER = new URL('./kill-at.fixture.ts', import.meta.url).href
const PATIENCE_MS = 60_000

interface Up {
  process: ChildProcess
  http: string
  peer: string
}
const ROLES: Record<string, string> = { a: 'router,catalog', b: 'router,catalog,builder', c: 'router' }
const up = new Map<string, Up>()
const ports = new Map<string, number>()
let dir: string
let universe: string

const env = (more: Record<string, string> = {}) => ({
  ...{ PATH: process.env['PATH'], HOME: dir, XDG_CONFIG_HOME: join(dir, 'config'), XDG_DATA_HOME: join(dir, 'data') },
  ...{ XDG_STATE_HOME: join(dir, 'state'), OSIRIS_STATE: join(dir, 'state'), ...more },
})
const killing = (step: string) => ({ KILL_AT: step, NODE_OPTIONS: `--import ${KILLER}` })

function osiris(args: string[], more: Record<string, string> = {}): Promise<{ code: number | null; out: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [BIN, ...args], { env: env(more) }, (error, out) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), out }),
    )
  })
}

const dataOf = (name: string) => join(dir, name)
const keyIn = (...path: string[]): Identity => createIdentity(Buffer.from(readFileSync(join(...path), 'utf8').slice(0, 64), 'hex'))
/** The key that holds the root, of those on the first node's disk. */
const rootKeys = () =>
  ['root.key', 'successor.key'].filter((name) => existsSync(join(dataOf('a'), name))).map((name) => keyIn(dataOf('a'), name))

/** Starts a node, and waits until it is ready. */
async function start(name: string, join_: string | undefined, more: Record<string, string> = {}): Promise<Up> {
  const args = [
    'node',
    'start',
    '--json',
    '--name',
    name,
    '--data',
    dataOf(name),
    '--roles',
    ROLES[name] ?? '',
    '--http-port',
    String(ports.get(name)),
  ]
  const child = spawn(
    process.execPath,
    [BIN, ...args, '--p2p-listen', '/ip4/127.0.0.1/tcp/0', ...(join_ === undefined ? [] : ['--join', join_])],
    {
      env: env(more),
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  let told = ''
  child.stdout?.on('data', (chunk) => (told += String(chunk)))
  await until(() => told.includes('\n') || child.exitCode !== null, PATIENCE_MS, 50)
  const line = JSON.parse(told.split('\n')[0] ?? '') as { event: string; http: string }
  expect(line).toMatchObject({ event: 'ready' })
  const http = line.http
  const client = await clientAt(http)
  let peer = ''
  await until(async () => (peer = (await client.network().catch(() => ({ peer: '' }))).peer) !== '', PATIENCE_MS, 50)
  const running = { process: child, http, peer }
  up.set(name, running)
  return running
}

/** As the root, by whichever key holds it. */
async function clientAt(http: string): Promise<Osiris> {
  for (const key of rootKeys().toReversed()) {
    const token = await issueTokenBy(key, universe, 'boss', [{ can: ['admin'], namespaces: ['*'] }], Date.now() + 600_000)
    const client = await connect({ url: http, token })
    if (
      await client.network().then(
        () => true,
        () => false,
      )
    )
      return client
  }
  const token = await issueTokenBy(
    rootKeys()[0] as Identity,
    universe,
    'boss',
    [{ can: ['admin'], namespaces: ['*'] }],
    Date.now() + 600_000,
  )
  return connect({ url: http, token })
}
const clientOf = (name: string) => clientAt((up.get(name) as Up).http)

/** Whatever was asked for, the process ends at the step; then it is started again. Until others witness that nobody else writes with its keys it says `unavailable`, and is asked again. */
async function killedAt(name: string, step: string, act: (client: Osiris) => Promise<unknown>): Promise<Up> {
  await end(name)
  const { process: child } = await start(name, undefined, killing(step))
  await until(
    async () => {
      await act(await clientOf(name)).catch(() => {})
      return child.exitCode !== null || child.signalCode !== null
    },
    PATIENCE_MS,
    100,
  )
  expect(child.signalCode).toBe('SIGKILL')
  return start(name, undefined)
}

async function end(name: string): Promise<void> {
  const child = up.get(name)?.process
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
}

/** All three are members, nobody is frozen, and what is written is committed. */
async function isInOrder(written: string): Promise<void> {
  const clients = await Promise.all(['a', 'b', 'c'].map(clientOf))
  const [atA, atB] = clients as [Osiris, Osiris]
  await until(
    async () => {
      const nodes = await atA.nodes().catch(() => [])
      return ['a', 'b', 'c'].every((name) =>
        nodes.some((each) => each.name === name && each.peer === up.get(name)?.peer && each.roles.length > 0),
      )
    },
    PATIENCE_MS,
    100,
  )
  await until(
    async () =>
      (await atB.deploy({ namespace: 'demo', name: written, source: 'export default () => 1' }).catch(() => undefined)) !== undefined,
    PATIENCE_MS,
    200,
  )
  for (const client of clients)
    await until(async () => (await client.functions.list().catch(() => [])).some(({ name }) => name === written), PATIENCE_MS, 100)
  expect((await atA.ledgerConflicts()).frozen).toEqual([])
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'osiris-kills-'))
  for (const name of ['a', 'b', 'c']) ports.set(name, await freePort())
  universe = ''
  const first = spawnFirst()
  await first
  const { joinToken } = JSON.parse(readFileSync(join(dir, 'state', 'nodes', 'a.json'), 'utf8')) as { joinToken: string }
  universe = universeId(parseJoinToken(joinToken).universe)
  for (const name of ['b', 'c']) {
    const token = await osiris(['token', 'create', '--join', '--roles', ROLES[name] ?? '', '--node', (up.get('a') as Up).http])
    await start(name, token.out.trim())
  }
}, 180_000)

/** Founds the universe; until then nobody knows its root. */
async function spawnFirst(): Promise<void> {
  const args = [
    'node',
    'start',
    '--json',
    '--name',
    'a',
    '--data',
    dataOf('a'),
    '--roles',
    ROLES['a'] ?? '',
    '--http-port',
    String(ports.get('a')),
  ]
  const child = spawn(process.execPath, [BIN, ...args, '--p2p-listen', '/ip4/127.0.0.1/tcp/0'], {
    env: env(),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let told = ''
  child.stdout.on('data', (chunk) => (told += String(chunk)))
  await until(() => told.includes('\n'), PATIENCE_MS, 50)
  up.set('a', { process: child, http: (JSON.parse(told.split('\n')[0] ?? '') as { http: string }).http, peer: '' })
  const { peer } = JSON.parse(readFileSync(join(dir, 'state', 'nodes', 'a.json'), 'utf8')) as { peer: string }
  up.set('a', { ...(up.get('a') as Up), peer })
}

afterAll(async () => {
  for (const { process: child } of up.values()) child.kill('SIGKILL')
  const alive = [...up.values()].filter(({ process: child }) => child.exitCode === null && child.signalCode === null)
  await Promise.all(alive.map(({ process: child }) => once(child, 'exit')))
  rmSync(dir, { recursive: true, force: true })
}, 30_000)

it(
  'a node with the ledger: before its last entry is on disk it comes back with the old key, behind that with the new one',
  { timeout: 300_000 },
  async () => {
    const steps: [string, 'old' | 'new'][] = [
      ['after:next-node.key', 'old'],
      ['before:node.rotation', 'new'],
      ['before:node.key', 'new'],
    ]
    for (const [at, [step, comes]] of steps.entries()) {
      const before = (up.get('b') as Up).peer
      const { peer } = await killedAt('b', step, (client) => client.rotateNode())
      expect([step, peer === before ? 'old' : 'new']).toEqual([step, comes])
      await isInOrder(`ledger-${at}`)
    }
  },
)

it(
  'a node without the ledger: the old key until the entry is kept beside it, then the new one, which shows that entry',
  { timeout: 300_000 },
  async () => {
    const steps: [string, 'old' | 'new'][] = [
      ['before:node.rotation', 'old'],
      ['after:node.rotation', 'new'],
    ]
    for (const [at, [step, comes]] of steps.entries()) {
      const before = (up.get('c') as Up).peer
      const { peer } = await killedAt('c', step, (client) => client.rotateNode())
      expect([step, peer === before ? 'old' : 'new']).toEqual([step, comes])
      await isInOrder(`bare-${at}`)
    }
  },
)

it('the root: the same, and the next rotation works', { timeout: 300_000 }, async () => {
  const [old] = rootKeys() as [Identity]
  const rotate = async (client: Osiris) =>
    client.rotateRoot((await client.succession()).keys.findLast(({ of }) => of === 'root')?.key ?? '')
  await killedAt('a', 'after:next.key', rotate)
  expect(rootKeys().map(({ id }) => id)).toEqual([old.id])
  await isInOrder('root-0')
  await killedAt('a', 'before:successor.key', rotate)
  await until(() => rootKeys().length === 2, PATIENCE_MS, 50)
  await isInOrder('root-1')
  expect((await rotate(await clientOf('a'))).changed).toBe(true)
})

it('a person: the command that was killed, run again, ends with one key that holds everything', { timeout: 300_000 }, async () => {
  const keys = join(dir, 'config', 'osiris', 'keys')
  const http = (up.get('b') as Up).http
  const key = (await osiris(['key', 'new'])).out.trim()
  const held = async (of: string) => (await (await clientOf('b')).grants.list({ key: of })).length
  await (await clientOf('a')).grants.add({ key, can: ['deploy'], namespaces: ['demo'] })
  await until(async () => (await held(key)) === 1, PATIENCE_MS, 100)
  for (const step of ['after:default.key.next', 'before:default.key']) {
    const before = keyIn(keys, 'default.key').id
    expect((await osiris(['key', 'rotate', '--key', 'default', '--node', http], killing(step))).code).not.toBe(0)
    expect(keyIn(keys, 'default.key').id).toBe(before)
    const again = await osiris(['key', 'rotate', '--key', 'default', '--node', http])
    const now = keyIn(keys, 'default.key').id
    expect([again.code, again.out.trim(), now === before]).toEqual([0, now, false])
    expect([await held(before), await held(now)]).toEqual([0, 1])
  }
})
