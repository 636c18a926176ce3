/** A ledger that catalogs wrote holds; whatever is done to its records afterwards is found. */
import { MemoryLevel } from 'memory-level'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createIdentity, universeId } from '#protocols/access'
import { digestOf } from '#protocols/codec'
import { until } from '#protocols/until'
import type { RecordsPage } from '../../catalog.ts'
import { aFunction, type CatalogNode, CatalogUniverse, untilMembers } from '../../catalog.fixture.ts'
import type { AuditSummary, DamageClass } from './audit-report.ts'
import { auditPages, auditStorage } from './audit-source.ts'
import { type Entry, openEntry, signEntry } from '../entry.ts'
import { proveFork } from '../forks/forks.ts'
import { signReceipt } from '../receipts/receipts.ts'
import { ENCODINGS, sealRecord, type Storage } from '#protocols/storage'

const WRITES = 5
let universe: CatalogUniverse
let nodes: CatalogNode[]
let id: string
/** What the first node has on disk. */
let records: Map<string, Uint8Array>

beforeAll(async () => {
  universe = new CatalogUniverse()
  id = universeId(universe.universe)
  nodes = []
  for (const name of ['a', 'b', 'c']) nodes.push(await universe.node(name))
  await untilMembers(nodes, 2)
  for (let at = 0; at < WRITES; at += 1) {
    const { manifest, artifact } = aFunction(`f${at}`)
    await nodes[at % 2]?.service.publish(manifest, artifact, await universe.options())
  }
  const settled = async () => (await Promise.all(nodes.map(async ({ service }) => service.log({ limit: 100 })))).flat()
  await until(async () => (await settled()).every(({ commitment }) => commitment.state === 'committed'))
  const { storage } = nodes[0] as CatalogNode
  records = new Map()
  for (const part of ['entry', 'head', 'proof', 'receipt'])
    for await (const [key, value] of storage.iterator({ ...ENCODINGS, gte: `${part}/`, lt: `${part}0` }))
      records.set(key, Uint8Array.from(value))
})
afterAll(() => universe.stop())

const author = () => nodes[0]?.identity.id ?? ''
const entryKey = (seq: number) => `entry/${author()}/${String(seq).padStart(16, '0')}`
const receiptKeys = () => [...records.keys()].filter((key) => key.startsWith(`receipt/${author()}/${'2'.padStart(16, '0')}/`))
const bytesAt = (key: string) => (records.get(key) as Uint8Array).subarray(32)

/** The first node's records with these put in their place; `null` takes one out. */
async function withChanges(changes: Record<string, Uint8Array | null>): Promise<Storage> {
  const storage = new MemoryLevel<string, Uint8Array>()
  const all = new Map<string, Uint8Array | null>([...records, ...Object.entries(changes)])
  for (const [key, value] of all) if (value !== null) await storage.batch([{ type: 'put', key, value }], { ...ENCODINGS })
  return storage
}

const audited = async (changes: Record<string, Uint8Array | null>) => auditStorage(await withChanges(changes), id)
const flipped = (bytes: Uint8Array, at: number) => bytes.map((byte, index) => (index === at ? byte ^ 1 : byte))
/** With a checksum of its own, as whoever tampers would write it. */
const sealed = (bytes: Uint8Array) => sealRecord(bytes, digestOf(bytes))
const resigned = (by: ReturnType<typeof createIdentity>, seq: number, part: Partial<Entry> = {}): Entry => {
  const { bytes: _bytes, hash: _hash, ...envelope } = openEntry(bytesAt(entryKey(seq)))
  return signEntry(by, { ...envelope, ...part })
}

function expectDamage(summary: AuditSummary, kind: DamageClass, sentence: RegExp, seq: unknown = expect.any(Number)): void {
  expect(summary.ok).toBe(false)
  expect(summary.counts[kind]).toBeGreaterThan(0)
  expect(summary.damage).toContainEqual(expect.objectContaining({ class: kind, sentence: expect.stringMatching(sentence), seq }))
}

