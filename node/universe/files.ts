/** Small files that several processes read and write. */
import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeFolder } from '#node/config'
import { OsirisError } from '#protocols/errors'
import { isRunning, markOf, type ProcessMark } from './process.ts'

/** What is done under a lock takes milliseconds; longer means that something is wrong. */
const LOCK_WAIT_MS = 10_000

/** Whole or not at all, for its owner's eyes only. Throws `unavailable` or `storage_full` where it cannot be written. */
export function writeJson(path: string, value: unknown): void {
  try {
    makeFolder(dirname(path))
    const temporary = `${path}.${randomUUID()}.new`
    writeFileSync(temporary, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 })
    renameSync(temporary, path)
  } catch (error) {
    throw diskError(`Cannot write ${path}`, error)
  }
}

/** The parsed content; `undefined` for a file that is not there or holds no JSON. */
export function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

/** Names of the `.json` files in a folder, sorted, without the ending. */
export function jsonNames(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((each) => each.endsWith('.json'))
      .map((each) => each.slice(0, -'.json'.length))
      .toSorted()
  } catch {
    return []
  }
}

/** Runs `act` while no other process runs one under the same lock. A lock whose owner is gone is taken over. */
export async function locked<T>(path: string, act: () => Promise<T> | T): Promise<T> {
  const end = performance.now() + LOCK_WAIT_MS
  const own = markOf(process.pid)
  while (!take(path, own)) {
    if (performance.now() > end) throw new OsirisError('conflict', `Cannot take the lock ${path}: another osiris command holds it`)
    await sleep(15)
  }
  try {
    return await act()
  } finally {
    rmSync(path, { force: true })
  }
}

function take(path: string, own: ProcessMark | undefined): boolean {
  try {
    makeFolder(dirname(path))
    writeFileSync(path, JSON.stringify(own), { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw diskError(`Cannot write ${path}`, error)
    dropStale(path)
    return false
  }
}

/** Moves a dead owner's lock aside first: of two that find it, one moves it. A lock being written is not stale. */
function dropStale(path: string): void {
  const owner = readJson(path)
  if (!isMark(owner) || isRunning(owner)) return
  const aside = join(dirname(path), `.${randomUUID()}.stale`)
  try {
    renameSync(path, aside)
    const moved = readJson(aside)
    if (isMark(moved) && isRunning(moved)) renameSync(aside, path)
    else rmSync(aside, { force: true })
  } catch {
    // Another process was faster.
  }
}

function isMark(value: unknown): value is ProcessMark {
  const mark = value as Partial<ProcessMark> | null | undefined
  return typeof mark?.pid === 'number' && typeof mark.startedAs === 'string'
}

/** One sentence for what the disk refuses. */
export function diskError(act: string, error: unknown): OsirisError {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC') return new OsirisError('storage_full', `${act}: the disk is full`, { cause: error })
  const reason = code === 'EROFS' || code === 'EACCES' || code === 'EPERM' ? 'the folder is read-only' : message
  return new OsirisError('unavailable', `${act}: ${reason}`, { cause: error })
}
