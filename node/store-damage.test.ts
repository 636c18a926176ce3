/**
 * Flips, truncations and lost files in the data directory of one node of three: nothing damaged is served, and all of it comes back from the
 * others. `OSIRIS_DAMAGES=1000 vitest run node/store-damage` for the figure of the project.
 */
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { aFunction, type CatalogNode, CatalogUniverse, untilMembers } from '#protocols/catalog/testing'
import { type Clock, systemClock } from '#protocols/lifecycle'
import { until } from '#protocols/until'
import { openStore, type Store } from './store.ts'

const DAMAGES = Number(process.env['OSIRIS_DAMAGES'] ?? 24)
const PER_ROUND = 3
const FUNCTIONS = 24
const REPAIRED_WITHIN_MS = 30_000
/** Scrub and pulls run on timers: a second of theirs is 200 ms here. */
const clock: Clock = {
  now: () => systemClock.now(),
  monotonic: () => 5 * systemClock.monotonic(),
  after: (delayMs, run) => systemClock.after(delayMs / 5, run),
}

let dir: string
let universe: CatalogUniverse
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'osiris-damage-'))
  universe = new CatalogUniverse()
})
afterEach(async () => {
  await universe.stop()
  await rm(dir, { recursive: true, force: true })
})

/** Numerical Recipes' linear congruential generator: the same damage for the same seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** One flip, truncation or (rarely) lost file; mostly in the largest file, where the records are. */
async function damage(random: (below: number) => number): Promise<string> {
  const directory = join(dir, 'store')
  const names = (await readdir(directory)).filter((name) => !/^LO(?:CK|G)/.test(name)).toSorted()
  const files = await Promise.all(names.map(async (name) => ({ name, size: (await stat(join(directory, name))).size })))
  const largest = files.toSorted((a, b) => b.size - a.size)[0]
  const { name: file, size } = (random(5) > 0 ? largest : files[random(files.length)]) ?? { name: '', size: 0 }
  const path = join(directory, file)
  const kind = random(20)
  if (kind === 0) await rm(path)
  else if (kind < 6) await truncate(path, random(size + 1))
  else if (size > 0) {
    const bytes = await readFile(path)
    const at = random(size)
    bytes[at] = (bytes[at] as number) ^ (1 << random(8))
    await writeFile(path, bytes)
  }
  return `${file} of ${size} bytes, kind ${kind}`
}

/** Everything a node gives out, by author; ends before what is damaged. */
async function served(node: CatalogNode, authors: readonly string[]): Promise<Map<string, string[]>> {
  const all = new Map<string, string[]>()
  for (const author of authors) {
    const entries = await node.service.entries([{ author, from: 1 }], 64 * 1024 * 1024)
    all.set(
      author,
      entries.map((bytes) => Buffer.from(bytes).toString('base64')),
    )
  }
  return all
}

it('nothing damaged is served, and everything comes back', { timeout: 60_000 + DAMAGES * 1000 }, async () => {
  let store: Store = await openStore(dir)
  let a = await universe.node('a', { storage: store.storage, clock })
  const others = [await universe.node('b', { clock }), await universe.node('c', { clock })]
  const all = [a, ...others]
  await untilMembers(all, 2)
  const options = await universe.options('committed', 60_000)
  for (let at = 0; at < FUNCTIONS; at += 1) {
    const { manifest, artifact } = aFunction(`f${at}`)
    await (all[at % 3] as CatalogNode).service.publish(manifest, artifact, options)
  }
  const first = others[0] as CatalogNode
  await until(() => a.service.status().viewDigest === first.service.status().viewDigest)
  const authors = first.service.status().heads.map((head) => head.author)

  for (let round = 0; round < DAMAGES / PER_ROUND; round += 1) {
    const truth = await served(first, authors)
    const { identity, artifacts } = a
    await a.stop()
    await store.close()
    const random = randomOf(round)
    const damages: string[] = []
    for (let count = 0; count < PER_ROUND; count += 1) damages.push(await damage(random))
    const context = `round ${round}: ${damages.join('; ')}`
    store = await openStore(dir)
    a = await universe.node('a', { storage: store.storage, artifacts, seed: identity.seed, clock })
    for (const [author, entries] of await served(a, authors))
      expect({ context, entries }).toEqual({ context, entries: truth.get(author)?.slice(0, entries.length) })
    await until(async () => {
      const same = a.service.status().viewDigest === first.service.status().viewDigest
      return same && isEqual(await served(a, authors), truth)
    }, REPAIRED_WITHIN_MS).catch((error: unknown) => {
      throw new Error(`not repaired, ${context}`, { cause: error })
    })
    // Each round one more of its own, which must follow what it wrote before.
    await untilMembers([a, ...others], 2)
    const { manifest, artifact } = aFunction('round', String(round))
    const { receipt } = await a.service.publish(manifest, artifact, await universe.options('committed', 60_000))
    expect({ context, state: receipt.state }).toEqual({ context, state: 'committed' })
    await until(() => a.service.status().viewDigest === first.service.status().viewDigest)
  }
  for (const node of others) expect(node.service.refusals().fork).toBeUndefined()
  await a.stop()
  await store.close()
})

function isEqual(a: ReadonlyMap<string, string[]>, b: ReadonlyMap<string, string[]>): boolean {
  return [...b].every(([author, entries]) => JSON.stringify(a.get(author)) === JSON.stringify(entries))
}
