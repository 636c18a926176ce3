import fc from 'fast-check'
import { MemoryLevel } from 'memory-level'
import { expect, it } from 'vitest'
import { systemClock } from '#protocols/lifecycle'
import { createIdentity } from '#protocols/access'
import { aFunction, flip } from '../../catalog.fixture.ts'
import { CHUNK_ROWS } from './chunk.ts'
import { Checkpointer } from './checkpointer.ts'
import { type Entry, type Line, signEntry } from '../entry.ts'
import { Feeds } from '../feeds.ts'
import { factOf } from '../fold.ts'
import type { Storage } from '#protocols/storage'

const node = createIdentity()
const authors = [node, createIdentity()]
const universe = '0'.repeat(16)

/** A publish, a body that does not fit its type, and an unknown type with what chunks find hard, in turn. */
function bodyAt(seq: number): { type: string; body: Record<string, unknown> } {
  if (seq % 3 === 0) return { type: 'retire', body: { namespace: 'Not a name' } }
  if (seq % 3 === 1) return { type: 'future.thing', body: { float: 1.5, deep: [{ bytes: new Uint8Array([1, 2]) }] } }
  return { type: 'publish', body: { manifest: aFunction(`f${seq}`).manifest, after: null } }
}

const chains = authors.map((by) => {
  const entries: Entry[] = []
  for (let seq = 1; seq <= CHUNK_ROWS + 100; seq += 1) {
    const place = { format: 1 as const, universe, author: by.id, seq, prev: entries.at(-1)?.hash ?? null }
    entries.push(signEntry(by, { ...place, ...bodyAt(seq), hlc: { wallMs: seq, counter: 1 }, by: 'ada', grant: null }))
  }
  return entries
})

async function opened(storage: Storage) {
  let checkpointer: Checkpointer | undefined
  const feeds = new Feeds({ storage, onDurable: (entries) => checkpointer?.noticed(entries.length) })
  const errors: unknown[] = []
  checkpointer = new Checkpointer({
    ...{ storage, identity: node, universe, feeds, clock: systemClock, verifiedTo: () => Number.POSITIVE_INFINITY },
    onError: (error) => errors.push(error),
  })
  const lines: Line[] = []
  const read: Entry[] = []
  await checkpointer.load((line) => lines.push(line))
  const damaged = await feeds.load((entry) => read.push(entry))
  checkpointer.noticed(read.length)
  return { feeds, checkpointer, lines, read, damaged, errors }
}

async function filled(counts: readonly number[]) {
  const storage = new MemoryLevel<string, Uint8Array>()
  const { feeds, checkpointer } = await opened(storage)
  await Promise.all(chains.flatMap((chain, at) => chain.slice(0, counts[at]).map((entry) => feeds.add(entry))))
  await checkpointer.finish()
  return storage
}

const seqs = (lines: readonly Line[]) => lines.map((line) => line.seq)

it('a ledger reopens from its checkpoint with the very lines, what was found out about them included, and reads no entry again', async () => {
  const storage = await filled([CHUNK_ROWS + 30, 7])
  const { lines, read, feeds, damaged, errors } = await opened(storage)
  expect({ read, damaged, errors }).toEqual({ read: [], damaged: [], errors: [] })
  const entries = chains.flatMap((chain, at) => chain.slice(0, [CHUNK_ROWS + 30, 7][at]))
  const byHash = new Map(lines.map(({ known: _known, ...line }) => [line.hash, line]))
  expect(entries.map(({ hash }) => byHash.get(hash))).toEqual(entries.map(({ bytes: _bytes, ...entry }) => entry))
  const entryBy = new Map(entries.map((entry) => [entry.hash, entry]))
  expect(lines.map((line) => factOf(line))).toEqual(lines.map((line) => factOf(entryBy.get(line.hash) as Entry)))
  expect(
    feeds
      .heads()
      .map((head) => head.seq)
      .toSorted((a, b) => a - b),
  ).toEqual([7, CHUNK_ROWS + 30])
})

it('entries behind the checkpoint are read one by one, and are in the next one', async () => {
  const storage = await filled([5, 0])
  const first = await opened(storage)
  await first.feeds.add(chains[0]?.[5] as Entry)
  const second = await opened(storage)
  expect([seqs(second.lines), seqs(second.read)]).toEqual([[1, 2, 3, 4, 5], [6]])
  await second.checkpointer.finish()
  const third = await opened(storage)
  expect([seqs(third.lines), seqs(third.read)]).toEqual([[1, 2, 3, 4, 5, 6], []])
})

it('a damaged chunk and all after it are left to the entries themselves', async () => {
  const storage = await filled([CHUNK_ROWS + 30, 0])
  await flip(storage, 'checkpoint/chunk/00000001')
  const { lines, read, feeds } = await opened(storage)
  expect([lines.length, read.length, feeds.heads()[0]?.seq]).toEqual([CHUNK_ROWS, 30, CHUNK_ROWS + 30])
  await flip(storage, 'checkpoint/chunk/00000000')
  expect((await opened(storage)).read).toHaveLength(CHUNK_ROWS + 30)
})

it('a head that is damaged, of another node or of another universe is not believed', async () => {
  const storage = await filled([5, 0])
  const foreign = new Checkpointer({
    ...{
      storage,
      identity: authors[1] as typeof node,
      universe,
      clock: systemClock,
      verifiedTo: () => Number.POSITIVE_INFINITY,
      onError: () => {},
    },
    feeds: new Feeds({ storage, onDurable: () => {} }),
  })
  const lines: Line[] = []
  await foreign.load((line) => lines.push(line))
  expect(lines).toEqual([])
  await flip(storage, 'checkpoint/head')
  const { lines: after, read } = await opened(storage)
  expect([after.length, read.length]).toEqual([0, 5])
})

it('records below the checkpoint are verified when they are read, lost ones too', async () => {
  const storage = await filled([9, 0])
  await flip(storage, `entry/${node.id}/0000000000000004`)
  await storage.del(`entry/${node.id}/0000000000000006`)
  const { feeds, damaged } = await opened(storage)
  expect(damaged).toEqual([])
  expect(await feeds.read(node.id, 1, 9, 1_000_000)).toHaveLength(3)
  expect(await feeds.check(node.id, 1, 9)).toBe(2)
  expect(feeds.damaged().map((each) => each.seq)).toEqual([4, 6])
  for (const at of [3, 5]) expect(await feeds.add(chains[0]?.[at] as Entry)).toBe('known')
  expect(await feeds.check(node.id, 1, 9)).toBe(0)
})

it('property: however it grows and ends, a reopened ledger has the heads it had', async () => {
  const step = fc.record({ author: fc.nat(1), entries: fc.integer({ min: 1, max: 300 }), end: fc.boolean(), reopen: fc.boolean() })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 4 }), async (steps) => {
      const storage = new MemoryLevel<string, Uint8Array>()
      let { feeds, checkpointer } = await opened(storage)
      const counts = [0, 0]
      for (const { author, entries, end, reopen } of steps) {
        const from = counts[author] as number
        const more = chains[author]?.slice(from, from + entries) ?? []
        counts[author] = from + more.length
        await Promise.all(more.map((entry) => feeds.add(entry)))
        if (end) await checkpointer.finish()
        if (reopen) ({ feeds, checkpointer } = await opened(storage))
        await checkpointer.finish()
      }
      const again = await opened(storage)
      expect(again.feeds.heads()).toEqual(feeds.heads())
      expect(again.lines.length + again.read.length).toBe(counts.reduce((sum, count) => sum + count, 0))
    }),
    { numRuns: 12 },
  )
})
