/** A router's side: what executors told of the functions this node decides about, and what it wants of each of them. */
import type { FunctionRecord } from '#protocols/catalog'
import { LIVE } from '#protocols/function'
import type { Peer } from '#protocols/network'
import type { ScaleSettings } from '#protocols/scale'
import { seedOf } from '../placement.ts'
import { decide, memoryAt, type Sample, SAMPLE_MS, type ScaleMemory, STABLE_MS } from './decide.ts'
import type { Order, Row, VersionScale } from './messages.ts'
import { type ScaleMember, spread } from './spread.ts'

export interface Heard {
  row: Row
  atMs: number
}

/** An executor as the decider sees it. */
export interface Place {
  readonly peer: Peer
  readonly capacity: number
}

export interface Judged {
  record: FunctionRecord
  scale: ScaleSettings
  nowMs: number
  /** Executors there are. */
  places: readonly Place[]
  /** Of the version, in all `scale.max`. */
  allotments: ReadonlyMap<Peer, number>
}

/** What is wanted of a version, all over the mesh. */
export interface Wanted {
  readonly namespace: string
  readonly name: string
  readonly version: string
  readonly instances: number
  readonly ready: number
  readonly isPanic: boolean
}

/** An executor that tells nothing of a version that is in use any more… */
const ROW_MS = 3500
/** …or of one that is not, which is told rarely, has none. */
const QUIET_ROW_MS = 12_000
/** Nothing is taken away before everybody had the time to tell what there is. */
const SETTLE_MS = 3000
/** A member that had no room, or did not answer, is not asked for more before this. */
const REFUSED_MS = 10_000

/** One version. */
export class Decided {
  readonly namespace: string
  readonly name: string
  readonly version: string
  readonly #sinceMs: number
  readonly #rows = new Map<Peer, Heard>()
  readonly #refused = new Map<Peer, number>()
  /** Since when a member has fewer than it was ordered to have. */
  readonly #shortSince = new Map<Peer, number>()
  readonly #series: Sample[] = []
  #memory: ScaleMemory | undefined
  #quietSinceMs: number
  /** What each executor should have; empty until the first decision. */
  #counts: ReadonlyMap<Peer, number> = new Map()
  wanted: Wanted

  constructor(of: { namespace: string; name: string; version: string }, nowMs: number) {
    this.namespace = of.namespace
    this.name = of.name
    this.version = of.version
    this.#sinceMs = nowMs
    this.#quietSinceMs = nowMs
    this.wanted = { ...this.#named, instances: 0, ready: 0, isPanic: false }
  }

  hear(peer: Peer, row: Row, nowMs: number): void {
    this.#rows.set(peer, { row, atMs: nowMs })
    this.#judgeShort(peer, row, nowMs)
    this.#quietSinceMs = Math.max(this.#quietSinceMs, nowMs - row.quietMs)
  }

  /** The member has no room for what it was asked for. */
  refused(peer: Peer, nowMs: number): void {
    this.#refused.set(peer, nowMs + REFUSED_MS)
  }

  /** Nobody has any of it, and nobody is to. */
  get isOver(): boolean {
    return this.#rows.size === 0 && this.wanted.instances === 0
  }

  /** What there is, and what is wanted, now. */
  state(): VersionScale {
    const { version, instances, ready, isPanic } = this.wanted
    const nodes = [...this.#rows].map(([peer, { row }]) => ({ peer, ready: row.ready })).filter((each) => each.ready > 0)
    return { version, instances, ready, isPanic, nodes }
  }

  /** One look. Returns the orders that executors do not know of yet. */
  look({ record, scale, nowMs, places, allotments }: Judged): { peer: Peer; order: Order }[] {
    this.#forget(places, nowMs)
    const ready = this.#sum((row) => row.ready)
    this.#series.push({ atMs: nowMs, concurrency: this.#sum((row) => row.concurrency) })
    while ((this.#series[0] as Sample).atMs <= nowMs - STABLE_MS - SAMPLE_MS) this.#series.shift()
    const observed = { nowMs, series: this.#series, ready, quietMs: nowMs - this.#quietSinceMs }
    const settings = { ...scale, min: isLive(record) ? scale.min : 0 }
    const decision = decide(settings, observed, this.#memory ?? memoryAt(nowMs, ready))
    this.#memory = decision.memory
    this.wanted = { ...this.#named, instances: decision.instances, ready, isPanic: decision.isPanic }
    const members = places.map((place) => this.#memberOf(place, allotments, nowMs))
    this.#counts = new Map([...spread(this.version, decision.instances, members)].map(([{ peer }, count]) => [peer, count]))
    return this.#unknown()
  }

  /** What the member should have, where that is to be told now. */
  orderFor(peer: Peer, nowMs: number): Order | undefined {
    const instances = this.#counts.get(peer)
    const has = this.#rows.get(peer)?.row.ready ?? 0
    if (instances === undefined || (instances < has && nowMs - this.#sinceMs < SETTLE_MS)) return undefined
    return { ...this.#named, instances }
  }

  get #named(): { namespace: string; name: string; version: string } {
    return { namespace: this.namespace, name: this.name, version: this.version }
  }

  /** It takes orders, and does not come to have what they say. */
  #judgeShort(peer: Peer, row: Row, nowMs: number): void {
    const isShort = row.kept > 0 && row.ready < (this.#counts.get(peer) ?? 0)
    if (!isShort) return void this.#shortSince.delete(peer)
    const sinceMs = this.#shortSince.get(peer) ?? nowMs
    this.#shortSince.set(peer, sinceMs)
    if (nowMs - sinceMs < SETTLE_MS) return
    this.#shortSince.delete(peer)
    this.refused(peer, nowMs)
  }

  /** Those who have told of the version are answered; the others have to be told. */
  #unknown(): { peer: Peer; order: Order }[] {
    const orders: { peer: Peer; order: Order }[] = []
    for (const [peer, instances] of this.#counts)
      if (instances > 0 && !this.#rows.has(peer)) orders.push({ peer, order: { ...this.#named, instances } })
    return orders
  }

  #memberOf({ peer, capacity }: Place, allotments: ReadonlyMap<Peer, number>, nowMs: number): ScaleMember & { peer: Peer } {
    const row = this.#rows.get(peer)?.row
    const instances = row === undefined ? 0 : row.ready + row.starting
    const part = allotments.get(peer) ?? 0
    const isFull = (this.#refused.get(peer) ?? 0) > nowMs
    return { peer, seed: seedOf(peer), capacity, instances, room: isFull ? Math.min(part, instances) : part }
  }

  #forget(places: readonly Place[], nowMs: number): void {
    const here = new Set(places.map((each) => each.peer))
    for (const [peer, { row, atMs }] of this.#rows) {
      const isQuiet = row.quietMs >= ROW_MS && row.kept === 0 && row.ready <= 1
      if (!here.has(peer)) this.#shortSince.delete(peer)
      if (!here.has(peer) || nowMs - atMs > (isQuiet ? QUIET_ROW_MS : ROW_MS)) this.#rows.delete(peer)
    }
    for (const [peer, untilMs] of this.#refused) if (untilMs <= nowMs) this.#refused.delete(peer)
  }

  #sum(of: (row: Row) => number): number {
    let sum = 0
    for (const { row } of this.#rows.values()) sum += of(row)
    return sum
  }
}

/** Whether calls by the function's name reach it: only such a version is always on. */
export function isLive({ aliases, version }: Pick<FunctionRecord, 'aliases' | 'version'>): boolean {
  return aliases[LIVE]?.some((each) => each.version === version) === true
}