it('what nobody touched holds, and says who signed what', async () => {
  const summary = await audited({})
  expect(summary).toMatchObject({ ok: true, damage: [], counts: {}, proofs: 0 })
  expect(summary.entries).toBe(nodes[0]?.service.status().entries)
  expect(summary.askers).toEqual([{ by: 'ada (root)', key: universe.root.id, entries: WRITES }])
  const own = summary.keys.find(({ key }) => key === author())
  expect(own).toMatchObject({ entries: 3, committed: 3, first: { seq: 1 }, last: { seq: 3 }, frozenFrom: null })
  expect(own?.receipts).toBeGreaterThanOrEqual(3)
})

it('the same over what a node hands out, page after page', async () => {
  const { service } = nodes[1] as CatalogNode
  const pages = async function* (change: (page: RecordsPage) => RecordsPage = (page) => page) {
    yield change(await service.records())
  }
  const summary = await auditPages(pages(), id)
  expect(summary).toMatchObject({ ok: true, entries: service.status().entries })
  const without = (page: RecordsPage) => ({ ...page, entries: page.entries.filter(({ seq }) => seq !== 2) })
  expectDamage(await auditPages(pages(without), id), 'gap', /it is missing/, 2)
  const cut = (page: RecordsPage) => ({ ...page, entries: page.entries.filter((each) => each.author !== author()) })
  expectDamage(await auditPages(pages(cut), id), 'gap', /it is missing, and all up to 3/, 1)
})

