import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ReopeningStorage } from '#protocols/catalog'
import type { Storage } from '#protocols/storage'
import { aFunction, CatalogUniverse, storageThat } from '#protocols/catalog/testing'
import { openStore } from './store.ts'

const ENCODINGS = { keyEncoding: 'utf8', valueEncoding: 'view' } as const
const RECOVERED_WITHIN_MS = 5000

let dir: string
let undo: (() => void | Promise<void>)[]
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'osiris-store-'))
  undo = []
})
afterEach(async () => {
  for (const step of undo.toReversed()) await step()
  await rm(dir, { recursive: true, force: true })
})

async function filled(keys: number) {
  const store = await openStore(dir)
  for (let at = 0; at < keys; at += 1) await store.storage.batch([put(`key/${at}`, Buffer.alloc(1000, at))], { ...ENCODINGS, sync: true })
  await store.close()
}

const put = (key: string, value: Uint8Array) => ({ type: 'put' as const, key, value })

async function keysIn(storage: Storage): Promise<number> {
  let count = 0
  for await (const [key] of storage.iterator({ ...ENCODINGS, gte: 'key/', lt: 'key0' })) count += Number(key.startsWith('key/'))
  return count
}

it('a store that lost the file that names its manifest, or the manifest, opens again with what it had', async () => {
  for (const lost of [/^CURRENT$/, /^MANIFEST/]) {
    await filled(20)
    const store = join(dir, 'store')
    for (const file of await readdir(store)) if (lost.test(file)) await rm(join(store, file))
    const opened = await openStore(dir)
    expect(opened.mended).toBe('repaired')
    expect(await keysIn(opened.storage)).toBe(20)
    await opened.close()
    expect((await openAndClose()).mended).toBeUndefined()
  }
})

it('a store of which nothing can be read is moved aside and begun anew', async () => {
  await filled(3)
  const store = join(dir, 'store')
  await rm(join(store, 'CURRENT'))
  await mkdir(join(store, 'CURRENT'))
  await writeFile(join(store, 'CURRENT', 'x'), '')
  const opened = await openStore(dir)
  expect(opened.mended).toBe('moved aside')
  expect(await keysIn(opened.storage)).toBe(0)
  expect(await readdir(dir)).toContain('store.damaged')
  await opened.close()
})

it('a table that is not what it was is taken away before LevelDB sees it, and the rest stays', async () => {
  // More than LevelDB keeps in its log.
  const { storage, close } = await openAs()
  for (let at = 0; at < 12; at += 1) await storage.batch([put(`key/${at}`, randomBytes(1024 * 1024))], { ...ENCODINGS, sync: true })
  await close()
  const tables = (await readdir(join(dir, 'store'))).filter((file) => file.endsWith('.ldb'))
  expect(tables.length).toBeGreaterThan(0)
  const path = join(dir, 'store', tables[0] as string)
  const bytes = await readFile(path)
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1
  await writeFile(path, bytes)
  const opened = await openStore(dir)
  expect(opened.mended).toBe('repaired')
  const left = await keysIn(opened.storage)
  expect(left).toBeGreaterThan(0)
  expect(left).toBeLessThan(12)
  await opened.close()
})

it('a truncated log costs its tail and nothing else', async () => {
  await filled(20)
  const log = (await readdir(join(dir, 'store'))).find((file) => file.endsWith('.log')) as string
  await truncate(join(dir, 'store', log), 5000)
  const store = await openStore(dir)
  expect(await keysIn(store.storage)).toBe(4)
  await store.close()
})

async function openAs() {
  const store = await openStore(dir)
  return { storage: store.storage, close: () => store.close() }
}

async function openAndClose() {
  const opened = await openStore(dir)
  await opened.close()
  return opened
}

interface Disk {
  storage: Storage
  fill: () => Promise<void>
  free: () => Promise<void>
}

/** 16 MiB of memory that is a disk, where the host lets us mount one. */
function mountSmall(): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', dir], { stdio: 'ignore' })
    undo.push(() => void execFileSync('umount', ['-l', dir], { stdio: 'ignore' }))
    return true
  } catch {
    return false
  }
}

async function smallDisk(): Promise<Disk> {
  const ballast = join(dir, 'ballast')
  const store = await openStore(dir)
  undo.push(() => store.close())
  const fill = () => writeFile(ballast, Buffer.alloc(32 * 1024 * 1024)).catch(() => {})
  return { storage: store.storage, fill, free: () => rm(ballast) }
}

/** A store that is as broken after a failed write as LevelDB is. */
function brokenDisk(): Disk {
  let full = false
  let broken = false
  const inner = storageThat((write) => {
    if (full) broken = true
    return broken ? Promise.reject(new Error('IO error: No space left on device')) : write()
  })
  const storage = new ReopeningStorage({
    ...inner,
    hasRoom: () => Promise.resolve(!full),
    reopen: () => Promise.resolve(void (broken = false)),
  })
  const set = (value: boolean) => Promise.resolve(void (full = value))
  return { storage, fill: () => set(true), free: () => set(false) }
}

it('a full disk refuses writes with storage_full while reads go on, and takes writes again when there is room, without a restart', async () => {
  const disks = [brokenDisk(), ...(mountSmall() ? [await smallDisk()] : [])]
  for (const { storage, fill, free } of disks) {
    const universe = new CatalogUniverse()
    undo.push(() => universe.stop())
    const { service } = await universe.node('a', { storage })
    const options = await universe.options('accepted')
    const publish = (name: string) => {
      const { manifest, artifact } = aFunction(name, 'x'.repeat(20_000))
      return service.publish({ ...manifest, settings: { ...manifest.settings, env: { FILL: 'x'.repeat(20_000) } } }, artifact, options)
    }
    const { receipt } = await publish('before')
    await fill()
    for (let at = 0; at < 3; at += 1) await expect(publish(`full-${at}`)).rejects.toMatchObject({ code: 'storage_full' })
    expect(service.get({ namespace: 'demo', name: 'before' })).toMatchObject({ ordinal: 1 })
    expect(await service.entries([{ author: receipt.author, from: receipt.seq }], 1_000_000)).toHaveLength(1)
    await free()
    const from = performance.now()
    expect((await publish('after')).receipt.seq).toBe(receipt.seq + 1)
    expect(performance.now() - from).toBeLessThan(RECOVERED_WITHIN_MS)
    expect(service.list({}).map((each) => each.name)).toEqual(['after', 'before'])
  }
})
