/**
 * Two catalogs, each a process, whose ledgers differ: how long until they do not, and what it costs. The ledgers are made once, by authors the root let in,
 * and copied for each round.
 */
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { createIdentity, createUniverse, type Identity, type Universe, universeId } from '#protocols/access'
import { createFounding, DirectoryArtifacts, signEntry } from '#protocols/catalog'
import { digestOf } from '#protocols/codec'
import type { Role } from '#protocols/lifecycle'
import { background, run } from './children.ts'
import type { Cleanup } from './cleanup.ts'
import { manifestOf, openLedger, type OpenLedger } from './ledgers.ts'
import { SOURCE } from './subject.ts'

const CATALOG = fileURLToPath(new URL('./contenders/catalog.ts', import.meta.url))
/** All functions run the same: fetching code is no part of comparing ledgers. */
const CODE = Buffer.from(SOURCE)
/** Entries taken in at once. */
const BATCH = 500

const convergedSchema = z.object({
  ms: z.number(),
  /** Of all comparing, both ways, whoever asked; without the entries. */
  bytes: z.number(),
  entryBytes: z.number(),
  byType: z.record(z.string(), z.object({ messages: z.number(), bytes: z.number() })),
  digest: z.string(),
})
const servingSchema = z.object({ address: z.string(), digest: z.string() })
export type Converged = z.infer<typeof convergedSchema>

export interface Apart {
  entries: number
  /** Feeds they are in, about as many in each. */
  authors: number
  /** Entries one of the two lacks: the last of so many feeds, or of all feeds more than one. */
  missing: number
}

interface Node {
  name: string
  identity: Identity
  home: string
}

/** One round after the other, each with a ledger that lacks the same. */
export async function converge(cleanup: Cleanup, rounds: number, apart: Apart): Promise<Converged[]> {
  const home = await mkdtemp(join(tmpdir(), 'osiris-converge-'))
  cleanup.add(() => rm(home, { recursive: true, force: true }))
  const root = createIdentity()
  const universe = createUniverse('bench', root.id)
  const node = (name: string): Node => ({ name, identity: createIdentity(), home: join(home, name) })
  const [whole, behind] = [node('whole'), node('behind')]
  await makeLedgers(root, universe, whole, behind, apart)
  const server = background(cleanup, process.execPath, [CATALOG, 'serve', await placeOf(whole, universe, 'store')])
  const { address, digest } = servingSchema.parse(JSON.parse(await server.firstLine))
  const results: Converged[] = []
  for (let count = 0; count < rounds; count += 1) {
    await cp(join(behind.home, 'store'), join(behind.home, String(count)), { recursive: true })
    const args = [CATALOG, 'follow', await placeOf(behind, universe, String(count)), address, String(apart.missing)]
    const { stdout } = await run(process.execPath, args, { signal: cleanup.signal })
    const result = convergedSchema.parse(JSON.parse(stdout))
    if (result.digest !== digest) throw new Error('The two ledgers are not equal: their views have different digests')
    results.push(result)
  }
  await server.stop()
  return results
}

/** The part both have is written once, and what one lacks is written after it was copied. */
async function makeLedgers(
  root: Identity,
  universe: Universe,
  whole: Node,
  behind: Node,
  { entries, authors, missing }: Apart,
): Promise<void> {
  const writers = Array.from({ length: authors }, (_, at) => ({ name: `author-${at}`, identity: createIdentity(), roles: [] as Role[] }))
  const nodes = [whole, behind].map((each) => ({ ...each, roles: ['catalog'] satisfies Role[] }))
  const admissions = [...nodes, ...writers].map(({ name, identity, roles }) => ({
    ...{ member: identity.id, name, roles, expiresAtMs: null },
    grants: [{ can: ['deploy' as const], namespaces: ['*'] }],
  }))
  const founding = createFounding(root, universe, admissions, Date.now())
  const place = { identity: whole.identity, root, universe, directory: join(whole.home, 'store') }
  const feeds = writers.map(({ identity }, at) => new Feed(identity, universe, founding[at + 1 + nodes.length]?.hash ?? ''))
  const write = async (ledger: OpenLedger['ledger'], from: number, to: number) => {
    for (let at = from; at < to; at += BATCH) {
      const batch = Array.from({ length: Math.min(BATCH, to - at) }, (_, index) => (feeds[(at + index) % authors] as Feed).next(at + index))
      await take(ledger, batch)
    }
  }
  for (const { home } of [whole, behind]) {
    await mkdir(home)
    await new DirectoryArtifacts({ directory: join(home, 'artifacts') }).put(digestOf(CODE), CODE)
  }
  const base = await openLedger(place)
  await take(
    base.ledger,
    founding.map((each) => each.bytes),
  )
  await write(base.ledger, 0, entries - missing)
  await base.close()
  const copy = join(behind.home, 'store')
  await cp(place.directory, copy, { recursive: true })
  // Leaves a checkpoint of its own there, as a node has one that has been running.
  await (await openLedger({ ...place, identity: behind.identity, directory: copy })).close()
  const rest = await openLedger(place)
  await write(rest.ledger, entries - missing, entries)
  await rest.close()
}

async function take(ledger: OpenLedger['ledger'], list: readonly Uint8Array[]): Promise<void> {
  const opened = await ledger.openAll(list)
  await Promise.all(
    opened.map((each) => {
      if (each instanceof Error) throw each
      return ledger.take(each)
    }),
  )
}

/** What one author writes: publishes, one behind the other. */
class Feed {
  readonly #identity: Identity
  readonly #universe: string
  readonly #grant: string
  #seq = 0
  #prev: string | null = null

  constructor(identity: Identity, universe: Universe, grant: string) {
    this.#identity = identity
    this.#universe = universeId(universe)
    this.#grant = grant
  }

  next(at: number): Uint8Array {
    this.#seq += 1
    const place = { format: 1 as const, universe: this.#universe, author: this.#identity.id, seq: this.#seq, prev: this.#prev }
    const hlc = { wallMs: Date.now(), counter: this.#seq % 0xffff }
    const body = { manifest: manifestOf(at, CODE), after: null }
    const entry = signEntry(this.#identity, { ...place, hlc, type: 'publish', body, by: 'bench', grant: this.#grant })
    this.#prev = entry.hash
    return entry.bytes
  }
}

async function placeOf({ name, identity, home }: Node, universe: Universe, store: string): Promise<string> {
  const file = join(home, `${store}.json`)
  const place = { name, seed: Buffer.from(identity.seed).toString('base64'), universe }
  await writeFile(file, JSON.stringify({ ...place, directory: join(home, store), artifacts: join(home, 'artifacts') }))
  return file
}
