/**
 * Quotas of namespaces, as the ledger has them, at a node that places calls: its part of each, by what is asked of it and of the others. While there is none
 * a call costs one comparison.
 */
import type { Catalog, Setting } from '#protocols/catalog'
import { decode, encode } from '#protocols/codec'
import type { Events } from '#protocols/events'
import { isName } from '#protocols/function'
import { type Clock, every, type Startable } from '#protocols/lifecycle'
import { isLimitName } from '#protocols/invocation'
import type { Network, Peer } from '#protocols/network'
import { FigureBook, type QuotaFigures } from './figures.ts'
import { Gate } from './gate.ts'
import { EVERY_NAMESPACE, type Quota, quotaOf } from '#protocols/quota'
import type { RateLimit } from '#protocols/rate-limit'
import { shareOf } from './shares.ts'

/** Gossip of what is asked of each node: `[[namespace, calls per second], …]`, once a round, while anything is. */
const DEMAND_TOPIC = 'quotas'
const ROUND_MS = 1000
/** What a node told counts so long: three rounds, one of which may be lost. */
const TOLD_MS = 3500
/** Weight of the newest round in what is told. */
const NEWEST = 0.5
/** Namespaces told in one message, those with most demand first; and gates kept, of namespaces that only the default is for. */
const TOLD_MAX = 512
const GATES_MAX = 10_000
/** Below this nothing is told: the floor of every node's part is more. */
const DEMAND_MIN = 0.01

export interface QuotasInit {
  catalog: Pick<Catalog, 'settings'>
  network: Pick<Network, 'peer' | 'publish' | 'subscribe' | 'members'>
  clock: Clock
  events: Events
}

interface Told {
  at: number
  demand: ReadonlyMap<string, number>
}

export class Quotas implements Startable {
  readonly #init: QuotasInit
  #settings: readonly Setting[] | undefined
  #byNamespace: ReadonlyMap<string, Quota> = new Map()
  #fallback: Quota | undefined
  #isQuiet = true
  /** What is given out here; and, for calls that others place here, all of it: whoever placed them gave out its part already. */
  readonly #gates = new Map<string, Gate>()
  readonly #doors = new Map<string, Gate>()
  readonly #figures = new FigureBook()
  readonly #demand = new Map<string, number>()
  readonly #told = new Map<Peer, Told>()
  #stops: (() => void)[] = []

  constructor(init: QuotasInit) {
    this.#init = init
  }

