/** Frames as a worker that was taken over may send them: nearly right, made of a seed. The test makes them; the worker only fills in its own numbers. */
import fc from 'fast-check'
import { LIMITS } from '#protocols/invocation'
import { SAY } from './frames.ts'

/** A number as it is, or what only the worker knows: its call, its instance, the one after. */
type Numeral = number | 'call' | 'instance' | 'next call' | 'next instance'

export interface MadeFrame {
  kind: number
  id: Numeral
  a: Numeral
  b: number
  payload: string
}

const FETCH = JSON.stringify({ call: 1, method: 'GET', url: 'http://127.0.0.1/', headers: [], redirect: 'follow', streams: false })
const errorOf = (code: string) => JSON.stringify({ code, message: 'forged' })
const publish = (topic: string) => JSON.stringify({ kind: 'publish', topic, data: '1' })
const ask = (ref: string) => JSON.stringify({ kind: 'call', ref, args: '[]' })

/** What a worker may say at any time while a call is open, without an effect on how the call ends. */
const mild = fc.oneof(
  fc.record({
    kind: fc.constant(SAY.log),
    id: fc.constantFrom<Numeral>('call', 0),
    a: fc.constant<Numeral>('instance'),
    b: fc.nat(3),
    payload: fc.string(),
  }),
  ...[SAY.credit, SAY.heard, SAY.retired, SAY.pong, SAY.spent, SAY.end].map((kind) => plain(kind, 'call')),
  plain(SAY.memory, 'instance', fc.nat(1e6)),
  fc.record({
    kind: fc.constant(SAY.limit),
    id: fc.constant<Numeral>('call'),
    a: fc.constant<Numeral>('instance'),
    b: fc.nat(LIMITS.length - 1),
    payload: fc.constant(''),
  }),
  fc.record({
    kind: fc.constant(SAY.ask),
    id: fc.nat(50),
    a: fc.constant<Numeral>('instance'),
    b: fc.constant(0),
    payload: fc.constantFrom(ask('fuzz-honest/f1'), ask('%'), publish('fuzz-honest/a'), publish('a'), publish('%')),
  }),
  fc.record({
    kind: fc.constant(SAY.fetch),
    id: fc.integer({ min: 1, max: 1e9 }),
    a: fc.constant<Numeral>('instance'),
    b: fc.constant(FETCH.length),
    payload: fc.constant(FETCH),
  }),
  ...[SAY.fetchChunk, SAY.fetchEnd, SAY.fetchCancel, SAY.fetchCredit].map((kind) => plain(kind, 2 ** 31, fc.constant<Numeral>('instance'))),
)

function plain(kind: number, id: Numeral, a: fc.Arbitrary<Numeral> = fc.constant(0)): fc.Arbitrary<MadeFrame> {
  return fc.record({ kind: fc.constant(kind), id: fc.constant(id), a, b: fc.constant(0), payload: fc.constant('') })
}

const numeral = fc.oneof(
  fc.constantFrom<Numeral>('call', 'instance', 'next call', 'next instance', 0, 1, 2 ** 24, 2 ** 25, 2 ** 31, 2 ** 32 - 1),
  fc.nat(100),
)
const payload = fc.oneof(
  fc.string(),
  fc.constantFrom('', '1', '"forged"', 'null', '{}', '[1,2,3]', '{"status":200,"headers":[]}', FETCH, ask('fuzz-honest/f1')),
  fc.constantFrom('internal', 'memory_exceeded', 'quota_exceeded', 'constructor').map(errorOf),
)
/** Every kind there is, and some that are none. */
const kinds = [...Object.values(SAY), 0, 31, 75, 78, 255]
const wild = fc.record({
  kind: fc.constantFrom(...kinds),
  id: numeral,
  a: numeral,
  b: fc.constantFrom(0, 1, 2, 2 ** 24, 2 ** 25, 2 ** 32 - 1),
  payload,
})
/** One field is not as it should be. */
const mutated = fc.tuple(mild, wild, fc.constantFrom('kind', 'id', 'a', 'b', 'payload')).map(([frame, other, field]) => ({
  ...frame,
  [field]: other[field as keyof MadeFrame],
}))

/** Few are not right, because most of those end the worker: the ones before them have been read. */
export const frames = (count: number): fc.Arbitrary<MadeFrame[]> =>
  fc.array(fc.oneof({ weight: 97, arbitrary: mild }, { weight: 2, arbitrary: mutated }, { weight: 1, arbitrary: wild }), {
    minLength: count,
    maxLength: count,
  })

/** Loads, and answers each call by the frames of its first argument, then by its second. */
export const FUZZER = `
  const { Socket } = require('node:net'); const socket = new Socket({ fd: 3 })
  const frame = (kind, id, a, b, payload) => { const bytes = Buffer.from(payload), head = Buffer.alloc(17); head.writeUInt32LE(13 + bytes.length); head[4] = kind
    head.writeUInt32LE(id, 5); head.writeUInt32LE(a, 9); head.writeUInt32LE(b, 13); return Buffer.concat([head, bytes]) }
  socket.write(frame(32, process.pid, 0, 0, '')); socket.on('end', () => process.exit()).on('error', () => process.exit())
  let rest = Buffer.alloc(0)
  socket.on('data', (chunk) => { rest = Buffer.concat([rest, chunk])
    while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32LE(0)) { const size = 4 + rest.readUInt32LE(0); const [kind, id, a] = [rest[4], rest.readUInt32LE(5), rest.readUInt32LE(9)]
      const payload = rest.subarray(17, size); rest = rest.subarray(size)
      if (kind === 1) socket.write(frame(33, id, 0, 0, ''))
      if (kind !== 2) continue
      const own = { call: id, instance: a, 'next call': id + 1, 'next instance': a + 1 }, [made, answer] = JSON.parse(payload)
      for (const each of made) socket.write(frame(each.kind, own[each.id] ?? each.id, own[each.a] ?? each.a, each.b, each.payload))
      socket.write(frame(35, id, 0, 0, JSON.stringify(answer))) } })`
