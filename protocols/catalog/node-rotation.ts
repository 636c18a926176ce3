/**
 * A node's own key is replaced by one that it made: the last entry of its feed says so (`rotate`), and from then on the next key holds what this one held.
 * Wherever that entry is on this node's disk it counts, so that a process may end at any moment. `README.md` has the rules.
 */
import type { Identity } from '#protocols/access'
import { collect } from '#protocols/body'
import { decodeAs, encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { Clock, Random } from '#protocols/lifecycle'
import type { Network, Peer } from '#protocols/network'
import type { Follower } from './admission/follower.ts'
import type { HandedIn, WriteOptions } from './catalog.ts'
import { requireMajority } from './feed-majority.ts'
import { agreeToRotation, authorityFactOf } from './ledger/authority-facts.ts'
import { isOwnRotation } from './ledger/authority-keys.ts'
import { type Entry, ENTRY_BYTES_MAX, openEntry, placeOf, signEntry } from './ledger/entry.ts'
import { HLC_ZERO, observe, tick } from './ledger/hlc.ts'
import type { Ledger } from './ledger/ledger.ts'
import { PROTOCOL, pushAnswerSchema, type Request, witnessAnswerSchema } from './messages.ts'
import type { FeedGuard } from './witnesses/feed-guard.ts'
import { LEASE_HELD_MS } from './witnesses/witnesses.ts'
import type { Writer } from './writer.ts'

/** What a rotation of this node's key takes. */
export interface NodeRotating {
  /** The key that takes over; on this node's disk, synced. */
  next: Identity
  /** The entry that says so, before anybody else hears of it; on disk when it resolves. */
  keep: (entry: Uint8Array) => Promise<void>
}

const ACT = "Cannot rotate this node's key"

/** Who took over from a node's key by this entry, the last one of that key; nothing where it is none. Verified. */
export function successorIn(bytes: Uint8Array): { from: string; to: string } | undefined {
  try {
    const fact = authorityFactOf(openEntry(bytes))
    return fact?.kind === 'rotate' && isOwnRotation(fact) ? { from: fact.from, to: fact.to } : undefined
  } catch {
    return undefined
  }
}

export interface NodeRotationInit {
  ledger: Ledger
  guard: FeedGuard
  writer: Pick<Writer, 'acknowledge'>
  clock: Clock
}

/** On a node that keeps the ledger. */
export class NodeRotation {
  readonly #init: NodeRotationInit

  constructor(init: NodeRotationInit) {
    this.#init = init
  }

  /**
   * Resolves when the entry is on disk here, and as far with the others as was asked for: from then on this process writes nothing more, and has to go on with
   * the next key. Throws `conflict` (it was given on before), `forbidden` (it is no member), `unavailable` (the other catalogs do not say that nobody else
   * writes with it), `storage_full`.
   */
  async rotate({ next, keep }: NodeRotating, options: Pick<WriteOptions, 'ack' | 'timeoutMs'>): Promise<HandedIn> {
    const { ledger, guard, clock, writer } = this.#init
    await guard.ready(ledger.author)
    const { keys } = ledger.authority.verdict
    if (keys.successors.has(ledger.author)) throw new OsirisError('conflict', `${ACT}: it was given on before`)
    requireMajority({ ledger, guard, clock }, ledger.author, ACT)
    const body = { from: ledger.author, to: next.id, seq: 0, proof: agreeToRotation(next, ledger.universe, ledger.author) }
    const entry = await ledger.append('rotate', body, 'node')
    await keep(entry.bytes)
    const electors = ledger.state.electorate.at(placeOf(entry)).length
    // It stands, whatever becomes of the receipts.
    const receipt = await writer.acknowledge(entry, { ...options, ack: 'committed' }).catch(() => undefined)
    return { ...placeOfEntry(entry), changed: true, holders: receipt?.receipts.length ?? 1, catalogs: Math.max(electors, 1) }
  }
}

export interface FollowersRotationInit {
  own: Identity
  universe: string
  standing: Pick<Follower, 'basisOf'>
  network: Pick<Network, 'members' | 'request'>
  clock: Clock
  random: Random
}

/** For one round of questions. */
const ASK_MS = 2000
/** The longest entry of this kind has some 600 bytes. */
const TOLD_MAX = 16

/**
 * The same on a node without the ledger: its feed has no entries as a rule, and how far it goes is for most of the catalogs to say, which keep everybody else
 * with its key from writing meanwhile. Throws as `NodeRotation.rotate` does.
 */
export async function rotateFollower(init: FollowersRotationInit, { next, keep }: NodeRotating): Promise<HandedIn> {
  const { own, universe, standing, clock } = init
  const basis = standing.basisOf(own.id)
  if (basis === undefined) throw new OsirisError('forbidden', `${ACT}: the universe has not let it in, as far as it knows`)
  const catalogs = init.network.members.withRole('catalog').map(({ peer }) => peer)
  const last = await lastOf(init, catalogs)
  if (last?.type === 'rotate') throw new OsirisError('conflict', `${ACT}: it was given on before`)
  const seq = (last?.seq ?? 0) + 1
  const hlc = tick(observe(observe(HLC_ZERO, basis.hlc), last?.hlc ?? HLC_ZERO), clock.now())
  const place = { format: 1 as const, universe, author: own.id, seq, prev: last?.hash ?? null, hlc }
  const body = { from: own.id, to: next.id, seq, proof: agreeToRotation(next, universe, own.id) }
  const entry = signEntry(own, { ...place, type: 'rotate', body, by: 'node', grant: basis.hash })
  await keep(entry.bytes)
  const told = await Promise.allSettled(catalogs.slice(0, TOLD_MAX).map((peer) => push(init, peer, entry)))
  const holders = told.filter((each) => each.status === 'fulfilled' && each.value).length
  return { ...placeOfEntry(entry), changed: true, holders: Math.max(holders, 1), catalogs: Math.max(catalogs.length, 1) }
}

/** The last entry of this node's feed, by what most of the catalogs show. */
async function lastOf(init: FollowersRotationInit, catalogs: readonly Peer[]): Promise<Entry | undefined> {
  const instance = Math.floor(init.random() * 2 ** 32).toString(16)
  const said = await Promise.allSettled(catalogs.map((peer) => testimonyOf(init, peer, instance)))
  const heard = said.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
  const granted = heard.filter((each) => each.granted)
  if (granted.length * 2 <= catalogs.length || granted.length === 0)
    throw new OsirisError(
      'unavailable',
      `${ACT}: ${granted.length} of ${catalogs.length} catalogs say that nobody else writes with it, more than half must`,
    )
  return heard.flatMap(({ last }) => last ?? []).toSorted((a, b) => b.seq - a.seq)[0]
}

async function testimonyOf(init: FollowersRotationInit, peer: Peer, instance: string) {
  const { own, universe } = init
  const answer = await ask(init, peer, { type: 'witness', known: null, instance, leaseMs: LEASE_HELD_MS })
  const { seq, hash, doubt, granted: leased } = decodeAs(witnessAnswerSchema, answer.head, 'the answer to witness')
  // Where a failed write may have left an entry behind it, nobody can say yet how far the feed goes.
  const granted = leased && doubt === null
  if (seq === 0) return { granted, last: undefined }
  const last = openEntry(await collect(answer.body, ENTRY_BYTES_MAX, 'the last entry'))
  if (last.author === own.id && last.universe === universe && last.seq === seq && last.hash === hash) return { granted, last }
  throw new OsirisError('invalid_argument', 'Cannot use the testimony: it is not the entry that the witness speaks of')
}

async function push(init: FollowersRotationInit, peer: Peer, { bytes }: Entry): Promise<boolean> {
  return decodeAs(pushAnswerSchema, (await ask(init, peer, { type: 'push' }, bytes)).head, 'the answer to push').held
}

function ask({ network }: FollowersRotationInit, peer: Peer, request: Request, body?: Uint8Array) {
  return network.request(peer, PROTOCOL, { head: encode(request), ...(body === undefined ? {} : { body }) }, { timeoutMs: ASK_MS })
}

const placeOfEntry = ({ author, seq, hash }: Entry) => ({ author, seq, hash })
