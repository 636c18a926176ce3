import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createIdentity, createUniverse, type Identity } from '#protocols/access'
import { decode, encode } from '#protocols/codec'
import { createGenesis, type Envelope, ENTRY_BYTES_MAX, openEntries, openEntry, Refusal, signEntry } from './entry.ts'

const author = createIdentity()

function envelope(part: Partial<Envelope> = {}): Envelope {
  const place = { format: 1 as const, universe: '0'.repeat(16), author: author.id, seq: 1, prev: null }
  return {
    ...place,
    hlc: { wallMs: 5, counter: 0 },
    type: 'retire',
    body: { namespace: 'demo', name: 'x' },
    by: 'ada',
    grant: null,
    ...part,
  }
}

function reasonOf(bytes: Uint8Array): string {
  try {
    openEntry(bytes)
    return 'accepted'
  } catch (error) {
    return error instanceof Refusal ? error.reason : `threw ${String(error)}`
  }
}

/** Signed correctly over whatever payload bytes. */
function signedOver(payload: Uint8Array, by: Identity = author): Uint8Array {
  return encode([payload, new Uint8Array(by.sign(Buffer.concat([Buffer.from('osiris/entry/1\0'), payload])))])
}

it('an entry opens to what was signed, under the same hash', () => {
  const entry = signEntry(author, envelope())
  expect(openEntry(entry.bytes)).toEqual(entry)
})

it('an unknown type is kept as it is', () => {
  const entry = signEntry(author, envelope({ type: 'future.thing', body: { deep: [{ list: [1, null, 'x'] }] } }))
  expect(openEntry(entry.bytes).body).toEqual({ deep: [{ list: [1, null, 'x'] }] })
})

it('a signature of another key, or under another domain, is refused', () => {
  const payload = encode(envelope())
  expect(reasonOf(signedOver(payload, createIdentity()))).toBe('signature')
  expect(reasonOf(encode([payload, new Uint8Array(author.sign(payload))]))).toBe('signature')
  expect(reasonOf(encode([payload, new Uint8Array(63)]))).toBe('signature')
})

it('bytes that are not canonical are refused although they are signed', () => {
  const payload = encode(envelope())
  const longInteger = Buffer.from(Buffer.from(payload).toString('hex').replace('6373657101', '637365711801'), 'hex')
  expect(longInteger.length).toBe(payload.length + 1)
  expect(reasonOf(signedOver(longInteger))).toBe('malformed')
  // The same two keys the other way round: "wallMs" and its value take 8 bytes.
  const inOrder = Buffer.from(encode(envelope().hlc)).toString('hex')
  const turned = `a2${inOrder.slice(2 + 16)}${inOrder.slice(2, 2 + 16)}`
  const reordered = Buffer.from(Buffer.from(payload).toString('hex').replace(inOrder, turned), 'hex')
  expect(decode(reordered)).toEqual(envelope())
  expect(Buffer.compare(reordered, payload)).not.toBe(0)
  expect(reasonOf(signedOver(reordered))).toBe('malformed')
  expect(reasonOf(Buffer.concat([signEntry(author, envelope()).bytes, Buffer.from([0])]))).toBe('malformed')
})

it('keys that are missing, too many or of the wrong kind are refused', () => {
  const good = envelope() as unknown as Record<string, unknown>
  const bad: Record<string, unknown>[] = [
    { ...good, extra: 1 },
    { ...good, seq: 0 },
    { ...good, seq: 1.5 },
    { ...good, author: author.id.toUpperCase() },
    { ...good, hlc: { wallMs: 5, counter: 65_536 } },
    { ...good, body: [] },
    { ...good, format: 2 },
    { ...good, type: 'x'.repeat(64) },
  ]
  for (const each of bad) expect(reasonOf(signedOver(encode(each)))).toBe('malformed')
})

it('an entry over 64 KiB is refused by length alone, one that nests too deep by its form', () => {
  expect(reasonOf(new Uint8Array(ENTRY_BYTES_MAX + 1))).toBe('oversized')
  expect(reasonOf(signedOver(Buffer.alloc(60_000, 0x81)))).toBe('malformed')
  let body: Record<string, unknown> = {}
  for (let depth = 0; depth < 40; depth += 1) body = { body }
  expect(reasonOf(signEntry(author, envelope({ body })).bytes)).toBe('malformed')
})

it('property: hostile bytes are refused, never fatal, and any changed byte is noticed', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => reasonOf(bytes) === 'malformed'))
  const { bytes } = signEntry(author, envelope())
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const changed = Uint8Array.from(bytes)
      changed[at] = (changed[at] as number) ^ flip
      return ['malformed', 'signature'].includes(reasonOf(changed))
    }),
  )
})

it('the genesis of a universe has the same bytes each time', () => {
  const universe = createUniverse('demo', author.id)
  expect(createGenesis(author, universe)).toEqual(createGenesis(author, universe))
  expect(openEntry(createGenesis(author, universe))).toMatchObject({
    seq: 1,
    type: 'genesis',
    body: { name: 'demo', root: author.id, recovery: null },
  })
})

it('payload and signature are two byte strings, as the format says', () => {
  const parts = decode(signEntry(author, envelope()).bytes) as Uint8Array[]
  expect(parts.map((part) => part.length)).toEqual([encode(envelope()).length, 64])
})

it('several at once get the verdicts each gets alone, in their order', async () => {
  const good = [1, 2, 3].map((seq) => signEntry(author, envelope({ seq })))
  const payload = encode(envelope())
  const bad = [
    signedOver(payload, createIdentity()),
    encode([payload, new Uint8Array(63)]),
    Buffer.from('x'),
    new Uint8Array(ENTRY_BYTES_MAX + 1),
  ]
  const list = [...good.map((entry) => entry.bytes), ...bad]
  const opened = await openEntries(list)
  expect(opened.slice(0, 3)).toEqual(good)
  expect(opened.map((each) => (each instanceof Refusal ? each.reason : 'accepted'))).toEqual(list.map(reasonOf))
})
