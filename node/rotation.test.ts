/** `osiris key rotate` on real nodes: the node makes and keeps the next key, all follow, and its own command line goes on. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createIdentity, type Identity, issueTokenBy, parseJoinToken, universeId } from '#protocols/access'
import { until } from '#protocols/until'
import { runCommand } from '#node/cli'
import type { NodeConfig } from '#node/config'
import { type NodeProcess, type RunningNode, startNodeProcess } from '#node/universe'
import { connect } from '#sdk'
import { TestMesh } from './components.fixture.ts'
import { startNode } from './components.ts'
import { rootKeysIn } from './root-keys.ts'

let mesh: TestMesh
beforeEach(async () => {
  mesh = await TestMesh.create()
})
afterEach(() => mesh.stop())

const dirOf = (name: string) => mesh.config(name, []).dataDir
const keyIn = async (name: string, file: string) =>
  createIdentity(Buffer.from((await readFile(join(dirOf(name), file), 'utf8')).trim(), 'hex'))
const hexOf = (key: Identity) => `${Buffer.from(key.seed).toString('hex')}\n`

async function osiris(env: Record<string, string>, ...argv: string[]) {
  let [out, err] = ['', '']
  const state = mesh.config('cli', []).stateDir
  const io = {
    ...{ env: { XDG_CONFIG_HOME: state, OSIRIS_STATE: state, ...env } },
    ...{ out: (text: string) => (out += text), err: (text: string) => (err += text) },
    ...{ stdin: Readable.from([]), tty: false, cwd: '/', launcher: { command: '', args: [] } },
    interrupted: () => new AbortController().signal,
  }
  return { code: await runCommand(argv, io), out, err }
}

it('a closed universe: the next key is on disk, members follow, the old key ends, and the node lets others in with the new one, also after a restart', async () => {
  const roles = ['router', 'catalog', 'builder', 'executor'] as const
  let founder = await mesh.add([...roles], { developer: false })
  const old = await mesh.root()
  const witness = await mesh.enterBy(old, founder, 'witness', ['router', 'catalog'])
  const bare = await mesh.enterBy(old, founder, 'bare', ['router'])
  let told = 0
  founder.onTokens(() => (told += 1))
  const before = founder.developerToken
  const rotate = (node: { http: string }, token: string, ...words: string[]) =>
    osiris({ OSIRIS_TOKEN: token }, 'key', 'rotate', '--node', node.http, ...words)
  expect(await rotate(witness, before)).toMatchObject({ code: 4, err: expect.stringContaining('does not hold it') })
  expect(await rotate(founder, '')).toMatchObject({ code: 4 })

  const done = await rotate(founder, before)
  expect(done).toMatchObject({ code: 0, err: expect.stringContaining('committed by') })
  const next = await keyIn('node-1', 'successor.key')
  expect(done.out).toBe(`${next.id}\n`)
  await expect(keyIn('node-1', 'next.key')).rejects.toMatchObject({ code: 'ENOENT' })
  expect([told, founder.developerToken === before]).toEqual([1, false])
  const universe = universeId(parseJoinToken(founder.joinToken).universe)
  const tokenOf = (key: Identity) => issueTokenBy(key, universe, 'boss', [{ can: ['admin'], namespaces: ['*'] }], Date.now() + 60_000)
  const ledgerAt = async ({ http }: { http: string }, token: string) => (await connect({ url: http, token })).ledger({ limit: 1 })
  for (const node of [founder, witness, bare]) {
    await until(async () => (await ledgerAt(node, await tokenOf(next)).catch(() => undefined)) !== undefined, 10_000, 50)
    for (const token of [before, await tokenOf(old)]) await expect(ledgerAt(node, token)).rejects.toMatchObject({ code: 'unauthenticated' })
  }
  expect(await rotate(founder, founder.developerToken, '--from', old.id)).toMatchObject({
    code: 0,
    err: expect.stringContaining('rotated before'),
  })
  expect(await rotate(founder, founder.developerToken, '--from', createIdentity().id)).toMatchObject({ code: 1 })

  await founder.stop()
  founder = await startNode({ ...mesh.config('node-1', [...roles]), developer: false, join: witness.p2p })
  mesh.nodes.push(founder)
  await ledgerAt(founder, founder.developerToken)
  const guest = await mesh.enterBy(next, founder, 'guest', ['router'])
  expect(guest.admission.state()).toMatchObject({ state: 'admitted' })
  await expect(mesh.enterBy(old, founder, 'late', ['router'])).rejects.toMatchObject({ code: 'forbidden' })
}, 60_000)

it('a universe for development: whoever asks from this machine goes on as the developer, with a token of the new key', async () => {
  const node = await mesh.add(['router', 'catalog', 'builder', 'executor'])
  const client = await connect(node.http)
  const { to } = await client.rotateRoot((await mesh.root()).id)
  expect((await client.deploy({ namespace: 'demo', name: 'greet', source: 'export default () => 1' })).changed).toBe(true)
  expect(parseJoinToken(await client.joinToken()).token).toBe(node.developerToken)
  expect((await client.succession()).keys.at(-1)?.key).toBe(to)
}, 30_000)

it('a universe for development on one machine: nodes that acted with a token of the old key take the next one from their neighbour', async () => {
  const [founder, member, bare] = await members()
  const before = founder.developerToken
  const olds = [member.developerToken, bare.developerToken]
  expect(olds).toEqual([before, before])
  let told = 0
  member.onTokens(() => (told += 1))
  await (await connect(founder.http)).rotateRoot((await mesh.root()).id)
  for (const node of [member, bare]) await until(() => node.developerToken !== before, 20_000, 50)
  expect([member.developerToken, bare.developerToken, told]).toEqual([founder.developerToken, founder.developerToken, 1])
  for (const node of [founder, member, bare]) {
    const client = await connect(node.http)
    await until(async () => (await client.namespaces.list().catch(() => undefined)) !== undefined, 20_000, 50)
  }
}, 60_000)

/** Each with its state file, as processes of one universe have them. */
async function members() {
  const started: NodeProcess[] = []
  const nodes: RunningNode[] = []
  for (const [name, roles] of [
    ['node-1', ['router', 'catalog', 'builder', 'executor']],
    ['b', ['router', 'catalog']],
    ['c', ['router']],
  ] as const) {
    const first = nodes[0]
    const join = first === undefined ? [] : [first.joinToken]
    const start = async (config: NodeConfig, signal?: AbortSignal) => {
      const node = await startNode(config, signal)
      nodes.push(node)
      mesh.nodes.push(node)
      return node
    }
    started.push(await startNodeProcess({ ...mesh.config(name, [...roles]), join }, start))
  }
  expect(started).toHaveLength(3)
  return nodes as [RunningNode, RunningNode, RunningNode]
}

