import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createIdentity, type Identity, universeId } from '#protocols/access'
import { decode, digestOf, encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { Network } from '#protocols/network'
import { until } from '#protocols/until'
import { type CatalogNode, CatalogUniverse, untilEqual, untilMembers } from './catalog.fixture.ts'
import { IdSet } from './id-set.ts'
import { signEntry } from './ledger/entry.ts'
import { HEADS_WHOLE_MAX } from './messages.ts'
import { Reconciliation } from './reconcile.ts'
import type { SharedSet } from './shared-sets.ts'

let universe: CatalogUniverse
beforeEach(() => {
  universe = new CatalogUniverse()
})
afterEach(() => universe.stop())

const never = { pullIntervalMs: 1_000_000 }

/** `count` authors whom nodes that start from now on know. */
async function members(count: number): Promise<Identity[]> {
  const authors = Array.from({ length: count }, () => createIdentity())
  for (const { id } of authors) await universe.admit(id, 'author', [])
  return authors
}

/** `count` entries of each author. */
function feeds(authors: readonly Identity[], count = 1): Uint8Array[] {
  const common = { format: 1 as const, universe: universeId(universe.universe), type: 'note', by: 'ada', body: {} }
  return authors.flatMap((author) => {
    const entries: Uint8Array[] = []
    let prev: string | null = null
    for (let seq = 1; seq <= count; seq += 1) {
      const entry = signEntry(author, {
        ...common,
        grant: universe.grantOf(author.id),
        author: author.id,
        seq,
        prev,
        hlc: { wallMs: Date.now() - 1000, counter: seq },
      })
      prev = entry.hash
      entries.push(entry.bytes)
    }
    return entries
  })
}

/** What is asked of `node` from now on, and the bytes of heads and answers. */
function watch(network: Network): { asked: string[]; bytes: () => number } {
  const asked: string[] = []
  let bytes = 0
  const request = network.request.bind(network)
  network.request = async (peer, protocol, message, options) => {
    const response = await request(peer, protocol, message, options)
    const { type } = decode(message.head) as { type: string }
    // Receipts have their own exchange.
    if (type === 'receipts') return response
    asked.push(type)
    bytes += [message.head, message.body, response.head, response.body].reduce(
      (sum, each) => sum + (each instanceof Uint8Array ? each.length : 0),
      0,
    )
    return response
  }
  return { asked, bytes: () => bytes }
}

const take = (node: CatalogNode, entries: readonly Uint8Array[]) =>
  Promise.all(entries.map((bytes) => node.service.accept(node.network.peer, bytes)))

describe('one round with one member', () => {
  it('of equal nodes is one question and one digest, however many feeds there are', async () => {
    const entries = feeds(await members(80))
    const a = await universe.node('a', { limits: never })
    await take(a, entries)
    const b = await universe.node('b', { limits: { pullIntervalMs: 50 } })
    await untilEqual([a, b], 80)
    const watched = watch(b.network)
    await until(() => watched.asked.length >= 4)
    expect(new Set(watched.asked)).toEqual(new Set(['heads']))
    expect(watched.bytes() / watched.asked.length).toBeLessThan(150)
  })

  it('finds the few feeds that differ among many without naming the others, whether new or behind', async () => {
    const authors = await members(100)
    const all = feeds(authors, 2)
    const a = await universe.node('a', { limits: never })
    const b = await universe.node('b', { limits: never })
    universe.mesh.partition(['a'], ['b'])
    await take(a, all)
    // b lacks the second entry of three feeds, and four feeds as a whole.
    await take(
      b,
      all.filter((_, at) => !(at < 6 && at % 2 === 1) && at < 192),
    )
    expect(HEADS_WHOLE_MAX).toBeLessThan(100)
    const watched = watch(b.network)
    universe.mesh.heal()
    await untilEqual([a, b], 200)
    expect(watched.asked).toContain('compare')
    expect(watched.asked.filter((type) => type === 'compare').length).toBeLessThanOrEqual(6)
    expect(watched.bytes()).toBeLessThan(24 * 1024)
  })

  it('a node without anything gets hundreds of feeds in bounded messages', async () => {
    const authors = await members(300)
    const a = await universe.node('a', { limits: never })
    await take(a, feeds(authors))
    const b = await universe.node('b', { founding: [] })
    await untilEqual([a, b], 300)
    expect(b.service.status().heads).toEqual(a.service.status().heads)
  })
})

/** Objects of any bytes, except those that begin with 255. */
class Notes implements SharedSet {
  readonly name = 'notes'
  readonly objects = new Map<string, Uint8Array>()
  #ids = IdSet.empty

  add(bytes: Uint8Array): void {
    this.objects.set(digestOf(bytes), bytes)
    this.#ids = this.#ids.with([digestOf(bytes)])
  }

  ids(): IdSet {
    return this.#ids
  }

  async read(ids: readonly string[]): Promise<Uint8Array[]> {
    return ids.map((id) => this.objects.get(id)).filter((bytes) => bytes !== undefined)
  }

  async take(bytes: Uint8Array): Promise<void> {
    if (bytes[0] === 255) throw new OsirisError('invalid_argument', 'Cannot take the note: it begins with 255')
    this.add(bytes)
  }
}

describe('objects that are no chains', () => {
  it('spread to every node, and what one node refuses is not asked of the same member again and again', async () => {
    const notes = [new Notes(), new Notes()]
    const [a, b] = [await universe.node('a', { sets: [notes[0] as Notes] }), await universe.node('b', { sets: [notes[1] as Notes] })]
    await untilMembers([a, b], 1)
    for (let at = 0; at < 500; at += 1) notes[at % 2]?.add(encode([at]))
    await until(() => notes.every((each) => each.ids().size === 500), 5000)
    expect(notes[0]?.ids().digest()).toBe(notes[1]?.ids().digest())
    notes[0]?.add(Buffer.from([255]))
    const watched = watch(b.network)
    await until(() => watched.asked.filter((type) => type === 'heads').length >= 6, 5000)
    expect(watched.asked.filter((type) => type === 'objects').length).toBeLessThanOrEqual(1)
    expect(notes[1]?.ids().size).toBe(500)
  })

  it('are compared for nobody beyond their share of this node, and others are answered meanwhile', async () => {
    const a = await universe.node('a')
    const [greedy, other] = [await universe.node('b'), await universe.node('c')]
    await untilMembers([a, greedy, other], 2)
    const question = encode(new Reconciliation(IdSet.empty, Buffer.alloc(8)).next())
    const ask = (from: Network) =>
      from.request(a.network.peer, 'catalog/1', { head: encode({ type: 'compare', set: 'heads' }), body: question }, { timeoutMs: 2000 })
    await ask(greedy.network)
    a.service.comparing.spend(greedy.network.peer, 60_000)
    await expect(ask(greedy.network)).rejects.toMatchObject({ code: 'rate_limited' })
    await ask(other.network)
  })

  it('are for members only, and a set that nobody keeps is not_found', async () => {
    const a = await universe.node('a')
    const client = await universe.network('client', [])
    await untilMembers([{ network: client }], 1)
    const question = encode(new Reconciliation(IdSet.empty, Buffer.alloc(8)).next())
    const ask = (from: Network, head: Record<string, unknown>) =>
      from.request(a.network.peer, 'catalog/1', { head: encode(head), body: question }, { timeoutMs: 2000 })
    await expect(ask(client, { type: 'compare', set: 'heads' })).rejects.toMatchObject({ code: 'forbidden' })
    await expect(ask(client, { type: 'objects', set: 'heads', ids: new Uint8Array(32) })).rejects.toMatchObject({ code: 'forbidden' })
    const member = await universe.node('b')
    await untilMembers([a, member], 1)
    await expect(ask(member.network, { type: 'compare', set: 'nothing' })).rejects.toMatchObject({ code: 'not_found' })
    await expect(ask(member.network, { type: 'compare', set: 'heads', more: 1 })).rejects.toMatchObject({ code: 'invalid_argument' })
  })
})
