import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { digestOf } from '#protocols/codec'
import { DirectoryArtifacts } from './artifact-directory.ts'
import { type ArtifactStore, MemoryArtifacts } from './artifacts.ts'

const bytes = Buffer.from('export default 1')
const digest = digestOf(bytes)
const folders: string[] = []

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'osiris-artifacts-'))
  folders.push(path)
  return path
}

afterEach(async () => {
  for (const path of folders.splice(0)) await rm(path, { recursive: true })
})

const stores: [string, () => Promise<ArtifactStore>][] = [
  ['in memory', async () => new MemoryArtifacts()],
  ['in a directory', async () => new DirectoryArtifacts({ directory: await folder() })],
]

describe.each(stores)('artifacts %s', (_name, make) => {
  it('what was put is got, and nothing else', async () => {
    const store = await make()
    expect(await store.get(digest)).toBeUndefined()
    expect(await store.has(digest)).toBe(false)
    await store.put(digest, bytes)
    await store.put(digest, bytes)
    expect(await store.has(digest)).toBe(true)
    expect(Buffer.compare((await store.get(digest)) as Uint8Array, bytes)).toBe(0)
  })
})

it('a damaged file counts as missing and can be put again', async () => {
  const directory = await folder()
  const store = new DirectoryArtifacts({ directory })
  await store.put(digest, bytes)
  await writeFile(join(directory, digest.slice(0, 2), digest), 'export default 2')
  expect(await store.get(digest)).toBeUndefined()
  expect(await store.has(digest)).toBe(false)
  await store.put(digest, bytes)
  expect(await store.get(digest)).toBeDefined()
})

it('what a crash left half-written is gone after the next put', async () => {
  const directory = await folder()
  await new DirectoryArtifacts({ directory }).put(digest, bytes)
  await writeFile(join(directory, 'incoming', 'half'), 'exp')
  const again = new DirectoryArtifacts({ directory })
  await again.put(digest, bytes)
  expect(await readdir(join(directory, 'incoming'))).toEqual([])
  expect(await again.get(digest)).toBeDefined()
})

it('a place that cannot be written to is a typed error', async () => {
  const directory = join(await folder(), 'file')
  await writeFile(directory, '')
  await expect(new DirectoryArtifacts({ directory }).put(digest, bytes)).rejects.toMatchObject({ code: 'unavailable' })
})
