/**
 * The one address of `level`: the store of the ledger in the data directory. Its kernel lock makes one process per directory. A store that does not
 * open because it is damaged is repaired, or moved aside and begun anew: whatever it lost, the catalog notices and fetches from peers.
 */
import { open, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Level } from 'level'
import { makeFolder } from '#node/config'
import { type Reopenable, ReopeningStorage } from '#protocols/catalog'
import { every, systemClock } from '#protocols/lifecycle'
import type { Storage } from '#protocols/storage'
import { breakSeals, removeDamaged, sealTables } from './store-seals.ts'

/** LevelDB takes up to 4 MiB before it makes a table, and a log begins small: below this there is no use in trying. */
const ROOM_BYTES = 1024 * 1024

/** New tables come when some 4 MiB were written, or others merged. */
const SEAL_EVERY_MS = 30_000

export type Mended = 'repaired' | 'moved aside'

export interface Store {
  storage: ReopeningStorage
  /** What had to be done to open it. */
  mended: Mended | undefined
  clear(): Promise<void>
  close(): Promise<void>
}

/** Throws what level throws where it is locked, or the disk refuses. */
export async function openStore(dataDir: string): Promise<Store> {
  makeFolder(dataDir)
  const directory = join(dataDir, 'store')
  // LevelDB would begin a new store in the place of one that lost this file, and delete what is left of it. A `Level` opens as soon as it is made.
  await removeDamaged(directory)
  const isLost = await lacksCurrent(directory)
  if (isLost) await repair(directory)
  const level: Level<string, Uint8Array> = new Level(directory, { keyEncoding: 'utf8', valueEncoding: 'view' })
  const mended = (await openOrMend(level, directory)) ?? (isLost ? 'repaired' : undefined)
  const endSealing = every(
    systemClock,
    SEAL_EVERY_MS,
    () => sealTables(directory, systemClock.now() - SEAL_EVERY_MS / 2),
    // A disk that is full says so elsewhere.
    () => {},
  )
  const store: Reopenable = {
    getMany: (keys, options) => level.getMany(keys, options),
    batch: (operations, options) => level.batch(operations, options),
    iterator: (range) => level.iterator(range),
    hasRoom: () => hasRoom(dataDir),
    reopen: async (after) => {
      await level.close()
      await removeDamaged(directory)
      if (isCorruption(after)) await repair(directory)
      await openOrMend(level, directory)
    },
  }
  const close = async () => {
    endSealing()
    await level.close()
    await sealTables(directory, Number.POSITIVE_INFINITY).catch(() => {})
  }
  return { storage: new ReopeningStorage(store), mended, clear: () => level.clear(), close }
}

/** The records of a store that is there already, as they are: nothing is mended. Throws what level throws where it is locked, missing or damaged. */
export async function openForReading(dataDir: string): Promise<{ storage: Storage; close: () => Promise<void> }> {
  const options = { keyEncoding: 'utf8', valueEncoding: 'view', createIfMissing: false } as const
  const level: Level<string, Uint8Array> = new Level(join(dataDir, 'store'), options)
  await level.open()
  return { storage: level, close: () => level.close() }
}

async function openOrMend(level: Level<string, Uint8Array>, directory: string): Promise<Mended | undefined> {
  try {
    await level.open()
    return undefined
  } catch (error) {
    if (!isCorruption(error)) throw error
  }
  await repair(directory)
  try {
    await level.open()
    return 'repaired'
  } catch (error) {
    if (!isCorruption(error)) throw error
  }
  await rm(`${directory}.damaged`, { recursive: true, force: true })
  await rename(directory, `${directory}.damaged`)
  await level.open()
  return 'moved aside'
}

/** Salvages the tables and logs that can be read; what fails is left to the next step. LevelDB puts what it could not use in `lost`. */
async function repair(directory: string): Promise<void> {
  await (Level as unknown as { repair(location: string): Promise<void> }).repair(directory).catch(() => {})
  await rm(join(directory, 'lost'), { recursive: true, force: true })
  await breakSeals(directory)
}

async function lacksCurrent(directory: string): Promise<boolean> {
  const files = await readdir(directory).catch((): string[] => [])
  return !files.includes('CURRENT') && files.some((file) => /\.(?:ldb|log)$|^MANIFEST/.test(file))
}

/**
 * By its words, since an error of opening wraps another (https://github.com/google/leveldb/blob/main/include/leveldb/status.h). A damaged name of a
 * file reads as one that is not there.
 */
function isCorruption(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as { code?: unknown }
    if (code === 'LEVEL_CORRUPTION' || at.message.startsWith('Corruption')) return true
    if (code === 'LEVEL_IO_ERROR') return /No such file|Not a directory|Is a directory|name too long|Invalid argument/.test(at.message)
  }
  return false
}

async function hasRoom(dataDir: string): Promise<boolean> {
  const path = join(dataDir, '.room')
  try {
    const file = await open(path, 'w', 0o600)
    try {
      await file.writeFile(new Uint8Array(ROOM_BYTES))
      await file.sync()
    } finally {
      await file.close()
    }
    return true
  } catch {
    return false
  } finally {
    await rm(path, { force: true })
  }
}
