/** Ledgers on disk with as many functions as a figure needs, by the root of a universe made for it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Level } from 'level'
import { createIdentity, createUniverse, type Identity, type Universe } from '#protocols/access'
import { createGenesis, DirectoryArtifacts, Ledger, View } from '#protocols/catalog'
import type { Storage } from '#protocols/storage'
import { digestOf } from '#protocols/codec'
import { createEvents } from '#protocols/events'
import { systemClock } from '#protocols/lifecycle'
import { functionConfigSchema, type Manifest, settingsOf } from '#protocols/manifest'
import type { Cleanup } from './cleanup.ts'
import { NAMESPACE, SOURCE } from './subject.ts'

/** Appends that share a write. */
const BATCH = 500
/** Written and synced side by side. */
const FILES_AT_ONCE = 64
const settings = settingsOf(functionConfigSchema.parse({}))

export interface OpenLedger {
  ledger: Ledger
  view: View
  close: () => Promise<void>
}

/** By whom, in which universe, where on disk. */
export interface LedgerPlace {
  identity: Identity
  /** The universe's root, where it is another one. */
  root?: Identity
  universe: Universe
  directory: string
}

/** An empty place of its own, gone with `cleanup`; the root of the universe writes. */
export async function ledgerPlace(cleanup: Cleanup): Promise<LedgerPlace> {
  const home = await mkdtemp(join(tmpdir(), 'osiris-ledger-'))
  cleanup.add(() => rm(home, { recursive: true, force: true }))
  const identity = createIdentity()
  return { identity, universe: createUniverse('bench', identity.id), directory: join(home, 'store') }
}

/** Without syncing: what the disk takes is not what is measured. */
export async function openLedger({ identity, root = identity, universe, directory }: LedgerPlace): Promise<OpenLedger> {
  const level: Level<string, Uint8Array> = new Level(directory, { valueEncoding: 'view' })
  await level.open()
  const storage: Storage = {
    getMany: (keys, options) => level.getMany(keys, options),
    batch: (operations, options) => level.batch(operations, { ...options, sync: false }),
    iterator: (range) => level.iterator(range),
  }
  const view = new View({ random: Math.random })
  const ledger = new Ledger({
    ...{ identity, universe, storage, clock: systemClock, events: createEvents() },
    onChange: (states) => {
      for (const state of states) view.set(state)
    },
    onFork: () => {},
    mayWrite: () => {},
  })
  await ledger.load()
  await ledger.take(ledger.open(createGenesis(root, universe)))
  const close = async () => {
    await ledger.settled()
    await level.close()
  }
  return { ledger, view, close }
}

/** Publishes functions `from` to `to - 1`. */
export async function publish(ledger: Ledger, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, to - at) }, (_, index) => manifestOf(at + index))
    await Promise.all(batch.map((manifest) => ledger.append('publish', { manifest, after: null }, 'bench')))
  }
}

export function nameOf(at: number): string {
  return `function-${at}`
}

/** The code of one function; each has its own. */
function codeOf(at: number): Uint8Array {
  return Buffer.from(`${SOURCE}// ${nameOf(at)}`)
}

/** The code of functions 0 to `count - 1`, where a node keeps artifacts: one whose code is nowhere would be looked for. */
export async function putArtifacts(directory: string, count: number): Promise<void> {
  const artifacts = new DirectoryArtifacts({ directory })
  for (let at = 0; at < count; at += FILES_AT_ONCE) {
    const codes = Array.from({ length: Math.min(FILES_AT_ONCE, count - at) }, (_, index) => codeOf(at + index))
    await Promise.all(codes.map((code) => artifacts.put(digestOf(code), code)))
  }
}

export function manifestOf(at: number, code: Uint8Array = codeOf(at)): Manifest {
  const digest = digestOf(code)
  return {
    ...{
      format: 1,
      namespace: NAMESPACE,
      name: nameOf(at),
      parameters: ['name', 'times'],
      settings,
      tests: [],
      provenance: { node: 'bench', tools: [], files: [] },
    },
    artifact: { digest, bytes: code.length },
    source: { digest, entry: 'greet.ts', language: 'typescript' },
  }
}
