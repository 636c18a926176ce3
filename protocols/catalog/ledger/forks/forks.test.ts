import fc from 'fast-check'
import { MemoryLevel } from 'memory-level'
import { expect, it } from 'vitest'
import { createIdentity, createUniverse, type Identity, universeId } from '#protocols/access'
import { encode } from '#protocols/codec'
import { createEvents } from '#protocols/events'
import { systemClock } from '#protocols/lifecycle'
import { versionOf } from '#protocols/manifest'
import { aFunction, LAX } from '../../catalog.fixture.ts'
import { compareText, type Entry, type Envelope, openEntry, Refusal, signEntry } from '../entry.ts'
import { type Fact, Fold } from '../fold.ts'
import { claimsFork, openProof, proveFork } from './forks.ts'
import { Frozen } from './frozen.ts'
import { Ledger } from '../ledger.ts'
import { ViewDigest } from '../view-digest.ts'

const root = createIdentity()
const universe = createUniverse('test', root.id)
const id = universeId(universe)
/** The root: what it writes stands on nothing else. */
const author = root

function entry(part: Partial<Envelope> = {}, by: Identity = author): Entry {
  const place = { format: 1 as const, universe: id, author: by.id, seq: 1, prev: null }
  return signEntry(by, { ...place, hlc: { wallMs: 5, counter: 0 }, type: 'note', body: {}, by: 'ada', grant: null, ...part })
}

/** `length` entries, each after the one before; `text` tells branches apart. */
function chain(length: number, text: string, before: Entry[] = []): Entry[] {
  const entries = [...before]
  for (let seq = before.length + 1; seq <= length; seq += 1) {
    entries.push(entry({ seq, prev: entries.at(-1)?.hash ?? null, hlc: { wallMs: seq, counter: 0 }, body: { text } }))
  }
  return entries
}

function reasonOf(judge: () => unknown): string {
  try {
    judge()
    return 'proven'
  } catch (error) {
    return error instanceof Refusal ? error.reason : `threw ${String(error)}`
  }
}

it('two entries with one seq are a proof that verifies offline, with the same bytes whoever makes it', () => {
  const [one, other] = [entry({ body: { a: 1 } }), entry({ body: { a: 2 } })]
  const proof = proveFork(one, other)
  const { seq, hashes, bytes } = openProof(proof.bytes, id)
  expect({ author: author.id, seq, hashes, bytes }).toEqual({ author: author.id, seq: 1, hashes: proof.hashes, bytes: proof.bytes })
  expect(proveFork(other, one)).toEqual(proof)
  expect(proof).toMatchObject({ author: author.id, seq: 1, hashes: ascending(one, other) })
  expect(claimsFork(proof.bytes)).toBe(true)
  expect(claimsFork(one.bytes)).toBe(false)
})

it('a proof that proves nothing is refused: the same entry twice, other seqs, authors or universes, a wrong order, a forged half', () => {
  const one = entry()
  const pack = (...entries: Uint8Array[]) => encode(['osiris/fork/1', ...entries])
  const ordered = (...entries: Entry[]) => pack(...entries.toSorted((a, b) => (a.hash < b.hash ? -1 : 1)).map((each) => each.bytes))
  const proven = proveFork(one, entry({ body: { a: 1 } }))
  const foreign = [entry({ universe: 'f'.repeat(16) }), entry({ universe: 'f'.repeat(16), body: { a: 1 } })]
  const eve = createIdentity()
  const refused: [string, Uint8Array][] = [
    ['malformed', ordered(one, one)],
    ['malformed', ordered(one, entry({ seq: 2, prev: one.hash }))],
    ['malformed', ordered(one, entry({}, createIdentity()))],
    ['universe', ordered(one, entry({ universe: 'f'.repeat(16) }))],
    ['universe', ordered(...foreign)],
    ['malformed', pack(proven.entries[1], proven.entries[0])],
    ['malformed', pack(one.bytes)],
    ['malformed', pack(one.bytes, one.bytes, one.bytes)],
    ['malformed', one.bytes],
    ['signature', ordered(one, signEntry(eve, { ...envelopeOf(one), by: 'eve' }))],
    ['oversized', new Uint8Array(200_000)],
  ]
  for (const [reason, bytes] of refused) expect([reason, reasonOf(() => openProof(bytes, id))]).toEqual([reason, reason])
  expect(() => proveFork(one, one)).toThrow(Refusal)
})