  async start(): Promise<void> {
    if (this.#stops.length > 0) return
    const { clock, network } = this.#init
    this.#stops = [
      network.subscribe(DEMAND_TOPIC, (from, data) => this.#hear(from, data)),
      every(
        clock,
        ROUND_MS,
        () => this.round(),
        () => {},
      ),
    ]
    // A node that cannot ask anybody yet lets everybody in, as one without a catalog knows no function either.
    await this.round().catch(() => {})
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0)) stop()
  }

  /** The gate that let the call in, which it must leave; nothing where no quota holds. Throws `rate_limited`, `quota_exceeded`. */
  enter(namespace: string): Gate | undefined {
    return this.#isQuiet ? undefined : this.#through(this.#gateOf(this.#gates, namespace))
  }

  /** For calls that other nodes place on this one: no node takes more of a namespace than all may, whoever forgets to count. */
  readonly door = {
    enter: (namespace: string): ((cpuMs: number) => void) | undefined => {
      const gate = this.#isQuiet ? undefined : this.#through(this.#gateOf(this.#doors, namespace))
      return gate && ((cpuMs) => gate.leave(cpuMs, this.#init.clock.monotonic()))
    },
  }

  #through(gate: Gate | undefined): Gate | undefined {
    if (gate === undefined) return undefined
    const { namespace } = gate
    const refusal = gate.enter(this.#init.clock.monotonic())
    if (refusal === undefined) return gate
    const limit = refusal.details?.['limit']
    if (isLimitName(limit)) this.#init.events.emit('limit.hit', { namespace, name: '', limit })
    throw refusal
  }

  /** What is left of the quota now. */
  leave(gate: Gate, cpuMs: number): RateLimit[] {
    const now = this.#init.clock.monotonic()
    gate.leave(cpuMs, now)
    return gate.limits(now)
  }

  /** Of a namespace's quota, the part that this node gives out, and the calls under way here; nothing where none holds. */
  use(namespace: string): { share: number; inFlight: number } | undefined {
    if (this.#quotaFor(namespace) === undefined) return undefined
    const gate = this.#gates.get(namespace)
    return { share: gate?.share ?? this.#shareOf(namespace), inFlight: gate?.inFlight ?? 0 }
  }

  /** Of calls placed here since the start; at most a hundred namespaces by name. */
  figures(): QuotaFigures[] {
    const now = this.#init.clock.monotonic()
    return this.#figures
      .list()
      .map(([namespace, figures]) => ({ namespace, ...figures, used: this.#gates.get(namespace)?.used(now) ?? {} }))
  }

  /** Reads what was decided, measures, tells the others, and takes its part anew. Public for tests; runs once a second. */
  async round(): Promise<void> {
    const settings = await this.#init.catalog.settings()
    if (settings !== this.#settings) this.#read(settings)
    if (this.#isQuiet) return
    this.#measure()
    await this.#tell()
    this.#divide()
  }

  #read(settings: readonly Setting[]): void {
    this.#settings = settings
    const quotas = settings.flatMap(({ namespace, key, value }) => {
      const quota = key === 'quota' ? quotaOf(value) : undefined
      return quota === undefined ? [] : [[namespace, quota] as const]
    })
    this.#byNamespace = new Map(quotas)
    this.#fallback = this.#byNamespace.get(EVERY_NAMESPACE)
    this.#isQuiet = quotas.length === 0
    for (const gates of [this.#gates, this.#doors])
      for (const namespace of gates.keys()) if (!this.#byNamespace.has(namespace) && this.#fallback === undefined) gates.delete(namespace)
  }

  #quotaFor(namespace: string): Quota | undefined {
    return this.#byNamespace.get(namespace) ?? this.#fallback
  }

  #gateOf(gates: Map<string, Gate>, namespace: string): Gate | undefined {
    const known = gates.get(namespace)
    if (known !== undefined) return known
    const quota = this.#quotaFor(namespace)
    if (quota === undefined) return undefined
    if (gates.size >= GATES_MAX) dropIdle(gates)
    const now = this.#init.clock.monotonic()
    const gate = new Gate(namespace, quota, now, gates === this.#gates ? this.#figures.of(namespace) : undefined)
    if (gates === this.#gates) gate.set(quota, this.#shareOf(namespace), now)
    gates.set(namespace, gate)
    return gate
  }

  #measure(): void {
    for (const [namespace, gate] of this.#gates) {
      const before = this.#demand.get(namespace) ?? 0
      const demand = before + ((gate.asked * 1000) / ROUND_MS - before) * NEWEST
      gate.asked = 0
      if (demand < DEMAND_MIN) this.#demand.delete(namespace)
      else this.#demand.set(namespace, demand)
    }
  }

  #tell(): Promise<void> {
    const most = [...this.#demand].toSorted(([, a], [, b]) => b - a).slice(0, TOLD_MAX)
    return most.length === 0 ? Promise.resolve() : this.#init.network.publish(DEMAND_TOPIC, encode(most))
  }

  #divide(): void {
    const now = this.#init.clock.monotonic()
    for (const [namespace, gate] of this.#doors) gate.set(this.#quotaFor(namespace) ?? gate.quota, 1, now)
    for (const [peer, { at }] of this.#told) if (now - at > TOLD_MS) this.#told.delete(peer)
    for (const [namespace, gate] of this.#gates) {
      const quota = this.#quotaFor(namespace)
      if (quota === undefined) this.#gates.delete(namespace)
      else gate.set(quota, this.#shareOf(namespace), now)
    }
  }

  #shareOf(namespace: string): number {
    const others = this.#placers().map((peer) => this.#told.get(peer)?.demand.get(namespace) ?? 0)
    return shareOf(this.#demand.get(namespace) ?? 0, others)
  }

  /** Others that may place calls: routers, and executors for what functions call. */
  #placers(): Peer[] {
    const { members, peer } = this.#init.network
    return members.list().flatMap((each) => (each.peer !== peer && isPlacer(each.roles) ? [each.peer] : []))
  }

  /** `false`: not passed on. Of a member that places calls; its word moves parts between nodes and never adds to them. */
  #hear(from: Peer, data: Uint8Array): boolean {
    const roles = this.#init.network.members.get(from)?.roles
    if (roles === undefined || !isPlacer(roles)) return false
    try {
      const told = decode(data)
      if (!Array.isArray(told) || told.length > TOLD_MAX) return false
      this.#told.set(from, { at: this.#init.clock.monotonic(), demand: new Map(told.map(demandOf)) })
      return true
    } catch {
      return false
    }
  }
}

/** What nobody uses any more makes room. */
function dropIdle(gates: Map<string, Gate>): void {
  for (const [namespace, gate] of gates) if (gate.inFlight === 0 && gate.asked === 0) gates.delete(namespace)
}

function isPlacer(roles: readonly string[]): boolean {
  return roles.includes('router') || roles.includes('executor')
}

/** No node is asked for more than this, whatever it says. */
const CALLS_PER_SECOND_MAX = 1_000_000

function demandOf(pair: unknown): [string, number] {
  const [namespace, demand] = Array.isArray(pair) ? (pair as unknown[]) : []
  if (typeof namespace !== 'string' || !isName(namespace) || typeof demand !== 'number' || !(demand >= 0)) throw new Error('malformed')
  return [namespace, Math.min(demand, CALLS_PER_SECOND_MAX)]
}
