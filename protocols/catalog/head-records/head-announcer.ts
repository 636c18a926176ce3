/**
 * Tells the DHT what this catalog knows of each function: when it changes, and again and again, a few a second. Two of the catalogs do it for each
 * function. And judges what others tell.
 */
import type { Identity, Universe } from '#protocols/access'
import type { Events } from '#protocols/events'
import { type Clock, every } from '#protocols/lifecycle'
import { identityOf, type Network } from '#protocols/network'
import { basisPlaces } from './head-basis.ts'
import { HEAD_BYTES_MAX, HeadJudge, headKeyOf, headOf, HEADS, signHead } from './head-record.ts'
import { functionKey, type FunctionState } from '../ledger/fold.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { rendezvous } from '../rendezvous.ts'
import type { View } from '../view/view.ts'

const ROUND_MS = 500
/** Records put in one round, so at most four a second. */
const PER_ROUND = 2
/** Functions looked at in one round that are others' to tell of. */
const LOOKED_AT_MAX = 64
/** Functions that wait after a change; of more, the walk over all brings them. */
const CHANGED_MAX = 10_000
/** Catalogs that tell of one function. */
const TELLERS = 2
/** Where nobody came, all is told again this many times more seldom. */
const CALM = 10

export interface HeadAnnouncerInit {
  identity: Identity
  universe: Universe
  network: Network
  clock: Clock
  ledger: Ledger
  view: View
  events: Events
  /** Between two walks over all functions when members came, in milliseconds; ten times as long when none did. */
  againMs: number
}

export class HeadAnnouncer {
  readonly #init: HeadAnnouncerInit
  readonly #changed = new Map<string, { namespace: string; name: string }>()
  readonly #stops: (() => void)[] = []
  #walk: Iterator<FunctionState> | undefined
  #walkedAt = Number.NEGATIVE_INFINITY
  #isNews = true
  #basis: { of: string; bytes: Uint8Array[] } | undefined

  constructor(init: HeadAnnouncerInit) {
    this.#init = init
  }

  start(): void {
    const { clock, network, ledger, universe, events } = this.#init
    const warn = (error: unknown) =>
      events.emit('log', { level: 'warn', room: 'catalog', text: `Cannot tell the DHT of functions: ${String(error)}` })
    const isOut = (signer: string) => !ledger.authority.isMember(signer, clock.now())
    const judge = new HeadJudge({ universe, now: () => clock.now(), isOut })
    this.#stops.push(
      network.judgeRecords(HEADS, (key, value) => judge.rank(key, value)),
      network.members.onChange(() => (this.#isNews = true)),
      every(clock, ROUND_MS, () => this.#round(), warn),
    )
  }

  stop(): void {
    for (const stop of this.#stops.splice(0)) stop()
  }

  changed(states: readonly FunctionState[]): void {
    for (const { namespace, name } of states) {
      const key = functionKey(namespace, name)
      this.#changed.delete(key)
      if (this.#changed.size < CHANGED_MAX) this.#changed.set(key, { namespace, name })
    }
  }

  async #round(): Promise<void> {
    let told = 0
    for (let looked = 0; looked < LOOKED_AT_MAX && told < PER_ROUND; looked += 1) {
      const state = this.#next()
      if (state === undefined) return
      if (this.#isOurs(state) && (await this.#tell(state))) told += 1
    }
  }

  #next(): FunctionState | undefined {
    for (const [key, { namespace, name }] of this.#changed) {
      this.#changed.delete(key)
      const state = this.#init.ledger.state.function(namespace, name)
      if (state !== undefined) return state
    }
    this.#begin()
    const next = this.#walk?.next()
    if (next?.done !== true) return next?.value
    this.#walk = undefined
    return undefined
  }

  #begin(): void {
    const { clock, view, againMs } = this.#init
    const now = clock.monotonic()
    if (this.#walk !== undefined || now - this.#walkedAt < (this.#isNews ? againMs : CALM * againMs)) return
    this.#walkedAt = now
    this.#isNews = false
    this.#walk = view.states()
  }

  #isOurs({ namespace, name }: FunctionState): boolean {
    const { network, identity } = this.#init
    const others = network.members.withRole('catalog').flatMap(({ peer }) => identityOf(peer) ?? [])
    return rendezvous(functionKey(namespace, name), [identity.id, ...others])
      .slice(0, TELLERS)
      .includes(identity.id)
  }

  async #tell(state: FunctionState): Promise<boolean> {
    const { identity, network, ledger, clock } = this.#init
    const basis = await this.#basisFor(state.namespace)
    if (basis === undefined) return false
    const value = signHead(identity, headOf(state, identity.id, ledger.universe, clock.now()), basis)
    if (value.length > HEAD_BYTES_MAX) return false
    network.putRecord(HEADS, headKeyOf(ledger.universe, state.namespace, state.name), value)
    return true
  }

  /** The root's own word for this node; without it nobody would believe what it says. */
  async #basisFor(namespace: string): Promise<Uint8Array[] | undefined> {
    const { ledger, identity, clock, universe } = this.#init
    const hash = ledger.authority.standingFor(identity.id, 'deploy', namespace, clock.now())
    const { keys, grants } = ledger.authority.verdict
    const fact = typeof hash === 'string' ? grants.get(hash)?.fact : undefined
    if (fact?.type !== 'admit' || fact.basis !== null) return undefined
    const genesis = ledger.authority.genesis()
    const places = basisPlaces(
      keys,
      { root: universe.root, recovery: genesis?.recovery ?? null, genesis: genesis?.place },
      { place: fact.place, subject: fact.subject },
      identity.id,
    )
    const of = places?.map((each) => each.hash).join()
    if (places === undefined || of === undefined) return undefined
    if (this.#basis?.of !== of) {
      const bytes: Uint8Array[] = []
      for (const place of places) bytes.push((await ledger.entryAt(place)).bytes)
      this.#basis = { of, bytes }
    }
    return this.#basis.bytes
  }
}
