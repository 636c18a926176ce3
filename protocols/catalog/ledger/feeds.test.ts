import { MemoryLevel } from 'memory-level'
import { expect, it } from 'vitest'
import { createIdentity } from '#protocols/access'
import { type Entry, type Refusal, signEntry } from './entry.ts'
import { Feeds } from './feeds.ts'
import { flip, storageThat } from '../catalog.fixture.ts'
import { ENCODINGS, sealRecord, type Storage } from '#protocols/storage'

const author = createIdentity()

/** A chain of entries by one author. */
function chain(length: number, by = author, text = ''): Entry[] {
  const entries: Entry[] = []
  for (let seq = 1; seq <= length; seq += 1) {
    const place = { format: 1 as const, universe: '0'.repeat(16), author: by.id, seq, prev: entries.at(-1)?.hash ?? null }
    entries.push(signEntry(by, { ...place, hlc: { wallMs: seq, counter: 0 }, type: 'note', body: { text }, by: 'ada', grant: null }))
  }
  return entries
}

async function filled(entries: Entry[]) {
  const storage = new MemoryLevel<string, Uint8Array>()
  const feeds = new Feeds({ storage, onDurable: () => {} })
  await Promise.all(entries.map((entry) => feeds.add(entry)))
  return { storage, feeds }
}

async function reloaded(storage: Storage) {
  const feeds = new Feeds({ storage, onDurable: () => {} })
  const seen: Entry[] = []
  const damaged = await feeds.load((entry) => seen.push(entry))
  return { feeds, seen, damaged }
}

async function keysOf(storage: Storage): Promise<string[]> {
  const keys: string[] = []
  for await (const [key] of storage.iterator({ ...ENCODINGS, gte: 'entry/', lt: 'entry0' })) keys.push(key)
  return keys
}

it('what was added is there after a restart', async () => {
  const entries = chain(5)
  const { storage, feeds } = await filled(entries)
  const again = await reloaded(storage)
  expect(again.damaged).toEqual([])
  expect(again.seen.map((entry) => entry.hash)).toEqual(entries.map((entry) => entry.hash))
  expect(again.feeds.heads()).toEqual(feeds.heads())
  expect(await again.feeds.read(author.id, 2, 3, 1_000_000)).toEqual(entries.slice(1, 3).map((entry) => Buffer.from(entry.bytes)))
})

it('gaps, forks, broken chains and times that go back are not taken', async () => {
  const entries = chain(3)
  const { feeds } = await filled(entries.slice(0, 1))
  const reasonOf = (entry: Entry) => {
    try {
      return feeds.judge(entry)
    } catch (error) {
      return (error as Refusal).reason
    }
  }
  const next = entries[1] as Entry
  const { bytes: _bytes, hash: _hash, ...envelope } = next
  expect(reasonOf(entries[2] as Entry)).toBe('gap')
  expect(reasonOf(entries[0] as Entry)).toBe('known')
  expect(reasonOf(chain(1, author, 'other')[0] as Entry)).toBe('fork')
  expect(reasonOf(signEntry(author, { ...envelope, prev: 'f'.repeat(64) }))).toBe('chain')
  expect(reasonOf(signEntry(author, { ...envelope, hlc: { wallMs: 1, counter: 0 } }))).toBe('order')
  expect(reasonOf(next)).toBe('next')
})

it('a flipped bit ends the feed before it, and what peers send fills it again', async () => {
  const entries = chain(5)
  const { storage } = await filled(entries)
  await flip(storage, (await keysOf(storage))[2] as string)
  const { feeds, seen, damaged } = await reloaded(storage)
  expect(damaged).toEqual([author.id])
  expect(seen).toHaveLength(2)
  expect(feeds.isCut(author.id)).toBe(true)
  for (const entry of entries.slice(2)) await feeds.add(entry)
  expect(feeds.isCut(author.id)).toBe(false)
  expect((await reloaded(storage)).seen).toHaveLength(5)
})

it('what lies behind the damage comes back with what was damaged, though no peer has it', async () => {
  const entries = chain(6)
  const { storage } = await filled(entries)
  await flip(storage, (await keysOf(storage))[1] as string)
  await flip(storage, (await keysOf(storage))[4] as string)
  const { feeds } = await reloaded(storage)
  expect(await feeds.add(entries[1] as Entry)).toBe('stored')
  expect(feeds.heads()[0]?.seq).toBe(4)
  expect(feeds.isCut(author.id)).toBe(true)
  await feeds.add(entries[4] as Entry)
  expect(feeds.heads()[0]).toMatchObject({ seq: 6, hash: entries[5]?.hash })
  expect(feeds.isCut(author.id)).toBe(false)
})