describe('is found:', () => {
  it('a flipped byte of an entry, whether its checksum was mended or not', async () => {
    const key = entryKey(2)
    const size = bytesAt(key).length
    expectDamage(await audited({ [key]: flipped(records.get(key) as Uint8Array, 32 + Math.floor(size / 2)) }), 'record', /checksum/, 2)
    const mended = await audited({ [key]: sealed(flipped(bytesAt(key), Math.floor(size / 2))) })
    expect(mended.counts.signature ?? mended.counts.form).toBe(1)
  })

  it('a flipped byte of its signature', async () => {
    const key = entryKey(2)
    const bytes = bytesAt(key)
    expectDamage(await audited({ [key]: sealed(flipped(bytes, bytes.length - 1)) }), 'signature', /not by its author/, 2)
  })

  it('an entry taken out of the middle, and of the end, its head record gone too', async () => {
    expectDamage(await audited({ [entryKey(2)]: null }), 'gap', /it is missing/, 2)
    expectDamage(await audited({ [entryKey(3)]: null }), 'gap', /it is missing/, 3)
    expectDamage(await audited({ [entryKey(3)]: null, [`head/${author()}`]: null }), 'gap', /the entry is not/, 3)
  })

  it('an entry in the name of another author', async () => {
    const forger = createIdentity()
    const key = entryKey(3)
    expectDamage(await audited({ [key]: sealed(resigned(forger, 3).bytes) }), 'signature', /not by its author/, 3)
    expectDamage(await audited({ [key]: sealed(resigned(forger, 3, { author: forger.id }).bytes) }), 'chain', /it is entry 3 of/, 3)
  })

  it('an entry its own author wrote again, of another place, time or universe', async () => {
    const own = nodes[0]?.identity as ReturnType<typeof createIdentity>
    const put = (seq: number, part: Partial<Entry>) => audited({ [entryKey(seq)]: sealed(resigned(own, seq, part).bytes) })
    expectDamage(await put(2, { by: 'eve' }), 'chain', /does not follow/, 3)
    expectDamage(await put(3, { by: 'eve' }), 'receipt', /of another entry/, 3)
    expectDamage(await put(3, { seq: 4 }), 'chain', /it is entry 4/, 3)
    expectDamage(await put(3, { hlc: { wallMs: 1, counter: 0 } }), 'chain', /its time is not after/, 3)
    expectDamage(await put(3, { universe: 'f'.repeat(16) }), 'universe', /another universe/, 3)
  })

  it('a forged receipt: flipped, of another entry, under another name', async () => {
    const [key = ''] = receiptKeys()
    const bytes = bytesAt(key)
    const [, , , holder = ''] = key.split('/')
    const identity = nodes.find((each) => each.identity.id === holder)?.identity as ReturnType<typeof createIdentity>
    const { hash } = openEntry(bytesAt(entryKey(2)))
    const of = { universe: id, author: author(), seq: 2, hash }
    expectDamage(await audited({ [key]: flipped(records.get(key) as Uint8Array, 80) }), 'receipt', /checksum/, 2)
    expectDamage(await audited({ [key]: sealed(flipped(bytes, bytes.length - 1)) }), 'receipt', /signature/, 2)
    expectDamage(
      await audited({ [key]: sealed(signReceipt(identity, { ...of, hash: 'f'.repeat(64) }, 1).bytes) }),
      'receipt',
      /another entry/,
      2,
    )
    expectDamage(await audited({ [key]: sealed(signReceipt(createIdentity(), of, 1).bytes) }), 'receipt', /another holder/, 2)
  })

  it('a proof that proves nothing; one that does freezes its author and is no damage', async () => {
    const own = nodes[1]?.identity as ReturnType<typeof createIdentity>
    const place = { format: 1 as const, universe: id, author: own.id, seq: 9, prev: null, hlc: { wallMs: 1, counter: 0 } }
    const two = ['x', 'y'].map((by) => signEntry(own, { ...place, type: 'note', body: {}, by, grant: null }))
    const { bytes } = proveFork(two[0] as Entry, two[1] as Entry)
    const key = `proof/${own.id}`
    const frozen = await audited({ [key]: sealed(bytes) })
    expect(frozen).toMatchObject({ ok: true, proofs: 1 })
    expect(frozen.keys.find((each) => each.key === own.id)?.frozenFrom).toBe(9)
    expectDamage(await audited({ [key]: sealed(flipped(bytes, bytes.length - 1)) }), 'proof', /./)
    expectDamage(await audited({ [`proof/${author()}`]: sealed(bytes) }), 'proof', /another author/)
  })

  it('an entry whose author nobody admitted, however well it is signed; what stands on it, and receipts of such a key', async () => {
    const forger = createIdentity()
    const { hash } = openEntry(bytesAt(entryKey(2)))
    const key = (by: string, seq: number) => `entry/${by}/${String(seq).padStart(16, '0')}`
    const place = { format: 1 as const, universe: id, author: forger.id, seq: 1, prev: null, hlc: { wallMs: Date.now(), counter: 0 } }
    const body = {
      member: forger.id,
      name: 'forger',
      roles: ['catalog'],
      grants: [{ can: ['deploy'], namespaces: ['*'] }],
      expiresAtMs: null,
    }
    const admission = signEntry(forger, { ...place, type: 'admit', body, by: 'root', grant: null })
    const next = { ...place, seq: 2, prev: admission.hash, hlc: { wallMs: place.hlc.wallMs, counter: 1 } }
    const retire = signEntry(forger, {
      ...next,
      type: 'retire',
      body: { namespace: 'demo', name: 'f1', after: null },
      by: 'eve',
      grant: admission.hash,
    })
    const receipt = signReceipt(forger, { universe: id, author: author(), seq: 2, hash }, 1)
    const summary = await audited({
      [key(forger.id, 1)]: sealed(admission.bytes),
      [key(forger.id, 2)]: sealed(retire.bytes),
      [`receipt/${author()}/${String(2).padStart(16, '0')}/${forger.id}`]: sealed(receipt.bytes),
    })
    expect(summary.counts).toEqual({ authority: 2, receipt: 1 })
    expectDamage(summary, 'authority', /names no grant, and its author is not the root/, 1)
    expectDamage(summary, 'authority', /the grant it names is not here/, 2)
    expectDamage(summary, 'receipt', /never admitted/, 2)
  })

  it('a ledger without its genesis, and an entry that names a grant it does not have', async () => {
    const root = `entry/${universe.root.id}/${'1'.padStart(16, '0')}`
    expectDamage(await audited({ [root]: null }), 'authority', /genesis is missing/)
    const own = nodes[0]?.identity as ReturnType<typeof createIdentity>
    const other = await audited({ [entryKey(3)]: sealed(resigned(own, 3, { grant: universe.grantOf(nodes[1]?.identity.id ?? '') }).bytes) })
    expectDamage(other, 'authority', /not its author's/, 3)
  })

  it('records under names that are none, and a damaged head', async () => {
    expectDamage(await audited({ 'entry/x/1': sealed(bytesAt(entryKey(1))) }), 'form', /a name that is none/)
    expectDamage(await audited({ 'receipt/x/y/z': sealed(bytesAt(entryKey(1))) }), 'form', /a name that is none/)
    expectDamage(await audited({ [`head/${author()}`]: new Uint8Array(3) }), 'record', /head record/)
  })
})
