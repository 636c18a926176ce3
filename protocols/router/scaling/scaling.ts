/**
 * Scaling on one node: as executor it tells what it has and takes orders; as router it decides about the functions that are its own, of all routers.
 * Two deciders at once (while members see each other differently) do no harm: an executor takes orders from whom it sees as the decider, and no more
 * instances than its part of `max`. Without any, executors go on by themselves: they start what is called, and end what is idle.
 */
import type { Catalog, FunctionRecord } from '#protocols/catalog'
import { OsirisError } from '#protocols/errors'
import type { Events } from '#protocols/events'
import type { Executor, ExecutorClient } from '#protocols/executor'
import { type Clock, every, type MaybePromise, type Role, type Startable } from '#protocols/lifecycle'
import type { Member, Network, Peer } from '#protocols/network'
import type { ScaleSettings } from '#protocols/scale'
import type { Traits } from '#protocols/traits'
import { AlwaysOn } from './always-on.ts'
import { SAMPLE_MS } from './decide.ts'
import { Decided, type Place, type Wanted } from './decider.ts'
import { handleReport } from './handlers/report.ts'
import { handleState } from './handlers/state.ts'
import {
  collectOrders,
  collectStates,
  encodeAsk,
  encodeReport,
  type Order,
  type Row,
  SCALE_STATE_PROTOCOL,
  SCALING_PROTOCOL,
  type VersionScale,
} from './messages.ts'
import { Parts } from './parts.ts'
import { Overrides } from './overrides.ts'
import { LAPSE_MS, Reporter } from './reporter.ts'

export interface ScalingInit {
  network: Pick<Network, 'peer' | 'members' | 'handle' | 'request'>
  catalog: Pick<Catalog, 'get' | 'all' | 'settings'>
  /** This node's own, where it has the role. */
  executor: (Pick<Executor, 'instances' | 'scale'> & { rescale(of?: { namespace: string; name: string }): void }) | undefined
  /** Of peers. */
  remote: Pick<ExecutorClient, 'at'>
  /** Whether this node runs the role, and goes on running it. */
  has: (role: Role) => boolean
  /** This node's own. */
  traits: Traits
  /** Calls this node's executor may run at once. */
  capacity: number
  clock: Clock
  events: Events
}

export interface ScaleState {
  /** The peer that decides; `null` where no router is seen. */
  decider: Peer | null
  versions: VersionScale[]
}

/** Versions one node decides about; whoever is told of further ones leaves them to their executors. */
const DECIDED_MAX = 8192
/** Orders to executors that have none of the version yet, of one round; the others are told in the next. */
const PUSHES_MAX = 64
/** A report is answered from memory; the next one goes out a second later. */
const REPORT_MS = 900

export class Scaling implements Startable {
  readonly parts: Parts
  readonly #init: ScalingInit
  readonly #reporter: Reporter | undefined
  readonly #overrides: Overrides
  readonly #alwaysOn: AlwaysOn
  readonly #decided = new Map<string, Decided>()
  readonly #records = new Map<string, FunctionRecord>()
  #stops: (() => void)[] = []

  constructor(init: ScalingInit) {
    const { network, has, clock, executor, catalog, traits } = init
    this.#init = init
    const scaleOf = (record: FunctionRecord) => this.#overrides.scaleOf(record)
    this.#overrides = new Overrides({ catalog, changed: (of) => this.#changed(of) })
    this.parts = new Parts({ peer: network.peer, has, traits, members: network.members, scaleOf })
    this.#alwaysOn = new AlwaysOn({ clock, catalog, scaleOf })
    const ownerOf = (namespace: string, name: string) => this.parts.ownerOf(namespace, name)
    this.#reporter = executor && new Reporter({ clock, executor, ownerOf, tell: (owner, rows) => this.#tell(owner, rows) })
  }