it('what lies behind the damage and follows something else does not come back', async () => {
  const entries = chain(4)
  const { storage } = await filled(entries)
  await flip(storage, (await keysOf(storage))[1] as string)
  const { feeds } = await reloaded(storage)
  const { bytes: _bytes, hash: _hash, ...envelope } = entries[1] as Entry
  await feeds.add(signEntry(author, { ...envelope, body: { text: 'another' } }))
  expect(feeds.heads()[0]?.seq).toBe(2)
})

it('a tail that the store lost is noticed by the head record', async () => {
  const { storage } = await filled(chain(4))
  await storage.del((await keysOf(storage))[3] as string)
  const { feeds, damaged } = await reloaded(storage)
  expect(damaged).toEqual([author.id])
  expect(feeds.isCut(author.id)).toBe(true)
})

it('damage is noticed by what lies behind it, when the head record is lost as well', async () => {
  const { storage } = await filled(chain(5))
  await flip(storage, (await keysOf(storage))[2] as string)
  await storage.del(`head/${author.id}`)
  const { feeds, damaged } = await reloaded(storage)
  expect(damaged).toEqual([author.id])
  expect(feeds.isCut(author.id)).toBe(true)
})

it('what a store cannot read for damage counts as missing, and the rest is read', async () => {
  const entries = chain(4)
  const { storage, feeds } = await filled(entries)
  const bad = (await keysOf(storage))[2] as string
  const getMany = storage.getMany.bind(storage)
  storage.getMany = ((keys: string[], options: typeof ENCODINGS) =>
    keys.includes(bad)
      ? Promise.reject(Object.assign(new Error('Corruption: block checksum mismatch'), { code: 'LEVEL_CORRUPTION' }))
      : getMany(keys, options)) as typeof storage.getMany
  expect(await feeds.read(author.id, 1, 4, 1_000_000)).toHaveLength(2)
  expect(await feeds.check(author.id, 1, 4)).toBe(1)
  expect(feeds.damaged()).toEqual([{ author: author.id, seq: 3 }])
})

it('a record that was rewritten with a matching hash is noticed by chain and signature', async () => {
  for (const at of [0, 1, 2]) {
    const entries = chain(3)
    const { storage } = await filled(entries)
    const { bytes: _bytes, hash: _hash, ...envelope } = entries[at] as Entry
    const forged = signEntry(createIdentity(), { ...envelope, body: { text: 'forged' } })
    const key = (await keysOf(storage))[at] as string
    await storage.batch([{ type: 'put', key, value: sealRecord(forged.bytes, forged.hash) }], { ...ENCODINGS })
    const { seen, damaged } = await reloaded(storage)
    expect(damaged).toEqual([author.id])
    expect(seen.map((entry) => entry.hash)).not.toContain(forged.hash)
  }
})

it('damage found while reading is not served and is repaired by the same entry', async () => {
  const entries = chain(3)
  const { storage, feeds } = await filled(entries)
  await flip(storage, (await keysOf(storage))[1] as string)
  expect(await feeds.read(author.id, 1, 3, 1_000_000)).toHaveLength(1)
  expect(feeds.damaged()).toEqual([{ author: author.id, seq: 2 }])
  expect(await feeds.add(entries[1] as Entry)).toBe('known')
  expect(feeds.damaged()).toEqual([])
  expect(await feeds.read(author.id, 1, 3, 1_000_000)).toHaveLength(3)
})

it('appends that wait for the disk share one sync', async () => {
  let syncs = 0
  const storage = storageThat((write) => {
    syncs += 1
    return write()
  })
  const feeds = new Feeds({ storage, onDurable: () => {} })
  await Promise.all(chain(50).map((entry) => feeds.add(entry)))
  expect(syncs).toBe(2)
  expect(feeds.heads()[0]?.seq).toBe(50)
})

