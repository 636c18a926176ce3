/**
 * Moves canaries. Every node counts what it runs and tells the others; of the nodes that hold the ledger one owns each canary (`ownerOf`), judges it and
 * writes what comes of it. State is in the ledger: whoever owns it next goes on from there.
 */
import { type Canary, canaryKey, canaryName, canaryOf } from '#protocols/canary'
import type { AliasTargets, Catalog, Setting } from '#protocols/catalog'
import type { Events } from '#protocols/events'
import { type Clock, every, type Startable } from '#protocols/lifecycle'
import type { Network, Peer } from '#protocols/network'
import { Fence, ownerOf } from '../triggers/owner.ts'
import { judge, lookAt } from './judge.ts'
import { type Action, nextOf, targetsAt } from './plan.ts'
import { stepKey, Tally } from './tally.ts'

const TALLY_TOPIC = 'canaries'
const ROUND_MS = 500

/** Writes to the ledger as this node, for whoever asked once. */
export interface PromoterWrites {
  point(namespace: string, name: string, alias: string, targets: AliasTargets, by: string): Promise<unknown>
  set(namespace: string, key: string, value: string, by: string): Promise<unknown>
}

export interface PromoterInit {
  catalog: Pick<Catalog, 'settings' | 'get'>
  network: Pick<Network, 'peer' | 'publish' | 'subscribe' | 'members'>
  /** Absent on nodes without the ledger: they count, and move nothing. */
  writes: PromoterWrites | undefined
  clock: Clock
  events: Events
}

interface Place {
  namespace: string
  name: string
  canary: Canary
}

export class Promoter implements Startable {
  readonly #init: PromoterInit
  readonly #tally = new Tally()
  readonly #fence: Fence
  #settings: readonly Setting[] | undefined
  #places: readonly Place[] = []
  /** The look each step was last judged at. */
  readonly #looks = new Map<string, number>()
  #stops: (() => void)[] = []

  constructor(init: PromoterInit) {
    this.#init = init
    this.#fence = new Fence({ self: init.network.peer, now: init.clock.monotonic() })
  }

  async start(): Promise<void> {
    if (this.#stops.length > 0) return
    const { clock, events, network } = this.#init
    this.#stops = [
      events.on('call.finished', (call) => this.#tally.count(call)),
      events.on('member.left', ({ peer, reason }) => reason === 'left' && this.#fence.left(peer)),
      network.subscribe(TALLY_TOPIC, (from, data) => this.#hear(from, data)),
      every(
        clock,
        ROUND_MS,
        () => this.round(),
        (error) => this.#failed('Cannot look after canaries', error),
      ),
    ]
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0)) stop()
  }

  /** Reads what runs, tells what was counted, and does what is due for the canaries this node owns. Runs twice a second. */
  async round(): Promise<void> {
    const { catalog, network, writes } = this.#init
    const settings = await catalog.settings()
    if (settings !== this.#settings) this.#read(settings)
    const message = this.#places.length === 0 ? undefined : this.#tally.message()
    if (message !== undefined)
      await network.publish(TALLY_TOPIC, message).catch((error: unknown) => this.#failed('Cannot tell of canaries', error))
    if (writes === undefined) return
    // What is wrong with one is its own: anybody who may deploy writes it, and the others are other people's.
    for (const place of this.#owned()) {
      const { namespace, name } = place
      await this.#move(place, writes).catch((error: unknown) => this.#failed(`Cannot move the canary of "${namespace}/${name}"`, error))
    }
  }

  #read(settings: readonly Setting[]): void {
    this.#settings = settings
    this.#places = settings.flatMap(({ namespace, key, value }) => {
      const name = canaryName(key)
      const canary = name === undefined ? undefined : canaryOf(value)
      return name === undefined || canary === undefined || canary.settled ? [] : [{ namespace, name, canary }]
    })
    const running = this.#places.map((each) => each.canary).filter((each) => each.state === 'running')
    this.#tally.watch(running)
    const steps = new Set(running.map(stepKey))
    for (const step of this.#looks.keys()) if (!steps.has(step)) this.#looks.delete(step)
  }

  /** Those this node is to move: nobody, while it sees fewer of the nodes with the ledger than it knew lately. */
  #owned(): readonly Place[] {
    const { network, clock } = this.#init
    const now = clock.monotonic()
    const others = network.members.withRole('catalog').map((each) => each.peer)
    this.#fence.see(others, now)
    if (this.#places.length === 0 || !this.#fence.mayAct(now)) return []
    const keepers = [network.peer, ...others]
    return this.#places.filter(({ namespace, name }) => ownerOf(`canary ${namespace}/${name}`, keepers) === network.peer)
  }

  async #move(place: Place, writes: PromoterWrites): Promise<void> {
    const { namespace, name, canary } = place
    const targets = await this.#targetsOf(place)
    const counts = this.#tally.sum(canary)
    const look = lookAt(counts.canary.calls)
    const key = stepKey(canary)
    const isDue = look > (this.#looks.get(key) ?? 0)
    if (isDue) this.#looks.set(key, look)
    const verdict = judge(counts.canary, counts.base, isDue ? look : 0, canary.steps.length - 1)
    const action = nextOf(canary, { targets, verdict, calls: counts.canary.calls, nowMs: this.#init.clock.now() })
    await this.#do(action, place, writes)
    if (action.kind === 'write' && !action.canary.settled) this.#tell(namespace, name, action.canary)
  }

  async #do(action: Action, { namespace, name, canary }: Place, writes: PromoterWrites): Promise<void> {
    if (action.kind === 'point') await writes.point(namespace, name, canary.alias, action.targets, canary.by)
    if (action.kind !== 'write') return
    await writes.set(namespace, canaryKey(name), JSON.stringify(action.canary), canary.by)
  }

  async #targetsOf({ namespace, name, canary }: Place): Promise<AliasTargets | undefined> {
    try {
      return (await this.#init.catalog.get({ namespace, name, selector: canary.version })).aliases[canary.alias]
    } catch {
      return undefined
    }
  }

  /** Tried again twice a second. */
  #failed(act: string, error: unknown): void {
    this.#init.events.emit('log', { level: 'debug', room: 'promotion', text: `${act}: ${String(error)}` })
  }

  #tell(namespace: string, name: string, canary: Canary): void {
    const { events } = this.#init
    const { version, state, why, alias, base } = canary
    const targets = state === 'running' ? targetsAt(canary, canary.step) : state === 'done' ? [{ version, weight: 100 }] : base
    const weight = targets.find((each) => each.version === version)?.weight ?? 0
    events.emit('canary.moved', { namespace, name, version, alias, weight, state, why })
    const text = `Canary ${version.slice(0, 12)} of "${namespace}/${name}@${alias}": ${weight} %${state === 'running' ? '' : `, ${state}: ${why}`}`
    events.emit('log', { level: state === 'turned back' ? 'warn' : 'info', room: 'promotion', text })
  }

  /** `false`: not passed on. Of members that run functions only. */
  #hear(from: Peer, data: Uint8Array): boolean {
    if (from === this.#init.network.peer) return true
    if (this.#init.network.members.get(from)?.roles.includes('executor') !== true) return false
    try {
      this.#tally.hear(from, data)
      return true
    } catch {
      return false
    }
  }
}