function ascending(...entries: Entry[]): string[] {
  return entries.map((each) => each.hash).toSorted(compareText)
}

function envelopeOf({ bytes: _bytes, hash: _hash, ...envelope }: Entry): Envelope {
  return envelope
}

/** The order of Ed25519's base point (RFC 8032, section 5.1), little-endian. */
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n

it('nobody but the author can make a second valid signature of an entry: S plus the order of the group is refused', () => {
  const one = entry()
  const bytes = Buffer.from(one.bytes)
  const s = BigInt(`0x${Buffer.from(bytes.subarray(-32).toReversed()).toString('hex')}`)
  bytes.set(Buffer.from((s + ORDER).toString(16).padStart(64, '0'), 'hex').toReversed(), bytes.length - 32)
  expect(reasonOf(() => openEntry(bytes))).toBe('signature')
})

it('property: whatever is made of the entries an honest author wrote, in however many universes, accuses it of nothing', () => {
  const honest = chain(6, 'honest')
  const elsewhere = honest.map((each) => signEntry(author, { ...envelopeOf(each), universe: 'e'.repeat(16) }))
  const material = [...honest, ...elsewhere].map((each) => each.bytes)
  const changed = fc.record({ at: fc.nat(material.length - 1), byte: fc.nat(200), flip: fc.nat(255) }).map(({ at, byte, flip }) => {
    const bytes = Uint8Array.from(material[at] as Uint8Array)
    bytes[byte % bytes.length] = (bytes[byte % bytes.length] as number) ^ flip
    return bytes
  })
  fc.assert(
    fc.property(changed, changed, fc.constantFrom(id, 'e'.repeat(16)), (one, other, where) => {
      expect(reasonOf(() => openProof(encode(['osiris/fork/1', one, other]), where))).not.toBe('proven')
    }),
    { numRuns: 2000 },
  )
})

async function ledgerWith(storage = new MemoryLevel<string, Uint8Array>()) {
  const digest = new ViewDigest()
  const told: string[] = []
  const ledger = new Ledger({
    identity: createIdentity(),
    universe,
    storage,
    clock: systemClock,
    events: createEvents(),
    onChange: (states) => states.forEach((each) => digest.set(each)),
    mayWrite: () => {},
    onFork: (proof) => told.push(`${proof.author} ${proof.seq}`),
  })
  await ledger.load()
  return { ledger, storage, digest, told }
}

const settle = async (ledger: Ledger) => {
  await ledger.settled()
  await new Promise((resolve) => setImmediate(resolve))
}

it('a ledger that meets the second entry freezes its author, keeps the proof on disk, and refuses what follows on either branch', async () => {
  const [one, two, three] = chain(4, 'left') as [Entry, Entry, Entry]
  const other = chain(3, 'right', [one])
  const { ledger, storage, told } = await ledgerWith()
  for (const each of [one, two, three]) await ledger.take(each)
  await expect(ledger.take(other[1] as Entry)).rejects.toMatchObject({ reason: 'fork' })
  await settle(ledger)
  expect(ledger.frozen()).toEqual([{ author: author.id, seq: 2 }])
  expect(told).toEqual([`${author.id} 2`])
  expect(ledger.entries).toBe(1)
  expect(ledger.heads()).toEqual([{ author: author.id, seq: 1, hash: one.hash }])
  for (const each of [chain(4, 'left')[3], other[2], other[1], two] as Entry[]) expect(reasonOf(() => ledger.judge(each))).toBe('frozen')
  const again = await ledgerWith(storage)
  expect(again.ledger.frozen()).toEqual([{ author: author.id, seq: 2 }])
  expect(again.ledger.entries).toBe(1)
  const [proof] = await again.ledger.proofs([], 1_000_000)
  expect(openProof(proof as Uint8Array, id)).toMatchObject({ seq: 2, hashes: ascending(two, other[1] as Entry) })
})

it('of several proofs the one with the lowest seq counts, in whatever order they come', async () => {
  const left = chain(5, 'left')
  const late = proveFork(left[4] as Entry, chain(5, 'late', left.slice(0, 4))[4] as Entry)
  const early = proveFork(left[2] as Entry, chain(3, 'early', left.slice(0, 2))[2] as Entry)
  for (const order of [
    [late, early],
    [early, late],
  ]) {
    const { ledger, storage } = await ledgerWith()
    for (const each of left) await ledger.take(each)
    for (const proof of order) ledger.convict(proof.bytes)
    expect(ledger.frozen()).toEqual([{ author: author.id, seq: 3 }])
    await settle(ledger)
    expect((await ledgerWith(storage)).ledger.frozen()).toEqual([{ author: author.id, seq: 3 }])
  }
})

