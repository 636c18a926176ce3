import type { Connection } from '@libp2p/interface'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createIdentity, createUniverse } from '#protocols/access'
import { collect } from '#protocols/body'
import { createEvents } from '#protocols/events'
import { systemClock } from '#protocols/lifecycle'
import { until } from '#protocols/until'
import type { Host } from './libp2p-host.ts'
import { laneOf } from './libp2p-lane.ts'
import { assemble } from './libp2p.ts'
import type { Network } from './network.ts'
import { failure } from './suite-tools.fixture.ts'

interface Layer {
  onData(bytes: Uint8Array): void
  send(bytes: Uint8Array): boolean
  writableNeedsDrain: boolean
}
interface Tcp extends Layer {
  socket: { write(bytes: Uint8Array): boolean; emit(name: 'drain'): boolean }
}
interface Noise extends Layer {
  stream: Layer & { maConn: Tcp }
}

const universe = createUniverse('lane', createIdentity().id)
const stops: (() => Promise<void>)[] = []
let [asker, answerer]: { network: Network; host: Host }[] = []

async function start(bootstrap: string[]): Promise<{ network: Network; host: Host }> {
  const node = await assemble(
    {
      ...{ seed: createIdentity().seed, universe, listen: ['/ip4/127.0.0.1/tcp/0'], bootstrap, dht: false },
      ...{ beat: { name: 'a', roles: ['router'], capacity: 1 }, clock: systemClock, random: Math.random, events: createEvents() },
    },
    0,
  )
  stops.push(() => node.network.stop())
  await node.network.start()
  return node
}

beforeEach(async () => {
  answerer = await start([])
  asker = await start(answerer.network.addresses())
  answerer.network.handle('echo/1', async ({ head, body }) => (body === undefined ? { head } : { head, body }))
  await until(() => asker?.network.members.list().length === 1 && answerer?.network.members.list().length === 1, 5_000)
  await echo(new Uint8Array(10))
})
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

/** The same bytes, there and back. */
async function echo(bytes: Uint8Array): Promise<boolean> {
  if (asker === undefined || answerer === undefined) throw new Error('there are no nodes')
  const message = { head: bytes.subarray(0, 8), body: bytes.subarray(8) }
  const { head, body = new Uint8Array() } = await asker.network.request(answerer.network.peer, 'echo/1', message, { timeoutMs: 20_000 })
  return Buffer.concat([head, await collect(body, bytes.length, 'the answer')]).equals(bytes)
}

function connectionOf(node: { host: Host } | undefined): Connection {
  return node?.host.getConnections()[0] as Connection
}

function noiseOf(node: { host: Host } | undefined): Noise {
  return (connectionOf(node) as unknown as { muxer: { maConn: Noise } }).muxer.maConn
}

/** What the sockets of both have read in a turn is handed on in pieces of these lengths, over and over; all at once where there are none. */
function readInPieces(lengths: () => readonly number[]): void {
  for (const { maConn: tcp } of [noiseOf(asker).stream, noiseOf(answerer).stream]) {
    const take = tcp.onData.bind(tcp)
    let held = Buffer.alloc(0)
    const handOn = (): void => {
      const [bytes, cuts] = [held, lengths()]
      held = Buffer.alloc(0)
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const end = at + (cuts[turn % cuts.length] ?? bytes.length)
        take(bytes.subarray(at, end))
        at = end
      }
    }
    tcp.onData = (bytes) => {
      if (held.length === 0) setImmediate(handOn)
      held = Buffer.concat([held, bytes])
    }
  }
}

test('messages of calls pass no layer but the ciphers', async () => {
  let [entered, left] = [0, 0]
  for (const noise of [noiseOf(asker), noiseOf(answerer)]) {
    const [onData, send] = [noise.onData.bind(noise), noise.send.bind(noise)]
    noise.onData = (bytes) => (entered++, onData(bytes))
    noise.send = (bytes) => (left++, send(bytes))
  }
  for (let times = 0; times < 100; times++) expect(await echo(new Uint8Array(200).fill(times))).toBe(true)
  // Beats go on meanwhile.
  expect(entered).toBeLessThan(40)
  expect(left).toBeLessThan(40)
  expect(laneOf(connectionOf(asker))).toBe(laneOf(connectionOf(asker)))
})

