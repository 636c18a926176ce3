/** A root key is stolen and used; the recovery key, which is on no node, takes it back. Real nodes, real sockets, the real command. */
import { copyFile, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createIdentity, type Identity, issueTokenBy, parseJoinToken, universeId } from '#protocols/access'
import { checkSuccession, signRotation } from '#protocols/catalog'
import { successionOfText } from '#protocols/management'
import { until } from '#protocols/until'
import { runCommand } from '#node/cli'
import type { RunningNode } from '#node/universe'
import { connect } from '#sdk'
import { startNode } from './components.ts'
import { TestMesh } from './components.fixture.ts'

const HOUR_MS = 3_600_000
const GREET = 'export default function greet(name: string) { return `hello ${name}` }'
const [recovery, next] = [createIdentity(), createIdentity()]

let mesh: TestMesh
let stick: string
let founder: RunningNode
let witness: RunningNode
/** Keeps no ledger. */
let bare: RunningNode
let thief: RunningNode
let root: Identity
/** Of the root's feed, what its owner wrote. */
let pin: number

beforeAll(async () => {
  mesh = await TestMesh.create()
  stick = await mkdtemp(join(tmpdir(), 'osiris-stick-'))
  for (const [name, key] of Object.entries({ recovery, next })) await writeFile(fileOf(name), `${hexOf(key)}\n`, { mode: 0o600 })
  founder = await mesh.add(['router', 'catalog', 'builder', 'executor'], { developer: false, recovery: recovery.id })
  root = await mesh.root()
  witness = await mesh.enterBy(root, founder, 'witness', ['router', 'catalog'])
  bare = await mesh.enterBy(root, founder, 'bare', ['router'])
  await deploy(founder, 'greet', root)
  pin = await endOfRoot(founder)
}, 40_000)
afterAll(async () => {
  await mesh.stop()
  await rm(stick, { recursive: true, force: true })
})

const fileOf = (name: string) => join(stick, `${name}.key`)
const hexOf = (key: Identity) => Buffer.from(key.seed).toString('hex')
const universe = () => parseJoinToken(founder.joinToken).universe
const as = async (node: RunningNode, key: Identity) =>
  connect({
    url: node.http,
    token: await issueTokenBy(key, universeId(universe()), 'boss', [{ can: ['admin'], namespaces: ['*'] }], Date.now() + HOUR_MS),
  })
const deploy = async (node: RunningNode, name: string, key: Identity) =>
  (await as(node, key)).deploy({ namespace: 'demo', name, source: GREET })
const successionAt = async ({ http }: RunningNode) =>
  checkSuccession(successionOfText(await (await connect(http)).succession()), recovery.id)
const endOfRoot = async (node: RunningNode) => (await successionAt(node)).roots[0]?.last?.seq ?? 0

async function osiris(...argv: string[]) {
  let [out, err] = ['', '']
  const io = {
    ...{ env: { XDG_CONFIG_HOME: stick, OSIRIS_STATE: stick }, out: (text: string) => (out += text), err: (text: string) => (err += text) },
    ...{ stdin: Readable.from([]), tty: false, cwd: stick, launcher: { command: '', args: [] } },
    interrupted: () => new AbortController().signal,
  }
  return { code: await runCommand(argv, io), out, err }
}
const recover = (node: RunningNode, ...words: string[]) =>
  osiris('key', 'recover', '--node', node.http, '--key', fileOf('recovery'), '--to', fileOf('next'), ...words)

const namesAt = async (node: RunningNode, key: Identity) => (await (await as(node, key)).functions.list()).map(({ name }) => name)
const entriesAt = async (node: RunningNode) => (await (await as(node, next)).ledger({ limit: 1 })).status.entries