it('a proof whose time lies in the future counts, one of a key without a feed here fills no disk', async () => {
  const { ledger } = await ledgerWith()
  const first = entry()
  await ledger.take(first)
  const future = entry({ hlc: { wallMs: Date.now() + 1_000_000_000, counter: 0 } })
  expect(reasonOf(() => ledger.open(future.bytes))).toBe('fork')
  await settle(ledger)
  expect(ledger.frozen()).toEqual([{ author: author.id, seq: 1 }])
  const nobody = createIdentity()
  expect(ledger.convict(proveFork(entry({}, nobody), entry({ body: { a: 1 } }, nobody)).bytes)).toBe(false)
  expect(ledger.frozen()).toHaveLength(1)
})

it('a proof damaged on disk counts as missing', async () => {
  const storage = new MemoryLevel<string, Uint8Array>({ valueEncoding: 'view' })
  const { ledger } = await ledgerWith(storage)
  const [one, other] = [entry(), entry({ body: { a: 1 } })]
  await ledger.take(one)
  ledger.convict(proveFork(one, other).bytes)
  await settle(ledger)
  const key = `proof/${author.id}`
  const value = Uint8Array.from((await storage.get(key)) as Uint8Array)
  value[80] = (value[80] as number) ^ 1
  await storage.put(key, value)
  const frozen = new Frozen({ storage, universe: id })
  await frozen.load()
  expect(frozen.list()).toEqual([])
})

it('property: nodes that hold different branches, and heard in any order, have the same view digest, heads and count once frozen', async () => {
  const published = (name: string, code: string) => ({ type: 'publish', body: { manifest: aFunction(name, code).manifest, after: null } })
  const writer = createIdentity()
  const grow = (branch: string, before: Entry[], length: number) => {
    const entries = [...before]
    for (let seq = before.length + 1; seq <= length; seq += 1) {
      const place = { seq, prev: entries.at(-1)?.hash ?? null, hlc: { wallMs: seq, counter: 0 } }
      entries.push(entry({ ...place, ...published(seq % 2 === 0 ? 'one' : 'two', `${branch}${seq}`) }, writer))
    }
    return entries
  }
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 5 }), fc.nat(3), fc.nat(3), async (forkAt, moreLeft, moreRight) => {
      const common = grow('c', [], forkAt)
      const left = grow('l', common, forkAt + 1 + moreLeft)
      const right = grow('r', common, forkAt + 1 + moreRight)
      const proof = proveFork(left[forkAt] as Entry, right[forkAt] as Entry)
      const states: unknown[] = []
      for (const [entries, proofAt] of [
        [left, left.length],
        [right, right.length],
        [left, forkAt],
        [common, forkAt],
      ] as const) {
        const { ledger, digest } = await ledgerWith()
        for (const [at, each] of entries.entries()) {
          if (at === proofAt) ledger.convict(proof.bytes)
          await ledger.take(each).catch(() => {})
        }
        ledger.convict(proof.bytes)
        states.push([digest.value(), ledger.heads(), ledger.entries, ledger.frozen()])
      }
      for (const state of states) expect(state).toEqual(states[0])
    }),
    { numRuns: 25 },
  )
})

it('a fold forgets removed facts as if they had never been, functions that nothing is left of included', () => {
  const { manifest } = aFunction('one')
  const fact = (author_: string, seq: number): Fact => {
    const place = { wallMs: seq, counter: 0, author: author_, seq, hash: `${author_}${seq}` }
    return {
      place,
      basis: null,
      after: null,
      by: 'ada',
      namespace: 'demo',
      name: 'one',
      change: { type: 'publish', manifest, version: versionOf(manifest) },
    }
  }
  const digest = new ViewDigest()
  const empty = digest.value()
  const fold = new Fold(LAX)
  fold.insert(fact('a', 1))
  for (const state of fold.flush()) digest.set(state)
  expect(digest.value()).not.toBe(empty)
  fold.remove((place) => place.author === 'a')
  for (const state of fold.flush()) digest.set(state)
  expect(digest.value()).toBe(empty)
  expect(fold.get('demo', 'one')).toBeUndefined()
  expect(fold.flush()).toEqual([])
})
