import { copyFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createIdentity, formatJoinToken, type Identity } from '#protocols/access'
import { createGenesis } from '#protocols/catalog'
import { type Host, openHost } from './host.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'osiris-host-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const open = (name: string, joins: string[] = []) => openHost({ dataDir: join(dir, name), universeName: 'default', join: joins })
const rootOf = (host: Host) => host.rootKeys.held.at(-1)
const ADDRESS = '/ip4/127.0.0.1/tcp/4748/p2p/12D3KooWxyz'

it('a new directory founds a universe and opens again as the same node', async () => {
  const first = await open('a')
  expect(rootOf(first)?.id).toBe(first.universe.root)
  await first.keep()
  await first.close()
  const second = await open('a')
  expect(second.identity.id).toBe(first.identity.id)
  expect(second.universe).toEqual(first.universe)
  expect(rootOf(second)?.id).toBe(rootOf(first)?.id)
  await second.close()
  expect((await stat(join(dir, 'a', 'node.key'))).mode & 0o777).toBe(0o600)
  expect((await stat(join(dir, 'a', 'root.key'))).mode & 0o777).toBe(0o600)
})

it('a join token brings universe and bootstrap, but never the root', async () => {
  const founder = await open('a')
  const joined = await open('b', [formatJoinToken({ universe: founder.universe, bootstrap: [ADDRESS] })])
  expect(joined.universe).toEqual(founder.universe)
  expect(rootOf(joined)).toBeUndefined()
  expect(joined.bootstrap).toEqual([ADDRESS])
  await Promise.all([founder.close(), joined.close()])
})

it('a start that failed leaves the directory free for another universe, and nothing of the first one in it', async () => {
  const [right, wrong] = [await open('a'), await open('b')]
  const tokens = [right, wrong].map(({ universe }) => formatJoinToken({ universe, bootstrap: [ADDRESS] })) as [string, string]
  const failed = await open('c', [tokens[1]])
  await failed.knownPeers.save([ADDRESS])
  await failed.close()
  const joined = await open('c', [tokens[0]])
  expect(joined).toMatchObject({ universe: right.universe, isNew: true })
  expect(await joined.knownPeers.load()).toEqual([])
  await joined.keep()
  await joined.close()
  await expect(open('c', [tokens[1]])).rejects.toMatchObject({ code: 'forbidden' })
  await Promise.all([right.close(), wrong.close()])
})

it('the second process on one directory is refused', async () => {
  const first = await open('a')
  await expect(open('a')).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('another process is using it') })
  await first.close()
})

it('a token of another universe, an address alone and a torn file are refused, and the lock is given back', async () => {
  const mine = await open('a')
  await mine.keep()
  await mine.close()
  const other = await open('b')
  const token = formatJoinToken({ universe: other.universe, bootstrap: [ADDRESS] })
  await expect(open('a', [token])).rejects.toMatchObject({ code: 'forbidden' })
  await expect(open('c', [ADDRESS])).rejects.toMatchObject({
    code: 'invalid_argument',
    message: expect.stringContaining('by address alone'),
  })
  await expect(open('c', ['somewhere'])).rejects.toMatchObject({ code: 'invalid_argument' })
  await writeFile(join(dir, 'a', 'universe.json'), '{"name":')
  await expect(open('a')).rejects.toMatchObject({ code: 'invalid_argument', message: expect.stringContaining('universe.json') })
  await writeFile(join(dir, 'a', 'universe.json'), JSON.stringify(mine.universe))
  await (await open('a')).close()
  await other.close()
})

it('a path that cannot be a directory is refused in one sentence', async () => {
  await writeFile(join(dir, 'file'), '')
  await expect(open('file')).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(/^Cannot open the data directory/),
  })
  expect(await readFile(join(dir, 'file'), 'utf8')).toBe('')
})

