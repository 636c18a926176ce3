/**
 * What a node keeps on its host: the data directory with its lock, its key, and the universe it belongs to.
 *
 * ```
 * <data>/node.key        this node's key (0600); next-node.key, node.rotation: of the one that takes over (node-key.ts)
 * <data>/universe.json   the universe's public root and door key, and what it was founded with (0600); written once the node is in, so that a start that failed binds to nothing
 * <data>/root.key        only where this node founded the universe: the root's secret (0600); successor.key, next.key: of those that took over (root-keys.ts)
 * <data>/caller.token    only where the join token brought one: how the command line on this host acts (0600)
 * <data>/invitation      only where the join token brought one: shown until the universe has let this node in (0600)
 * <data>/store/          level: the ledger (store.ts); `store.damaged` is one that could not be opened
 * <data>/peers.json      addresses this node found the mesh at; beside the store, so that a node that lost that finds its peers
 * <data>/artifacts/      built code by digest
 * <data>/compiled/       what V8 made of it, authenticated with a secret made of node.key
 * ```
 */
import { hkdfSync } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import {
  createUniverse,
  type Identity,
  type Invited,
  invitedSchema,
  type JoinToken,
  parseJoinToken,
  isJoinToken,
  type Universe,
  universeId,
  universeSchema,
} from '#protocols/access'
import { createGenesis, lastEntryOf, type RootKeys } from '#protocols/catalog'
import { makeFolder } from '#node/config'
import { decode, encode, parse } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { KnownPeers } from '#protocols/network'
import type { Storage } from '#protocols/storage'
import { type NodeKey, openNodeKey } from './node-key.ts'
import { rootKeysIn } from './root-keys.ts'
import { keyIfThere, keyOf, readIfThere, writeSecret } from './secrets.ts'
import { openForReading, openStore, type Store } from './store.ts'

const PUBLIC_KEY = /^[0-9a-f]{64}$/
const peersSchema = z.array(z.string().max(512)).max(4096)

export interface Host {
  /** Of `nodeKey`. */
  identity: Identity
  nodeKey: NodeKey
  universe: Universe
  /** The first root's key and later ones, as far as they are here; which of them counts is for the ledger to say. */
  rootKeys: RootKeys
  /** The genesis, where the universe was founded here: the same bytes each time. */
  founding: Uint8Array[]
  store: Store
  /** Addresses a restarted node finds the mesh by, when its bootstrap is gone. */
  knownPeers: KnownPeers
  /** The node has not been part of its universe yet. */
  isNew: boolean
  /** Where to look for the mesh first: the addresses of the join tokens. */
  bootstrap: string[]
  artifactsDir: string
  /** Where compiled code is kept, and the secret that shows that this node wrote it. */
  codeStore: { folder: string; key: Uint8Array }
  /** The caller's token that a join token brought, this time or an earlier one. */
  callerToken: string | undefined
  /** What lets this node in, as a join token brought it, this time or an earlier one. */
  invited: Invited | undefined
  /** Binds the directory to the universe: from now on it opens with no other. Idempotent. */
  keep(): Promise<void>
  /** Closes the store, which gives up the lock. A directory that was never bound is free for another universe. */
  close(): Promise<void>
}

export interface HostInit {
  dataDir: string
  /** Name of the universe to found when there is neither one on disk nor one to join. */
  universeName: string
  /** The recovery key of the universe to found. */
  recovery?: string | undefined
  /** Join tokens and multiaddrs. */
  join: string[]
}

