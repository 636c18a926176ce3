/** People's keys on this machine: one file each, for its owner's eyes only. What a file holds is never printed. */
import { closeSync, existsSync, fsyncSync, openSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { configHome, type Env, makeFolder } from '#node/config'
import type { Identity } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import { assertName } from '#protocols/function'

/** The key commands use when none is named. */
export const DEFAULT_KEY = 'default'
const ENDING = '.key'
const PUBLIC_KEY = /^[0-9a-f]{64}$/

export const keysDir = (env: Env): string => join(configHome(env), 'osiris', 'keys')
const pathOf = (env: Env, name: string): string => join(keysDir(env), name + ENDING)

/** Throws `conflict` where there is one of that name. */
export async function createKey(env: Env, name: string): Promise<Identity> {
  assertName(name, 'a key')
  const { createIdentity } = await import('#protocols/access')
  const identity = createIdentity()
  try {
    makeFolder(keysDir(env))
    writeFileSync(pathOf(env, name), `${Buffer.from(identity.seed).toString('hex')}\n`, { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST')
      throw new OsirisError('conflict', `Cannot make key "${name}": there is one in ${pathOf(env, name)}; it stays as it is`)
    throw new OsirisError('unavailable', `Cannot make key "${name}": ${(error as Error).message}`, { cause: error })
  }
  return identity
}

/** By name. */
export function keyNames(env: Env): string[] {
  try {
    const files = readdirSync(keysDir(env)).filter((each) => each.endsWith(ENDING))
    return files.map((each) => each.slice(0, -ENDING.length)).toSorted()
  } catch {
    return []
  }
}

/**
 * The key that is meant where none is named: the default one, else the only one there is. Throws `not_found` where there is none, `invalid_argument`
 * where it could be any of several; `option` is what names one.
 */
export function chosenKey(env: Env, option: string): string {
  const names = keyNames(env)
  if (names.includes(DEFAULT_KEY)) return DEFAULT_KEY
  const [only] = names
  if (only === undefined)
    throw new OsirisError('not_found', `Cannot choose a key: there is none in ${keysDir(env)}; make one: osiris key new`)
  if (names.length > 1) throw new OsirisError('invalid_argument', `Cannot choose a key: ${names.join(', ')} are here; name one (${option})`)
  return only
}

/** Throws `not_found`, or `invalid_argument` for a file that is no key or that others can read. */
export async function readKey(env: Env, name: string): Promise<Identity> {
  assertName(name, 'a key')
  const names = keyNames(env)
  if (!names.includes(name)) {
    const here = names.length === 0 ? 'there is none' : `${names.join(', ')} ${names.length === 1 ? 'is' : 'are'}`
    const make = name === DEFAULT_KEY ? 'osiris key new' : `osiris key new ${name}`
    throw new OsirisError('not_found', `Cannot find key "${name}" in ${keysDir(env)} (${here} here); a new one: ${make}`)
  }
  return identityIn(pathOf(env, name))
}

/** The 64 hex characters themselves, or the name of a key that is here. Throws as `readKey` does. */
export async function publicKeyFrom(env: Env, text: string): Promise<string> {
  return PUBLIC_KEY.test(text) ? text : (await readKey(env, text)).id
}

/** Of a key that may lie anywhere, such as on a stick: a path (it holds a slash), or the name of a key that is here. */
export const keyPathOf = (env: Env, text: string): string => (/[\\/]/.test(text) ? resolve(text) : pathOf(env, text))

/** Throws `not_found`, `invalid_argument`. */
export async function identityIn(path: string): Promise<Identity> {
  if (!existsSync(path)) throw new OsirisError('not_found', `Cannot find the key in ${path}: there is no such file`)
  const { createIdentity } = await import('#protocols/access')
  if (process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0)
    throw new OsirisError('invalid_argument', `Cannot use the key in ${path}: others can read it; make it yours: chmod 600 ${path}`)
  const text = readFileSync(path, 'utf8').trim()
  if (!PUBLIC_KEY.test(text)) throw new OsirisError('invalid_argument', `Cannot use the key in ${path}: expected 64 hex characters`)
  return createIdentity(Buffer.from(text, 'hex'))
}

/** The key that is in a file, else one made now: whole and on disk when it resolves, whatever becomes of the power. Throws `unavailable`. */
export async function keyIn(path: string): Promise<Identity> {
  if (existsSync(path)) return identityIn(path)
  const { createIdentity } = await import('#protocols/access')
  const made = createIdentity()
  written(path, () => saveKey(path, made))
  return made
}

/** Puts the key of `nextPath` in the place of `old`, of which a copy stays beside it. Any end in the middle leaves one of them at `path`. Where the copy is. Throws `unavailable`. */
export function replaceKey(path: string, old: Identity, nextPath: string): string {
  const copy = `${path}.old-${old.id.slice(0, 8)}`
  written(path, () => {
    saveKey(copy, old)
    moveFile(nextPath, path)
  })
  return copy
}

function saveKey(path: string, { seed }: Identity): void {
  const temporary = `${path}.new`
  writeFileSync(temporary, `${Buffer.from(seed).toString('hex')}\n`, { mode: 0o600, flush: true })
  moveFile(temporary, path)
}

function moveFile(from: string, to: string): void {
  renameSync(from, to)
  if (process.platform === 'win32') return
  const folder = openSync(dirname(to), 'r')
  fsyncSync(folder)
  closeSync(folder)
}

function written(path: string, write: () => void): void {
  try {
    write()
  } catch (error) {
    throw new OsirisError('unavailable', `Cannot keep a key beside ${path}: ${(error as Error).message}`, { cause: error })
  }
}