it('the recovery key takes the root back from a thief, on every node, and leaves what was there before', { timeout: 60_000 }, async () => {
  thief = await mesh.enterBy(root, founder, 'thief', ['router', 'catalog', 'builder'])
  await until(async () => (await (await as(thief, root)).nodes()).filter(({ roles }) => roles.includes('catalog')).length === 3, 10_000, 50)
  await deploy(thief, 'evil', root)
  const all = [founder, witness, bare, thief]
  for (const node of all) await until(async () => (await namesAt(node, root)).includes('evil'), 10_000, 50)
  expect(await endOfRoot(witness)).toBeGreaterThan(pin)

  const refusals = await refusalsAt(witness)
  expect(refusals).toEqual({
    proof: 'invalid_argument',
    pin: 'conflict',
    genesis: 'invalid_argument',
    stranger: 'forbidden',
    root: 'forbidden',
    forged: 'invalid_argument',
    junk: 'invalid_argument',
  })
  expect(await recover(bare, '--pin', '100000')).toMatchObject({ code: 1, out: '' })
  expect(await readdir(stick)).not.toContain('recovery.key.rotation-1')

  const done = await recover(bare, '--pin', String(pin))
  expect(done).toMatchObject({ code: 0, err: expect.stringContaining(`${next.id} holds the root`) })
  expect(await readdir(stick)).toContain('recovery.key.rotation-1')
  for (const node of all) await until(async () => (await namesAt(node, next).catch(() => [])).join() === 'greet', 10_000, 50)
  for (const node of all) await expect(namesAt(node, root)).rejects.toMatchObject({ code: 'unauthenticated' })
  await expect(deploy(thief, 'again', root)).rejects.toMatchObject({ code: 'unauthenticated' })
  await expect(deploy(thief, 'again', next)).rejects.toMatchObject({ code: 'forbidden' })
  await until(
    async () => ((await (await as(founder, next)).nodes()).find(({ name }) => name === 'thief')?.roles ?? []).length === 0,
    10_000,
    50,
  )
  expect((await (await as(founder, next)).ledgerConflicts()).voided.map(({ type }) => type)).toEqual(
    expect.arrayContaining(['admit', 'publish']),
  )

  const before = await Promise.all([founder, witness].map(entriesAt))
  for (const node of [founder, bare])
    expect(await recover(node, '--pin', String(pin))).toMatchObject({
      code: 0,
      out: done.out,
      err: expect.stringContaining('stands already'),
    })
  expect(await recover(founder, '--pin', '1')).toMatchObject({ code: 2 })
  expect(await Promise.all([founder, witness].map(entriesAt))).toEqual(before)

  await founder.stop()
  await copyFile(fileOf('next'), join(mesh.config('node-1', []).dataDir, 'successor.key'))
  founder = await startNode({ ...mesh.config('node-1', ['router', 'catalog', 'builder', 'executor']), developer: false, join: witness.p2p })
  mesh.nodes.push(founder)
  const guest = await mesh.enterBy(next, founder, 'guest', ['router', 'catalog'])
  for (const node of [founder, witness, guest])
    await until(async () => (await namesAt(node, next).catch(() => [])).join() === 'greet', 10_000, 50)
  expect(await (await as(guest, next)).call('demo/greet', 'Ada')).toBe('hello Ada')
  await expect(mesh.enterBy(root, founder, 'accomplice', ['router'])).rejects.toMatchObject({ code: 'forbidden' })
})

it('what recovery signed and is not in the ledger goes first; a second entry in a place it wrote already is refused, and freezes nobody', async () => {
  const said = await successionAt(witness)
  const third = createIdentity()
  await writeFile(fileOf('third'), `${hexOf(third)}\n`, { mode: 0o600 })
  const fork = signRotation({ ...said, last: undefined }, { recovery, to: third, from: next.id, pin: 1, nowMs: Date.now() })
  const client = await connect(witness.http)
  await expect(client.handIn(Buffer.from(fork.bytes).toString('base64'))).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringContaining('has written another entry 1'),
  })
  const waiting = signRotation(said, { recovery, to: third, from: next.id, pin: said.roots.at(-1)?.last?.seq ?? 0, nowMs: Date.now() })
  expect(waiting.seq).toBe(2)
  await writeFile(`${fileOf('recovery')}.rotation-2`, `${Buffer.from(waiting.bytes).toString('base64')}\n`)
  expect(await recover(witness, '--pin', '1')).toMatchObject({ code: 1, err: expect.stringContaining('was signed already') })
  const frozen = await Promise.all([founder, witness].map(async (node) => (await (await as(node, next)).ledgerConflicts()).frozen))
  expect(frozen).toEqual([[], []])
  expect(await osiris('key', 'recover', '--node', witness.http, '--key', fileOf('recovery'), '--to', fileOf('third'))).toMatchObject({
    code: 0,
    out: `${waiting.hash}\n`,
  })
})

/** What is refused, and as what. */
async function refusalsAt(node: RunningNode): Promise<Record<string, string>> {
  const checked = await successionAt(node)
  const good = { recovery, to: next, from: root.id, pin, nowMs: Date.now() }
  const stranger = createIdentity()
  const signed = (changes: Partial<typeof good>) => signRotation(checked, { ...good, ...changes }).bytes
  const broken = Uint8Array.from(signed({}))
  broken[broken.length - 1] = (broken.at(-1) as number) ^ 1
  const wrong: Record<string, Uint8Array> = {
    proof: signed({ to: { ...next, sign: (bytes) => stranger.sign(bytes) } }),
    pin: signed({ pin: (await endOfRoot(node)) + 1 }),
    genesis: signed({ pin: 0 }),
    stranger: signed({ recovery: stranger }),
    root: signed({ recovery: root }),
    forged: broken,
    junk: new Uint8Array([1, 2, 3]),
  }
  const client = await connect(node.http)
  const codes: Record<string, string> = {}
  for (const [name, bytes] of Object.entries(wrong))
    codes[name] = await client.handIn(Buffer.from(bytes).toString('base64')).then(
      () => 'taken',
      (error: unknown) => (error as { code: string }).code,
    )
  return codes
}
