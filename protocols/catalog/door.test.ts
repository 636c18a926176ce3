/** What comes in from outside, by whichever of the three ways: refused, counted, told to the sender, never fatal. */
import { MemoryLevel } from 'memory-level'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createIdentity, createUniverse, universeId } from '#protocols/access'
import { decode, digestOf, encode } from '#protocols/codec'
import { createEvents } from '#protocols/events'
import { systemClock } from '#protocols/lifecycle'
import { type Network, sequence } from '#protocols/network'
import { until } from '#protocols/until'
import { type CatalogNode, CatalogUniverse } from './catalog.fixture.ts'
import { type Envelope, Refusal, signEntry } from './ledger/entry.ts'
import { Ledger } from './ledger/ledger.ts'
import { packHead } from './messages.ts'

const author = createIdentity()

function nested(depth: number): Record<string, unknown> {
  return depth === 0 ? {} : { body: nested(depth - 1) }
}

/** An entry of each kind that nobody takes, by the reason it is refused for. */
function rubbish(universe: string): [reason: string, bytes: Uint8Array][] {
  const envelope = (part: Partial<Envelope> = {}): Envelope => ({
    ...{ format: 1, universe, author: author.id, seq: 1, prev: null, hlc: { wallMs: Date.now(), counter: 0 } },
    ...{ type: 'note', body: {}, by: 'eve', grant: null },
    ...part,
  })
  const good = signEntry(author, envelope()).bytes
  const trailing = Buffer.concat([good, Buffer.from([0])])
  return [
    ['malformed', good.subarray(0, good.length - 1)],
    ['malformed', good.subarray(1)],
    ['malformed', trailing],
    ['malformed', signEntry(author, envelope({ body: nested(40) })).bytes],
    ['malformed', encode([Buffer.alloc(60_000, 0x81), new Uint8Array(64)])],
    ['malformed', encode(['osiris/fork/1', good, good])],
    ['malformed', new Uint8Array(0)],
    ['universe', signEntry(author, envelope({ universe: 'f'.repeat(16) })).bytes],
    ['drift', signEntry(author, envelope({ hlc: { wallMs: Date.now() + 315_360_000_000, counter: 0 } })).bytes],
    ['signature', signEntry(createIdentity(), envelope()).bytes],
  ]
}

