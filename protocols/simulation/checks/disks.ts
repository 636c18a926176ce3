/**
 * Whatever comes onto an honest node's disk is judged at that moment, by rules written down here a second time: signed by its author, of this
 * universe, in its place, not from the future, and the only entry of that author and place there ever was, if the author is honest.
 */
import { universeId } from '#protocols/access'
import { HOSTILE, ROOT, UNIVERSE } from '../cast.ts'
import { USURPER } from '../forgery.ts'
import type { Node } from '../node.ts'
import type { World } from '../world.ts'
import { artifactIn, hashIn, keyOf, placeIn, readRecord, receiptedHash, receiptIn, type StoredEntry } from './record.ts'

/** What the ledger allows another clock to be ahead. */
const DRIFT_MS = 500
const UNIVERSE_ID = universeId(UNIVERSE)

export class DiskCheck {
  readonly #world: World
  /** By author and seq: the hash seen first on a disk, and whose disk that was. */
  readonly #seen = new Map<string, { hash: string; node: string }>()
  readonly #honest: Set<string>
  /** The last entry of keys that were given on, by their own word. */
  readonly #given = new Map<string, { seq: number; hash: string }>()
  /** Seqs of the hostile member of which two different entries are on honest disks. */
  readonly #forkedAt = new Set<number>()

  constructor(world: World) {
    this.#world = world
    this.#honest = new Set([ROOT.id, ...world.nodes.map((node) => node.identity.id)])
  }

  /** A key that took over from the root is on an honest host before it is told of, and its predecessor writes no more. */
  #judgeRotation(entry: StoredEntry, node: Node, where: string): void {
    const last = this.#given.get(entry.author)
    // What a failed write left behind may have been replaced.
    const isBehind =
      last !== undefined && entry.seq > last.seq && hashIn(node.disk.durable().get(keyOf(entry.author, last.seq))) === last.hash
    if (isBehind) this.#world.fail('nothing follows a rotation', `${where} comes behind entry ${last.seq}`)
    const to = entry.body['to']
    if (entry.type !== 'rotate' || typeof to !== 'string' || !this.#honest.has(entry.author)) return
    this.#given.set(entry.author, { seq: entry.seq, hash: entry.hash })
    this.#honest.add(to)
    if (!this.#world.rulers.some((node) => node.keys?.has(to) === true))
      this.#world.fail('the root is never lost', `${where} gives it on to ${to.slice(0, 6)}, which no host has kept`)
  }

  start(): void {
    for (const node of this.#world.keepers) {
      node.disk.onDurable = (key, value) => this.#judge(node, key, value)
      node.disk.onVisible = (key, value) => this.#judgeReceipt(node, key, value)
    }
  }

  #judge(node: Node, key: string, value: Uint8Array): void {
    const place = placeIn(key)
    if (place === undefined) return
    const entry = readRecord(value)
    const where = `entry ${place.author.slice(0, 6)}/${place.seq} on ${node.name}`
    if (typeof entry === 'string') {
      this.#world.fail('only entries on disks', `${where}: ${entry}`)
      return
    }
    const wrong = this.#wrongWith(entry, place, node)
    if (wrong !== undefined) this.#world.fail(...wrong(where))
    this.#judgeRotation(entry, node, where)
    this.#judgeFork(entry, node, where)
  }