/** Opens (or lays out) a data directory. Throws `conflict` when another process has it, `storage_full`, `unavailable` (read-only), `forbidden` (another universe), `invalid_argument`. */
export async function openHost(init: HostInit): Promise<Host> {
  const tokens = init.join.filter(isJoinToken).map(parseJoinToken)
  const addresses = init.join.filter((each) => !isJoinToken(each))
  for (const address of addresses) {
    if (!/^\/.+\/p2p\/[A-Za-z0-9]+$/.test(address)) {
      throw new OsirisError(
        'invalid_argument',
        `Cannot join ${JSON.stringify(address.slice(0, 120))}: expected a join token or a multiaddr that ends in /p2p/PEER`,
      )
    }
  }
  const store = await openStore(init.dataDir).catch((error: unknown) => {
    throw diskError(error, init.dataDir)
  })
  try {
    const nodeKey = await openNodeKey(init.dataDir, (key) => lastEntryOf(store.storage, key))
    const { identity } = nodeKey
    const { universe, isNew, founded } = await universeOf(init, tokens, addresses, store)
    let bound = !isNew
    const artifactsDir = join(init.dataDir, 'artifacts')
    makeFolder(artifactsDir)
    const bootstrap = [...new Set([...tokens.flatMap((token) => token.bootstrap), ...addresses])]
    const key = new Uint8Array(hkdfSync('sha256', identity.seed, '', 'osiris/compiled/1', 32))
    const codeStore = { folder: join(init.dataDir, 'compiled'), key }
    const tokenPath = join(init.dataDir, 'caller.token')
    const brought = tokens.find((token) => token.token !== undefined)?.token
    const callerToken = brought ?? (isNew ? undefined : (await readIfThere(tokenPath))?.trim())
    const invitationPath = join(init.dataDir, 'invitation')
    const shown = tokens.find((token) => token.invited !== undefined)?.invited
    const invited = shown ?? (isNew ? undefined : invitedIn(await readIfThere(invitationPath)))
    const keep = async () => {
      if (shown !== undefined) await writeSecret(invitationPath, `${Buffer.from(encode(shown)).toString('base64url')}\n`)
      if (brought !== undefined) await writeSecret(tokenPath, `${brought}\n`)
      if (!bound) await writeSecret(join(init.dataDir, 'universe.json'), `${JSON.stringify({ ...universe, founded }, null, 2)}\n`)
      bound = true
    }
    const close = async () => {
      // Whatever was stored on the way speaks of a universe this node is not in.
      if (!bound) await Promise.all([store.clear(), rm(join(init.dataDir, 'peers.json'), { force: true })])
      await store.close()
    }
    const knownPeers = knownPeersIn(join(init.dataDir, 'peers.json'))
    const founding = founded === undefined ? [] : [createGenesis(await keyOf(join(init.dataDir, 'root.key')), universe, founded.recovery)]
    return {
      identity,
      nodeKey,
      universe,
      rootKeys: await rootKeysIn(init.dataDir),
      founding,
      isNew,
      store,
      knownPeers,
      bootstrap,
      artifactsDir,
      codeStore,
      callerToken,
      invited,
      keep,
      close,
    }
  } catch (error) {
    await store.close()
    throw diskError(error, init.dataDir)
  }
}

/** The ledger's records in the data directory of a node that does not run. Throws `not_found`, `conflict` (a node runs on it), `unavailable`, `invalid_argument`. */
export async function openRecords(dataDir: string): Promise<{ storage: Storage; universe: Universe; close: () => Promise<void> }> {
  const path = join(dataDir, 'universe.json')
  try {
    const text = await readIfThere(path)
    if (text === undefined) throw new OsirisError('not_found', `Cannot open the data directory ${dataDir}: no node has been here`)
    const { universe } = universeIn(text, path)
    return { universe, ...(await openForReading(dataDir)) }
  } catch (error) {
    throw diskError(error, dataDir)
  }
}

async function holdsEntries({ storage }: Store): Promise<boolean> {
  const entries = storage.iterator({ keyEncoding: 'utf8', valueEncoding: 'view', gte: 'entry/', lt: 'entry0' })
  for await (const _each of entries) return true
  return false
}

/** What stands in `universe.json`. `founded`: only where the root key was made here. */
interface Kept {
  universe: Universe
  founded: { recovery: string | null } | undefined
}

const keptSchema = z.strictObject({
  ...universeSchema.shape,
  founded: z.strictObject({ recovery: z.string().regex(PUBLIC_KEY).nullable() }).optional(),
})

function universeIn(text: string, path: string): Kept {
  const { founded, ...universe } = parse(keptSchema, jsonOf(text, path), path)
  return { universe, founded }
}