test('a connection whose layers are not those known has no short way', () => {
  expect(laneOf({} as Connection)).toBeUndefined()
  expect(laneOf({ muxer: { maConn: { stream: { maConn: {} } } } } as unknown as Connection)).toBeUndefined()
})

test('messages of any length arrive whole and once, however the socket cuts and joins them', async () => {
  let cuts: number[] = []
  readInPieces(() => cuts)
  const lengths = fc.array(fc.oneof(fc.nat(300), fc.nat(70_000), fc.integer({ min: 65_450, max: 65_560 })), { minLength: 1, maxLength: 12 })
  await fc.assert(
    fc.asyncProperty(
      lengths,
      fc.array(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 20_000 }))),
      async (all, pieces) => {
        // Pieces of a byte or two of much would take long.
        cuts = pieces.reduce((sum, each) => sum + each, 0) < 20 * pieces.length ? [...pieces, 20_000] : pieces
        const answers = await Promise.all(all.map((length, index) => echo(Uint8Array.from({ length }, (_, at) => at * 7 + index))))
        expect(answers).toEqual(all.map(() => true))
      },
    ),
    { numRuns: 30 },
  )
}, 30_000)

test('messages of every length around what noise seals at once arrive', async () => {
  for (let length = 65_470; length < 65_530; length++) expect(await echo(new Uint8Array(length).fill(length))).toBe(true)
})

test('what looks like a frame in the midst of one is none', async () => {
  const id = Number(connectionOf(asker).streams.find(({ protocol }) => protocol.endsWith('/frames/1'))?.id)
  const frame = [0, 0, 0, 0, 0, 0, 0, id, 0, 0, 0, 1]
  // Wherever noise cuts it, what it sealed at once being there whole.
  readInPieces(() => [])
  for (let turn = 0; turn < frame.length; turn++)
    expect(await echo(Uint8Array.from({ length: 140_000 }, (_, at) => frame[(at + turn) % frame.length] as number))).toBe(true)
})

test('a byte that was changed on its way ends the connection, and the next call has another', async () => {
  const { maConn: tcp } = noiseOf(answerer).stream
  const take = tcp.onData.bind(tcp)
  const first = connectionOf(asker)
  tcp.onData = (bytes) => take(bytes.map((byte, at) => (at === bytes.length - 1 ? byte ^ 1 : byte)))
  expect((await failure(echo(new Uint8Array(100)))).code).toBe('outcome_unknown')
  await until(() => first.status !== 'open', 2_000)
  expect(await echo(new Uint8Array(100))).toBe(true)
})

test('a full socket holds up all layers until it is drained', async () => {
  if (asker === undefined || answerer === undefined) throw new Error('there are no nodes')
  const noise = noiseOf(asker)
  const layers = [noise, noise.stream, noise.stream.maConn]
  const { socket } = noise.stream.maConn
  const write = socket.write.bind(socket)
  socket.write = (bytes) => {
    const takesMore = write(bytes)
    return bytes.length < 5_000 && takesMore
  }
  expect(await echo(new Uint8Array(5_000))).toBe(true)
  expect(layers.map(({ writableNeedsDrain }) => writableNeedsDrain)).toEqual([true, true, true])
  const unsent = asker.network.request(answerer.network.peer, 'echo/1', { head: new Uint8Array() }, { timeoutMs: 50 })
  expect(await failure(unsent)).toMatchObject({ code: 'deadline_exceeded', details: { sent: false } })
  socket.emit('drain')
  expect(await echo(new Uint8Array(100))).toBe(true)
  expect(layers.map(({ writableNeedsDrain }) => writableNeedsDrain)).toEqual([false, false, false])
})
