/**
 * A catalog in a process of its own, on a ledger that is on disk already, over real sockets: what one side of a comparison of two ledgers is made of.
 * `serve PLACE` prints its address and its view's digest and goes on until it is ended; `follow PLACE ADDRESS EXPECTED` joins that one and prints how long it
 * took from its first question until so many functions more were here, and what travelled for it. Both print JSON.
 */
import { readFile } from 'node:fs/promises'
import { Level } from 'level'
import { z } from 'zod'
import { Access, createIdentity, universeSchema } from '#protocols/access'
import { collect } from '#protocols/body'
import { CatalogService, DirectoryArtifacts, serveCatalog } from '#protocols/catalog'
import { decode } from '#protocols/codec'
import { createEvents } from '#protocols/events'
import { systemClock } from '#protocols/lifecycle'
import { createLibp2pNetwork, type IncomingRequest, type Message, type Network } from '#protocols/network'

const JOIN_MS = 10_000
const ANSWER_BYTES_MAX = 64 * 1024 * 1024
/** What comparing two ledgers, and bringing what one lacks, consists of. */
const COMPARING: ReadonlySet<unknown> = new Set(['heads', 'compare', 'objects', 'entries', 'proofs'])
const placeSchema = z.object({ name: z.string(), seed: z.base64(), directory: z.string(), artifacts: z.string(), universe: universeSchema })

/** Of messages of one kind, both ways, whoever asked. */
interface Travelled {
  messages: number
  bytes: number
}

class Tally {
  readonly byType: Record<string, Travelled> = {}
  /** Of the entries themselves. */
  entryBytes = 0
  startedAt = 0

  /** Runs one question, and counts it with its answer. */
  async count(head: Uint8Array, body: Message['body'], ask: (body: Uint8Array) => Promise<Message>): Promise<Message> {
    const { type } = decode(head) as { type: string }
    if (COMPARING.has(type) && this.startedAt === 0) this.startedAt = performance.now()
    const sent = await collect(body, ANSWER_BYTES_MAX, 'a question')
    const answer = await ask(sent)
    const came = await collect(answer.body, ANSWER_BYTES_MAX, 'an answer')
    const known = (this.byType[type] ??= { messages: 0, bytes: 0 })
    known.messages += 1
    known.bytes += head.length + sent.length + answer.head.length + came.length
    if (type === 'entries') this.entryBytes += (decode(came) as Uint8Array[]).reduce((sum, each) => sum + each.length, 0)
    return { head: answer.head, body: came }
  }

  get comparingBytes(): number {
    const all = Object.entries(this.byType).filter(([type]) => COMPARING.has(type))
    return all.reduce((sum, [, { bytes }]) => sum + bytes, 0) - this.entryBytes
  }
}

/** The same network; what catalogs ask each other through it is counted. */
function counted(network: Network, tally: Tally): Network {
  const own: Partial<Network> = {
    request: (peer, protocol, { head, body }, options) =>
      tally.count(head, body, (sent) => network.request(peer, protocol, { head, body: sent }, options)),
    handle: (protocol, handler) =>
      network.handle(protocol, (request: IncomingRequest) =>
        tally.count(request.head, request.body, (body) => handler({ ...request, body })),
      ),
  }
  return new Proxy(network, {
    get(target, key) {
      const value: unknown = own[key as keyof Network] ?? Reflect.get(target, key, target)
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value
    },
  })
}

const [mode, placeFile = '', address, expected = '0'] = process.argv.slice(2)
const place = placeSchema.parse(JSON.parse(await readFile(placeFile, 'utf8')))
const identity = createIdentity(Buffer.from(place.seed, 'base64'))
const { universe, name } = place
const shared = { clock: systemClock, random: Math.random, events: createEvents() }
const level: Level<string, Uint8Array> = new Level(place.directory, { valueEncoding: 'view' })
await level.open()
const tally = new Tally()
const network = await createLibp2pNetwork({
  ...{ ...shared, seed: identity.seed, universe, dht: false },
  ...{ listen: ['/ip4/127.0.0.1/tcp/0'], bootstrap: [], beat: { name, roles: ['catalog'], capacity: 0 } },
})
const seen = counted(network, tally)
const access = new Access({ root: universe.root, clock: systemClock })
const artifacts = new DirectoryArtifacts({ directory: place.artifacts })
const service = new CatalogService({ ...shared, identity, universe, storage: level, artifacts, access, nodeName: name, network: seen })
await network.start()
await service.start()
serveCatalog(seen, service, access)
// The first digest is made of everything; that is no part of what is measured.
const { viewDigest } = service.status()
if (mode === 'serve') console.log(JSON.stringify({ address: network.addresses()[0], digest: viewDigest }))
else {
  console.log(JSON.stringify(await follow(address ?? '', Number(expected))))
  await service.stop()
  await network.stop()
  await level.close()
}

async function follow(to: string, missing: number) {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const late = setTimeout(() => reject(new Error(`The two ledgers were not equal within ${JOIN_MS} ms`)), JOIN_MS)
  let left = missing
  shared.events.on('catalog.changed', () => (left -= 1) === 0 && resolve())
  await network.dial(to, { timeoutMs: JOIN_MS })
  await promise
  clearTimeout(late)
  const ms = performance.now() - tally.startedAt
  const { comparingBytes: bytes, entryBytes, byType } = tally
  return { ms, bytes, entryBytes, byType: structuredClone(byType), digest: service.status().viewDigest }
}