it("a person's key: what it held is the next one's, which takes the place of its file; a command that was ended on the way goes on", async () => {
  const founder = await mesh.add(['router', 'catalog', 'builder', 'executor'], { developer: false })
  const bare = await mesh.enterBy(await mesh.root(), founder, 'bare', ['router'])
  const key = (await osiris({}, 'key', 'new')).out.trim()
  const path = join(mesh.config('cli', []).stateDir, 'osiris', 'keys', 'default.key')
  const keyAt = async (file: string) => createIdentity(Buffer.from((await readFile(file, 'utf8')).trim(), 'hex')).id
  const rotate = (...words: string[]) => osiris({}, 'key', 'rotate', '--node', bare.http, '--key', 'default', ...words)
  const deploy = async () => {
    const universe = universeId(parseJoinToken(founder.joinToken).universe)
    const words = ['--can', 'deploy', '--namespace', 'demo', '--universe', universe, '--node', bare.http]
    const client = await connect({ url: bare.http, token: (await osiris({}, 'token', 'create', ...words)).out.trim() })
    return client.deploy({ namespace: 'demo', name: 'greet', source: 'export default () => 1' })
  }
  // Whom nobody gave anything has nothing to give on; what was made for it is used later.
  expect(await rotate()).toMatchObject({ code: 3, err: expect.stringContaining('holds nothing') })
  const next = await keyAt(`${path}.next`)
  expect(await keyAt(path)).toBe(key)
  const grant = ['grant', 'add', key, '--can', 'deploy', '--namespace', 'demo', '--node', founder.http]
  expect(await osiris({ OSIRIS_TOKEN: founder.developerToken }, ...grant)).toMatchObject({ code: 0 })
  await deploy()
  // As if it had been killed between the answer and the file.
  const [old, waiting] = [await readFile(path, 'utf8'), await readFile(`${path}.next`, 'utf8')]
  expect(await rotate()).toMatchObject({ code: 0, out: `${next}\n`, err: expect.stringContaining('Gave on') })
  expect([await keyAt(path), await keyAt(`${path}.old-${key.slice(0, 8)}`)]).toEqual([next, key])
  await writeFile(path, old)
  await writeFile(`${path}.next`, waiting, { mode: 0o600 })
  await expect(deploy()).rejects.toThrow('malformed')
  expect(await rotate()).toMatchObject({ code: 0, out: `${next}\n`, err: expect.stringContaining('given on before') })
  expect(await keyAt(path)).toBe(next)
  expect((await deploy()).changed).toBe(false)
  const elsewhere = await osiris({}, 'key', 'new', 'other')
  expect(await rotate('--to', 'other')).toMatchObject({ code: 0, out: elsewhere.out })
  expect(await keyAt(path)).toBe(next)
  expect(await rotate('--from', key)).toMatchObject({ code: 2 })
  expect(await osiris({}, 'key', 'rotate', '--to', 'other', '--node', bare.http)).toMatchObject({ code: 2 })
}, 60_000)

it('keys on disk: what an earlier rotation saved is used, unless it was used already; what is no key is refused', async () => {
  const dir = dirOf('keys')
  await mkdir(dir, { recursive: true })
  const keys = await rootKeysIn(dir)
  const first = await keys.next(() => false)
  expect((await (await rootKeysIn(dir)).next(() => false)).id).toBe(first.id)
  const second = await keys.next((key) => key === first.id)
  expect(second.id).not.toBe(first.id)
  await keys.tookOver(first)
  expect((await rootKeysIn(dir)).held.map(({ id }) => id)).toEqual([second.id])
  await keys.tookOver(second)
  expect([(await keyIn('keys', 'successor.key')).id, (await rootKeysIn(dir)).held.length]).toEqual([second.id, 1])
  await writeFile(join(dir, 'root.key'), hexOf(first))
  expect((await rootKeysIn(dir)).held.map(({ id }) => id)).toEqual([first.id, second.id])
  await writeFile(join(dir, 'next.key'), 'junk')
  await expect(rootKeysIn(dir)).rejects.toMatchObject({ code: 'invalid_argument' })
})
