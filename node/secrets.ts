/** Files of a data directory that only its owner may read, each whole or not there. */
import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { createIdentity, type Identity } from '#protocols/access'
import { OsirisError } from '#protocols/errors'

export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Whole or not at all: a crash in the middle leaves the old state. On disk when it resolves, whatever becomes of the power. */
export async function writeSecret(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`
  const file = await open(temporary, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await moveSecret(temporary, path)
}

/** The same of a file that is there already. */
export async function moveSecret(from: string, to: string): Promise<void> {
  await rename(from, to)
  if (process.platform === 'win32') return
  const folder = await open(dirname(to), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** What a write of one of these files brings. `sentence`: what is not done without it, and why. Throws `storage_full`, `unavailable`. */
export async function keptBy<T>(sentence: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (error) {
    const isFull = ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '')
    throw new OsirisError(isFull ? 'storage_full' : 'unavailable', `${sentence} (${(error as Error).message})`, { cause: error })
  }
}

export const textOfKey = (key: Identity): string => `${Buffer.from(key.seed).toString('hex')}\n`

/** Throws `invalid_argument` for a file that is no key. */
export async function keyIfThere(path: string): Promise<Identity | undefined> {
  const text = await readIfThere(path)
  if (text === undefined) return undefined
  if (!/^[0-9a-f]{64}\s*$/.test(text))
    throw new OsirisError('invalid_argument', `Cannot read the key in ${path}: expected 64 hex characters`)
  return createIdentity(Buffer.from(text.trim(), 'hex'))
}

/** The key that is there, else one made now. */
export async function keyOf(path: string): Promise<Identity> {
  const existing = await keyIfThere(path)
  if (existing !== undefined) return existing
  const made = createIdentity()
  await writeSecret(path, textOfKey(made))
  return made
}
