/** What a writer is told must be so: judged when it is told, and once more when all is over. */
import type { Receipt } from '#protocols/catalog'
import { OsirisError } from '#protocols/errors'
import { HOSTILE } from '../cast.ts'
import type { Node } from '../node.ts'
import type { World } from '../world.ts'
import { electorateOf } from './electorate.ts'
import { hashIn, keyOf, readRecord } from './record.ts'

/** A majority, but never more: DESIGN 5. */
const NEEDED_MAX = 3

/** What a node had before it wrote. */
export interface Before {
  /** The latest time of any entry on its disk. */
  wallMs: number
  counter: number
}

export function placesBefore(node: Node): Before {
  const before: Before = { wallMs: 0, counter: 0 }
  // What a failed write left on the disk is not in the ledger.
  const heads = new Map(node.ledger?.status().heads.map(({ author, seq }) => [author, seq]))
  for (const [key, value] of node.disk.durable()) {
    const entry = key.startsWith('entry/') ? readRecord(value) : ''
    if (typeof entry === 'string' || entry.seq > (heads.get(entry.author) ?? 0)) continue
    const { wallMs, counter } = entry.hlc
    if (wallMs > before.wallMs || (wallMs === before.wallMs && counter > before.counter)) Object.assign(before, { wallMs, counter })
  }
  return before
}

export interface Told {
  receipt: Receipt
  /** Digest of the code that was published with it. */
  artifact?: string | undefined
  /** It is of an entry that this very write made. */
  fresh: boolean
}

/** A receipt was handed out. */
export function judgePromise(world: World, node: Node, told: Told, before: Before): void {
  const { receipt, artifact } = told
  const { author, seq, state, holders } = receipt
  world.note(node.name, `${author.slice(0, 6)}/${seq} is ${state} by ${holders.join(' ')}`)
  const writer = writerOf(world, author, node)
  world.history.promises.push({ receipt, writer: writer.name, artifact, atMs: world.now })
  if (!writer.disk.damaged && !has(writer, receipt))
    world.fail('accepted is on disk', `${describe(receipt)} is not on the disk of ${writer.name}`)
  if (artifact !== undefined && !writer.disk.damaged && !writer.files.holds(artifact))
    world.fail('accepted has its code', `the artifact of ${describe(receipt)} is not on the disk of ${writer.name}`)
  judgeReceipts(world, told)
  if (state === 'committed' && !writer.disk.damaged) judgeMajority(world, writer, receipt)
  if (told.fresh) judgeOrder(world, node, receipt, before)
}

/** On whose disk it was accepted. What the root signed was written by the node that tells of it. */
function writerOf(world: World, author: string, teller: Node): Node {
  return world.nodes.find((each) => each.identity.id === author) ?? teller
}

/** Every receipt is true. */
function judgeReceipts(world: World, { receipt, artifact }: Told): void {
  for (const { holder } of receipt.receipts) {
    const honest = world.nodes.find((each) => each.identity.id === holder)
    if (honest === undefined || honest.disk.damaged) continue
    if (!has(honest, receipt)) world.fail('receipts are true', `${honest.name} signed for ${describe(receipt)}, which is not on its disk`)
    if (artifact !== undefined && !honest.files.holds(artifact))
      world.fail('receipts are true', `${honest.name} signed for ${describe(receipt)}, whose artifact is not on its disk`)
  }
}

/** There are enough of those whose receipts count, by the ledger on the writer's disk. */
function judgeMajority(world: World, writer: Node, receipt: Receipt): void {
  const value = writer.disk.durable().get(keyOf(receipt.author, receipt.seq))
  const entry = value === undefined ? '' : readRecord(value)
  if (typeof entry === 'string') return
  const { asked, counting } = electorateOf(writer, entry)
  const needed = Math.min(NEEDED_MAX, Math.floor(asked.size / 2) + 1)
  const holders = new Set(receipt.receipts.map((each) => each.holder).filter((holder) => counting.has(holder)))
  if (holders.size < needed)
    world.fail('committed is a majority', `${describe(receipt)} has receipts of ${holders.size} catalogs, ${needed} are needed`)
}

/** Whoever saw an entry and then writes writes after it. */
function judgeOrder(world: World, node: Node, receipt: Receipt, before: Before): void {
  const value = node.disk.durable().get(keyOf(receipt.author, receipt.seq))
  const entry = node.identity.id === receipt.author && value !== undefined ? readRecord(value) : ''
  if (typeof entry === 'string') return
  const { wallMs, counter } = entry.hlc
  if (wallMs < before.wallMs || (wallMs === before.wallMs && counter <= before.counter))
    world.fail('causes come before effects', `${describe(receipt)} is ordered before what ${node.name} had when it was written`)
}

/** Somebody without the right to write tried. */
export function judgeDenied(world: World, node: Node, error: Error | undefined): void {
  if (error === undefined) world.fail('nothing unauthorised', `${node.name} took a write of somebody who may not`)
  else if (!(error instanceof OsirisError)) world.fail('typed errors', `${node.name} refused with ${error.message}`)
}

/** When all is healed: everything promised is on every honest disk that keeps the ledger and was not damaged. */
export function judgePromisesKept(world: World): void {
  for (const { receipt, writer: name } of world.history.promises) {
    const writer = world.nodes.find((each) => each.name === name)
    // A catalog that knows of no other commits alone, and then its disk is the only one.
    const elsewhere = receipt.receipts.some(({ holder }) => holder !== writer?.identity.id && holder !== HOSTILE.id)
    const survives = writer === undefined || !writer.disk.damaged || (receipt.state === 'committed' && elsewhere)
    if (!survives) continue
    for (const node of world.keepers) {
      if (!node.disk.damaged && !has(node, receipt))
        world.fail(`${receipt.state} is never lost`, `${describe(receipt)} is not on the disk of ${node.name}`)
    }
  }
}

function has(node: Node, { author, seq, hash }: Receipt): boolean {
  return !node.keepsLedger || hashIn(node.disk.durable().get(keyOf(author, seq))) === hash
}

function describe({ author, seq, hash, state }: Receipt): string {
  return `${state} entry ${author.slice(0, 6)}/${seq} (${hash.slice(0, 6)})`
}