it('a full disk refuses typed, keeps nothing half-written, and takes the same entries when there is room', async () => {
  let full = true
  const storage = storageThat((write) =>
    full ? Promise.reject(new Error('IO error', { cause: new Error('No space left on device') })) : write(),
  )
  const durable: Entry[] = []
  const feeds = new Feeds({ storage, onDurable: (entries) => durable.push(...entries) })
  const entries = chain(3)
  // The same entry twice, as by push and gossip: neither may be told that it is on disk.
  const results = await Promise.allSettled([...entries, ...entries].map((entry) => feeds.add(entry)))
  for (const result of results) expect(result).toMatchObject({ status: 'rejected', reason: { code: 'storage_full' } })
  expect(feeds.heads()).toEqual([])
  expect(durable).toEqual([])
  full = false
  for (const entry of entries) expect(await feeds.add(entry)).toBe('stored')
  expect(durable).toHaveLength(3)
})

// Simulator, seed 769: the entry came back with a restart, when another writer of the feed had taken its place.
it('what a failed write left on the disk is in doubt until it is taken away, or written after all', async () => {
  const [first, second] = chain(2) as [Entry, Entry]
  let isLate = false
  const storage = storageThat(async (write) => {
    await write()
    if (isLate) throw new Error('EIO: i/o error, fsync')
  })
  const feeds = new Feeds({ storage, onDurable: () => {} })
  await feeds.add(first)
  expect(feeds.endOf(author.id).doubt).toBe(null)
  isLate = true
  for (let time = 0; time < 2; time += 1) {
    await expect(feeds.add(second)).rejects.toThrow('EIO')
    expect([(await keysOf(storage)).length, feeds.tip(author.id).seq]).toEqual([2, 1])
  }
  isLate = false
  expect(feeds.endOf(author.id)).toEqual({ seq: 1, hash: first.hash, doubt: { seq: 2, hash: second.hash } })
  await feeds.settled()
  expect([(await keysOf(storage)).length, feeds.endOf(author.id).doubt]).toEqual([1, null])
  expect((await reloaded(storage)).seen.map(({ hash }) => hash)).toEqual([first.hash])

  isLate = true
  await expect(feeds.add(second)).rejects.toThrow('EIO')
  isLate = false
  await feeds.add(second)
  expect(feeds.endOf(author.id).doubt).toBe(null)
})

it('a doubt names the entry that may be there, the last of several, and none where it may be one or another', async () => {
  const entries = chain(3)
  const { bytes: _bytes, hash: _hash, ...envelope } = entries[2] as Entry
  const another = signEntry(author, { ...envelope, body: { text: 'another' } })
  let isBroken = false
  const storage = storageThat((write) => (isBroken ? Promise.reject(new Error('EIO')) : write()))
  const feeds = new Feeds({ storage, onDurable: () => {} })
  await feeds.add(entries[0] as Entry)
  isBroken = true
  const failing = async (...some: (Entry | undefined)[]) => {
    const writes = Promise.allSettled(some.map((entry) => feeds.add(entry as Entry)))
    const during = feeds.endOf(author.id).doubt
    await writes
    return [during, feeds.endOf(author.id).doubt]
  }
  const [two, three] = [1, 2].map((at) => ({ seq: at + 1, hash: entries[at]?.hash }))
  expect(await failing(entries[1], entries[2])).toEqual([three, three])
  await feeds.settled()
  expect(await failing(entries[1])).toEqual([three, three])
  await feeds.settled()
  const either = { seq: 3, hash: null }
  expect(await failing(entries[1], another)).toEqual([either, either])
  await feeds.settled()
  isBroken = false
  await feeds.add(entries[1] as Entry)
  expect(feeds.endOf(author.id)).toMatchObject({ ...two, doubt: either })
  await feeds.settled()
  expect(feeds.endOf(author.id)).toEqual({ ...two, doubt: null })
})

it('a feed of which others have more is not continued, whether or not the disk took what they showed', async () => {
  const entries = chain(4)
  let isBroken = false
  const storage = storageThat((write) => (isBroken ? Promise.reject(new Error('EIO')) : write()))
  const feeds = new Feeds({ storage, onDurable: () => {} })
  await feeds.add(entries[0] as Entry)
  isBroken = true
  for (const at of [1, 3]) {
    expect(feeds.hear(entries[at] as Entry)).toBe(at === 1 ? 'next' : 'gap')
    await feeds.add(entries[at] as Entry).catch(() => {})
    expect(feeds.isCut(author.id)).toBe(true)
  }
  isBroken = false
  for (const at of [1, 2, 3]) {
    expect(feeds.isCut(author.id)).toBe(true)
    await feeds.add(entries[at] as Entry)
  }
  expect(feeds.isCut(author.id)).toBe(false)
  expect(feeds.hear(entries[3] as Entry)).toBe('known')
})