  start(): Promise<void> {
    if (this.#stops.length > 0) return Promise.resolve()
    const { network, clock, events } = this.#init
    this.#overrides.round()
    this.#stops = [
      network.handle(SCALING_PROTOCOL, handleReport({ members: network.members, hear: (peer, rows) => this.hear(peer, rows) })),
      network.handle(SCALE_STATE_PROTOCOL, handleState({ members: network.members, states: (of, name) => this.#states(of, name) })),
      this.parts.follow(() => this.#rescale()),
      events.on('catalog.changed', (of) => this.#alwaysOn.changed(of)),
      every(
        clock,
        SAMPLE_MS,
        () => this.#round(),
        (error) => events.emit('log', { level: 'error', room: 'router', text: `A round of scaling failed: ${String(error)}` }),
      ),
    ]
    return Promise.resolve()
  }

  stop(): Promise<void> {
    for (const stop of this.#stops.splice(0)) stop()
    return Promise.resolve()
  }

  /** How a function is scaled that was published with this. */
  scaleOf(of: { namespace: string; name: string }, published: ScaleSettings): ScaleSettings {
    return this.#overrides.of(of, published)
  }

  /** Whether this peer decides about the function, as far as this node sees. */
  mayOrder(peer: Peer, { namespace, name }: { namespace: string; name: string }): boolean {
    return this.parts.ownerOf(namespace, name) === peer
  }

  /** Takes in what an executor has, and returns what it should have of it. */
  hear(peer: Peer, rows: readonly Row[]): Order[] {
    const now = this.#init.clock.monotonic()
    return rows.flatMap((row) => {
      const decided = this.#of(row, now)
      if (decided === undefined) return []
      decided.hear(peer, row, now)
      return decided.orderFor(peer, now) ?? []
    })
  }

  /** Who decides about a function, and what it sees and wants of it; of a decider that cannot be asked, nothing. */
  async stateOf(namespace: string, name: string): Promise<ScaleState> {
    const { network } = this.#init
    const decider = this.parts.ownerOf(namespace, name)
    if (decider === undefined) return { decider: null, versions: [] }
    if (decider === network.peer) return { decider, versions: this.#states(namespace, name) }
    try {
      const answer = await network.request(decider, SCALE_STATE_PROTOCOL, encodeAsk(namespace, name), { timeoutMs: REPORT_MS })
      return { decider, versions: await collectStates(answer) }
    } catch {
      return { decider, versions: [] }
    }
  }

  #states(namespace: string, name: string): VersionScale[] {
    const own = [...this.#decided.values()].filter((each) => each.name === name && each.namespace === namespace)
    return own.map((each) => each.state())
  }

  /** Sums over the versions this node decides about. */
  figures(): { wanted: number; ready: number; panics: number } {
    const all = this.wanted()
    const sum = (of: (each: Wanted) => number) => all.reduce((total, each) => total + of(each), 0)
    return { wanted: sum((each) => each.instances), ready: sum((each) => each.ready), panics: sum((each) => Number(each.isPanic)) }
  }

  /** Of every version this node decides about. */
  wanted(): Wanted[] {
    return [...this.#decided.values()].map((each) => each.wanted)
  }

  /** The roles of this node are others than before. */
  rolesChanged(): void {
    this.parts.reset()
    this.#rescale()
  }

  /** Somebody set the scale of a function. */
  #changed(of: { namespace: string; name: string }): void {
    this.#alwaysOn.changed(of)
    this.#rescale(of)
  }

  #rescale(of?: { namespace: string; name: string }): void {
    this.#init.executor?.rescale(of)
  }

  async #round(): Promise<void> {
    this.#overrides.round()
    // What this node has is told before it decides; what others have came meanwhile.
    void this.#reporter?.round()
    if (!this.#init.has('router')) return this.#decided.clear()
    const now = this.#init.clock.monotonic()
    for (const each of this.#alwaysOn.versions()) this.#of(each, now)
    const pushes: { peer: Peer; order: Order; decided: Decided }[] = []
    const places = this.#places()
    for (const decided of [...this.#decided.values()]) {
      if (!this.#isOwn(decided)) this.#drop(decided)
      else for (const push of this.#look(decided, places, now)) pushes.push({ ...push, decided })
    }
    await Promise.all(pushes.slice(0, PUSHES_MAX).map((push) => this.#push(push)))
  }

  #look(decided: Decided, places: readonly Place[], nowMs: number) {
    const record = this.#recordOf(decided)
    if (record === undefined) return []
    const allotments = this.parts.allotments(record)
    const orders = decided.look({ record, scale: this.#overrides.scaleOf(record), nowMs, places, allotments })
    if (decided.isOver && !this.#alwaysOn.has(decided)) this.#drop(decided)
    return orders
  }

  async #push({ peer, order, decided }: { peer: Peer; order: Order; decided: Decided }): Promise<void> {
    const { network, executor, remote, clock } = this.#init
    const ordered = { ...order, lapseMs: LAPSE_MS }
    try {
      const count = await (peer === network.peer && executor !== undefined ? executor.scale(ordered) : remote.at(peer).scale(ordered))
      decided.hear(peer, { ...count, concurrency: 0 }, clock.monotonic())
    } catch (error) {
      // Its word that somebody else decides, or that nothing reached it, says nothing about its room.
      if (error instanceof OsirisError && error.code !== 'forbidden') decided.refused(peer, clock.monotonic())
    }
  }

  /** What is known of a version this node decides about; `undefined` when another one does. */
  #of(version: { namespace: string; name: string; version: string }, nowMs: number): Decided | undefined {
    const known = this.#decided.get(version.version)
    if (known !== undefined) return known.name === version.name && known.namespace === version.namespace ? known : undefined
    if (!this.#isOwn(version) || this.#decided.size >= DECIDED_MAX) return undefined
    const decided = new Decided(version, nowMs)
    this.#decided.set(version.version, decided)
    return decided
  }

  #isOwn({ namespace, name }: { namespace: string; name: string }): boolean {
    return this.#init.has('router') && this.parts.ownerOf(namespace, name) === this.#init.network.peer
  }

  #drop({ version }: Decided): void {
    this.#decided.delete(version)
    this.#records.delete(version)
  }

  /** The latest that is known; asked for in each round, and not waited for. */
  #recordOf(decided: Decided): FunctionRecord | undefined {
    const { namespace, name, version } = decided
    const missing = (error: unknown) => {
      if (error instanceof OsirisError && error.code === 'not_found') this.#drop(decided)
    }
    try {
      const found: MaybePromise<FunctionRecord> = this.#init.catalog.get({ namespace, name, selector: version })
      if (!(found instanceof Promise)) return found
      found.then((record) => this.#decided.get(version) === decided && this.#records.set(version, record), missing)
    } catch (error) {
      missing(error)
      return undefined
    }
    return this.#records.get(version)
  }

  /** Executors, this node's own among them. */
  #places(): Place[] {
    const { network, has, executor, capacity } = this.#init
    const others = network.members.withRole('executor').map(({ peer, capacity: each }: Member) => ({ peer, capacity: each }))
    return executor !== undefined && has('executor') ? [{ peer: network.peer, capacity }, ...others] : others
  }

  async #tell(owner: Peer, rows: readonly Row[]): Promise<readonly Order[]> {
    const { network } = this.#init
    if (owner === network.peer) return this.hear(owner, rows)
    return collectOrders(await network.request(owner, SCALING_PROTOCOL, encodeReport(rows), { timeoutMs: REPORT_MS }))
  }
}
