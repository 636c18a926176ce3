/**
 * Cron: every router follows all schedules, and each tick is fired by the one that owns the function, once a majority of the routers have said that the tick
 * is its own. How: README.md beside this file.
 */
import { dropOldest } from '#protocols/bounded'
import type { Catalog, FunctionRecord } from '#protocols/catalog'
import { decodeAs, encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { Events } from '#protocols/events'
import type { Outcome } from '#protocols/invocation'
import type { Clock, Startable } from '#protocols/lifecycle'
import type { Network, Peer } from '#protocols/network'
import { parseCron, type Ticks } from '#protocols/schedule'
import type { Storage } from '#protocols/storage'
import type { TriggeredInvocation } from '#protocols/trigger'
import { LiveFunctions } from '../live-functions.ts'
import type { Routers } from '../routers.ts'
import { ScheduleBook } from './book.ts'
import { dueOf, LATE_MS, type ScheduleSettings } from './due.ts'
import { fireTick } from './fire.ts'
import { type Schedule, SCHEDULE_TOPIC } from './messages.ts'
import { NextTimes } from './next-times.ts'
import { SchedulePeers } from './peers.ts'
import { doneUntil, type Fired, keyOf, mayRun, type Row, rowSchema } from './row.ts'

const LINES_MAX = 1000
/** A clock that is set while nothing is due is noticed after so long. */
const LOOK_MS_MAX = 30_000
/** After a tick that others did not grant, and while this router may not act for what it owns. */
const AGAIN_MS = 1000

export interface SchedulesInit {
  network: Pick<Network, 'peer' | 'members' | 'request' | 'publish' | 'subscribe'>
  /** Started before. */
  routers: Routers
  catalog: Pick<Catalog, 'all' | 'get'>
  storage: Storage
  clock: Clock
  events: Events
  nodeName: string
  /** On behalf of the platform: nobody's token is asked for. */
  invoke: (invocation: TriggeredInvocation) => Promise<Outcome>
}

interface ReadLine {
  /** Absent for a line that nobody can read: whoever published it did not ask here first. */
  ticks: Ticks | undefined
  problem: string | null
}

interface Entry extends ReadLine {
  record: FunctionRecord
  settings: ScheduleSettings
  line: string
  isClaiming: boolean
  /** Since when others do not grant this tick. */
  denied: { tickAt: number; since: number } | undefined
}

export class Schedules implements Startable {
  readonly routers: Routers
  readonly book: ScheduleBook
  readonly #init: SchedulesInit
  readonly #peers: SchedulePeers
  readonly #live: LiveFunctions
  readonly #entries = new Map<string, Entry>()
  /** Those read last. */
  readonly #lines = new Map<string, ReadLine>()
  readonly #times = new NextTimes()
  /** Due, and another router's; or this one may not act. */
  readonly #parked = new Set<string>()
  /** Routers that were here at the last look. */
  #seen = new Set<Peer>()
  #stops: (() => void)[] = []
  /** By the wall clock. */
  #lookedAt = 0
  #cancelTimer: (() => void) | undefined
  #cancelReview: (() => void) | undefined
  #stopping: AbortController | undefined

  constructor(init: SchedulesInit) {
    const { network, clock, events, storage, catalog, routers } = init
    this.#init = init
    this.routers = routers
    this.book = new ScheduleBook({ storage, clock, onRefused: (error) => this.#warn('Cannot keep what became of a schedule', error) })
    this.#peers = new SchedulePeers({ network, clock, routers: this.routers, book: this.book })
    const changed = (namespace: string, name: string, record: FunctionRecord | undefined) => this.#changed(namespace, name, record)
    this.#live = new LiveFunctions({ catalog, events, clock, changed })
  }

  async start(): Promise<void> {
    if (this.#stopping !== undefined) return
    this.#stopping = new AbortController()
    const { network } = this.#init
    await this.book.load()
    this.#stops = [
      network.subscribe(SCHEDULE_TOPIC, (from, data) => this.#hear(from, data)),
      network.members.onChange(() => this.#membersChanged()),
      () => this.#live.stop(),
    ]
    void this.#live.start().then(() => {
      if (this.#live.isListed) this.book.prune(new Set(this.#entries.keys()))
      this.#seen.clear()
      this.#membersChanged()
    })
  }

  async stop(): Promise<void> {
    this.#stopping?.abort()
    this.#stopping = undefined
    for (const stop of this.#stops.splice(0)) stop()
    this.#cancelTimer?.()
    this.#cancelReview?.()
    this.#cancelReview = undefined
    this.#entries.clear()
    this.#parked.clear()
  }

  /** All of them (of a namespace), by namespace and name. */
  list(namespace?: string): Schedule[] {
    const keys = [...this.#entries.keys()].filter((key) => namespace === undefined || key.startsWith(`${namespace}/`))
    return keys.toSorted().map((key) => this.#view(key, this.#entries.get(key) as Entry))
  }

  #view(key: string, { record, settings, ticks, problem }: Entry): Schedule {
    const { namespace, name, version } = record
    const { clock, nodeName, network } = this.#init
    const owner = this.routers.ownerOf(key)
    const named = owner === network.peer ? nodeName : (this.routers.nameOf(owner) ?? null)
    const row = this.book.row(key)
    const from = Math.max(clock.now(), row === undefined ? 0 : doneUntil(row))
    return {
      ...{ namespace, name, version, ...settings, problem },
      nextAt: ticks?.after(from) ?? null,
      owner: this.routers.mayAct() ? named : null,
      last: row?.fired ?? null,
    }
  }

  #changed(namespace: string, name: string, record: FunctionRecord | undefined): void {
    const key = `${namespace}/${name}`
    const settings = record?.manifest.settings.schedule ?? null
    if (record === undefined || settings === null) return this.#drop(key)
    const known = this.#entries.get(key)
    if (known?.record.version === record.version) return
    const line = `${settings.cron} ${settings.timezone}`
    const read = known?.line === line ? known : this.#read(line, settings)
    this.#entries.set(key, {
      ...{ record, settings, line, ticks: read.ticks, problem: read.problem },
      isClaiming: known?.line === line && known.isClaiming,
      denied: undefined,
    })
    if (read.problem !== null) this.#warn(`Cannot run "${key}" by its schedule`, new Error(read.problem))
    this.book.begin(namespace, name, line)
    this.#plan(key)
  }

  /** Many functions have one line, and reading one takes a millisecond. */
  #read(line: string, settings: ScheduleSettings): ReadLine {
    let read = this.#lines.get(line)
    if (read === undefined) {
      read = ticksOf(settings)
      dropOldest(this.#lines, LINES_MAX)
      this.#lines.set(line, read)
    }
    return read
  }

  #drop(key: string): void {
    this.#entries.delete(key)
    this.#times.delete(key)
    this.#parked.delete(key)
    this.book.forget(key)
  }

  /** Puts it where it is next due. */
  #plan(key: string): void {
    const row = this.book.row(key)
    const next = row === undefined ? undefined : this.#entries.get(key)?.ticks?.after(doneUntil(row))
    this.#parked.delete(key)
    if (next === undefined) this.#times.delete(key)
    else this.#lookAt(key, next)
  }

  #lookAt(key: string, at: number): void {
    this.#times.set(key, at)
    if (this.#times.first() === at) this.#arm()
  }

  #arm(): void {
    this.#cancelTimer?.()
    const first = this.#times.first()
    if (first === undefined || this.#stopping === undefined) return
    const { clock } = this.#init
    // A millisecond late rather than early: timers and clocks do not agree on fractions.
    const delayMs = Math.min(LOOK_MS_MAX, Math.max(1, first - clock.now() + 1))
    this.#cancelTimer = clock.after(delayMs, () => {
      this.#lookAtClock()
      for (const key of this.#times.take(clock.now())) this.#consider(key)
      this.#arm()
    })
  }

  /** What was planned by a clock that was set back since comes too late by as much. */
  #lookAtClock(): void {
    const now = this.#init.clock.now()
    const isSetBack = now < this.#lookedAt - LATE_MS
    this.#lookedAt = now
    if (isSetBack) for (const key of this.#entries.keys()) this.#plan(key)
  }

  #consider(key: string): void {
    const entry = this.#entries.get(key)
    const row = this.book.row(key)
    if (entry?.ticks === undefined || row === undefined || this.#stopping === undefined) return
    if (!this.routers.isOwner(key) || entry.isClaiming) return void this.#parked.add(key)
    if (!this.routers.mayAct()) return this.#park(key)
    const now = this.#init.clock.now()
    const due = dueOf({ ticks: entry.ticks, settings: entry.settings, lastAt: doneUntil(row), now, isRunning: mayRun(row, now) })
    if (due.kind === 'none') return this.#plan(key)
    if (due.kind === 'wait') return this.#lookAt(key, Math.max(now + 1, row.fired?.untilMs ?? 0))
    const isHopeless = entry.denied !== undefined && entry.denied.tickAt === due.tickAt && now - entry.denied.since > LATE_MS
    if (isHopeless) this.#warn(`Cannot fire a tick of "${key}"`, new Error('too few routers granted it within a minute'))
    if (due.kind === 'pass' || isHopeless) return this.#tell({ ...row, lastAt: due.tickAt })
    void this.#fire(key, entry, row, due.tickAt)
  }

  /** It is this router's, which may not act now. */
  #park(key: string): void {
    this.#parked.add(key)
    this.#cancelReview ??= this.#init.clock.after(AGAIN_MS, () => {
      this.#cancelReview = undefined
      this.#review()
    })
  }

  /** Looks again at all that is due and was not this router's to fire. */
  #review(): void {
    const parked = [...this.#parked]
    this.#parked.clear()
    for (const key of parked) this.#consider(key)
  }

  /** Who appears may know what this router missed, and who is gone may have left something due. */
  #membersChanged(): void {
    const others = this.routers.others()
    const fresh = others.filter((peer) => !this.#seen.has(peer))
    this.#seen = new Set(others)
    if (fresh.length > 0) void this.#peers.learn(fresh, (row) => this.#learnt(row))
    this.#review()
  }

  async #fire(key: string, entry: Entry, row: Row, tickAt: number): Promise<void> {
    entry.isClaiming = true
    const isOurs = await this.#peers.claim(row, tickAt)
    const current = this.#entries.get(key)
    if (current !== undefined) current.isClaiming = false
    const latest = this.book.row(key)
    if (current === undefined || latest?.line !== row.line || this.#stopping === undefined) return
    if (!isOurs) return this.#denied(key, current, latest, tickAt)
    const { signal } = this.#stopping
    const { nodeName: by, clock, invoke } = this.#init
    const trying = (untilMs: number) => this.#tellFired(key, { tickAt, by, untilMs, end: null })
    const outcome = await fireTick({ record: current.record, settings: current.settings, tickAt, clock, invoke, trying, signal })
    this.#ended(key, current, tickAt, outcome)
  }

  /** Somebody fired it, is about to, or too few could be asked. */
  #denied(key: string, entry: Entry, row: Row, tickAt: number): void {
    const now = this.#init.clock.now()
    if (row.lastAt >= tickAt) return this.#plan(key)
    if (entry.denied?.tickAt !== tickAt) entry.denied = { tickAt, since: now }
    this.#lookAt(key, now + AGAIN_MS)
  }

  #tellFired(key: string, fired: Fired): void {
    const row = this.book.row(key)
    if (row !== undefined) this.#tell({ ...row, lastAt: Math.max(row.lastAt, fired.tickAt), fired })
  }

  #ended(key: string, { record }: Entry, tickAt: number, outcome: Outcome): void {
    const { clock, events, nodeName: by } = this.#init
    const { namespace, name } = record
    const atMs = clock.now()
    const error = outcome.kind === 'failed' ? outcome.error : undefined
    events.emit('schedule.ended', { namespace, name, tickAt, atMs, code: error?.code ?? null, message: error?.message ?? '' })
    const fired = this.book.row(key)?.fired
    if (this.#stopping === undefined || fired?.tickAt !== tickAt || fired.by !== by) return
    const end = { atMs, code: error?.code ?? null, message: error?.message.slice(0, 1024) ?? '' }
    this.#tellFired(key, { ...fired, end })
    this.#consider(key)
  }

  /** Takes it down, tells the others, and goes on from there. */
  #tell(row: Row): void {
    this.book.set(row)
    this.#init.network.publish(SCHEDULE_TOPIC, encode(row)).catch(() => {})
    this.#plan(keyOf(row))
  }

  #hear(from: Peer, data: Uint8Array): boolean {
    if (!this.routers.isRouter(from)) return false
    try {
      this.#learnt(decodeAs(rowSchema, data, 'the row of a schedule'))
      return true
    } catch (error) {
      if (error instanceof OsirisError) return false
      throw error
    }
  }

  #learnt(row: Row): void {
    const key = keyOf(row)
    if (this.book.merge(row) && this.#entries.get(key)?.isClaiming === false) this.#plan(key)
  }

  #warn(act: string, error: unknown): void {
    this.#init.events.emit('log', { level: 'warn', room: 'router', text: `${act}: ${(error as Error).message}` })
  }
}

function ticksOf({ cron, timezone }: ScheduleSettings): ReadLine {
  try {
    return { ticks: parseCron(cron, timezone), problem: null }
  } catch (error) {
    return { ticks: undefined, problem: (error as Error).message }
  }
}