async function universeOf(init: HostInit, tokens: JoinToken[], addresses: string[], store: Store): Promise<Kept & Pick<Host, 'isNew'>> {
  const path = join(init.dataDir, 'universe.json')
  const rootPath = join(init.dataDir, 'root.key')
  const successorPath = join(init.dataDir, 'successor.key')
  const offered = tokens[0]?.universe
  const foreign = tokens.find((token) => token.universe.root !== offered?.root)
  if (foreign !== undefined)
    throw new OsirisError('invalid_argument', 'Cannot join two universes at once: the join tokens are of different ones')

  const text = await readIfThere(path)
  if (text !== undefined) {
    const { universe, founded } = universeIn(text, path)
    if (offered !== undefined && offered.root !== universe.root) {
      throw new OsirisError(
        'forbidden',
        `Cannot join universe "${offered.name}" (${universeId(offered)}): the data directory ${init.dataDir} belongs to "${universe.name}" (${universeId(universe)})`,
      )
    }
    const root = await keyIfThere(rootPath)
    if (root !== undefined && root.id !== universe.root)
      throw new OsirisError(
        'invalid_argument',
        `Cannot use the root key in ${rootPath}: it is not that of universe "${universe.name}"; put a copy of the right one there, or take it away (the key of who took over lies in ${successorPath})`,
      )
    return { universe, isNew: false, founded: root === undefined ? undefined : founded }
  }
  if (offered === undefined && addresses.length > 0) {
    throw new OsirisError(
      'invalid_argument',
      'Cannot join by address alone: the key of the universe is not here; use the join token that "osiris node status" prints on a member',
    )
  }
  // A root key without a universe is of a founding that was cut short: it goes on.
  if (offered === undefined && (await readIfThere(rootPath)) === undefined && (await holdsEntries(store))) {
    throw new OsirisError(
      'conflict',
      `Cannot found a universe in ${init.dataDir}: it holds the ledger of another one, and ${path} is missing; put that back, or come with a join token`,
    )
  }
  if (offered !== undefined) return { universe: offered, isNew: true, founded: undefined }
  const root = await keyOf(rootPath)
  return { universe: createUniverse(init.universeName, root.id), isNew: true, founded: { recovery: init.recovery ?? null } }
}

function knownPeersIn(path: string): KnownPeers {
  return {
    // A hint only: without it, the node looks where its join token says.
    load: async () => {
      const text = await readIfThere(path).catch(() => undefined)
      const parsed = text === undefined ? undefined : peersSchema.safeParse(tryJson(text))
      return parsed?.success ? parsed.data : []
    },
    save: (addresses) => writeSecret(path, `${JSON.stringify(addresses)}\n`),
  }
}

/** What was torn or written by hand is as good as none: a join token brings another. */
function invitedIn(text: string | undefined): Invited | undefined {
  try {
    return text === undefined ? undefined : parse(invitedSchema, decode(Buffer.from(text.trim(), 'base64url')), 'the invitation')
  } catch {
    return undefined
  }
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function jsonOf(text: string, path: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new OsirisError('invalid_argument', `Cannot read ${path}: ${(error as Error).message}`, { cause: error })
  }
}

function diskError(error: unknown, dataDir: string): OsirisError {
  if (error instanceof OsirisError) return error
  const act = `Cannot open the data directory ${dataDir}`
  const inner = (error as Error).cause ?? error
  const code = (inner as NodeJS.ErrnoException).code ?? ''
  const reason = inner instanceof Error ? inner.message : String(inner)
  if (code === 'LEVEL_LOCKED' || /LOCK.*(temporarily unavailable|already held)/.test(reason)) {
    return new OsirisError('conflict', `${act}: another process is using it`, { cause: error })
  }
  if (code === 'ENOSPC' || /No space left/.test(reason))
    return new OsirisError('storage_full', `${act}: the disk is full`, { cause: error })
  if (/EROFS|EACCES|EPERM/.test(code) || /Read-only|Permission denied/.test(reason)) {
    return new OsirisError('unavailable', `${act}: it cannot be written (${reason})`, { cause: error })
  }
  if (code === 'EEXIST' || code === 'ENOTDIR') return new OsirisError('unavailable', `${act}: a file is in the way`, { cause: error })
  return new OsirisError('unavailable', `${act}: ${reason}`, { cause: error })
}
