/**
 * This node's own key in a data directory. While `osiris node rotate` runs, the old one and the next are both here; which of them counts is for the last entry
 * of the old one to say, so that a process may end at any moment and the next start goes on with the right one.
 *
 * ```
 * <data>/node.key        the one that counts: 32 secret bytes as hex, and beside them the public key they make: every 32 bytes are some key
 * <data>/next-node.key   one that was made to take over, in the same form
 * <data>/node.rotation   the last entry of the key before, in base64: shown to whoever has not heard of it
 * ```
 */
import { join } from 'node:path'
import { createIdentity, type Identity } from '#protocols/access'
import { successorIn } from '#protocols/catalog'
import { OsirisError } from '#protocols/errors'
import { keptBy, moveSecret, readIfThere, writeSecret } from './secrets.ts'

export interface NodeKey {
  identity: Identity
  /** The last entry of the key before, where there was one. */
  rotation: Uint8Array | undefined
  /** The key that shall take over: on disk, synced, when it resolves; the one that an earlier rotation made and did not come to use. Throws `storage_full`, `unavailable`. */
  next(): Promise<Identity>
  /** The key that waits to take over, if any. */
  waiting(): Promise<Identity | undefined>
  /** From now on a start goes on with the next key. `entry`: the last one of this key, which says so. Throws as `next` does. */
  tookOver(entry: Uint8Array): Promise<void>
}

/** `lastOf`: the last entry of a key on this disk. Throws `invalid_argument` for a key that was damaged: it would be another member's. */
export async function openNodeKey(dataDir: string, lastOf: (key: string) => Promise<Uint8Array | undefined>): Promise<NodeKey> {
  const [path, nextPath, entryPath] = ['node.key', 'next-node.key', 'node.rotation'].map((name) => join(dataDir, name)) as [
    string,
    string,
    string,
  ]
  const kept = await entryIn(entryPath)
  const before = (await keyIn(path)) ?? (await made(path))
  const waiting = await keyIn(nextPath)
  const entry = waiting && [kept, await lastOf(before.id)].find((each) => isTakenOver(each, before, waiting))
  if (waiting !== undefined && entry !== undefined) {
    // It is in the ledger, too, where the disk is full.
    await writeSecret(entryPath, textOfEntry(entry)).catch(() => {})
    await moveSecret(nextPath, path)
  }
  const identity = waiting !== undefined && entry !== undefined ? waiting : before
  const shown = entry ?? kept
  return {
    identity,
    rotation: shown !== undefined && successorIn(shown)?.to === identity.id ? shown : undefined,
    next: async () => (await keyIn(nextPath)) ?? (await keptBy(actAt(nextPath), () => made(nextPath))),
    waiting: () => keyIn(nextPath),
    tookOver: (last) => keptBy(actAt(entryPath), () => writeSecret(entryPath, textOfEntry(last))),
  }
}

const isTakenOver = (entry: Uint8Array | undefined, from: Identity, to: Identity): boolean => {
  const said = entry && successorIn(entry)
  return said?.from === from.id && said.to === to.id
}

async function made(path: string): Promise<Identity> {
  const identity = createIdentity()
  await writeSecret(path, `${Buffer.from(identity.seed).toString('hex')} ${identity.id}\n`)
  return identity
}

async function keyIn(path: string): Promise<Identity | undefined> {
  const text = await readIfThere(path)
  if (text === undefined) return undefined
  const [, seed, id] = /^([0-9a-f]{64}) ([0-9a-f]{64})\s*$/.exec(text) ?? []
  const identity = seed === undefined ? undefined : createIdentity(Buffer.from(seed, 'hex'))
  if (identity !== undefined && identity.id === id) return identity
  throw new OsirisError(
    'invalid_argument',
    `Cannot use the key in ${path}: it is damaged, and what is left of it would be another node's; put a copy of it back, or start on an empty data directory with a join token, as a new member`,
  )
}

/** What was torn is as good as none. */
async function entryIn(path: string): Promise<Uint8Array | undefined> {
  const text = await readIfThere(path)
  return text === undefined ? undefined : new Uint8Array(Buffer.from(text.trim(), 'base64'))
}

const textOfEntry = (entry: Uint8Array): string => `${Buffer.from(entry).toString('base64')}\n`

const actAt = (path: string): string => `Cannot rotate this node's key: ${path} cannot be written`