describe('entries that nobody takes', () => {
  let universe: CatalogUniverse
  let node: CatalogNode
  let stranger: Network
  beforeEach(async () => {
    universe = new CatalogUniverse()
    await universe.admit(author.id, 'author')
    node = await universe.node('a')
    stranger = await universe.network('stranger', ['catalog'])
    await until(() => node.network.members.get(stranger.peer) !== undefined)
  })
  afterEach(() => universe.stop())

  const counted = (reason: string) => (node.service.refusals() as Record<string, number>)[reason] ?? 0
  const push = (body: Uint8Array) =>
    stranger.request(node.network.peer, 'catalog/1', { head: encode({ type: 'push' }), body }, { timeoutMs: 2000 })
  const kinds = () => rubbish(universeId(universe.universe))

  it('by push: the sender is told the code, and it is counted', async () => {
    const before = node.service.status()
    for (const [reason, bytes] of kinds()) {
      const count = counted(reason)
      await expect(push(bytes)).rejects.toMatchObject({ code: 'invalid_argument' })
      expect([reason, counted(reason)]).toEqual([reason, count + 1])
    }
    await expect(push(new Uint8Array(70_000))).rejects.toMatchObject({ code: 'payload_too_large' })
    expect(counted('oversized')).toBe(1)
    expect(node.service.status()).toEqual(before)
  })

  it('by gossip: counted, and not passed on', async () => {
    const before = node.service.status()
    for (const [reason, bytes] of kinds()) {
      const count = counted(reason)
      await stranger.publish('ledger', bytes)
      await until(() => counted(reason) === count + 1)
    }
    expect(node.service.status()).toEqual(before)
  })

  it('by pull: counted, and the member that gave them is not asked for the same again at once', async () => {
    const all = [...kinds(), ['oversized', new Uint8Array(70_000)] as const]
    let asked = 0
    stranger.handle('catalog/1', async ({ head }) => {
      const { type } = decode(head) as { type: string }
      const digests = { heads: digestOf(Buffer.from('x')), frozen: digestOf(encode([])) }
      if (type === 'heads')
        return {
          head: encode({ same: false, entries: 9, digests, whole: true }),
          body: encode([packHead({ author: author.id, seq: 9, hash: digestOf(head) })]),
        }
      asked += Number(type === 'entries')
      return { head: encode({}), body: encode(type === 'entries' ? all.map(([, bytes]) => bytes) : []) }
    })
    const before = node.service.status()
    await until(() => all.every(([reason]) => counted(reason) > 0))
    expect(node.service.status()).toEqual(before)
    expect(asked).toBe(1)
  })

  it('a flood of well-formed entries with wrong signatures costs a bounded share of the event loop, and others are heard meanwhile', async () => {
    const thief = createIdentity()
    const place = { format: 1 as const, universe: universeId(universe.universe), author: author.id, prev: null }
    for (let seq = 1; seq <= 3000; seq += 1) {
      const hlc = { wallMs: Date.now(), counter: seq }
      void stranger.publish('ledger', signEntry(thief, { ...place, seq, hlc, type: 'note', body: {}, by: 'eve', grant: null }).bytes)
    }
    await until(() => counted('flood') + counted('signature') === 3000)
    expect(counted('flood')).toBeGreaterThan(2000)
    await expect(push(new Uint8Array(3))).rejects.toMatchObject({ code: 'rate_limited' })
    const friend = await universe.network('friend', ['executor'])
    await until(() => node.network.members.get(friend.peer) !== undefined)
    const entry = signEntry(author, {
      ...{ ...place, seq: 1, hlc: { wallMs: Date.now(), counter: 0 }, type: 'note', body: {} },
      ...{ by: 'ada', grant: universe.grantOf(author.id) },
    })
    const entries = node.service.status().entries
    await friend.publish('ledger', entry.bytes)
    await until(() => node.service.status().entries === entries + 1)
  })
})

it('100,000 mutated entries: each refused with a reason, none fatal', { timeout: 60_000 }, async () => {
  const root = createIdentity()
  const universe = createUniverse('test', root.id)
  const ledger = new Ledger({
    ...{ identity: createIdentity(), universe, clock: systemClock, events: createEvents() },
    storage: new MemoryLevel<string, Uint8Array>(),
    onChange: () => {},
    onFork: () => {},
    mayWrite: () => {},
  })
  const place = { format: 1 as const, universe: universeId(universe), author: author.id, seq: 1, prev: null }
  const body = { manifest: { a: [1, null, 'text', true], bytes: new Uint8Array(20) } }
  const { bytes } = signEntry(author, { ...place, hlc: { wallMs: 1, counter: 0 }, type: 'publish', body, by: 'ada', grant: null })
  const random = sequence(11)
  const mutated = () => {
    // Most of the time in what says how long things are, where a reader is most easily led astray; the signature is the last 64 bytes.
    const changed = Uint8Array.from(random() < 0.2 ? bytes.subarray(0, Math.floor(random() * bytes.length)) : bytes)
    for (let flips = 1 + Math.floor(random() * 6); flips > 0 && changed.length > 0; flips -= 1) {
      changed[Math.floor(random() * Math.min(changed.length, 60))] = Math.floor(random() * 256)
    }
    return changed
  }
  let accepted = 0
  let same = 0
  for (let count = 0; count < 100_000; count += 1) {
    const changed = mutated()
    if (Buffer.compare(changed, bytes) === 0) same += 1
    try {
      ledger.opened(changed)
      accepted += 1
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
    }
  }
  expect(accepted).toBe(same)
  expect(Object.values(ledger.refusals()).reduce((sum, each) => sum + each, 0)).toBe(100_000 - same)
})
