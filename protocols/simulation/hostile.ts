/** A member with a key of its own that keeps to no rule: it forges, forks, replays, lies, withholds and answers with garbage, over a network like everybody's. */
import { universeId } from '#protocols/access'
import { collect } from '#protocols/body'
import { decode, digestOf, encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import { createEvents } from '#protocols/events'
import { versionOf } from '#protocols/manifest'
import { type IncomingRequest, type Message, MeshNetwork, type Network, type Peer } from '#protocols/network'
import { FOREIGN_UNIVERSE, HOSTILE, LENT, ROOT, UNIVERSE } from './cast.ts'
import { NodeClock } from './clock.ts'
import type { Dice } from './dice.ts'
import { checkpointLike, entryOf, envelopeOf, isEntry, OwnFeed, receiptFor, USURPATIONS, USURPER } from './forgery.ts'
import { functionOf, NAMES } from './functions.ts'
import { LOAN } from './office.ts'
import { HEADS, type Poison, poisonFor } from './poison.ts'
import type { Owner } from './scheduler.ts'
import { addressOf, VirtualTransport } from './transport.ts'
import type { World } from './world.ts'

const EVERY_MS = { min: 60, max: 500 }
const HEARD_MAX = 60
const BYTES_MAX = 64 * 1024
/** Seconds, a minute, ten years: more than two honest clocks can differ by here. */
const AHEAD_MS = [3_000, 60_000, 315_360_000_000] as const
const CATALOG = 'catalog/1'
const EVIL = [
  'note',
  'note',
  'forge',
  'alter',
  'foreign',
  'future',
  'unchained',
  'early',
  'replay',
  'garbage',
  'receipts',
  'beat',
  'genesis',
  'gap',
  'publish',
  'publish',
  'usurp',
  'poison',
  'poison',
  'checkpoint',
  'checkpoint',
  'fork',
] as const

export class Hostile {
  readonly #world: World
  readonly #dice: Dice
  readonly #owner: Owner = { name: 'hostile', alive: true, waiting: 0 }
  readonly #network: Network
  readonly #transport: VirtualTransport
  /** Records of the DHT that honest nodes made. */
  readonly #records = new Map<string, Uint8Array>()
  readonly #feed = new OwnFeed(HOSTILE)
  /** Bytes of entries it has come by. */
  readonly #heard: Uint8Array[] = []
  readonly #beats: Uint8Array[] = []
  /** A frozen author is refused before anything else is looked at: not in every run. */
  readonly #forks: boolean
  #active = true

  constructor(world: World) {
    const { scheduler, wire } = world
    this.#world = world
    this.#dice = world.dice.fork('hostile')
    this.#forks = this.#dice.chance(0.4)
    const clock = new NodeClock(scheduler, this.#owner, { offsetMs: 0, rate: 1 })
    const transport = new VirtualTransport({ name: 'hostile', identity: HOSTILE, universe: UNIVERSE, wire, owner: this.#owner })
    transport.onRecord = ({ key, value }) => void (this.#records.size < HEARD_MAX && this.#records.set(key, value))
    transport.tellOf = () => (this.#active ? this.#poisoned().value : undefined)
    this.#transport = transport
    this.#network = new MeshNetwork({
      ...{ transport, clock, identity: HOSTILE, random: this.#dice.random, events: createEvents(), defer: queueMicrotask },
      universe: universeId(UNIVERSE),
      beat: { name: 'hostile', roles: ['catalog'], capacity: 8 },
      bootstrap: world.nodes.map((node) => addressOf(node.name, node.identity)),
    })
  }

  start(): void {
    this.#network.subscribe('ledger', (_from, data) => this.#hear(data))
    this.#network.subscribe('beats', (_from, data) => void (this.#beats.length < HEARD_MAX && this.#beats.push(data)))
    this.#network.handle(CATALOG, (request) => this.#answer(request))
    void this.#network.start()
    this.#next()
  }

  /** Lies down; what it has done stays done. */
  stop(): void {
    this.#active = false
  }

  #next(): void {
    this.#world.scheduler.after(this.#owner, this.#dice.between(EVERY_MS.min, EVERY_MS.max), () => {
      if (this.#active && this.#heard.length > 0) this.#act(this.#dice.pick(EVIL))
      if (this.#active) this.#next()
    })
  }

  #hear(data: Uint8Array): void {
    this.#keep(data)
    // At once, so that a writer may count receipts before anybody can have given one.
    if (this.#active && this.#dice.chance(0.3)) this.#tell('receipts', encode(this.#receipts(data)))
  }

  #keep(data: Uint8Array): void {
    if (this.#heard.length < HEARD_MAX && isEntry(data)) this.#heard.push(data)
  }

  #act(evil: (typeof EVIL)[number]): void {
    const heard = this.#dice.pick(this.#heard)
    switch (evil) {
      case 'note':
        return this.#goOn(this.#own(heard))
      case 'forge':
        return this.#spread(this.#forged(heard))
      case 'alter':
        return this.#spread(this.#altered(heard))
      case 'foreign':
        return this.#spread(this.#own(heard, { universe: universeId(FOREIGN_UNIVERSE) }))
      case 'future':
        return this.#spread(
          this.#own(heard, { hlc: { wallMs: Math.floor(this.#world.trueWallMs) + this.#dice.pick(AHEAD_MS), counter: 0 } }),
        )
      case 'unchained':
        return this.#spread(this.#own(heard, { prev: digestOf(heard) }))
      case 'early':
        return this.#spread(this.#own(heard, { hlc: { wallMs: this.#feed.wallMs - 1, counter: 0 } }))
      case 'replay':
        return this.#spread(heard)
      case 'garbage':
        return this.#spread(this.#dice.bytes(this.#dice.int(400)))
      case 'receipts':
        return this.#tell('receipts', encode(this.#receipts(heard)))
      case 'beat':
        return this.#replayBeat()
      case 'genesis':
        return this.#spread(this.#own(heard, { type: 'genesis', body: { name: 'mine', root: HOSTILE.id, recovery: null } }))
      case 'gap':
        return this.#spread(this.#own(heard, { seq: this.#feed.seq + 2 }))
      case 'publish':
        return this.#publish(heard)
      case 'usurp':
        return this.#spread(this.#own(heard, { ...this.#dice.pick(USURPATIONS), by: USURPER }))
      case 'poison':
        return this.#poison()
      case 'checkpoint':
        return this.#checkpoint()
      case 'fork':
        return this.#forks ? this.#fork(heard) : this.#goOn(this.#own(heard))
    }
  }

  #own(like: Uint8Array, wrong: Record<string, unknown> = {}): Uint8Array {
    return this.#feed.next(like, Math.floor(this.#world.trueWallMs), wrong)
  }

  /** Where it was let in, and where it may not; whether or not that has been taken back. */
  #publish(heard: Uint8Array): void {
    const { history } = this.#world
    const { loan } = history
    if (loan === undefined) return
    const { manifest } = functionOf(LENT, LOAN, this.#feed.seq)
    const version = versionOf(manifest)
    history.versions.add(version)
    history.loans.set(version, this.#feed.seq + 1)
    this.#goOn(this.#own(heard, { type: 'publish', body: { manifest, after: null }, grant: loan }))
  }

  /** As if a node had asked it for what it knows of checkpoints. */
  #checkpoint(): void {
    const ledgers = this.#world.keepers.flatMap(({ ledger }) => ledger ?? [])
    const content = ledgers.flatMap((ledger) => ledger.checkpoints.offer()?.content.bytes ?? [])[0]
    if (content === undefined) return
    const signer = this.#dice.pick([HOSTILE, HOSTILE, ...this.#world.keepers.map(({ identity }) => identity)]).id
    const wrong = this.#dice.pick(['view', 'feeds', 'none'] as const)
    const statement = checkpointLike(content, signer, Math.floor(this.#world.trueWallMs), wrong)
    for (const ledger of ledgers)
      if (this.#dice.chance(0.7))
        ledger.sets
          .other('checkpoints')
          .take(statement)
          .catch(() => {})
  }

  #poison(): void {
    const { key, value } = this.#poisoned()
    this.#transport.spreadRecord(HEADS, key, value)
  }

  #poisoned(): Poison {
    return poisonFor(this.#dice.pick(NAMES), this.#records, Math.floor(this.#world.trueWallMs), this.#dice)
  }

  #goOn(entry: Uint8Array): void {
    this.#feed.goOn(entry)
    this.#world.history.hostileSeq = this.#feed.seq
    this.#spread(entry)
  }

  /** One to some, another to the others. */
  #fork(heard: Uint8Array): void {
    const [one, other] = [this.#own(heard), this.#own(heard, { body: { other: true } })]
    const peers = this.#dice.shuffled(this.#peers())
    this.#feed.goOn(one)
    this.#world.history.hostileSeq = this.#feed.seq
    for (const [at, peer] of peers.entries()) this.#push(peer, at % 2 === 0 ? one : other)
  }

  /** The next entry of somebody honest, in the attacker's hand. */
  #forged(heard: Uint8Array): Uint8Array {
    const envelope = envelopeOf(heard)
    const wallMs = Math.floor(this.#world.trueWallMs)
    return entryOf({ ...envelope, seq: envelope.seq + 1, prev: digestOf(heard), hlc: { wallMs, counter: 7 } }, HOSTILE)
  }

  #altered(heard: Uint8Array): Uint8Array {
    const bytes = Uint8Array.from(heard)
    const at = this.#dice.int(bytes.length)
    bytes[at] = (bytes[at] as number) ^ (1 << this.#dice.int(8))
    return bytes
  }

  #receipts(heard: Uint8Array): Uint8Array[] {
    try {
      const holders = [ROOT, ...this.#world.keepers.map((node) => node.identity)]
      return holders.map(({ id }) => receiptFor(heard, id, Math.floor(this.#world.trueWallMs)))
    } catch {
      return [this.#dice.bytes(100)]
    }
  }

  /** Says that somebody else's beat is its own; and that somebody gone is here. */
  #replayBeat(): void {
    if (this.#beats.length === 0) return
    const beat = this.#dice.pick(this.#beats)
    this.#tell('beats', this.#dice.chance(0.2) ? this.#altered(beat) : beat)
    for (const peer of this.#peers()) this.#ask(peer, 'network/1', { head: encode({ kind: 'hello', self: decode(beat) }) })
  }

  #spread(entry: Uint8Array): void {
    if (this.#dice.chance(0.6)) this.#tell('ledger', entry)
    for (const peer of this.#peers()) if (this.#dice.chance(0.7)) this.#push(peer, entry)
  }

  #tell(topic: string, data: Uint8Array): void {
    void this.#network.publish(topic, data)
  }

  #push(peer: Peer, entry: Uint8Array): void {
    this.#ask(peer, CATALOG, { head: encode({ type: 'push', keep: false }), body: entry })
  }

  #ask(peer: Peer, protocol: string, message: Message): void {
    this.#network.request(peer, protocol, message, { timeoutMs: 2000 }).catch(() => {})
  }

  #peers(): Peer[] {
    return this.#network.members.list().map((member) => member.peer)
  }

  async #answer({ head, body }: IncomingRequest): Promise<Message> {
    const { type } = decode(head) as { type: string }
    const chance = this.#dice.random()
    if (chance < 0.2) throw new OsirisError('unavailable', 'Cannot answer: not now', { details: { sent: false } })
    if (chance < 0.3) return { head: this.#dice.bytes(20), body: this.#dice.bytes(200) }
    if (type === 'push') return this.#answerPush(await collect(body, BYTES_MAX, 'an entry'))
    if (type === 'heads') return { head: encode({ same: true }) }
    if (type === 'entries') return { head: encode({}), body: encode(this.#lies()) }
    if (type === 'receipts') return { head: encode({}), body: encode(this.#heard.slice(-2).flatMap((each) => this.#receipts(each))) }
    if (type === 'artifact') return { head: encode({}), body: this.#dice.bytes(30) }
    throw new OsirisError('unavailable', 'Cannot answer: not here')
  }

  /** It has it, of course, and everybody else has too. */
  #answerPush(entry: Uint8Array): Message {
    this.#keep(entry)
    const receipt = this.#dice.pick(this.#receipts(entry))
    return { head: encode(this.#dice.chance(0.5) ? { held: true } : { held: true, receipt }) }
  }

  #lies(): Uint8Array[] {
    return this.#heard.slice(-3).flatMap((each) => [this.#altered(each), this.#forged(each), each])
  }
}