  /** A node that signs for an entry has it, synced, and the code it publishes. */
  #judgeReceipt(node: Node, key: string, receipt: Uint8Array): void {
    const spot = receiptIn(key)
    if (spot === undefined || spot.holder !== node.identity.id || node.disk.damaged) return
    const where = `${node.name} signed for entry ${spot.author.slice(0, 6)}/${spot.seq}`
    const value = node.disk.durable().get(keyOf(spot.author, spot.seq))
    const entry = value === undefined ? 'it is not there' : readRecord(value)
    if (typeof entry === 'string' || entry.hash !== receiptedHash(receipt))
      this.#world.fail('receipts are true', `${where}, which is not on its disk`)
    else if (entry.type === 'publish' && !node.files.holds(artifactIn(entry)))
      this.#world.fail('receipts are true', `${where}, whose artifact is not on its disk`)
  }

  #wrongWith(
    entry: StoredEntry,
    place: { author: string; seq: number },
    node: Node,
  ): ((where: string) => [rule: string, text: string]) | undefined {
    if (entry.author !== place.author || entry.seq !== place.seq) return (at) => ['entries are in their places', `${at} belongs elsewhere`]
    if (!entry.signed) return (at) => ['entries are signed', `${at} is not signed by its author`]
    if (entry.by === USURPER) return (at) => ['nothing unauthorised', `${at} is what its author may not`]
    if (entry.universe !== UNIVERSE_ID) return (at) => ['entries are of this universe', `${at} is of ${entry.universe}`]
    const aheadMs = entry.hlc.wallMs - node.clockHighMs()
    if (aheadMs > DRIFT_MS) return (at) => ['no entries from the future', `${at} is ${Math.round(aheadMs)} ms ahead of the node's clock`]
    return this.#wrongInFeed(entry, node)
  }

  #wrongInFeed(entry: StoredEntry, node: Node): ((where: string) => [rule: string, text: string]) | undefined {
    if (entry.seq === 1) return entry.prev === null ? undefined : (at) => ['feeds are chains', `${at} is first and follows something`]
    const value = node.disk.durable().get(keyOf(entry.author, entry.seq - 1))
    if (value === undefined) return node.disk.damaged ? undefined : (at) => ['feeds have no gaps', `${at} has none before it`]
    const before = readRecord(value)
    if (typeof before === 'string') return undefined
    if (entry.prev !== before.hash) return (at) => ['feeds are chains', `${at} does not follow the one before`]
    const later = entry.hlc.wallMs - before.hlc.wallMs || entry.hlc.counter - before.hlc.counter
    return later > 0 ? undefined : (at) => ['time goes on in a feed', `${at} is not later than the one before`]
  }

  /**
   * Nodes that lack the proof of a fork that somebody has proven, or of which two nodes hold different branches in their ledgers. What a failed write
   * left on a disk is in no ledger before the next start.
   */
  unprovenForks(): string[] {
    return [...this.#forkedAt].flatMap((seq) => {
      const lacking = this.#world.keepers.filter((node) => !hasProof(node, seq))
      const isKnown = lacking.length < this.#world.keepers.length || new Set(lacking.flatMap((node) => branchOf(node, seq))).size > 1
      return isKnown ? lacking.map((node) => `${node.name} has no proof of the fork at ${seq}`) : []
    })
  }

  /** Whether the node has an entry in this place in its ledger; what a failed write left on its disk is in none, and no witness can speak of it. */
  #isKnown({ author, seq }: StoredEntry, name: string): boolean {
    const ledger = this.#world.nodes.find((node) => node.name === name)?.ledger
    return ledger?.status().heads.some((head) => head.author === author && head.seq >= seq) ?? true
  }

  /** An entry that never left its author's disk may be replaced after a crash; one that others have may not. */
  #judgeFork(entry: StoredEntry, node: Node, where: string): void {
    const place = `${entry.author} ${entry.seq}`
    const seen = this.#seen.get(place)
    if (!this.#honest.has(entry.author)) {
      if (seen === undefined) this.#seen.set(place, { hash: entry.hash, node: node.name })
      else if (seen.hash !== entry.hash) this.#forkedAt.add(entry.seq)
      return
    }
    const own = node.identity.id === entry.author
    if (seen === undefined || seen.hash === entry.hash) {
      if (!own || seen === undefined) this.#seen.set(place, { hash: entry.hash, node: node.name })
      return
    }
    const author = this.#world.nodes.find((each) => each.identity.id === entry.author)
    if (seen.node !== author?.name && this.#isKnown(entry, seen.node))
      this.#world.fail('honest nodes do not fork', `${where} is another than ${seen.node} has`)
    else this.#seen.set(place, { hash: entry.hash, node: node.name })
  }
}

function hasProof(node: Node, seq: number): boolean {
  return node.ledger?.status().frozen.some((frozen) => frozen.author === HOSTILE.id && frozen.seq <= seq) === true
}

/** The hash of the hostile member's entry that a ledger has in this place. */
function branchOf(node: Node, seq: number): string[] {
  const isThere = node.ledger?.status().heads.some((head) => head.author === HOSTILE.id && head.seq >= seq) === true
  return isThere ? [hashIn(node.disk.durable().get(keyOf(HOSTILE.id, seq))) ?? 'damaged'] : []
}