it("a caller's token that a join token brought is there after a restart without it, and gone with another directory", async () => {
  const founder = await open('a')
  const joined = await open('b', [formatJoinToken({ universe: founder.universe, bootstrap: [ADDRESS], token: 'x.y.z' })])
  await joined.keep()
  await joined.close()
  const again = await open('b')
  expect(again.callerToken).toBe('x.y.z')
  expect((await stat(join(dir, 'b', 'caller.token'))).mode & 0o777).toBe(0o600)
  expect(founder.callerToken).toBeUndefined()
  await Promise.all([again.close(), founder.close()])
})

it('a directory with a ledger founds no other universe because its universe.json is gone', async () => {
  const founder = await open('a')
  const joined = await open('b', [formatJoinToken({ universe: founder.universe, bootstrap: [ADDRESS] })])
  await joined.keep()
  const entry = { type: 'put' as const, key: 'entry/x', value: new Uint8Array(1) }
  await joined.store.storage.batch([entry], { keyEncoding: 'utf8', valueEncoding: 'view', sync: true })
  await joined.close()
  await rm(join(dir, 'b', 'universe.json'))
  await expect(open('b')).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('universe.json is missing') })
  const again = await open('b', [formatJoinToken({ universe: founder.universe, bootstrap: [ADDRESS] })])
  expect(again.universe).toEqual(founder.universe)
  await Promise.all([again.close(), founder.close()])
})

it('a damaged node key stops the start instead of making another member', async () => {
  const first = await open('a')
  await first.keep()
  await first.close()
  const path = join(dir, 'a', 'node.key')
  const key = await readFile(path, 'utf8')
  const flipped = (at: number) => key.slice(0, at) + (key[at] === '0' ? '1' : '0') + key.slice(at + 1)
  for (const damaged of [flipped(0), flipped(63), flipped(65), key.slice(0, 64), '']) {
    await writeFile(path, damaged)
    await expect(open('a')).rejects.toMatchObject({ code: 'invalid_argument', message: expect.stringContaining('put a copy of it back') })
  }
  await writeFile(path, key)
  const again = await open('a')
  expect(again.identity.id).toBe(first.identity.id)
  await again.close()
})

it('a root key that is not the root of the universe stops the start instead of being left out', async () => {
  const founder = await open('a')
  await founder.keep()
  await founder.close()
  const path = join(dir, 'a', 'root.key')
  const key = await readFile(path, 'utf8')
  await writeFile(path, (key.startsWith('0') ? '1' : '0') + key.slice(1))
  await expect(open('a')).rejects.toMatchObject({
    code: 'invalid_argument',
    message: expect.stringContaining('it is not that of universe'),
  })
  await writeFile(path, key)
  const whole = await open('a')
  expect(rootOf(whole)?.id).toBe(rootOf(founder)?.id)
  await whole.close()
})

it('the genesis names the recovery key that the universe was founded with, whatever is asked for later; who joins makes none', async () => {
  const recovery = createIdentity().id
  const found = (asked?: string) => openHost({ dataDir: join(dir, 'a'), universeName: 'default', recovery: asked, join: [] })
  const first = await found(recovery)
  await first.keep()
  await first.close()
  for (const asked of [undefined, createIdentity().id]) {
    const again = await found(asked)
    expect(again.founding).toEqual([createGenesis(rootOf(first) as Identity, first.universe, recovery)])
    await again.close()
  }
  await mkdir(join(dir, 'b'))
  const next = createIdentity()
  await writeFile(join(dir, 'b', 'successor.key'), `${Buffer.from(next.seed).toString('hex')}\n`)
  const heir = await open('b', [formatJoinToken({ universe: first.universe, bootstrap: [ADDRESS] })])
  expect([rootOf(heir)?.id, heir.founding]).toEqual([next.id, []])
  await heir.close()
  await copyFile(join(dir, 'b', 'successor.key'), join(dir, 'a', 'successor.key'))
  const both = await found()
  expect([rootOf(both)?.id, both.founding.length]).toEqual([next.id, 1])
  await both.close()
})
