/**
 * The keys of the root's in a data directory. While `osiris key rotate` runs, the old one and the new one are both here: which of them counts is for the ledger
 * to say, so that a process may end at any moment.
 *
 * ```
 * <data>/root.key        where this node founded the universe: the first
 * <data>/successor.key   the one that took over, by `osiris key rotate` on this node or put here after `osiris key recover`
 * <data>/next.key        one that was made to take over, and has not yet as far as this node knew
 * ```
 */
import { join } from 'node:path'
import { createIdentity, type Identity } from '#protocols/access'
import type { RootKeys } from '#protocols/catalog'
import { keptBy, keyIfThere, moveSecret, textOfKey, writeSecret } from './secrets.ts'

/** Throws `invalid_argument` for a file that is no key. */
export async function rootKeysIn(dataDir: string): Promise<RootKeys> {
  const [firstPath, successorPath, nextPath] = ['root.key', 'successor.key', 'next.key'].map((name) => join(dataDir, name)) as [
    string,
    string,
    string,
  ]
  const found = [await keyIfThere(firstPath), await keyIfThere(successorPath), await keyIfThere(nextPath)]
  return {
    held: found.filter((each): each is Identity => each !== undefined),
    next: async (isUsed) => {
      const waiting = await keyIfThere(nextPath)
      if (waiting !== undefined && !isUsed(waiting.id)) return waiting
      const made = createIdentity()
      await keptBy(actAt(nextPath), () => writeSecret(nextPath, textOfKey(made)))
      return made
    },
    tookOver: async ({ id }) => {
      if ((await keyIfThere(nextPath))?.id === id) await keptBy(actAt(successorPath), () => moveSecret(nextPath, successorPath))
    },
  }
}

const actAt = (path: string): string => `Cannot rotate the root key: a key cannot be kept in ${path}`
